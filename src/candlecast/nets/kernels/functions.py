"""How the kernels of a cell become one differentiable op: a stack of layers, for one model or for K stacked ones.

A kernel works on K stacked models: every tensor has a leading K. A call for one model is K = 1; each vmap around it
multiplies K.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.autograd import Function

from candlecast.errors import ConfigError


class Inputs(NamedTuple):
    """What a stack reads: with dropout a key for the mask of each layer (K,), x (K, B, T, F), and the initial states and
    weights of all layers.
    """

    keys: Sequence[Tensor]
    x: Tensor
    tensors: Sequence[Tensor]


class Kernel(Protocol):
    """The two passes of a stack of one kind of cell, on one kind of device."""

    @property
    def states(self) -> int:
        """How many states a layer has."""
        ...

    def forward(self, stack: Stack, inputs: Inputs) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The last outputs (K, B, tail, H) and the states of all layers, and what `backward` reads."""
        ...

    def backward(
        self, stack: Stack, grads: Sequence[Tensor | None], kept: Sequence[Tensor], inputs: Inputs, needs_x: bool
    ) -> tuple[Tensor, ...]:
        """Gradients of x and of the tensors of all layers, from those of the outputs and states (None where nothing depends
        on them) and what `forward` kept. Without `needs_x` the first is empty.
        """
        ...


@dataclass(frozen=True)
class Stack:
    """A number of layers of one cell, each with its initial states and weights, and dropout after each of them.

    Its outputs are the last `tail` ones of the top layer, and the states `(h_T, *last)` of each layer. The tensors of all
    layers are in one list, as autograd needs them. `lasting`: what the forward pass keeps is valid after it. False where no
    backward pass follows, or one in the same chain of work: then there is memory only for what threads are working on.
    `is_last`: no backward pass follows.
    """

    kernel: Kernel
    layers: int
    dropout: float
    tail: int
    lasting: bool = True
    is_last: bool = False

    @property
    def outputs(self) -> int:
        return 1 + self.layers * self.kernel.states

    def inputs(self, tensors: Sequence[Tensor]) -> Inputs:
        """What the stack reads, from all of it in one list."""
        x = self.layers if self.dropout else 0
        return Inputs(tensors[:x], tensors[x], tensors[x + 1 :])

    def of(self, tensors: Sequence[Any], layer: int) -> Sequence[Any]:
        """What belongs to that layer in a list of as many tensors for each."""
        size = len(tensors) // self.layers
        return tensors[layer * size : (layer + 1) * size]


def is_transformed() -> bool:
    """Whether a transform of `torch.func`, such as vmap, is at work, whose tensors only `Function.apply` takes."""
    return torch._C._are_functorch_transforms_active()


def signed(function: type[Function]) -> type[Function]:
    """The function with a signature made once; torch would ask `inspect` for it, and bind it, at every call."""
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


def call(stack: Stack, inputs: Inputs) -> tuple[Tensor, ...]:
    """The outputs of the stack for K models, from tensors with the leading K; or of one model, all without it."""
    is_stacked = inputs.x.dim() == 4  # (K, B, T, F)
    arguments = (*inputs.keys, inputs.x, *inputs.tensors)
    arguments = arguments if is_stacked else (a.unsqueeze(0) for a in arguments)
    if torch.is_grad_enabled() or is_transformed():
        results: tuple[Tensor, ...] = Forward.apply(stack, *arguments)  # type: ignore[assignment]
    else:
        results = Forward.forward(stack, *arguments)
    outputs = results[: stack.outputs]
    return outputs if is_stacked else tuple(a.squeeze(0) for a in outputs)


@signed
class Forward(Function):
    """The forward pass; its backward is `Backward`."""

    @staticmethod
    def forward(stack: Stack, *tensors: Tensor) -> tuple[Tensor, ...]:
        outputs, kept = stack.kernel.forward(stack, stack.inputs(tensors))
        return *outputs, *(kept if stack.lasting else ())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.stack, *tensors = inputs
        kept = output[ctx.stack.outputs :]
        ctx.mark_non_differentiable(*kept)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*kept, *tensors)
        ctx.kept = len(kept)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        keys = ctx.stack.inputs(ctx.saved_tensors[ctx.kept :]).keys
        needs_x = ctx.needs_input_grad[1 + len(keys)]
        grad_x, *rest = Backward.apply(  # type: ignore[misc]
            ctx.stack, needs_x, ctx.kept, *grads[: ctx.stack.outputs], *ctx.saved_tensors
        )
        return None, *(None for _ in keys), grad_x if needs_x else None, *rest

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _apply_stacked(Forward, info.batch_size, in_dims, args)


@signed
class Backward(Function):
    """The backward pass as an op of its own, so that it has a vmap rule too. It has no derivative."""

    @staticmethod
    def forward(stack: Stack, needs_x: bool, kept: int, *tensors: Any) -> tuple[Tensor, ...]:
        grads, saved = tensors[: stack.outputs], tensors[stack.outputs :]
        return stack.kernel.backward(stack, grads, saved[:kept], stack.inputs(saved[kept:]), needs_x)

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
