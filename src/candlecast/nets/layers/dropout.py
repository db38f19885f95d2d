"""Dropout whose mask is a function of a key, so that a model's masks do not depend on which others train with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from candlecast.nets.kernels.functions import fold, signed
from candlecast.nets.kernels.mask import masked


class Dropout(nn.Module):
    """Zero each value with probability `p` in training, and divide the others by 1 - p (Srivastava et al. 2014).

    The mask is a hash of `key`, an int32 buffer, and of the value's position: equal keys give equal masks on any device.
    The trainer sets a new key before each step; with keys (K,) of K models x has a leading K too.
    """

    key: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.register_buffer("key", torch.zeros((), dtype=torch.int32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if self.key.dim():
            return _Mask.apply(x, self.key, self.p)  # type: ignore[return-value]
        return _Mask.apply(x.unsqueeze(0), self.key.view(1), self.p).squeeze(0)  # type: ignore[union-attr]


def with_keyed_dropout(net: nn.Module) -> nn.Module:
    """The net with every `torch.nn.Dropout` in it replaced by `Dropout`."""
    for name, child in net.named_children():
        if type(child) is nn.Dropout:
            setattr(net, name, Dropout(child.p))
        else:
            with_keyed_dropout(child)
    return net


@signed
class _Mask(Function):
    """x (K, B, ...) and keys (K,) -> x masked; linear in x, so its gradient is masked alike."""

    @staticmethod
    def forward(x: Tensor, keys: Tensor, p: float) -> Tensor:
        return masked(x, keys, p)

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
