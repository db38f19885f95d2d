"""Several targets learnt at once, such as the returns over several horizons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import ConfigError, listed
from candlecast.features import Scaler
from candlecast.targets.target import Kind, Target, memory, require_target


@dataclass(frozen=True, init=False)
class Several:
    """One net forecasts all of these targets. The first is the primary target: it is traded and evaluated.

    The others' forecasts stand in the same table: `forecast.at("return_5")` are those of `NextReturn(horizon=5)`. Rows
    count when all outcomes are known, so that `horizon` is the longest. Raises ConfigError for targets of different kinds,
    and for two of one name and horizon.

    >>> from candlecast.targets import NextReturn
    >>> Several(NextReturn(1), NextReturn(5), NextReturn(20)).horizon
    20
    """

    targets: tuple[Target, ...]

    def __init__(self, *targets: Target) -> None:
        for target in targets:
            require_target(target)
        labels = [label(target) for target in targets]
        if len(set(labels)) < len(labels) or not targets:
            raise ConfigError(
                f"several targets are {listed(labels)}",
                expected="one or more, each with a name or a horizon of its own",
                remedy="Use for example Several(NextReturn(1), NextReturn(5))",
            )
        kinds = sorted({target.kind for target in targets})
        if len(kinds) > 1:
            raise ConfigError(
                f"several targets are of the kinds {listed(kinds)}",
                expected="targets of one kind, since one head learns them all",
                remedy="Study the others in a study of their own",
            )
        object.__setattr__(self, "targets", targets)

    @property
    def primary(self) -> Target:
        """The target that is traded and evaluated: the first."""
        return self.targets[0]

    @property
    def name(self) -> str:
        """Name of the primary target."""
        return self.primary.name

    @property
    def horizon(self) -> int:
        """Bars until all values are known."""
        return max(target.horizon for target in self.targets)

    @property
    def memory(self) -> int:
        """The longest memory of all targets, in bars."""
        return max(memory(target) for target in self.targets)

    @property
    def kind(self) -> Kind:
        """The kind that all targets share."""
        return self.primary.kind

    @property
    def scaling(self) -> Scaler:
        """Scaling of the primary target; each of the others has its own."""
        return self.primary.scaling

    def values(self, candles: Candles) -> np.ndarray:
        return self.primary.values(candles)

    def naive(self, candles: Candles) -> np.ndarray:
        return self.primary.naive(candles)

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        return self.primary.expected_return(forecast, candles)

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return self.primary.change(values, naive)


def label(target: Target) -> str:
    """Name and horizon of a target, as `return_5`."""
    return f"{target.name}_{target.horizon}"


def primary(target: Target) -> Target:
    """The target that is traded and evaluated: the first of `Several`, or the target itself."""
    return components(target)[0]


def components(target: Target) -> tuple[Target, ...]:
    """The targets that a target consists of: those of `Several`, or the target itself."""
    return target.targets if isinstance(target, Several) else (target,)
