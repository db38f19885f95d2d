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
    torch.func.vmap can stack trains as a fleet; other nets, such as torch.nn.LSTM, train one by one, with a log message. For a
    probability the module gives its logit, without a sigmoid. `candlecast.testing.check_net` reports what is wrong with one.

    A job's result does not depend on which models train with it, unless torch sums a batch in another order for several
    nets, and training amplifies the difference: a bias before a batch norm does, since its gradient is rounding error alone.
    `check_net` finds such a net.
    """

    factory: Callable[[int], nn.Module]
    name: str = "torch"
    window: int = 32
    training: Fit = BY_WINDOW
    head: Head | None = None
    has_memory: ClassVar[bool] = False
    is_supported: ClassVar[bool] = False

    def __post_init__(self) -> None:
        is_module = hasattr(self.factory, "forward") and not isinstance(self.factory, type)  # would share its weights
        wanted = "a function of the number of columns that makes a fresh module"
        self.require({"factory": (callable(self.factory) and not is_module, wanted)})

    def build(self, inputs: int, outputs: int) -> nn.Module:
        """A fresh module with the interface of the fleet's nets, its dropout seeded per job."""
        import torch

        from candlecast.nets.layers.dropout import with_keyed_dropout
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
        return with_keyed_dropout(PerWindow(module.train(), outputs))
