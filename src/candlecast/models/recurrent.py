"""Recipes of recurrent nets: RNN, LSTM and GRU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from candlecast.errors import ConfigError
from candlecast.events import Listener, ignore
from candlecast.fleet.settings import Fit
from candlecast.jobs import Job

if TYPE_CHECKING:
    from torch import nn

    from candlecast.fleet.fitted import FittedNet


@dataclass(frozen=True)
class RecurrentModel:
    """A stack of recurrent layers with a linear head, trained in fleets; take `RNN`, `LSTM` or `GRU`.

    hidden: units per layer; layers: how many of them; dropout: share of each layer's outputs zeroed in training;
    dense: widths of linear layers between the last recurrent layer and the output; window: bars that a forecast looks
    at; training: how it is trained.
    """

    hidden: int = 32
    layers: int = 1
    dropout: float = 0.0
    dense: tuple[int, ...] = ()
    window: int = 32
    training: Fit = Fit()

    name: str = field(default="recurrent", init=False)
    is_seeded: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        checks = {
            "hidden": (self.hidden >= 1, "1 unit or more"),
            "layers": (self.layers >= 1, "1 layer or more"),
            "dropout": (0 <= self.dropout < 1, "a share in [0, 1)"),
            "dense": (all(width >= 1 for width in self.dense), "widths of 1 or more"),
            "window": (self.window >= 1, "1 bar or more"),
        }
        for parameter, (is_fine, expected) in checks.items():
            if not is_fine:
                raise ConfigError(
                    f"{parameter} is {getattr(self, parameter)!r}",
                    expected=expected,
                    remedy=f"Change {type(self).__name__}({parameter}=...)",
                )

    def build(self, inputs: int) -> nn.Module:
        """A fresh net for one job, reading `inputs` columns."""
        from candlecast.nets import Recurrent

        return Recurrent(
            self._layer(),
            inputs=inputs,
            hidden=self.hidden,
            layers=self.layers,
            dropout=self.dropout,
            dense=self.dense,
        )

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[FittedNet]:
        """Train all jobs as one fleet."""
        from candlecast.fleet.train import train

        yield from train(jobs, self.build, self.training, window=self.window, progress=progress)

    def restore(self, job: Job, tensors: Mapping[str, np.ndarray]) -> FittedNet:
        """What was learnt of the job, from its `tensors()`."""
        from candlecast.fleet.fitted import FittedNet

        return FittedNet.from_tensors(job, self.training, self.window, self.build, tensors)

    @staticmethod
    def _layer() -> Callable[[int, int], nn.Module]:
        raise ConfigError(
            "a RecurrentModel has no cell", expected="a cell type", remedy="Use cc.LSTM, cc.GRU or cc.RNN"
        )


@dataclass(frozen=True)
class LSTM(RecurrentModel):
    """Long short-term memory (Hochreiter and Schmidhuber 1997); parameters in `RecurrentModel`."""

    name: str = field(default="lstm", init=False)

    @staticmethod
    def _layer() -> Callable[[int, int], nn.Module]:
        from candlecast.nets import LSTMLayer

        return LSTMLayer


@dataclass(frozen=True)
class GRU(RecurrentModel):
    """Gated recurrent unit (Cho et al. 2014); parameters in `RecurrentModel`."""

    name: str = field(default="gru", init=False)

    @staticmethod
    def _layer() -> Callable[[int, int], nn.Module]:
        from candlecast.nets import GRULayer

        return GRULayer


@dataclass(frozen=True)
class RNN(RecurrentModel):
    """Simple recurrent network (Elman 1990); parameters in `RecurrentModel`."""

    name: str = field(default="rnn", init=False)

    @staticmethod
    def _layer() -> Callable[[int, int], nn.Module]:
        from candlecast.nets import RNNLayer

        return RNNLayer
