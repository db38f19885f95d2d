"""What a head's terms come to: the loss of each model, and its derivatives."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from candlecast.errors import ConfigError
from candlecast.heads import Head

MINIMUM = 1e-6  # weight of a batch in which no outcome counts


def terms(head: Head, outputs: Tensor, y: Tensor) -> Tensor:
    """What a head averages, from outputs (..., B, tail, N O) and outcomes y (..., B, tail, N): (..., N, S, B, tail)."""
    return head.terms(outputs.unflatten(-1, (y.shape[-1], head.outputs)), y).movedim((-2, -1), (-4, -3))


def loss(head: Head, terms: Tensor, weight: Tensor) -> Tensor:
    """A head's loss on the outcomes that count: terms (..., N, S, B, tail), weight (..., B, tail, N) -> (...)."""
    share = weight.movedim(-1, -3)  # (..., N, B, tail)
    total = (terms * share.unsqueeze(-3)).sum((-2, -1))  # (..., N, S)
    count = share.sum((-2, -1)).clamp(min=MINIMUM)  # (..., N)
    return head.loss(total / count.unsqueeze(-1)).mean(-1)


def gradients(losses: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Of each model's loss by its own inputs: those of the sum, since a loss depends on no others. Zeros where on none at all.

    Raises ConfigError for losses that do not depend on any.
    """
    if not losses.requires_grad:
        raise ConfigError(
            "the loss does not depend on the net's parameters",
            expected="a forward that computes its outputs from them",
            remedy="Leave detach(), torch.no_grad() and NumPy out of it",
        )
    return torch.autograd.grad(losses.sum(), inputs, materialize_grads=True)
