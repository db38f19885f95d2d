"""Baselines across assets that learn nothing: reversal and momentum."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from candlecast.errors import ConfigError
from candlecast.panel.panel import Panel
from candlecast.parameters import is_whole, require_kinds, require_parameters
from candlecast.recipes import describe


@dataclass(frozen=True)
class Reversal:
    """Scores by the negative return over the last `bars` moments: what fell most is expected to rise most.

    Jegadeesh (1990); Lehmann (1990).
    """

    bars: int = 5
    name: str = field(default="reversal", init=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        require_parameters(self, {"bars": (is_whole(self.bars), "a whole number of bars, 1 or more")})

    def scores(self, panel: Panel) -> np.ndarray:
        """Scores (time, asset), NaN where an asset has no bar at either end, or is no member."""
        return np.where(panel.is_member, -panel.returns_behind(self.bars), np.nan)


@dataclass(frozen=True)
class Momentum:
    """Scores by the return over the `bars` moments that ended `skip` moments ago. Jegadeesh and Titman (1993)."""

    bars: int = 230
    skip: int = 20
    name: str = field(default="momentum", init=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        require_parameters(
            self,
            {
                "bars": (is_whole(self.bars), "a whole number of bars, 1 or more"),
                "skip": (is_whole(self.skip, 0), "a whole number of bars, 0 or more"),
            },
        )

    def scores(self, panel: Panel) -> np.ndarray:
        """Scores (time, asset), as those of `Reversal`."""
        found = np.full(panel.bars.shape, np.nan)
        if self.skip + self.bars < len(panel):
            found[self.skip :] = panel.returns_behind(self.bars)[: len(panel) - self.skip]
        return np.where(panel.is_member, found, np.nan)


Scored = Reversal | Momentum
STANDARD = [describe(each) for each in (Reversal(), Momentum())]  # without a choice: the same in every study


def require_scored(baseline: object) -> None:
    """Raise ConfigError for what is neither a baseline across assets nor a model."""
    if isinstance(baseline, type) or not (hasattr(baseline, "scores") or hasattr(baseline, "fit")):
        raise ConfigError(
            f"a baseline is {baseline!r}",
            expected="Reversal(), Momentum() or a model",
            remedy="Use for example baselines=(cc.Reversal(), cc.LinearRegression(window=20))",
        )
