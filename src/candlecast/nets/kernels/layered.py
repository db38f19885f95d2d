"""A stack whose layers are ops of their own, one after the other, with masks in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from candlecast.nets.kernels.functions import Inputs, Stack
from candlecast.nets.kernels.mask import masked


@dataclass(frozen=True)
class Layered:
    """The kernel of a stack, from the two passes of one layer.

    `one_forward(*inputs)` returns `(h, *last, tape)`: the outputs, and the activations that `one_backward` reads.
    `one_backward(grads, tape, h, inputs, needs_x)` returns the gradient of every input, given `grads` of the last outputs
    (K, B, tail, H), of h_T and of `last` (None where nothing depends on them). `inputs` are x, the initial states and the
    weights; without `needs_x` the first gradient is empty.
    """

    one_forward: Callable[..., tuple[Tensor, ...]]
    one_backward: Callable[..., tuple[Tensor, ...]]
    states: int

    def forward(self, stack: Stack, inputs: Inputs) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The outputs, and what `backward` reads: h and tape of each layer, and the masked h that the ones above read."""
        keys, x, tensors = inputs
        states, outputs, tapes, masks = [], [], [], []
        for layer in range(stack.layers):
            if layer and stack.dropout:
                x = masked(x, keys[layer - 1], stack.dropout)
                masks.append(x)
            x, *last, tape = self.one_forward(x, *stack.of(tensors, layer))
            states += x[:, :, -1], *last
            outputs.append(x)
            tapes.append(tape)
        top = x[:, :, -stack.tail :]
        top = masked(top, keys[-1], stack.dropout) if stack.dropout else top
        return (top, *states), (*outputs, *tapes, *masks)

    def backward(
        self, stack: Stack, grads: Sequence[Tensor | None], kept: Sequence[Tensor], inputs: Inputs, needs_x: bool
    ) -> tuple[Tensor, ...]:
        keys, x, tensors = inputs
        grad_h, *grad_states = grads
        outputs, tapes, masks = kept[: stack.layers], kept[stack.layers : 2 * stack.layers], kept[2 * stack.layers :]
        read = (x, *(masks or outputs[:-1]))
        gradients: list[Tensor] = []
        for layer in reversed(range(stack.layers)):
            if stack.dropout and grad_h is not None:
                grad_h = masked(grad_h, keys[layer], stack.dropout)
            grad_h, *own = self.one_backward(
                (grad_h, *stack.of(grad_states, layer)),
                tapes[layer],
                outputs[layer],
                (read[layer], *stack.of(tensors, layer)),
                needs_x or layer > 0,
            )
            gradients = own + gradients
        return grad_h, *gradients  # type: ignore[return-value]
