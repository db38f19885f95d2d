"""Recipes of recurrent nets: RNN, LSTM and GRU."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from candlecast.fleet.settings import Fit
from candlecast.heads import Head
from candlecast.models.net import NetModel
from candlecast.parameters import is_whole

if TYPE_CHECKING:
    from candlecast.nets import Layer, Recurrent, RecurrentLayer


@dataclass(frozen=True)
class RecurrentModel(NetModel):
    """A stack of recurrent layers and linear layers, trained in fleets; use `RNN`, `LSTM` or `GRU`.

    hidden: units per layer.
    layers: number of recurrent layers.
    dropout: share of each layer's outputs that is zeroed in training.
    dense: widths of linear layers between the last recurrent layer and the output.
    window: bars that a forecast reads.
    training: how it is trained.
    head: the loss, and what the outputs stand for; the target's default when None.
    norm: layer norm between layers (Ba, Kiros and Hinton 2016).
    residual: y = x + layer(x) from the second layer on (He et al. 2016).
    """

    hidden: int = 32
    layers: int = 1
    dropout: float = 0.0
    dense: tuple[int, ...] = ()
    window: int = 32
    training: Fit = Fit(lr=1e-2)
    head: Head | None = None
    norm: bool = False
    residual: bool = False

    from_zero: ClassVar[bool] = False
    name: str = field(init=False)

    def __post_init__(self) -> None:
        dense = self.dense if isinstance(self.dense, tuple) else ("?",)
        self.require(
            {
                "norm": (isinstance(self.norm, bool), "True or False"),
                "residual": (isinstance(self.residual, bool), "True or False"),
                "dense": (all(map(is_whole, dense)), "a tuple of widths of 1 or more, as (25,)"),
            }
        )

    def build(self, inputs: int, outputs: int) -> Recurrent:
        from candlecast.nets import Recurrent

        return Recurrent(
            self._layer(),
            inputs=inputs,
            hidden=self.hidden,
            layers=self.layers,
            dropout=self.dropout,
            widths=(*self.dense, outputs),
            norm=self.norm,
            residual=self.residual,
            from_zero=self.from_zero or self.training.linear is True,
        )

    @staticmethod
    @abstractmethod
    def _layer() -> Callable[[int, int], Layer]:
        """The layer of the net's cell."""


@dataclass(frozen=True)
class LSTM(RecurrentModel, uses_local_rng=True):
    """Long short-term memory (Hochreiter and Schmidhuber 1997); parameters in `RecurrentModel`."""

    name: str = field(default="lstm", init=False)

    @staticmethod
    def _layer() -> Callable[[int, int], RecurrentLayer]:
        from candlecast.nets import LSTMLayer

        return LSTMLayer


@dataclass(frozen=True)
class GRU(RecurrentModel, uses_local_rng=True):
    """Gated recurrent unit (Cho et al. 2014); parameters in `RecurrentModel`."""

    name: str = field(default="gru", init=False)

    @staticmethod
    def _layer() -> Callable[[int, int], RecurrentLayer]:
        from candlecast.nets import GRULayer

        return GRULayer


@dataclass(frozen=True)
class RNN(RecurrentModel, uses_local_rng=True):
    """Simple recurrent network (Elman 1990); parameters in `RecurrentModel`."""

    name: str = field(default="rnn", init=False)

    @staticmethod
    def _layer() -> Callable[[int, int], RecurrentLayer]:
        from candlecast.nets import RNNLayer

        return RNNLayer
