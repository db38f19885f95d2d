"""The loss of each model from the terms of its head, and its derivatives."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from candlecast.errors import ConfigError
from candlecast.heads import Head

MIN_WEIGHT = 1e-6  # total weight of a batch in which no outcome counts


def terms(head: Head, outputs: Tensor, y: Tensor) -> Tensor:
    """Terms of a head, (..., N, S, B, tail), from outputs (..., B, tail, N O) and outcomes y (..., B, tail, N)."""
    return head.terms(outputs.unflatten(-1, (y.shape[-1], head.outputs)), y).movedim((-2, -1), (-4, -3))


def loss(head: Head, terms: Tensor, weight: Tensor) -> Tensor:
    """Loss (...), the mean over targets, from terms (..., N, S, B, tail) and weights of outcomes (..., B, tail, N)."""
    share = weight.movedim(-1, -3)  # (..., N, B, tail)
    total = (terms * share.unsqueeze(-3)).sum((-2, -1))  # (..., N, S)
    count = share.sum((-2, -1)).clamp(min=MIN_WEIGHT)  # (..., N)
    return head.loss(total / count.unsqueeze(-1)).mean(-1)


def gradients(losses: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradient of each model's loss (K,) by its own inputs (K, ...), zero where it does not depend on them.

    It is that of the sum, since no loss depends on another model's inputs. Raises ConfigError for losses that depend on no
    input at all.
    """
    if not losses.requires_grad:
        raise ConfigError(
            "the loss does not depend on the net's parameters",
            expected="a forward that computes its outputs from them",
            remedy="Leave detach(), torch.no_grad() and NumPy out of it",
        )
    return torch.autograd.grad(losses.sum(), inputs, materialize_grads=True)
