"""What is forecast: targets with a horizon, when each value becomes known, and its naive forecast."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import ConfigError, is_whole
from candlecast.features import MinMax, Scaler, Standard, Unscaled

Kind = Literal["value", "probability"]


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
        """ "value": any number, judged by squared error. "probability": 0 or 1, forecast as a chance."""
        ...

    @property
    def scaling(self) -> Scaler:
        """How a net sees the values; measured on training rows."""
        ...

    def values(self, candles: Candles) -> np.ndarray:
        """The outcome that bar t waits for, known at the close of bar t + horizon; NaN where never known."""
        ...

    def naive(self, candles: Candles) -> np.ndarray:
        """What somebody who learns nothing would say at the close of bar t: the yardstick of every forecast."""
        ...

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        """Return from the close of bar t over the horizon that a forecast implies; NaN when it implies none.

        Linear in the forecast, so that the mean over seeds implies the mean of the returns.
        """
        ...

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        """Values (outcomes or forecasts) against the naive forecast, in a unit that does not grow with the price."""
        ...


@dataclass(frozen=True)
class NextReturn:
    """Log return over the next `horizon` bars: ln(C_{t+h} / C_t). Naive: 0, the price stays."""

    horizon: int = 1
    name: str = field(default="return", init=False)
    kind: Kind = field(default="value", init=False)
    scaling: Scaler = field(default=Standard(), init=False)

    def __post_init__(self) -> None:
        _require_horizon(self.horizon)

    def values(self, candles: Candles) -> np.ndarray:
        return _log_return(candles, self.horizon)

    def naive(self, candles: Candles) -> np.ndarray:
        return np.zeros(len(candles))

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        return forecast

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values - naive


@dataclass(frozen=True)
class Price:
    """Closing price `horizon` bars ahead, the tutorial's target: C_{t+h}. Naive: the price of now, C_t."""

    horizon: int = 1
    scaling: Scaler = field(default=MinMax())
    name: str = field(default="price", init=False)
    kind: Kind = field(default="value", init=False)

    def __post_init__(self) -> None:
        _require_horizon(self.horizon)

    def values(self, candles: Candles) -> np.ndarray:
        return _ahead(candles.close, self.horizon)

    def naive(self, candles: Candles) -> np.ndarray:
        return candles.close.copy()

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        return forecast / candles.close - 1

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values / naive - 1


@dataclass(frozen=True)
class Direction:
    """Whether the close rises over the next `horizon` bars: 1 if C_{t+h} > C_t, else 0. Naive: even odds, 0.5.

    The return implied by a chance p is (2p - 1) times the mean absolute return over the horizon of the last
    `MAGNITUDE_BARS` returns known by then, and 0 while none is.
    """

    horizon: int = 1
    name: str = field(default="direction", init=False)
    kind: Kind = field(default="probability", init=False)
    scaling: Scaler = field(default=Unscaled(), init=False)

    MAGNITUDE_BARS = 100

    def __post_init__(self) -> None:
        _require_horizon(self.horizon)

    def values(self, candles: Candles) -> np.ndarray:
        returns = _log_return(candles, self.horizon)
        return np.where(np.isnan(returns), np.nan, (returns > 0).astype(np.float64))

    def naive(self, candles: Candles) -> np.ndarray:
        return np.full(len(candles), 0.5)

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        known = np.abs(_log_return(candles, self.horizon))[
            : max(len(candles) - self.horizon, 0)
        ]  # at bars h, h + 1, ...
        total = np.concatenate([[0.0], np.cumsum(known)])
        end = np.arange(1, len(known) + 1)
        count = np.minimum(end, self.MAGNITUDE_BARS)
        magnitude = np.zeros(len(candles))
        magnitude[self.horizon :] = (total[end] - total[end - count]) / count
        return (2 * forecast - 1) * magnitude

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values - naive


@dataclass(frozen=True)
class Volatility:
    """Logarithm of the price range over the next `horizon` bars: ln ln(max H / min L), after Alizadeh et al. (2002).

    Close to normal, and far more efficient than a squared return. Naive: the same over the last `horizon` bars.
    Undefined (NaN) where the price did not move at all. Implies no return.
    """

    horizon: int = 1
    name: str = field(default="volatility", init=False)
    kind: Kind = field(default="value", init=False)
    scaling: Scaler = field(default=Standard(), init=False)

    def __post_init__(self) -> None:
        _require_horizon(self.horizon)

    def values(self, candles: Candles) -> np.ndarray:
        return _ahead(self._past_range(candles), self.horizon)

    def naive(self, candles: Candles) -> np.ndarray:
        return self._past_range(candles)

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        return np.full(len(forecast), np.nan)

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values - naive

    def _past_range(self, candles: Candles) -> np.ndarray:
        """ln ln(max H / min L) over the last `horizon` bars, bar t among them."""
        values = np.full(len(candles), np.nan)
        if len(candles) < self.horizon:
            return values
        highs = np.lib.stride_tricks.sliding_window_view(candles.high, self.horizon).max(axis=1)
        lows = np.lib.stride_tricks.sliding_window_view(candles.low, self.horizon).min(axis=1)
        moved = highs > lows
        values[self.horizon - 1 :][moved] = np.log(np.log(highs[moved] / lows[moved]))
        return values


def _require_horizon(horizon: int) -> None:
    if not is_whole(horizon):
        raise ConfigError(
            f"horizon is {horizon!r}", expected="a whole number of bars, 1 or more", remedy="Use for example horizon=1"
        )


def _ahead(values: np.ndarray, horizon: int) -> np.ndarray:
    """values[t + horizon] at t, NaN at the end."""
    shifted = np.full(len(values), np.nan)
    shifted[: max(len(values) - horizon, 0)] = values[horizon:]
    return shifted


def _log_return(candles: Candles, horizon: int) -> np.ndarray:
    """ln(C_{t+h} / C_t) at t, NaN at the end."""
    logs = np.log(candles.close)
    return _ahead(logs, horizon) - logs
