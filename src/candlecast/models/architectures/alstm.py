"""ALSTM: an LSTM that looks back at all bars of its window (Qin et al. 2017; Feng et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from candlecast.fleet.settings import Fit
from candlecast.heads import Head
from candlecast.models.net import BY_WINDOW, NetModel
from candlecast.nets import Dense, LSTMLayer, Stacked
from candlecast.nets.layers.dropout import Dropout
from candlecast.nets.layers.linear import Linear
from candlecast.nets.layers.recurrent import State


@dataclass(frozen=True)
class AttentionLSTM(NetModel, uses_local_rng=True):
    """Attention over the states of an LSTM, as in Feng et al. (2019), after the temporal attention of Qin et al. (2017).

    z_t = tanh(W_z x_t + b_z);   h_t = LSTM(z_t, h_{t-1});   e_t = v tanh(W_a h_t + b_a);   a = softmax(e) over the window;
    y = W [h_T, sum_t a_t h_t] + b

    hidden: units of the embedding, the LSTM and the attention; dropout: share of the states that is zeroed in training.
    """

    hidden: int = 32
    dropout: float = 0.0
    window: int = 32
    training: Fit = BY_WINDOW
    head: Head | None = None
    has_memory: ClassVar[bool] = False
    name: str = field(default="alstm", init=False)

    def build(self, inputs: int, outputs: int) -> _AttentionLSTM:
        return _AttentionLSTM(inputs, self.hidden, outputs, self.dropout)


class _AttentionLSTM(Stacked):
    def __init__(self, inputs: int, hidden: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.embedding = Linear(inputs, hidden)
        self.layer, self.dropout = LSTMLayer(hidden, hidden), Dropout(dropout)
        self.attention, self.score = Linear(hidden, hidden), Dense(hidden, 1)
        self.head = Dense(2 * hidden, outputs)

    def forward(self, x: Tensor, state: State | None = None, tail: int = 1) -> tuple[Tensor, State]:
        z = torch.tanh(self.embedding(x))  # (B, T, H)
        h, _ = self.layer(z, self.layer.start(z))  # (B, T, H)
        h = self.dropout(h)
        weight = torch.softmax(self.score(torch.tanh(self.attention(h))), dim=-2)  # (B, T, 1)
        seen = torch.cat([h[..., -1, :], (weight * h).sum(-2)], dim=-1)  # (B, 2H)
        return self.head(seen).unsqueeze(-2), ()  # (B, 1, O)
