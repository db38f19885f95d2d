"""Dense layer whose arithmetic is each model's own: the same bits alone and in any fleet, on CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function

from candlecast.nets.exporting import is_exporting
from candlecast.nets.kernels.functions import fold, signed


class Dense(nn.Module):
    """y = x W + b: x (..., I) -> (..., O), W (I, O). Initialised after Glorot and Bengio (2010) with zero bias.

    With weights (K, I, O) of K models x has a leading K too. torch.nn.Linear gives other bits when one model is multiplied
    than when several are at once; this one does not. For the outputs of a net, few rows and columns; over whole sequences
    `nets.linear.Linear` is the faster one.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(inputs, outputs)))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return _chain(x, [self])


class Head(nn.ModuleList):
    """Dense layers one behind the other, as one op: x (..., I) -> (..., O) of the last; x itself where there is none."""

    def forward(self, x: Tensor) -> Tensor:
        return _chain(x, [cast("Dense", layer) for layer in self]) if len(self) else x


def _chain(x: Tensor, layers: Sequence[Dense]) -> Tensor:
    """x (..., I) through all layers, their weights and x with a leading K or without."""
    tensors = [tensor for layer in layers for tensor in (layer.weight, layer.bias)]
    if tensors[0].dim() == 2:
        tensors = [tensor.unsqueeze(0) for tensor in tensors]
    rows = x.reshape(len(tensors[0]), -1, x.shape[-1])  # (K, N, I)
    if x.device.type == "cpu" and x.dtype == torch.float32 and not is_exporting():
        rows, *_ = _Products.apply(rows, *tensors)  # type: ignore[misc]
    else:
        for weight, bias in zip(tensors[::2], tensors[1::2], strict=True):
            rows = torch.baddbmm(bias.unsqueeze(1), rows, weight)
    return rows.reshape(*x.shape[:-1], -1)


@signed
class _Products(Function):
    """x (K, N, I), then w (K, I, O) and b (K, O) of each layer -> y (K, N, O) of the last, and those of the others."""

    @staticmethod
    def forward(x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        outputs = []
        for w, b in zip(tensors[::2], tensors[1::2], strict=True):
            y = torch.empty(*x.shape[:2], w.shape[2])
            _compiled().forward(*_arrays(x, w, b), y.numpy())
            outputs.append(x := y)
        return tuple(reversed(outputs))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        x, *tensors = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output[1:], x, *tensors[::2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        count = len(ctx.saved_tensors) // 2
        inputs, weights = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        found: list[Tensor] = []
        gradient = gradients[0]
        for x, w in zip(inputs, reversed(weights), strict=True):
            own = torch.empty(x.shape), torch.zeros(w.shape), torch.zeros(len(w), w.shape[2])
            _compiled().backward(*_arrays(gradient, x, w), *(tensor.numpy() for tensor in own))
            gradient = own[0]
            found = [*own[1:], *found]
        return gradient, *found

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        folded = (fold(tensor, info.batch_size, dim) for tensor, dim in zip(args, in_dims, strict=True))
        outputs: tuple[Tensor, ...] = _Products.apply(*folded)  # type: ignore[assignment]
        return tuple(y.unflatten(0, (info.batch_size, -1)) for y in outputs), (0,) * len(outputs)


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
