"""Simple recurrent layer (Elman 1990)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from candlecast.nets import kernels
from candlecast.nets.layers.layer import RecurrentLayer, Stepper
from candlecast.nets.layers.weights import glorot, orthogonal


class RNNLayer(RecurrentLayer):
    """One layer of tanh cells; equation in `kernels.rnn`. State: (h,) of shape (B, H). Glorot inputs, orthogonal recurrence."""

    cell = kernels.RNN
    states = kernels.RNN.states

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.w_x = glorot(inputs, hidden)
        self.w_h = orthogonal(hidden, hidden)
        self.b = nn.Parameter(torch.zeros(hidden))
        self.hidden = hidden

    @property
    def weights(self) -> tuple[Tensor, ...]:
        return self.w_x, self.w_h, self.b

    def stepper(self) -> Stepper:
        w_x, w_h, b = (parameter.detach().numpy() for parameter in self.weights)

        def step(x: np.ndarray, state: tuple[np.ndarray, ...]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
            h = np.tanh(x @ w_x + state[0] @ w_h + b)
            return h, (h,)

        return step
