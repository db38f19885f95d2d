"""Features made of returns and of the price itself."""

from __future__ import annotations

import numpy as np

from candlecast.candles import Candles
from candlecast.features.feature import Feature, require_period
from candlecast.features.scaling import MinMax, Scaler


def log_return(period: int = 1) -> Feature:
    """Log return over the last `period` bars: ln(C_t / C_{t-period})."""
    require_period("log_return", period)

    def compute(candles: Candles) -> np.ndarray:
        values = np.full(len(candles), np.nan)
        values[period:] = np.log(candles.close[period:] / candles.close[:-period])
        return values

    return Feature("log_return", compute, period, {"period": period})


def scaled_close(scaling: Scaler | None = None) -> Feature:
    """The closing price, scaled by what the training rows of each fold show (MinMax when not given).

    Price levels drift out of the training range; returns do not. This is the well-known tutorial's only feature.
    """
    return Feature("scaled_close", lambda candles: candles.close, 0, scaling=scaling or MinMax())
