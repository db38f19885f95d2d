"""`Torch`: a user's own torch module as a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from candlecast.errors import ConfigError, is_whole, require_parameters
from candlecast.fleet.settings import Fit
from candlecast.models.net import NetModel

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Torch(NetModel):
    """Any torch module that maps windows (batch, time, column) to forecasts (batch,) or (batch, 1).

    `factory(inputs)` makes a fresh module for that many columns, so that each job gets its own weights. What
    torch.func.vmap can stack trains as a fleet; the rest, as torch.nn.LSTM, one net after the other, as a log message says.
    """

    factory: Callable[[int], nn.Module]
    name: str = "torch"
    window: int = 32
    training: Fit = Fit(sampling="windows", batch=32)

    def __post_init__(self) -> None:
        require_parameters(
            self,
            {
                "factory": (callable(self.factory), "a function of the number of columns that makes a module"),
                "window": (is_whole(self.window), "a whole number of bars, 1 or more"),
                "training": (isinstance(self.training, Fit), "a Fit(...)"),
            },
        )
        if self.training.sampling == "sequence":
            raise ConfigError(
                f"{self.name} is to be sampled in sequence, but a plain module has no memory to carry",
                expected='Fit(sampling="windows")',
                remedy="Change the sampling, or use cc.LSTM, cc.GRU or cc.RNN",
            )

    def build(self, inputs: int) -> nn.Module:
        """A fresh module behind the interface of the fleet, its dropout drawn per job."""
        from candlecast.nets.dropout import seeded
        from candlecast.nets.window import PerWindow

        return seeded(PerWindow(self.factory(inputs)))
