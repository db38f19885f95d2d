"""MinGRU and MinLSTM: gates that read the bar alone, so that all bars are computed at once (Feng et al. 2024)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from candlecast.fleet.settings import Fit
from candlecast.models.recurrent import RecurrentModel
from candlecast.nets import Layer, Linear
from candlecast.nets.layers.layer import Stepper
from candlecast.nets.layers.scan import scan


@dataclass(frozen=True)
class MinGRU(RecurrentModel, uses_local_rng=True):
    """Minimal gated recurrent unit (Feng et al. 2024, section 3.1): h_t = (1 - z_t) h_{t-1} + z_t c_t, with the gate
    z_t = sigmoid(x_t W_z + b_z) and the candidate c_t = x_t W_c + b_c; parameters in `RecurrentModel`.
    """

    hidden: int = 16
    training: Fit = Fit(lr=3e-3)
    from_zero: ClassVar[bool] = True
    name: str = field(default="mingru", init=False)

    @staticmethod
    def _layer() -> Callable[[int, int], Layer]:
        return _MinGRULayer


@dataclass(frozen=True)
class MinLSTM(RecurrentModel, uses_local_rng=True):
    """Minimal long short-term memory (Feng et al. 2024, section 3.2): h_t = f h_{t-1} + i c_t, with the gates
    f, i = f', i' / (f' + i'), each sigmoid(x_t W + b), and the candidate c_t = x_t W_c + b_c; parameters in `RecurrentModel`.
    """

    hidden: int = 16
    training: Fit = Fit(lr=3e-3)
    from_zero: ClassVar[bool] = True
    name: str = field(default="minlstm", init=False)

    @staticmethod
    def _layer() -> Callable[[int, int], Layer]:
        return _MinLSTMLayer


class _MinGRULayer(Layer):
    """State: (h,) of shape (B, H)."""

    states = 1

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.linear, self.hidden = Linear(inputs, 2 * hidden), hidden

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        z, candidate = self.linear(x).chunk(2, -1)  # each (B, T, H)
        z = sigmoid(z)
        h = scan(1 - z, z * candidate, state[0])  # (B, T, H)
        return h, (h[..., -1, :],)

    def stepper(self) -> Stepper:
        weight, bias = (parameter.detach().numpy() for parameter in self.linear.parameters())

        def step(x: np.ndarray, state: tuple[np.ndarray, ...]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
            z, candidate = (x @ weight + bias).reshape(2, -1)
            z = HALF + HALF * np.tanh(HALF * z)
            h = (1 - z) * state[0] + z * candidate
            return h, (h,)

        return step


class _MinLSTMLayer(Layer):
    """State: (h,) of shape (B, H)."""

    states = 1

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.linear, self.hidden = Linear(inputs, 3 * hidden), hidden

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        f, i, candidate = self.linear(x).chunk(3, -1)  # each (B, T, H)
        f = sigmoid(logsigmoid(f) - logsigmoid(i))  # f' / (f' + i'), also where both are 0 to the rounding
        h = scan(f, (1 - f) * candidate, state[0])  # (B, T, H)
        return h, (h[..., -1, :],)

    def stepper(self) -> Stepper:
        weight, bias = (parameter.detach().numpy() for parameter in self.linear.parameters())

        def step(x: np.ndarray, state: tuple[np.ndarray, ...]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
            f, i, candidate = (x @ weight + bias).reshape(3, -1)
            f = HALF + HALF * np.tanh(HALF * (np.logaddexp(0, -i) - np.logaddexp(0, -f)))
            h = f * state[0] + (1 - f) * candidate
            return h, (h,)

        return step


HALF = np.float32(0.5)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)) by tanh, whose bits, other than those of torch.sigmoid, do not depend on a value's place."""
    return 0.5 + 0.5 * torch.tanh(0.5 * x)
