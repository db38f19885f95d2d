"""AdamW over the parameters of a fleet: one update for all models, each clipped by its own gradient."""

from __future__ import annotations

import math
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


class Adam:
    """AdamW of K models: `begin` fixes how large the coming step is, then `update` or `step` makes it.

    m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2
    p = p - lr (m / (1 - b1^n) / (sqrt(v / (1 - b2^n)) + eps) + decay p)

    Kingma and Ba (2015); decoupled decay: Loshchilov and Hutter (2019). Each model's gradient is first scaled down to norm
    `clip`. On CPU the arithmetic of a number does not depend on its place, so that a model's step is its own.

    Args:
        weights, gradient: a row for each model (K, P). A step changes `weights` in place.
        moments: as of `start`; a step changes them in place.
    """

    def __init__(
        self, weights: Tensor, gradient: Tensor, moments: AdamState, *, weight_decay: float, clip: float | None
    ) -> None:
        self.moments, self.weight_decay, self.clip = moments, weight_decay, clip
        self._tensors = (weights, gradient, moments.mean, moments.square)
        self._scales = np.ones((3, len(weights)), np.float32)  # of the step, of the root of the square, of the weights
        self._is_on_cpu = weights.device.type == "cpu"
        self._arrays = [tensor.numpy(force=True) for tensor in self._tensors] if self._is_on_cpu else []

    def begin(self, lr: np.ndarray) -> None:
        """Fix the step sizes (K,) of the coming step."""
        self.moments.steps[:] += 1
        steps = self.moments.steps
        self._scales[:] = lr / (1 - BETA1**steps), np.sqrt(1 - BETA2**steps), 1 - lr * self.weight_decay

    def update(self, thread: int, first: int, last: int) -> None:
        """The step of the models first to last, on CPU; for `share`."""
        _compiled()(first, last, *self._arrays, *self._scales, math.inf if self.clip is None else self.clip)

    @torch.no_grad()
    def step(self) -> None:
        """The step of all models."""
        weights, gradient, *_ = self._tensors
        if self._is_on_cpu:
            share(self.update, len(weights))
            return
        norms = gradient.double().square().sum(1).sqrt().cpu().numpy()
        shrink = np.ones_like(norms) if self.clip is None else self.clip / np.maximum(norms, self.clip)
        scales = [torch.from_numpy(each).to(weights) for each in (shrink, *self._scales)]
        update_reference(*self._tensors, scales=scales)


def keep(state: AdamState, models: Sequence[int]) -> AdamState:
    """The state of some models only."""
    return AdamState(state.mean[models], state.square[models], state.steps[models])


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


@cache
def _compiled() -> Callable[..., None]:
    one, b1, b2, eps = np.float32(1), np.float32(BETA1), np.float32(BETA2), np.float32(EPSILON)
    lanes = 8  # partial sums that the processor adds at once

    @compiled(error_model="numpy")  # without a check of every divisor, it is done in vectors
    def update(
        first: int,
        last: int,
        weights: Any,
        gradient: Any,
        mean: Any,
        square: Any,
        size: Any,
        root: Any,
        decay: Any,
        clip: float,
    ) -> None:
        parts = np.zeros(lanes)
        for model in range(first, last):
            w_row, g_row, m_row, v_row = weights[model], gradient[model], mean[model], square[model]
            shrunk, sized, rooted, decayed = one, size[model], root[model], decay[model]
            if clip < np.inf:
                whole = len(g_row) // lanes * lanes
                parts[:] = 0.0
                for n in range(0, whole, lanes):
                    for lane in range(lanes):
                        parts[lane] += np.float64(g_row[n + lane]) ** 2
                total = 0.0
                for lane in range(lanes):
                    total += parts[lane]
                for n in range(whole, len(g_row)):
                    total += np.float64(g_row[n]) ** 2
                length = np.sqrt(total)
                shrunk = one if length <= clip else np.float32(clip / length)
            for n in range(len(w_row)):
                g = g_row[n] * shrunk
                m = b1 * m_row[n] + (one - b1) * g
                v = b2 * v_row[n] + (one - b2) * g * g
                m_row[n], v_row[n] = m, v
                w_row[n] = w_row[n] * decayed - m * sized / (np.sqrt(v) / rooted + eps)

    return update
