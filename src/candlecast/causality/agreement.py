"""Whether two sets of forecasts agree: differences are compared with the spread of the forecasts themselves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from candlecast.causality.compare import size
from candlecast.dataset.prediction import Prediction

EXACT = 1e-6  # of the spread: forecasts of as many rows, of which only later ones changed
AGREEING = 1e-3  # of the spread: fitted again, or asked for with fewer rows
SHAPES = 1e-5  # of the outcomes' standard deviation: sums of batches of another shape round otherwise
NOISY = 1e-2  # of the spread: forecasts that differ by more on their own say nothing
ULPS = 4


class Moved(NamedTuple):
    """The first row at which forecasts differ, the two numbers there, and the largest difference in spreads."""

    place: int
    before: float
    after: float
    share: float


def numbers(prediction: Prediction, naive: np.ndarray | float = 0.0) -> np.ndarray:
    """All numbers of a forecast, float64 (column, rows); the mean as its difference to the naive forecast of the rows."""
    own = [np.asarray(prediction.mean, dtype=np.float64) - naive]
    own += [np.asarray(column, dtype=np.float64) for column in prediction.columns.values()]
    others = [numbers(other) for other in prediction.others.values()]
    return np.concatenate([np.array(own), *others])


def spreads(values: np.ndarray) -> np.ndarray:
    """A typical distance of each column's rows from their middle, (column, 1), not of its extremes."""
    return np.array([size(column) or float(np.nanstd(column)) for column in values])[:, None]


def rounding(values: np.ndarray, naive: np.ndarray) -> np.ndarray:
    """What a column may differ by where nothing but the last digits do, (column, 1)."""
    level = np.nanmedian(np.abs(values), axis=1, keepdims=True)
    level[0] += np.median(np.abs(naive))
    return ULPS * np.spacing(level)


def moved(before: np.ndarray, after: np.ndarray, allowed: np.ndarray) -> Moved | None:
    """Where forecasts (column, rows) differ by more than allowed (column, 1); None where they do nowhere."""
    apart = np.abs(before - after)
    wrong = ~(apart <= allowed) & (before != after) & ~(np.isnan(before) & np.isnan(after))
    if not wrong.any():
        return None
    column, place = np.argwhere(wrong)[np.argwhere(wrong)[:, 1].argmin()]
    spread = spreads(before)
    share = float(np.nanmax(np.where(wrong, apart, 0.0) / np.where(spread > 0, spread, np.inf)))
    return Moved(int(place), float(before[column, place]), float(after[column, place]), share)
