"""Features made of the clock: known long before the bar, and periodic."""

from __future__ import annotations

import numpy as np

from candlecast.candles import Candles
from candlecast.candles.clock import local_time
from candlecast.features.feature import Feature

DAY_SECONDS = 86_400
MONDAY_SECONDS = 4 * DAY_SECONDS  # 1970-01-01 was a Thursday: the first Monday came four days later


def time_of_day() -> Feature:
    """Hour of the bar's close by the market's clock as a point on a circle: columns `sin` and `cos` of 2 pi * day share.

    The clock is that of `Candles.zone`, through its daylight saving time, and of UTC where there is none: a session opens
    at the same point in summer and winter.
    """
    return _clock("time_of_day", DAY_SECONDS, 0)


def time_of_week() -> Feature:
    """Day and hour of the bar's close as a point on a circle, from Monday 00:00 by the market's clock: `sin` and `cos`."""
    return _clock("time_of_week", 7 * DAY_SECONDS, MONDAY_SECONDS)


def _clock(kind: str, period: int, start: int) -> Feature:
    def compute(candles: Candles) -> np.ndarray:
        seconds = local_time(candles.frame["close_time"], candles.zone) // 1_000_000 - start
        angle = 2 * np.pi * (seconds % period) / period
        return np.column_stack([np.sin(angle), np.cos(angle)])

    return Feature(kind, compute, 0, outputs=("sin", "cos"))
