"""A volume column that belongs to the next bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

MINIMUM = 200  # bars with a volume and a range that show anything
EARLY = 0.1  # correlation with the range of the next bar, at least
BEYOND = (
    0.2  # by how much it exceeds that with the ranges of its own bar and the one before; real markets have -0.2 or less
)
SHARE = 0.5  # of the bars with a volume, at least


class VolumeTiming(NamedTuple):
    """Correlation of volume with the range of its own bar and of the next; `is_early` where it belongs to the next."""

    own: float
    next: float
    is_early: bool


def volume_timing(candles: Candles) -> VolumeTiming:
    """How the volume follows the range of its own bar and that of the next bar.

    Large bars have large volumes (Karpoff 1987). Correlations of log volume with log range, of each less the mean of the two
    bars beside it, so that slow changes of both do not count. NaN where fewer than MINIMUM bars in a row have both.
    Retrospective: it describes the table as a whole.
    """
    has_both = (candles.volume > 0) & (candles.high > candles.low)
    if has_both.mean() < SHARE if len(has_both) else True:
        return VolumeTiming(np.nan, np.nan, False)
    volume = _beyond_neighbours(np.log(np.where(has_both, candles.volume, 1.0)))
    ranges = _beyond_neighbours(np.log(np.where(has_both, (candles.high - candles.low) / candles.close, 1.0)))
    known = has_both[:-3] & has_both[1:-2] & has_both[2:-1] & has_both[3:]
    if known.sum() < MINIMUM:
        return VolumeTiming(np.nan, np.nan, False)
    own = _correlation(volume[:-1][known], ranges[:-1][known])
    later = _correlation(volume[:-1][known], ranges[1:][known])
    before = _correlation(volume[1:][known], ranges[:-1][known])
    return VolumeTiming(own, later, bool(later > EARLY and later > own + BEYOND and later > before + BEYOND))


def _beyond_neighbours(values: np.ndarray) -> np.ndarray:
    """Values less the mean of the two beside them, (time - 2,)."""
    return values[1:-1] - (values[:-2] + values[2:]) / 2


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else 0.0
