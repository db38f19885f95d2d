"""`VolatilityTarget`: positions scaled so that what is held moves as much as is wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.errors import ConfigError, is_number
from candlecast.interval import SECONDS, SPAN_SECONDS
from candlecast.signals.positions import Positions

YEAR_SECONDS = SPAN_SECONDS["y"]
WEEKDAYS_PER_YEAR = YEAR_SECONDS / SECONDS["w"] * 5


@dataclass(frozen=True)
class VolatilityTarget:
    """Scale positions by `annual` / volatility of the asset, at most `leverage`, in steps of `step`.

    The volatility at bar t is sqrt(bars per year x EWM of squared log returns of closes up to t), with half-life
    `halflife` in bars (RiskMetrics 1996; Moreira and Muir 2017 for why); positions before `halflife` bars are 0. Bars per
    year are counted up to t as well. Known at the close of each bar. `annual` is a fraction per year: 0.15 is 15 %. Where
    prices are unadjusted, a split is a move like any other: give it adjusted candles. Raises ConfigError.
    """

    annual: float = 0.15
    halflife: int = 20
    leverage: float = 1.0
    step: float = 0.1

    def __post_init__(self) -> None:
        numbers = all(map(is_number, (self.annual, self.halflife, self.leverage, self.step)))
        if not numbers or not (
            0 < self.annual < 10 and self.halflife >= 2 and self.leverage >= 1 and 0 < self.step <= 1
        ):
            raise ConfigError(
                f"annual is {self.annual!r}, halflife {self.halflife!r}, leverage {self.leverage!r}, step {self.step!r}",
                expected="annual in (0, 10), halflife of 2 bars or more, leverage of 1 or more, step in (0, 1]",
                remedy="Use for example VolatilityTarget(annual=0.15, halflife=20)",
            )

    def __call__(self, positions: Positions, candles: Candles) -> Positions:
        """The positions scaled; those given are fractions of equity, whose sign and size both count.

        Raises ConfigError for positions in units.
        """
        if positions.in_units:
            raise ConfigError(
                "positions are in units", expected="fractions of equity", remedy="Scale positions before they are units"
            )
        scale = np.minimum(self.annual / ewm_volatility(candles, self.halflife), self.leverage)
        scaled = pl.DataFrame({"time": candles.frame["close_time"], "scale": scale})
        frame = positions.frame.join(scaled, on="time", how="left", maintain_order="left")
        sized = pl.col("position") * pl.col("scale").fill_null(0.0)
        rounded = ((sized / self.step).round() * self.step).clip(-self.leverage, self.leverage)
        return replace(positions, frame=frame.with_columns(position=rounded), leverage=self.leverage)


def ewm_volatility(candles: Candles, halflife: int) -> np.ndarray:
    """Volatility a year of log returns, exponentially weighted, float64 (time,); infinity before `halflife` bars."""
    return np.sqrt(bars_per_year_so_far(candles) * ewm_variance(candles, halflife))


def ewm_variance(candles: Candles, halflife: int) -> np.ndarray:
    """Mean squared log return of a bar, exponentially weighted, float64 (time,), above 0; infinity before `halflife` bars."""
    squares = np.diff(np.log(candles.close), prepend=math.log(candles.close[0])) ** 2
    mean = pl.Series(squares[1:]).ewm_mean(half_life=halflife, adjust=True).to_numpy()
    variance = np.concatenate([[np.inf], mean])
    variance[:halflife] = np.inf
    return np.where(variance > 0.0, variance, np.inf)


def bars_per_year_so_far(candles: Candles) -> np.ndarray:
    """Bars in a year as the candles up to each bar have them, float64 (time,); known at its close.

    Bars so far over the years so far; where the market has sessions, over the weekdays so far, of which a year has 260.9,
    so that a first Monday says as much as a first month. The whole table's number (`Candles.bars_per_year`) is that of the
    last bar, nearly, and is not known before.

    >>> from candlecast.sources import sample, synthetic
    >>> bars_per_year_so_far(synthetic.random_walk(3, seed=1, interval="1h").candles).round()
    array([8766., 8766., 8766.])
    >>> bars_per_year_so_far(sample("sp500"))[[0, 250, 5_000]].round()
    array([261., 253., 252.])
    """
    count = np.arange(1, len(candles) + 1)
    if not candles.has_sessions:
        seconds = (candles.close_time - candles.open_time[:1]) / np.timedelta64(1, "s")
        return count / seconds * YEAR_SECONDS
    days = candles.open_time.astype("datetime64[D]")
    weekdays = np.maximum(np.busday_count(days[:1], days + 1), 1)
    return count / weekdays * WEEKDAYS_PER_YEAR
