"""AdamW over stacked parameters: one update for all models of a fleet, each clipped by its own gradient."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

Stack = dict[str, Tensor]  # parameter name -> (K, ...)


class AdamState(NamedTuple):
    """Running means of the gradient and of its square, and steps made by each model (K,)."""

    mean: Stack
    square: Stack
    steps: Tensor


def start(params: Stack) -> AdamState:
    """State before the first step."""
    zeros = {name: torch.zeros_like(value) for name, value in params.items()}
    count = len(next(iter(params.values())))
    device = next(iter(params.values())).device
    return AdamState(zeros, {name: value.clone() for name, value in zeros.items()}, torch.zeros(count, device=device))


@torch.no_grad()
def step(
    params: Stack, grads: Stack, state: AdamState, *, lr: Tensor, weight_decay: float, clip: float | None
) -> AdamState:
    """One step of every model, in place; `lr` (K,).

    m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2;   p = p - lr (m / (1 - b1^n) / (sqrt(v / (1 - b2^n)) + eps) + decay p)

    Kingma and Ba (2015); decoupled decay: Loshchilov and Hutter (2019). The gradient of each model is first scaled down to
    norm `clip`.
    """
    steps = state.steps + 1
    size = lr / (1 - BETA1**steps)  # (K,)
    root = (1 - BETA2**steps).sqrt()  # (K,)
    shrink = None if clip is None else clip / _norms(grads).clamp(min=clip)  # (K,)
    for name, value in params.items():
        wide = (-1, *[1] * (value.dim() - 1))
        gradient = grads[name] if shrink is None else grads[name] * shrink.view(wide)
        mean, square = state.mean[name], state.square[name]
        mean.lerp_(gradient, 1 - BETA1)
        square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        if weight_decay:
            value.mul_(1 - (lr * weight_decay).view(wide))
        value.sub_(mean.mul(size.view(wide)).div_(square.sqrt().div_(root.view(wide)).add_(EPSILON)))
    return AdamState(state.mean, state.square, steps)


def keep(state: AdamState, models: Tensor) -> AdamState:
    """The state of some models only."""
    return AdamState(select(state.mean, models), select(state.square, models), state.steps[models])


def select(stack: Stack, models: Tensor) -> Stack:
    """The parameters of some models only."""
    return {name: value[models] for name, value in stack.items()}


def _norms(grads: Stack) -> Tensor:
    """Euclidean norm of each model's whole gradient (K,)."""
    return torch.stack([gradient.flatten(1).square().sum(1) for gradient in grads.values()]).sum(0).sqrt()
