"""How a pair of kernels becomes a differentiable op that `torch.func.vmap` hands all its models at once.

A kernel works on K stacked models: every tensor has a leading K. A plain call is K = 1; each vmap around it multiplies K.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


@dataclass(frozen=True)
class Kernel:
    """One cell's two passes on one kind of device.

    `forward(*inputs)` returns `(h, *last, tape)`: the outputs, and the activations that `backward` reads.
    `backward(grads, tape, h, inputs, needs_x)` returns the gradient of every input, given `grads` of `(h, *last)` (None
    where nothing depends on that output). `inputs` are x, the initial states and the weights; without `needs_x` the first
    gradient is empty.
    """

    forward: Callable[..., tuple[Tensor, ...]]
    backward: Callable[[Sequence[Tensor | None], Tensor, Tensor, Sequence[Tensor], bool], tuple[Tensor, ...]]


def call(kernel: Kernel, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The outputs `(h, *last)` of one model, from inputs without the leading K."""
    *outputs, _ = Forward.apply(kernel, *(a.unsqueeze(0) for a in inputs))
    return tuple(a.squeeze(0) for a in outputs)


class Forward(Function):
    """The forward pass; its backward is `Backward`."""

    @staticmethod
    def forward(kernel: Kernel, *inputs: Tensor) -> tuple[Tensor, ...]:
        return kernel.forward(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.kernel, *tensors = inputs
        h, *_, tape = output
        ctx.mark_non_differentiable(tape)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(tape, h, *tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        needs_x = ctx.needs_input_grad[1]
        grad_x, *rest = Backward.apply(ctx.kernel, needs_x, len(grads) - 1, *grads[:-1], *ctx.saved_tensors)
        return None, grad_x if needs_x else None, *rest

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _apply_stacked(Forward, info.batch_size, in_dims, args)


class Backward(Function):
    """The backward pass as an op of its own, so that it has a vmap rule too. It has no derivative."""

    @staticmethod
    def forward(kernel: Kernel, needs_x: bool, outputs: int, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        grads, (tape, h, *inputs) = tensors[:outputs], tensors[outputs:]
        return kernel.backward(grads, tape, h, inputs, needs_x)  # pyright: ignore[reportArgumentType]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None: ...

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> None:
        raise NotImplementedError(
            "second derivatives of a recurrent op are not available in float32; pass float64 tensors to get them"
        )

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _apply_stacked(Backward, info.batch_size, in_dims, args)


def _apply_stacked(
    function: type[Function], size: int, in_dims: Sequence[int | None], args: Sequence[Any]
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """Fold the mapped dimension of every tensor into its leading K, apply, and unfold; an unmapped tensor is expanded."""
    folded = (fold(arg, size, dim) if isinstance(arg, Tensor) else arg for arg, dim in zip(args, in_dims, strict=True))
    outputs = function.apply(*folded)
    return tuple(a.unflatten(0, (size, -1)) for a in outputs), (0,) * len(outputs)


def fold(a: Tensor, size: int, dim: int | None) -> Tensor:
    """The mapped dimension of a tensor folded into its leading K: (size K, ...); an unmapped tensor is expanded."""
    mapped = a.expand(size, *a.shape) if dim is None else a.movedim(dim, 0)  # (size, K, ...)
    return torch.flatten(mapped, 0, 1)
