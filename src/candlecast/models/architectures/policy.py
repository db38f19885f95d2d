"""Policy: a recurrent net that learns what to hold, costs included, instead of a forecast (Moody and Saffell 2001)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from candlecast.errors import ConfigError
from candlecast.features import Scaling
from candlecast.fleet.fitted import FittedNet
from candlecast.fleet.settings import Fit
from candlecast.heads import Head
from candlecast.heads.policy import NetReturn, Objective, slope
from candlecast.models.net import Forecaster, NetModel
from candlecast.nets import GRULayer, LSTMLayer, Recurrent, RNNLayer, Stacked
from candlecast.nets.layers.layer import Stepper
from candlecast.nets.layers.recurrent import State
from candlecast.parameters import is_whole, require_kinds

LAYERS = {"lstm": LSTMLayer, "gru": GRULayer, "rnn": RNNLayer}
TIMID = 0.3  # of the usual first weights of the position; measured likewise
USUAL = Fit(epochs=40, batch=4, lr=5e-3, patience=10, chunk=256)  # by `bench/policy_worlds.py`, on injected reversion


@dataclass(frozen=True)
class Policy(NetModel, uses_local_rng=True):
    """Learns the position itself, through time and with costs inside the objective (Moody and Saffell 2001).

        p_t = tanh(w h_t + u p_{t-1} + b)

    h_t is the state of a recurrent stack of `layers` of `hidden` cells, or, with `layers=0` as in the paper, the features of
    bar t. The position before, fed back, lets it weigh a change against its cost. Its objective, by `objective`,
    "sharpe" or "utility" (whose `risk_aversion` is per bar and unit of variance), and `cost_bps` a side, stands in
    `heads.policy.NetReturn`. A Sharpe ratio knows no size: half of a position is as good; a utility takes what risk it
    bears. It learns from the next return only, in sequence only.

    The forecast has the column `position`, and as its `mean` the return that the position implies by its slope over the
    rows it was fitted on, so that the tests of a forecast say whether positions carry information. `HoldPosition` trades it.
    """

    cell: Literal["lstm", "gru", "rnn"] = "gru"
    hidden: int = 16
    layers: int = 1
    dropout: float = 0.0
    objective: Objective = "sharpe"
    cost_bps: float = 12.0
    risk_aversion: float = 5.0
    window: int = 32
    training: Fit = USUAL
    learns_position: ClassVar[bool] = True
    is_supported: ClassVar[bool] = False
    name: str = field(default="policy", init=False)
    head: Head | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        self.require(
            {
                "cell": (self.cell in LAYERS, '"lstm", "gru" or "rnn"'),
                "layers": (is_whole(self.layers, 0), "a whole number of layers, 0 or more"),
                "objective": (self.objective in ("sharpe", "utility"), '"sharpe" or "utility"'),
                "cost_bps": (0 <= self.cost_bps <= 1_000, "0 to 1,000 basis points of the value traded"),
                "risk_aversion": (0 <= self.risk_aversion < float("inf"), "0 or more"),
            }
        )
        if self.training.sampling == "windows":
            raise ConfigError(
                "a policy is to be trained on windows, each of which would begin without a position",
                expected='Fit(sampling="sequence")',
                remedy="Leave the sampling out",
            )
        object.__setattr__(self, "head", NetReturn(self.objective, self.cost_bps, self.risk_aversion))

    def build(self, inputs: int, outputs: int) -> nn.Module:
        return _Holder(LAYERS[self.cell], inputs, hidden=self.hidden, layers=self.layers, dropout=self.dropout)

    def measured(self, net: FittedNet, forecast: Forecaster) -> FittedNet:
        """The net with the return that its positions imply; each stretch of training rows is read by itself."""
        job = net.job
        held = np.concatenate([forecast(job.samples, rows).columns["position"] for rows in job.fit_stretches])
        implied = slope(held, job.samples.outcomes[job.fit_rows])
        return replace(net, outcomes=Scaling(np.zeros(1), np.array([implied])))


class _Holder(Stacked):
    """forward(x, state, tail): x (B, T, F) -> p_t and p_{t-1} of the last `tail` bars (B, tail, 2), and the state after bar T.

    The state is that of the stack, layer by layer, and the position last held, from which the next bar goes on.
    """

    def __init__(
        self, layer: type[LSTMLayer | GRULayer | RNNLayer], inputs: int, *, hidden: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.below = (
            Recurrent(layer, inputs=inputs, hidden=hidden, layers=layers, dropout=dropout, widths=())
            if layers
            else None
        )
        self.position = RNNLayer(hidden if layers else inputs, 1)
        with torch.no_grad():  # little is held, and nothing fed back, before anything is learnt
            self.position.w_x.mul_(TIMID)
            self.position.w_h.zero_()

    def forward(self, x: Tensor, state: State | None = None, tail: int = 1) -> tuple[Tensor, State]:
        below: State = ()
        if self.below is not None:
            x, below = self.below(x, None if state is None else state[:-1], x.shape[-2])  # (B, T, H)
        held = self.position.start(x) if state is None else state[-1]
        p, last = self.position(x, held)  # (B, T, 1)
        before = torch.cat([held[0].unsqueeze(-2), p[..., :-1, :]], dim=-2)
        return torch.cat([p, before], dim=-1)[..., -tail:, :], (*below, last)  # (B, tail, 2)

    def stepper(self) -> Stepper:
        """The net for one bar of one series: x (F,) and the state of all layers, side by side -> (2,) and state."""
        below = None if self.below is None else self.below.stepper()
        hold = self.position.stepper()

        def step(x: np.ndarray, state: tuple[np.ndarray, ...]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
            *inner, held = state
            states: tuple[np.ndarray, ...] = ()
            if below is not None:
                x, states = below(x, tuple(inner))
            p, last = hold(x, (held,))
            return np.concatenate([p, held]), (*states, *last)

        return step

    def start(self) -> tuple[np.ndarray, ...]:
        """The state that `stepper` begins with: zeros."""
        below = () if self.below is None else cast("Recurrent", self.below).start()
        return (*below, np.zeros(1, np.float32))
