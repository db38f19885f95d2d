"""AdamW over the parameters of a fleet: one update for all models, each clipped by its own gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from candlecast.nets.kernels import share
from candlecast.process.compiling import compiled

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class AdamState(NamedTuple):
    """Running means of the gradient and of its square, each (K, P), and steps made by each model (K,)."""

    mean: Tensor
    square: Tensor
    steps: np.ndarray


def start(weights: Tensor) -> AdamState:
    """State before the first step of models whose parameters are the rows of `weights` (K, P)."""
    return AdamState(torch.zeros_like(weights), torch.zeros_like(weights), np.zeros(len(weights)))


@torch.no_grad()
def step(
    weights: Tensor, gradient: Tensor, state: AdamState, *, lr: np.ndarray, weight_decay: float, clip: float | None
) -> None:
    """One step of every model: changes `weights` (K, P) and `state` in place. `gradient` (K, P), `lr` (K,).

    m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2
    p = p - lr (m / (1 - b1^n) / (sqrt(v / (1 - b2^n)) + eps) + decay p)

    Kingma and Ba (2015); decoupled decay: Loshchilov and Hutter (2019). Each model's gradient is first scaled down to norm
    `clip`. On CPU the arithmetic of a number does not depend on its place, so that a model's step is its own.
    """
    state.steps[:] += 1
    shrink = np.ones_like(lr) if clip is None else clip / np.maximum(norms(gradient), clip)  # (K,)
    size, root = lr / (1 - BETA1**state.steps), np.sqrt(1 - BETA2**state.steps)  # (K,)
    scales = [scale.astype(np.float32) for scale in (shrink, size, root, 1 - lr * weight_decay)]
    tensors = (weights, gradient, state.mean, state.square)
    if weights.device.type == "cpu":
        share(_compiled().update, len(weights), *(tensor.numpy(force=True) for tensor in tensors), *scales)
    else:
        update_reference(*tensors, scales=[torch.from_numpy(scale).to(weights.device) for scale in scales])


def keep(state: AdamState, models: Sequence[int]) -> AdamState:
    """The state of some models only."""
    return AdamState(state.mean[models], state.square[models], state.steps[models])


def norms(gradient: Tensor) -> np.ndarray:
    """Euclidean norm of each model's gradient: (K, P) -> (K,)."""
    if gradient.device.type != "cpu":
        return gradient.double().square().sum(1).sqrt().cpu().numpy()
    squares = np.empty(len(gradient))
    share(_compiled().squares, len(gradient), gradient.numpy(), squares)
    return np.sqrt(squares)


def update_reference(
    weights: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    *,
    scales: Sequence[Tensor],
) -> None:
    """The update in torch, in place.

    Args:
        weights, gradient, mean, square: (K, P).
        scales: factors of each model, each (K,): of the gradient, of the step, of the root of the square, and of the weights.
    """
    shrink, size, root, decay = scales
    gradient = gradient * shrink[:, None]
    mean.lerp_(gradient, 1 - BETA1)
    square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
    weights.mul_(decay[:, None]).sub_(mean * size[:, None] / (square.sqrt() / root[:, None] + EPSILON))


class _Compiled(NamedTuple):
    update: Callable[..., None]
    squares: Callable[..., None]


@cache
def _compiled() -> _Compiled:
    one, b1, b2, eps = np.float32(1), np.float32(BETA1), np.float32(BETA2), np.float32(EPSILON)
    lanes = 8  # partial sums that the processor adds at once

    @compiled(error_model="numpy")  # without a check of every divisor, it is done in vectors
    def update(
        thread: int,
        first: int,
        last: int,
        weights: Any,
        gradient: Any,
        mean: Any,
        square: Any,
        shrink: Any,
        size: Any,
        root: Any,
        decay: Any,
    ) -> None:
        for model in range(first, last):
            shrunk, sized, rooted, decayed = shrink[model], size[model], root[model], decay[model]
            w_row, g_row, m_row, v_row = weights[model], gradient[model], mean[model], square[model]
            for n in range(len(w_row)):
                g = g_row[n] * shrunk
                m = b1 * m_row[n] + (one - b1) * g
                v = b2 * v_row[n] + (one - b2) * g * g
                m_row[n], v_row[n] = m, v
                w_row[n] = w_row[n] * decayed - m * sized / (np.sqrt(v) / rooted + eps)

    @compiled()
    def squares(thread: int, first: int, last: int, gradient: Any, totals: Any) -> None:
        whole = gradient.shape[1] // lanes * lanes
        parts = np.zeros(lanes)
        for model in range(first, last):
            parts[:] = 0.0
            for n in range(0, whole, lanes):
                for lane in range(lanes):
                    parts[lane] += np.float64(gradient[model, n + lane]) ** 2
            total = 0.0
            for lane in range(lanes):
                total += parts[lane]
            for n in range(whole, gradient.shape[1]):
                total += np.float64(gradient[model, n]) ** 2
            totals[model] = total

    return _Compiled(update, squares)
