"""AdamW over stacked parameters: one update for all models of a fleet, each clipped by its own gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
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
    first = next(iter(params.values()))
    steps = torch.zeros(len(first), device=first.device)
    return AdamState(_zeros(params), _zeros(params), steps)


@torch.no_grad()
def step(
    params: Stack, grads: Stack, state: AdamState, *, lr: Tensor, weight_decay: float, clip: float | None
) -> AdamState:
    """One step of every model, in place; `lr` (K,).

    m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2
    p = p - lr (m / (1 - b1^n) / (sqrt(v / (1 - b2^n)) + eps) + decay p)

    Kingma and Ba (2015); decoupled decay: Loshchilov and Hutter (2019). Each model's gradient is first scaled down to norm
    `clip`. On CPU the arithmetic of a number does not depend on its place, so that a model's step is its own.
    """
    update = _update_cpu if lr.device.type == "cpu" else update_reference
    shrink = torch.ones_like(lr) if clip is None else clip / norms(grads).clamp(min=clip)  # (K,)
    steps = state.steps + 1
    size, root = lr / (1 - BETA1**steps), (1 - BETA2**steps).sqrt()  # (K,)
    for name, value in params.items():
        update(value, grads[name], state.mean[name], state.square[name], shrink, size, root, 1 - lr * weight_decay)
    return AdamState(state.mean, state.square, steps)


def keep(state: AdamState, models: Tensor) -> AdamState:
    """The state of some models only."""
    return AdamState(select(state.mean, models), select(state.square, models), state.steps[models])


def select(stack: Stack, models: Tensor) -> Stack:
    """The parameters of some models only."""
    return {name: value[models] for name, value in stack.items()}


def norms(grads: Stack) -> Tensor:
    """Euclidean norm of each model's whole gradient (K,)."""
    squares = [_squares_cpu(value) if value.device.type == "cpu" else _squares(value) for value in grads.values()]
    return torch.stack(squares).sum(0).sqrt().float()


def update_reference(
    value: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    shrink: Tensor,
    size: Tensor,
    root: Tensor,
    decay: Tensor,
) -> None:
    """The update of one parameter (K, ...) in torch, in place; the other arguments from `shrink` on are (K,)."""
    wide = (-1, *[1] * (value.dim() - 1))
    gradient = gradient * shrink.view(wide)
    mean.lerp_(gradient, 1 - BETA1)
    square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
    value.mul_(decay.view(wide)).sub_(mean * size.view(wide) / (square.sqrt() / root.view(wide) + EPSILON))


def _update_cpu(value: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, *per_model: Tensor) -> None:
    """The same, compiled: one pass over memory."""
    rows = [array.reshape(len(value), -1).numpy() for array in (value, gradient, mean, square)]
    _compiled().update(*rows, *(array.numpy() for array in per_model))


def _squares(value: Tensor) -> Tensor:
    return value.flatten(1).double().square().sum(1)


def _squares_cpu(value: Tensor) -> Tensor:
    return torch.from_numpy(_compiled().squares(value.reshape(len(value), -1).numpy()))


def _zeros(params: Stack) -> Stack:
    return {name: torch.zeros_like(value, memory_format=torch.contiguous_format) for name, value in params.items()}


class _Compiled(NamedTuple):
    update: Callable[..., None]
    squares: Callable[[np.ndarray], np.ndarray]


@cache
def _compiled() -> _Compiled:
    from numba import njit

    one, b1, b2, eps = np.float32(1), np.float32(BETA1), np.float32(BETA2), np.float32(EPSILON)

    @njit(cache=True, nogil=True)
    def update(
        value: Any, gradient: Any, mean: Any, square: Any, shrink: Any, size: Any, root: Any, decay: Any
    ) -> None:
        for model in range(value.shape[0]):
            for n in range(value.shape[1]):
                g = gradient[model, n] * shrink[model]
                m = b1 * mean[model, n] + (one - b1) * g
                v = b2 * square[model, n] + (one - b2) * g * g
                mean[model, n], square[model, n] = m, v
                change = m * size[model] / (np.sqrt(v) / root[model] + eps)
                value[model, n] = value[model, n] * decay[model] - change

    @njit(cache=True, nogil=True)
    def squares(gradient: Any) -> Any:
        totals = np.zeros(gradient.shape[0])
        for model in range(gradient.shape[0]):
            for n in range(gradient.shape[1]):
                totals[model] += np.float64(gradient[model, n]) ** 2
        return totals

    return _Compiled(update, squares)
