"""What a target is: an outcome with a horizon, when it becomes known, and its naive forecast."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.features import Scaler
from candlecast.parameters import is_whole

Kind = Literal["value", "probability", "label"]
LABELS = (-1.0, 0.0, 1.0)


class Target(Protocol):
    """What is forecast at the close of each bar, `horizon` bars ahead. All arrays are float64 of shape (time,)."""

    @property
    def name(self) -> str:
        """Short lower-case name."""
        ...

    @property
    def horizon(self) -> int:
        """Bars until the value is known."""
        ...

    @property
    def kind(self) -> Kind:
        """ "value": any number, judged by squared error. "probability": forecast as a chance in [0, 1], which is its
        expectation: 0 or 1, or where neither may happen, the naive forecast and half a step above and below it (see
        `Direction`). "label": one of `LABELS`, forecast as its expectation and judged by squared error.
        """
        ...

    @property
    def scaling(self) -> Scaler:
        """How a net sees the values; measured on training rows."""
        ...

    def values(self, candles: Candles) -> np.ndarray:
        """The outcome that bar t waits for, known at the close of bar t + horizon; NaN where never known."""
        ...

    def naive(self, candles: Candles) -> np.ndarray:
        """The forecast of a model that learns nothing, at the close of bar t: the baseline of every forecast."""
        ...

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        """Log return from the close of bar t over the horizon that a forecast implies; NaN when it implies none.

        Computed for each seed; the return of several seeds is the mean of theirs.
        """
        ...

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        """Values (outcomes or forecasts) against the naive forecast, in a unit that does not grow with the price."""
        ...


@runtime_checkable
class KnownEarlier(Protocol):
    """A target some of whose outcomes are known before the horizon is over."""

    def bars_until_known(self, candles: Candles) -> np.ndarray:
        """Bars from bar t until its outcome is known, int64 (time,), from 1 to horizon; the horizon where there is none."""
        ...


@runtime_checkable
class Weighted(Protocol):
    """A target whose rows do not all have the same weight in training."""

    def sample_weight(self, candles: Candles) -> np.ndarray:
        """Weight of each bar's outcome in training, (time,), 0 or more, known when the outcome is."""
        ...


@runtime_checkable
class LookingBack(Protocol):
    """A target that is measured by the past: in units of recent volatility, say."""

    @property
    def memory(self) -> int:
        """Bars before bar t that `values` and `naive` at t depend on."""
        ...


def memory(target: Target) -> int:
    """Bars before each bar that its outcome and naive forecast depend on: the horizon, unless the target says otherwise."""
    return target.memory if isinstance(target, LookingBack) else target.horizon


def bars_until_known(target: Target, candles: Candles) -> np.ndarray:
    """Bars from each bar until its outcome is known, int64 (time,): the horizon, or fewer where the target says so."""
    if isinstance(target, KnownEarlier):
        return target.bars_until_known(candles)
    return np.full(len(candles), target.horizon)


def sample_weight(target: Target, candles: Candles) -> np.ndarray:
    """Weight of each bar's outcome in training, (time,): that of a `Weighted` target, 1 for any other."""
    return target.sample_weight(candles) if isinstance(target, Weighted) else np.ones(len(candles))


def require_target(target: object) -> None:
    """Raise ConfigError for what is no target: a name of one, or its class."""
    if isinstance(target, type) or not all(hasattr(target, part) for part in ("name", "horizon", "kind", "values")):
        raise ConfigError(
            f"target is {target!r}",
            expected="a target",
            remedy="Make one, such as cc.NextReturn() or cc.Direction(horizon=5)",
        )


def require_horizon(horizon: int) -> None:
    if not is_whole(horizon):
        raise ConfigError(
            f"horizon is {horizon!r}", expected="a whole number of bars, 1 or more", remedy="Use for example horizon=1"
        )


def ahead(values: np.ndarray, horizon: int) -> np.ndarray:
    """values[t + horizon] at t, NaN at the end."""
    shifted = np.full(len(values), np.nan)
    shifted[: max(len(values) - horizon, 0)] = values[horizon:]
    return shifted


def log_return_ahead(candles: Candles, horizon: int) -> np.ndarray:
    """ln(C_{t+h} / C_t) at t, NaN at the end."""
    logs = np.log(candles.close)
    return ahead(logs, horizon) - logs
