"""Values before and after a change of the candles, compared: what moved, and by how much."""

from __future__ import annotations

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import LookaheadError


def require_equal(
    before: np.ndarray,
    after: np.ndarray,
    columns: tuple[str, ...],
    candles: Candles,
    bar: int,
    *,
    subject: str,
    first: int = 0,
) -> None:
    """Raise LookaheadError when a value moved by a bit; both arrays have shape (time, column).

    `first`: the number that the first of these candles has for whoever reads the message.
    """
    moved = (before != after) & ~(np.isnan(before) & np.isnan(after))
    if not moved.any():
        return
    row, column = (int(index) for index in np.argwhere(moved)[0])
    raise LookaheadError(
        f"{subject}, column {columns[column]}, moved from {before[row, column]:.6g} to {after[row, column]:.6g} at bar "
        f"{first + row:,} ({minute(candles, row)}) although only candles after bar {first + bar:,} had changed",
        expected="values that do not move by a bit when later candles do",
        remedy="Use only earlier bars: no mean or range of all rows, no centred window, no shift towards the past",
    )


def minute(candles: Candles, row: int) -> str:
    """When a bar closes, as messages say it."""
    return f"{str(candles.close_time[row])[:16].replace('T', ' ')} UTC"


def usual(values: np.ndarray) -> float:
    """The value of more than half of the rows, (time,); NaN where there is none, or where that is undefined."""
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()]) if len(found) and 2 * counts.max() > len(values) else float("nan")


def telling(values: np.ndarray) -> np.ndarray:
    """Rows that say something, bool (time,): defined, and not what more than half of the rows are."""
    return np.isfinite(values) & (values != usual(values))


def size(values: np.ndarray) -> float:
    """How far the telling rows usually lie from the middle of them all, above 0; 0.0 where none does."""
    rows = telling(values)
    if not rows.any():
        return 0.0
    common = usual(values)
    middle = float(np.median(values[rows])) if np.isnan(common) else common
    return float(np.median(np.abs(values[rows] - middle)))
