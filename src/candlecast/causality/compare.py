"""Compares values before and after a change of the candles, and remembers what has passed a check."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import LookaheadError, calling

ROUNDING, TINY = 1e-6, 1e-10  # relative to a column's size, and absolute: changes by rounding


class Passed:
    """What has passed a check on which candles, as long as both exist: the same is not checked again on the same candles."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Candles, dict[int, ref[Any]]] = WeakKeyDictionary()

    def holds(self, candles: Candles, checked: object) -> bool:
        """Whether this very object has passed on these candles."""
        known = self._known.get(candles, {}).get(id(checked))
        return known is not None and known() is checked

    def add(self, candles: Candles, checked: object) -> None:
        """Remember that an object has passed."""
        self._known.setdefault(candles, {})[id(checked)] = ref(checked)


def naming(subject: str, candles: Candles) -> AbstractContextManager[None]:
    """Around a call of a user's code on candles: what it raises becomes a ConfigError that names it."""
    return calling(
        f"{subject} of {len(candles):,} candles of {candles.symbol}",
        expected="numbers for any candles, one for each bar",
        remedy=f"Try it on candles[:{len(candles)}]",
    )


def require_equal(
    before: np.ndarray,
    after: np.ndarray,
    columns: tuple[str, ...],
    candles: Candles,
    bar: int,
    *,
    subject: str,
    first: int = 0,
    is_exact: bool = True,
) -> None:
    """Raise LookaheadError when a value moved by a bit; both arrays have shape (time, column).

    `first`: the number of the first of these candles in the message. Without `is_exact`, changes by rounding may be.
    """
    if is_exact:
        moved = (before != after) & ~(np.isnan(before) & np.isnan(after))
    else:
        moved = ~np.column_stack([are_equal(one, two) for one, two in zip(before.T, after.T, strict=True)])
    if not moved.any():
        return
    row, column = (int(index) for index in np.argwhere(moved)[0])
    raise LookaheadError(
        f"{subject}, column {columns[column]}, moved from {before[row, column]:.6g} to {after[row, column]:.6g} at bar "
        f"{first + row:,} ({minute(candles, row)}) although only candles after bar {first + bar:,} had changed",
        expected="values that do not move by a bit when later candles do",
        remedy="Use only earlier bars: no mean or range of all rows, no centred window, no shift towards the past",
    )


def are_equal(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Where values (time,) are the same but for rounding, or both undefined."""
    near = np.abs(one - two) <= ROUNDING * size(one) + TINY
    return near | (one == two) | (np.isnan(one) & np.isnan(two))


def minute(candles: Candles, row: int) -> str:
    """The close of a bar, for messages."""
    return f"{str(candles.close_time[row])[:16].replace('T', ' ')} UTC"


def usual(values: np.ndarray) -> float:
    """The value of more than half of the rows, (time,); NaN where there is none, or where that is undefined."""
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()]) if len(found) and 2 * counts.max() > len(values) else float("nan")


def informative(values: np.ndarray) -> np.ndarray:
    """Informative rows, bool (time,): defined, and not the value of more than half of the rows."""
    return np.isfinite(values) & (values != usual(values))


def size(values: np.ndarray) -> float:
    """Median distance of the informative rows from their median or the usual value; 0.0 without such rows."""
    rows = informative(values)
    if not rows.any():
        return 0.0
    common = usual(values)
    middle = float(np.median(values[rows])) if np.isnan(common) else common
    return float(np.median(np.abs(values[rows] - middle)))
