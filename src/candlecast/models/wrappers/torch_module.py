"""`Torch`: a user's own torch module as a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from candlecast.errors import ConfigError, calling
from candlecast.fleet.settings import Fit
from candlecast.heads import Head
from candlecast.models.net import BY_WINDOW, NetModel

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Torch(NetModel):
    """Any torch module that maps windows (batch, time, column) to forecasts (batch,), or (batch, outputs) for a `head` of more
    than one output.

    `factory(inputs)` makes a fresh module for that many columns, so that each job gets its own weights. What
    torch.func.vmap can stack trains as a fleet; the rest, as torch.nn.LSTM, one net after the other, as a log message says.
    For a chance the module gives its logit, without a sigmoid. `candlecast.testing.check_net` tells what is wrong with one.

    A job's result is the same alone and in any company, unless torch sums a batch in another order for more nets than for
    fewer, and training enlarges that: so with a bias in front of a batch norm, whose gradient is nothing but rounding.
    `check_net` finds such a net.
    """

    factory: Callable[[int], nn.Module]
    name: str = "torch"
    window: int = 32
    training: Fit = BY_WINDOW
    head: Head | None = None
    has_memory: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.require({"factory": (callable(self.factory), "a function of the number of columns that makes a module")})

    def build(self, inputs: int, outputs: int) -> nn.Module:
        """A fresh module behind the interface of the fleet, its dropout drawn per job."""
        import torch

        from candlecast.nets.layers.dropout import seeded
        from candlecast.nets.layers.window import PerWindow

        with calling(f"factory({inputs}) of {self.name}", expected="a torch.nn.Module", remedy="Correct the factory"):
            module = self.factory(inputs)
        if not isinstance(module, torch.nn.Module):
            raise ConfigError(
                f"the factory of {self.name} gave a {type(module).__name__}",
                expected="a torch.nn.Module",
                remedy="Return the module from the factory",
            )
        if any(isinstance(each, torch.nn.UninitializedParameter) for each in module.parameters()):
            with torch.no_grad():  # lazy layers learn their sizes from the first windows they see
                module.eval()(torch.zeros(2, self.window, inputs))
        return seeded(PerWindow(module.train(), outputs))
