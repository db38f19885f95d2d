"""Features that measure how much the price moves."""

from __future__ import annotations

import numpy as np

from candlecast.candles import Candles
from candlecast.features.feature import Feature, require_period


def realized_volatility(period: int = 20) -> Feature:
    """Logarithm of the root mean squared log return of the last `period` bars: ln sqrt(mean r^2).

    In logarithms because volatility is close to log-normal (Andersen, Bollerslev, Diebold and Ebens 2001).
    Undefined while the price stands still.
    """
    require_period("realized_volatility", period)

    def compute(candles: Candles) -> np.ndarray:
        values = np.full(len(candles), np.nan)
        squares = np.diff(np.log(candles.close)) ** 2
        if len(squares) >= period:
            with np.errstate(divide="ignore"):
                values[period:] = 0.5 * np.log(_mean(squares, period))
        return values

    return Feature("realized_volatility", compute, period, {"period": period})


def log_range(period: int = 1) -> Feature:
    """Mean over `period` bars of the logarithm of the bar's range: mean ln ln(H/L), after Alizadeh, Brandt and Diebold (2002).

    Undefined while a bar with high equal to low is among them.
    """
    require_period("log_range", period)

    def compute(candles: Candles) -> np.ndarray:
        values = np.full(len(candles), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            ranges = np.log(np.log(candles.high / candles.low))
        if len(ranges) >= period:
            values[period - 1 :] = _mean(ranges, period)
        return values

    return Feature("log_range", compute, period - 1, {"period": period})


def _mean(values: np.ndarray, period: int) -> np.ndarray:
    """Plain moving average of the values, shape (time - period + 1,); no running sum, so nothing carries over a NaN."""
    return np.lib.stride_tricks.sliding_window_view(values, period).mean(axis=1)
