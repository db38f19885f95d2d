"""Dropout whose mask is a function of a key, so that a model's masks are its own, however many train beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function

from candlecast.nets.kernels.functions import fold

KEY_STRIDE = 0x9E3779B9  # 2^32 / golden ratio: neighbouring keys land far apart
FIRST, SECOND = 0x7FEB352D, 0x846CA68B  # multipliers of lowbias32 (Wellons 2018)


class Dropout(nn.Module):
    """Zero each value with probability `p` in training, and divide the others by 1 - p (Srivastava et al. 2014).

    The mask is a hash of `key`, an int32 buffer, and of the value's place: equal keys give equal masks on any device.
    Whoever trains sets a new key before each step.
    """

    key: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.register_buffer("key", torch.zeros((), dtype=torch.int32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        return _Mask.apply(x.unsqueeze(0), self.key.view(1), self.p).squeeze(0)  # type: ignore[no-any-return]


def seeded(net: nn.Module) -> nn.Module:
    """The net with every `torch.nn.Dropout` in it exchanged for `Dropout`."""
    for name, child in net.named_children():
        if type(child) is nn.Dropout:
            setattr(net, name, Dropout(child.p))
        else:
            seeded(child)
    return net


def mask_reference(x: Tensor, keys: Tensor, p: float) -> Tensor:
    """The masked and rescaled x (K, B, ...) in torch, for keys (K,)."""
    batch_last = (len(keys), *x.shape[2:], x.shape[1])  # the batch lies contiguous in the recurrent nets
    place = torch.arange(x[0].numel(), device=x.device).view(1, *batch_last[1:])
    bits = (place + keys.long().view(-1, *[1] * (x.dim() - 1)) * KEY_STRIDE) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 16)) * FIRST) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 15)) * SECOND) & 0xFFFFFFFF
    keep = ((bits ^ (bits >> 16)) >= round(p * 2**32)).to(x.dtype) / (1 - p)
    return x * keep.movedim(-1, 1)


class _Mask(Function):
    """x (K, B, ...) and keys (K,) -> x masked; linear in x, so its gradient is masked alike."""

    @staticmethod
    def forward(x: Tensor, keys: Tensor, p: float) -> Tensor:
        return _mask_cpu(x, keys, p) if x.device.type == "cpu" else mask_reference(x, keys, p)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:
        _, keys, ctx.p = inputs
        ctx.save_for_backward(keys)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _Mask.apply(gradients[0], *ctx.saved_tensors, ctx.p), None, None  # type: ignore[return-value]

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], *args: Any) -> tuple[Tensor, int]:
        *tensors, p = args
        x, keys = (fold(tensor, info.batch_size, dim) for tensor, dim in zip(tensors, in_dims, strict=False))
        return _Mask.apply(x, keys, p).unflatten(0, (info.batch_size, -1)), 0  # type: ignore[union-attr]


def _mask_cpu(x: Tensor, keys: Tensor, p: float) -> Tensor:
    batch_last = x.movedim(1, -1).contiguous()
    out = torch.empty_like(batch_last)
    flat = batch_last.view(len(keys), -1).numpy(), out.view(len(keys), -1).numpy()
    _compiled()(*flat, keys.numpy(), np.uint32(round(p * 2**32)), flat[0].dtype.type(1 / (1 - p)))
    return out.movedim(-1, 1)


@cache
def _compiled() -> Callable[..., None]:
    from numba import njit

    u32, stride, first, second = np.uint32, np.uint32(KEY_STRIDE), np.uint32(FIRST), np.uint32(SECOND)
    sixteen, fifteen = np.uint32(16), np.uint32(15)

    @njit(cache=True, nogil=True)
    def mask(x: Any, out: Any, keys: Any, threshold: Any, scale: Any) -> None:
        for model in range(x.shape[0]):
            key = u32(u32(keys[model]) * stride)
            for n in range(x.shape[1]):
                bits = u32(u32(n) + key)
                bits = u32((bits ^ (bits >> sixteen)) * first)
                bits = u32((bits ^ (bits >> fifteen)) * second)
                bits = u32(bits ^ (bits >> sixteen))
                out[model, n] = x[model, n] * scale if bits >= threshold else x[model, n] * 0

    return mask
