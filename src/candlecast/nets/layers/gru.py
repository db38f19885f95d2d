"""Gated recurrent unit layer (Cho et al. 2014)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from candlecast.nets import kernels
from candlecast.nets.layers.layer import RecurrentLayer, Stepper
from candlecast.nets.layers.weights import glorot, orthogonal


class GRULayer(RecurrentLayer):
    """One layer of GRU cells; equations in `kernels.gru`. State: (h,) of shape (B, H). Glorot inputs, orthogonal recurrence."""

    cell = kernels.GRU
    states = kernels.GRU.states

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.w_x = glorot(inputs, 3 * hidden)
        self.w_h = orthogonal(hidden, 3 * hidden)
        self.b_x = nn.Parameter(torch.zeros(3 * hidden))
        self.b_h = nn.Parameter(torch.zeros(3 * hidden))
        self.hidden = hidden

    @property
    def weights(self) -> tuple[Tensor, ...]:
        return self.w_x, self.w_h, self.b_x, self.b_h

    def stepper(self) -> Stepper:
        w_x, w_h, b_x, b_h = (parameter.detach().numpy() for parameter in self.weights)

        def step(x: np.ndarray, state: tuple[np.ndarray, ...]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
            (h,) = state
            (r_x, z_x, n_x), (r_h, z_h, n_h) = (x @ w_x + b_x).reshape(3, -1), (h @ w_h + b_h).reshape(3, -1)
            z = sigmoid(z_x + z_h)
            n = np.tanh(n_x + sigmoid(r_x + r_h) * n_h)
            h = n + z * (h - n)
            return h, (h,)

        return step


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), by tanh, which does not overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)
