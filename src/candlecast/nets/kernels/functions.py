"""How the kernels of a cell become one differentiable op: a stack of layers, for one model or for K stacked ones.

A kernel works on K stacked models: every tensor has a leading K. A call for one model is K = 1; each vmap around it
multiplies K.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from candlecast.errors import ConfigError
from candlecast.nets.kernels.mask import masked


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


@dataclass(frozen=True)
class Stack:
    """A number of layers of one cell, each with its initial states and weights, and dropout between them.

    The tensors of all layers lie side by side in one list, as autograd wants them.
    """

    kernel: Kernel
    layers: int
    dropout: float

    def of(self, tensors: Sequence[Any], layer: int) -> Sequence[Any]:
        """What belongs to that layer in a list of as many tensors for each."""
        size = len(tensors) // self.layers
        return tensors[layer * size : (layer + 1) * size]

    def forward(self, keys: Tensor, x: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Outputs `(h, *last)` of all layers, then the inputs of those above the first, then the tapes."""
        outputs, inputs, tapes = [], [], []
        for layer in range(self.layers):
            *found, tape = self.kernel.forward(x, *self.of(tensors, layer))
            outputs += found
            tapes.append(tape)
            if layer + 1 < self.layers:
                # an op may not return a tensor twice
                x = masked(found[0], keys[:, layer], self.dropout) if self.dropout else found[0].view_as(found[0])
                inputs.append(x)
        return *outputs, *inputs, *tapes

    def backward(
        self, grads: Sequence[Tensor | None], saved: Sequence[Tensor], tensors: Sequence[Tensor], needs_x: bool
    ) -> tuple[Tensor, ...]:
        """Gradients of x and of the tensors of all layers. `saved` are keys, x and what `forward` returned."""
        keys, *inputs = saved[:2]
        outputs = saved[2 : 2 + len(grads)]
        inputs += saved[2 + len(grads) : 1 + len(grads) + self.layers]
        tapes = saved[1 + len(grads) + self.layers :]
        gradients: list[Tensor] = []
        from_above = None
        for layer in reversed(range(self.layers)):
            grad_h, *grad_last = self.of(grads, layer)
            if from_above is not None:
                grad_h = from_above if grad_h is None else grad_h + from_above
            h = self.of(outputs, layer)[0]
            arguments = (inputs[layer], *self.of(tensors, layer))
            from_above, *own = self.kernel.backward(
                (grad_h, *grad_last), tapes[layer], h, arguments, needs_x or layer > 0
            )
            gradients = own + gradients
            if layer and self.dropout:
                from_above = masked(from_above, keys[:, layer - 1], self.dropout)
        return from_above, *gradients  # type: ignore[return-value]


def signed(function: type[Function]) -> type[Function]:
    """The function with the signature of its forward made ahead; torch would ask `inspect` for it at every call."""
    function.forward.__signature__ = inspect.signature(function.forward)  # type: ignore[attr-defined]
    return function


def call(stack: Stack, keys: Tensor, x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
    """The outputs `(h, *last)` of all layers of K models, from tensors with the leading K; or of one model, all without it."""
    is_stacked = x.dim() == 4  # (K, B, T, F)
    arguments = (keys, x, *tensors) if is_stacked else (a.unsqueeze(0) for a in (keys, x, *tensors))
    results: tuple[Tensor, ...] = Forward.apply(stack, *arguments)  # type: ignore[assignment]
    outputs = results[: len(results) - 2 * stack.layers + 1]
    return outputs if is_stacked else tuple(a.squeeze(0) for a in outputs)


@signed
class Forward(Function):
    """The forward pass; its backward is `Backward`."""

    @staticmethod
    def forward(stack: Stack, keys: Tensor, x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        return stack.forward(keys, x, tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.stack, keys, x, *tensors = inputs
        ctx.outputs = len(output) - 2 * ctx.stack.layers + 1
        ctx.mark_non_differentiable(*output[ctx.outputs :])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, keys, x, *output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        needs_x = ctx.needs_input_grad[2]
        tensors = len(ctx.needs_input_grad) - 3
        grad_x, *rest = Backward.apply(  # type: ignore[misc]
            ctx.stack, needs_x, ctx.outputs, tensors, *grads[: ctx.outputs], *ctx.saved_tensors
        )
        return None, None, grad_x if needs_x else None, *rest

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _apply_stacked(Forward, info.batch_size, in_dims, args)


@signed
class Backward(Function):
    """The backward pass as an op of its own, so that it has a vmap rule too. It has no derivative."""

    @staticmethod
    def forward(stack: Stack, needs_x: bool, outputs: int, count: int, *tensors: Any) -> tuple[Tensor, ...]:
        grads, inner, saved = tensors[:outputs], tensors[outputs : outputs + count], tensors[outputs + count :]
        return stack.backward(grads, saved, inner, needs_x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None: ...

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> None:
        raise ConfigError(
            "a recurrent op was differentiated twice in float32",
            expected="first derivatives there: its kernels have no others",
            remedy="Pass float64 tensors",
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
