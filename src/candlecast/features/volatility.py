"""Features that measure how much the price moves."""

from __future__ import annotations

import numpy as np

from candlecast.candles import Candles
from candlecast.features.feature import Feature, require_period

STILL = 1e-5  # a tenth of a basis point, in place of a range or a return of zero in a logarithm
RECENT = 5  # bars whose mean return is a column of `leverage_effect`
HALF = 0.5  # of the smallest range in the window, in place of a range of zero where other bars moved


def realized_volatility(period: int = 20) -> Feature:
    """Logarithm of the root mean squared log return of the last `period` bars: ln sqrt(mean r^2).

    In logarithms because volatility is close to log-normal (Andersen, Bollerslev, Diebold and Ebens 2001).
    While the price stands still, ln 1e-5 (a tenth of a basis point).
    """
    require_period("realized_volatility", period)

    def compute(candles: Candles) -> np.ndarray:
        values = np.full(len(candles), np.nan)
        squares = np.diff(np.log(candles.close)) ** 2
        if len(squares) >= period:
            mean = _mean(squares, period)
            values[period:] = 0.5 * np.log(np.where(mean > 0, mean, STILL**2))
        return values

    return Feature("realized_volatility", compute, period, {"period": period})


def log_range(period: int = 1) -> Feature:
    """Mean over `period` bars of the logarithm of the bar's range: mean ln ln(H/L), after Alizadeh, Brandt and Diebold (2002).

    A bar whose high is its low counts as half the smallest range of the others among the `period` (about half a tick), or
    as half the mean range of all of them if that is less; where none of them moved, as 1e-5 (a tenth of a basis point), so
    that a single such bar gives ln 1e-5.
    """
    require_period("log_range", period)

    def compute(candles: Candles) -> np.ndarray:
        values = np.full(len(candles), np.nan)
        if len(candles) < period:
            return values
        ranges = np.log(candles.high / candles.low)
        is_still = ~(ranges > 0)
        logs = np.log(np.where(is_still, 1.0, ranges))
        values[period - 1 :] = _mean(logs, period)  # bars without range add nothing here, and their floor below
        still = np.lib.stride_tricks.sliding_window_view(is_still, period).sum(axis=1)
        rows = np.flatnonzero(still)
        if len(rows):
            moved = np.lib.stride_tricks.sliding_window_view(np.where(is_still, np.inf, ranges), period)[rows].min(
                axis=1
            )
            floor = np.where(np.isfinite(moved), HALF * moved, STILL)
            values[period - 1 + rows] += still[rows] / period * np.log(floor)
        return values

    return Feature("log_range", compute, period - 1, {"period": period})


def leverage_effect(period: int = 22) -> Feature:
    """What the last returns say of the next ranges: columns `fall` = r^-, `move` = |r| and `falls` = r^(5)-, in usual ranges.

    r is the log return of the bar, r^- that where it is negative and else 0, r^(5) the mean of the last five. Each is divided by
    the usual range exp(mean ln ln(H/L)) of the last `period` bars, `log_range(period)`. Prices move more after they fell
    (Black 1976; Corsi and Reno 2012).
    """
    require_period("leverage_effect", period)

    def compute(candles: Candles) -> np.ndarray:
        values = np.full((len(candles), 3), np.nan)
        returns = np.diff(np.log(candles.close))
        if len(returns) >= RECENT:
            unit = np.maximum(np.exp(log_range(period)(candles)[:, 0]), STILL)
            values[1:, 0], values[1:, 1] = np.minimum(returns, 0.0), np.abs(returns)
            values[RECENT:, 2] = np.minimum(_mean(returns, RECENT), 0.0)
            values /= unit[:, None]
        return values

    warmup = max(period - 1, RECENT)
    return Feature("leverage_effect", compute, warmup, {"period": period}, outputs=("fall", "move", "falls"))


def _mean(values: np.ndarray, period: int) -> np.ndarray:
    """Plain moving average of the values, shape (time - period + 1,); no running sum, so nothing carries over a NaN."""
    return np.lib.stride_tricks.sliding_window_view(values, period).mean(axis=1)
