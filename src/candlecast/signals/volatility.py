"""Volatility of closes, exponentially weighted, and the bars of a year, as both are known at each bar."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.interval import SECONDS, SPAN_SECONDS

YEAR_SECONDS = SPAN_SECONDS["y"]
WEEKDAYS_PER_YEAR = YEAR_SECONDS / SECONDS["w"] * 5


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
