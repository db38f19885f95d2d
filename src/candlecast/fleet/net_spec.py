"""`NetSpec`: how the nets of a fleet are built, which loss they have, and how they are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from candlecast.fleet.settings import Fit
from candlecast.heads import Head

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class NetSpec:
    """All that the fleet needs to know of a net.

    build: `build(columns)` makes a fresh net that reads windows of that many columns and gives `head.outputs` numbers for
        each target.
    head: the loss, and what the outputs mean.
    window: bars that one forecast reads.
    fit: how the net is trained.
    uses_local_rng: initial weights come from `nets.layers.weights` alone. If not, the net may draw them from torch's global
        generators, which are seeded by the job while it is built, and restored after that.
    refit: span after which the linear part is fitted anew in a test part; None where it stays as trained.
    """

    build: Callable[[int], nn.Module]
    head: Head
    window: int
    fit: Fit
    uses_local_rng: bool = False
    refit: str | None = None

    @property
    def level(self) -> float:
        """The scaled forecast of a net that adds nothing; see `Head.level`."""
        return self.head.level or 0.0

    @property
    def adds_linear(self) -> bool:
        """Whether the net adds to a linear part."""
        return self.fit.linear is True and self.head.level is not None

    @property
    def is_shrunk(self) -> bool:
        """Whether what the net adds is shrunk by the validation part."""
        return self.fit.shrink is True and self.head.level is not None
