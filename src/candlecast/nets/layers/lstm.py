"""Long short-term memory layer (Hochreiter and Schmidhuber 1997)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from candlecast.nets import kernels
from candlecast.nets.layers.layer import RecurrentLayer, Stepper
from candlecast.nets.layers.weights import glorot, orthogonal


class LSTMLayer(RecurrentLayer):
    """One layer of LSTM cells; equations in `kernels.lstm`. State: (h, c), each (B, H).

    Initialised as in Keras: Glorot inputs, orthogonal recurrence, forget bias 1 (Jozefowicz et al. 2015).
    """

    cell = kernels.LSTM
    states = kernels.LSTM.states

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.w_x = glorot(inputs, 4 * hidden)
        self.w_h = orthogonal(hidden, 4 * hidden)
        bias = torch.zeros(4 * hidden)
        bias[hidden : 2 * hidden] = 1.0
        self.b = nn.Parameter(bias)
        self.hidden = hidden

    @property
    def weights(self) -> tuple[Tensor, ...]:
        return self.w_x, self.w_h, self.b

    def stepper(self) -> Stepper:
        w_x, w_h, b = (parameter.detach().numpy() for parameter in self.weights)
        # sigmoid(z) = tanh(z / 2) / 2 + 1 / 2: one tanh for all gates
        gain = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), self.hidden)
        offset = 1 - gain  # 1/2 for the gates, 0 for the candidate

        def step(x: np.ndarray, state: tuple[np.ndarray, ...]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
            h, c = state
            i, f, g, o = (np.tanh((x @ w_x + h @ w_h + b) * gain) * gain + offset).reshape(4, -1)  # each (H,)
            c = f * c + i * g
            h = o * np.tanh(c)
            return h, (h, c)

        return step
