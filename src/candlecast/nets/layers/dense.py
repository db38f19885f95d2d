"""Dense layer with the same bits on CPU for one model alone and in any fleet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function

from candlecast.nets.kernels import threads
from candlecast.nets.kernels.functions import fold, is_transformed, signed
from candlecast.nets.layers.exporting import is_exporting
from candlecast.nets.layers.weights import glorot


class Dense(nn.Module):
    """y = x W + b: x (..., I) -> (..., O), W (I, O). Initialised after Glorot and Bengio (2010) with zero bias.

    With weights (K, I, O) of K models x has a leading K too. torch.nn.Linear gives other bits when one model is multiplied
    than when several are at once; this one does not. For the outputs of a net, few rows and columns; over whole sequences
    `nets.linear.Linear` is the faster one.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = glorot(inputs, outputs)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return _chain(x, [self])


class DenseLayers(nn.ModuleList):
    """Dense layers one after the other, as one op: x (..., I) -> (..., O) of the last; x itself where there is none."""

    def forward(self, x: Tensor) -> Tensor:
        return _chain(x, [cast("Dense", layer) for layer in self]) if len(self) else x

    def vjp(self, x: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, ...]]]:
        """The outputs for x (K, B, T, I) and the weight and bias of each layer of K models, float32 on CPU, and the function
        from their gradient to those of x and of all of these.
        """
        if not tensors:
            return x, lambda gradient: (gradient,)
        outputs = _forward(x, tensors)
        return outputs[0], lambda gradient: _backward(gradient, (*outputs[1:], x), tensors[::2])


def _chain(x: Tensor, layers: Sequence[Dense]) -> Tensor:
    """x (..., I) through all layers, their weights and x with a leading K or without."""
    tensors = [tensor for layer in layers for tensor in (layer.weight, layer.bias)]
    shape = x.shape[:-1]
    if tensors[0].dim() == 2:
        tensors, x = [tensor.unsqueeze(0) for tensor in tensors], x.unsqueeze(0)
    if x.dim() != 4:
        x = x.reshape(len(x), -1, 1, x.shape[-1])  # (K, N, 1, I)
    elif x.shape[1] == 1 and not torch.is_grad_enabled():
        x = x.transpose(1, 2)  # (K, T, 1, I): lanes of bars, which one sequence alone would leave empty
    if x.device.type == "cpu" and x.dtype == torch.float32 and not is_exporting():
        products = _Products.apply if torch.is_grad_enabled() or is_transformed() else _Products.forward
        y, *_ = products(x, *tensors)  # type: ignore[misc]
    else:
        y = x
        for weight, bias in zip(tensors[::2], tensors[1::2], strict=True):
            rows = torch.baddbmm(bias.unsqueeze(1), y.flatten(1, 2), weight)
            y = rows.unflatten(1, x.shape[1:3])
    return y.reshape(*shape, -1)


@signed
class _Products(Function):
    """x (K, B, T, I), then w (K, I, O) and b (K, O) of each layer -> y (K, B, T, O) of the last, and those of the others.

    On the calling thread: waking another one takes longer than the work.
    """

    @staticmethod
    def forward(x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        with threads(1):
            return _forward(x, tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        x, *tensors = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output[1:], x, *tensors[::2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        count = len(ctx.saved_tensors) // 2
        with threads(1):
            return _backward(gradients[0], ctx.saved_tensors[:count], ctx.saved_tensors[count:])

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        folded = (fold(tensor, info.batch_size, dim) for tensor, dim in zip(args, in_dims, strict=True))
        outputs: tuple[Tensor, ...] = _Products.apply(*folded)  # type: ignore[assignment]
        return tuple(y.unflatten(0, (info.batch_size, -1)) for y in outputs), (0,) * len(outputs)


def _forward(x: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """y of each layer, that of the last one first, from the weight and bias of each."""
    from candlecast.nets.kernels.cpu import dense

    outputs = []
    for w, b in zip(tensors[::2], tensors[1::2], strict=True):
        outputs.append(x := dense.forward(x, w, b))
    return tuple(reversed(outputs))


def _backward(gradient: Tensor, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradients of x and of all tensors, from that of y, what each layer read, the last one first, and all weights."""
    from candlecast.nets.kernels.cpu import dense

    found: list[Tensor] = []
    for x, w in zip(inputs, reversed(weights), strict=True):
        gradient, *own = dense.backward(gradient, x, w)
        found = [*own, *found]
    return gradient, *found
