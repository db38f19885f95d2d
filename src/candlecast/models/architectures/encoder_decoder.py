"""Encoder-decoder: one recurrent net reads the window, another writes the forecasts, step by step (Cho et al. 2014)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from candlecast.fleet.settings import Fit
from candlecast.heads import Head
from candlecast.models.net import BY_WINDOW, NetModel
from candlecast.nets import Dense, GRULayer, Stacked
from candlecast.nets.layers.dropout import Dropout
from candlecast.nets.layers.recurrent import State


@dataclass(frozen=True)
class EncoderDecoder(NetModel, uses_local_rng=True):
    """For longer horizons, several at once: `Several(NextReturn(1), NextReturn(5), NextReturn(20))` (Cho et al. 2014).

    c = h_T of h_t = GRU(x_t, h_{t-1});   s_0 = c,   s_i = GRU(c, s_{i-1});   y_i = W s_i + b

    One step of the decoder for each number of the forecast: in the order of the targets. It reads the summary c at every
    step; unlike in the paper, not its last output, which for a market is mostly noise.

    hidden: units of both GRUs; dropout: share of the summary and of the decoder's states that is zeroed in training.
    """

    hidden: int = 32
    dropout: float = 0.0
    window: int = 32
    training: Fit = BY_WINDOW
    head: Head | None = None
    has_memory: ClassVar[bool] = False
    name: str = field(default="encoderdecoder", init=False)

    def build(self, inputs: int, outputs: int) -> _EncoderDecoder:
        return _EncoderDecoder(inputs, self.hidden, outputs, self.dropout)


class _EncoderDecoder(Stacked):
    def __init__(self, inputs: int, hidden: int, steps: int, dropout: float) -> None:
        super().__init__()
        self.steps = steps
        self.encoder, self.decoder = GRULayer(inputs, hidden), GRULayer(hidden, hidden)
        self.summary_dropout, self.dropout = Dropout(dropout), Dropout(dropout)
        self.head = Dense(hidden, 1)

    def forward(self, x: Tensor, state: State | None = None, tail: int = 1) -> tuple[Tensor, State]:
        _, (summary,) = self.encoder(x, self.encoder.start(x))  # (B, H)
        summary = self.summary_dropout(summary)
        repeated = summary.unsqueeze(-2).expand(*summary.shape[:-1], self.steps, summary.shape[-1])  # (B, O, H)
        s, _ = self.decoder(repeated, (summary,))  # (B, O, H)
        return self.head(self.dropout(s)).squeeze(-1).unsqueeze(-2), ()  # (B, 1, O)
