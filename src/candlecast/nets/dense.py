"""Dense layer whose arithmetic is each model's own: the same bits alone and in any fleet, on CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function

from candlecast.nets.exporting import is_exporting
from candlecast.nets.kernels.functions import fold, signed


class Dense(nn.Module):
    """y = x W + b: x (..., I) -> (..., O), W (I, O). Initialised after Glorot and Bengio (2010) with zero bias.

    With weights (K, I, O) of K models x has a leading K too. torch.nn.Linear gives other bits when one model is multiplied
    than when several are at once; this one does not.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(inputs, outputs)))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        is_stacked = self.weight.dim() == 3
        weight, bias = (self.weight, self.bias) if is_stacked else (self.weight.unsqueeze(0), self.bias.unsqueeze(0))
        rows = x.reshape(len(weight), -1, x.shape[-1])  # (K, N, I)
        if x.device.type == "cpu" and x.dtype == torch.float32 and not is_exporting():
            y: Any = _Product.apply(rows, weight, bias)
        else:
            y = torch.baddbmm(bias.unsqueeze(1), rows, weight)
        return y.reshape(*x.shape[:-1], -1)


@signed
class _Product(Function):
    """x (K, N, I), w (K, I, O), b (K, O) -> y (K, N, O)."""

    @staticmethod
    def forward(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        y = torch.empty(*x.shape[:2], w.shape[2])
        _compiled().forward(*_arrays(x, w, b), y.numpy())
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, w = ctx.saved_tensors
        out = (
            torch.zeros_like(x, memory_format=torch.contiguous_format),
            torch.zeros_like(w),
            w.new_zeros(len(w), w.shape[2]),
        )
        _compiled().backward(*_arrays(gradients[0], x, w), *(tensor.numpy() for tensor in out))
        return out

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], *args: Any) -> tuple[Tensor, int]:
        y = _Product.apply(*(fold(tensor, info.batch_size, dim) for tensor, dim in zip(args, in_dims, strict=True)))
        return y.unflatten(0, (info.batch_size, -1)), 0  # type: ignore[union-attr]


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


class _Compiled(NamedTuple):
    forward: Callable[..., None]
    backward: Callable[..., None]


@cache
def _compiled() -> _Compiled:
    from numba import njit

    @njit(cache=True, nogil=True)
    def forward(x: Any, w: Any, b: Any, y: Any) -> None:
        for k in range(x.shape[0]):
            for n in range(x.shape[1]):
                for o in range(y.shape[2]):
                    y[k, n, o] = b[k, o]
                for i in range(x.shape[2]):
                    for o in range(y.shape[2]):
                        y[k, n, o] += x[k, n, i] * w[k, i, o]

    @njit(cache=True, nogil=True)
    def backward(dy: Any, x: Any, w: Any, dx: Any, dw: Any, db: Any) -> None:
        for k in range(x.shape[0]):
            for n in range(x.shape[1]):
                for o in range(dy.shape[2]):
                    db[k, o] += dy[k, n, o]
                for i in range(x.shape[2]):
                    total = np.float32(0)
                    for o in range(dy.shape[2]):
                        total += dy[k, n, o] * w[k, i, o]
                        dw[k, i, o] += dy[k, n, o] * x[k, n, i]
                    dx[k, n, i] = total

    return _Compiled(forward, backward)
