"""Features made of traded volume."""

from __future__ import annotations

import numpy as np

from candlecast.candles import Candles
from candlecast.features.feature import Feature, require_period


def volume_change(period: int = 20) -> Feature:
    """Volume against its average: ln(V_t / mean of the last `period` volumes, V_t among them).

    A bar without volume counts as half the smallest volume of the others among the `period`, or as the average divided by
    `period` if that is less; 0.0 where none of them had any: currencies and indices come without.
    """
    require_period("volume_change", period)

    def compute(candles: Candles) -> np.ndarray:
        import talib

        volume = np.nan_to_num(candles.volume, nan=0.0)  # absent in a table without volume
        mean, most = talib.SMA(volume, period), talib.MAX(volume, period)
        is_silent = volume == 0
        if is_silent.any() and len(volume) >= period:
            among = np.lib.stride_tricks.sliding_window_view(np.where(is_silent, np.inf, volume), period)
            rows = np.flatnonzero(is_silent[period - 1 :])
            volume = volume.copy()
            volume[rows + period - 1] = np.minimum(0.5 * among[rows].min(axis=1), mean[rows + period - 1] / period)
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.log(volume / mean)
        return np.where(most == 0, 0.0, change)

    return Feature("volume_change", compute, period - 1, {"period": period})
