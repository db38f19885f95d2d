"""How the kernels of a cell become one differentiable op: a stack of layers, for one model or for K stacked ones.

A kernel works on K stacked models: every tensor has a leading K. A call for one model is K = 1; each vmap around it
multiplies K.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from candlecast.errors import ConfigError
from candlecast.nets.kernels.cpu.threads import chained
from candlecast.nets.kernels.mask import masked


@dataclass(frozen=True)
class Kernel:
    """One cell's two passes on one kind of device.

    `forward(*inputs)` returns `(h, *last, tape)`: the outputs, and the activations that `backward` reads.
    `backward(grads, tape, h, inputs, needs_x)` returns the gradient of every input, given `grads` of the last outputs
    (K, B, tail, H), of h_T and of `last` (None where nothing depends on them). `inputs` are x, the initial states and the
    weights; without `needs_x` the first gradient is empty.
    """

    forward: Callable[..., tuple[Tensor, ...]]
    backward: Callable[[Sequence[Tensor | None], Tensor, Tensor, Sequence[Tensor], bool], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Stack:
    """A number of layers of one cell, each with its initial states and weights, and dropout behind each of them.

    Its outputs are the last `tail` ones of the top layer, and the states `(h_T, *last)` of each layer. The tensors of all
    layers lie side by side in one list, as autograd wants them.
    """

    kernel: Kernel
    layers: int
    dropout: float
    tail: int

    @property
    def kept(self) -> int:
        """How many tensors `forward` keeps for `backward`."""
        return self.layers * 2 + (self.layers - 1 if self.dropout else 0)

    def of(self, tensors: Sequence[Any], layer: int) -> Sequence[Any]:
        """What belongs to that layer in a list of as many tensors for each."""
        size = len(tensors) // self.layers
        return tensors[layer * size : (layer + 1) * size]

    def forward(
        self, keys: Tensor, x: Tensor, tensors: Sequence[Tensor]
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The outputs, and what `backward` reads: h and tape of each layer, and the masked h that the ones above read."""
        states, outputs, tapes, masks = [], [], [], []
        with chained():
            for layer in range(self.layers):
                if layer and self.dropout:
                    x = masked(x, keys[:, layer - 1], self.dropout)
                    masks.append(x)
                x, *last, tape = self.kernel.forward(x, *self.of(tensors, layer))
                states += x[:, :, -1], *last
                outputs.append(x)
                tapes.append(tape)
        top = x[:, :, -self.tail :]
        top = masked(top, keys[:, -1], self.dropout) if self.dropout else top
        return (top, *states), (*outputs, *tapes, *masks)

    def backward(
        self,
        grads: Sequence[Tensor | None],
        kept: Sequence[Tensor],
        keys: Tensor,
        x: Tensor,
        tensors: Sequence[Tensor],
        needs_x: bool,
    ) -> tuple[Tensor, ...]:
        """Gradients of x and of the tensors of all layers, from those of the outputs and what `forward` kept."""
        grad_h, *grad_states = grads
        outputs, tapes, masks = kept[: self.layers], kept[self.layers : 2 * self.layers], kept[2 * self.layers :]
        read = (x, *(masks or outputs[:-1]))
        gradients: list[Tensor] = []
        with chained():
            for layer in reversed(range(self.layers)):
                if self.dropout and grad_h is not None:
                    grad_h = masked(grad_h, keys[:, layer], self.dropout)
                grad_h, *own = self.kernel.backward(
                    (grad_h, *self.of(grad_states, layer)),
                    tapes[layer],
                    outputs[layer],
                    (read[layer], *self.of(tensors, layer)),
                    needs_x or layer > 0,
                )
                gradients = own + gradients
        return grad_h, *gradients  # type: ignore[return-value]


def signed(function: type[Function]) -> type[Function]:
    """The function with the signature of its forward made ahead; torch asks `inspect` for it and binds it at every call."""
    parameters = inspect.signature(function.forward).parameters.values()
    function.forward.__signature__ = _Positional(list(parameters))  # type: ignore[attr-defined]
    return function


class _Positional(inspect.Signature):
    """Of a function that is called with all of its arguments, by position: binding leaves them as they are."""

    def bind(self, *args: Any) -> inspect.BoundArguments:
        return _Bound(args)  # type: ignore[return-value]


@dataclass(frozen=True)
class _Bound:
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)

    def apply_defaults(self) -> None:
        """There are none."""


def call(stack: Stack, keys: Tensor, x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
    """The outputs of the stack for K models, from tensors with the leading K; or of one model, all without it."""
    is_stacked = x.dim() == 4  # (K, B, T, F)
    arguments = (keys, x, *tensors) if is_stacked else (a.unsqueeze(0) for a in (keys, x, *tensors))
    results: tuple[Tensor, ...] = Forward.apply(stack, *arguments)  # type: ignore[assignment]
    outputs = results[: len(results) - stack.kept]
    return outputs if is_stacked else tuple(a.squeeze(0) for a in outputs)


@signed
class Forward(Function):
    """The forward pass; its backward is `Backward`."""

    @staticmethod
    def forward(stack: Stack, keys: Tensor, x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        outputs, kept = stack.forward(keys, x, tensors)
        return *outputs, *kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.stack, keys, x, *tensors = inputs
        ctx.outputs = len(output) - ctx.stack.kept
        ctx.mark_non_differentiable(*output[ctx.outputs :])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*output[ctx.outputs :], keys, x, *tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        needs_x = ctx.needs_input_grad[2]
        grad_x, *rest = Backward.apply(  # type: ignore[misc]
            ctx.stack, needs_x, ctx.outputs, *grads[: ctx.outputs], *ctx.saved_tensors
        )
        return None, None, grad_x if needs_x else None, *rest

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _apply_stacked(Forward, info.batch_size, in_dims, args)


@signed
class Backward(Function):
    """The backward pass as an op of its own, so that it has a vmap rule too. It has no derivative."""

    @staticmethod
    def forward(stack: Stack, needs_x: bool, outputs: int, *tensors: Any) -> tuple[Tensor, ...]:
        grads, saved = tensors[:outputs], tensors[outputs:]
        keys, x, *inner = saved[stack.kept :]
        return stack.backward(grads, saved[: stack.kept], keys, x, inner, needs_x)

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
