"""Features made of traded volume."""

from __future__ import annotations

import numpy as np

from candlecast.candles import Candles
from candlecast.features.feature import Feature, require_period


def volume_change(period: int = 20) -> Feature:
    """Volume against its average: ln(V_t / mean of the last `period` volumes, V_t among them).

    Undefined for a bar without volume, but 0.0 where none of them had any: currencies and indices come without.
    """
    require_period("volume_change", period)

    def compute(candles: Candles) -> np.ndarray:
        import talib

        volume = np.nan_to_num(candles.volume, nan=0.0)  # absent in a table without volume
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.log(volume / talib.SMA(volume, period))
        return np.where(talib.MAX(volume, period) == 0, 0.0, change)

    return Feature("volume_change", compute, period - 1, {"period": period})
