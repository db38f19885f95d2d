"""Stale opens: opens after a closed market that repeat the close before, exactly or nearly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from candlecast.candles.clock import DAY
from candlecast.candles.fills import MINIMUM, is_repeat, is_same, runs

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

WINDOW = 60  # boundaries over which the share of equal opens is taken: three months of days
MAJORITY = 0.5  # of the boundaries in a window, above which its opens are stale
LONG_WINDOW = 120  # boundaries over which gaps are compared with bars
NARROW = 0.04  # variance of a gap / that of a bar: 120 days of large US shares have 0.08 or more, hours 0.5
TRIMMED = 0.9  # quantile of the sizes above which they count as that quantile: earnings and crashes
LONG_CLOSURE = 2 * DAY  # microseconds from a close to the next open: a weekend, after which every market opens anew


@dataclass(frozen=True)
class Stretch:
    """A part of a table: its `first` and `last` row, how many of its rows it is about, and their `share` of `among`.

    `gap_variance`: in a part of narrow gaps (`is_narrow`), their variance over that of the bars; NaN where opens are equal.
    """

    first: int
    last: int
    rows: int
    among: int
    gap_variance: float = np.nan

    @property
    def share(self) -> float:
        """Rows among those that could have been."""
        return self.rows / self.among

    @property
    def is_narrow(self) -> bool:
        """Whether the part has narrow gaps instead of equal opens."""
        return not np.isnan(self.gap_variance)


@dataclass(frozen=True, eq=False)
class Opens:
    """How bars open after a closed market, bool, shape (time,).

    `is_boundary`: the market was closed before the bar; `is_weekend`: for two days or more. `is_equal`: such a bar opens at
    the close before it. `stretches`: parts of the table in which most of them do. `narrow`: other
    parts, in which the gaps between close and open are too small for news to have come in. `gap_variance`: of all
    boundaries, the variance of gaps over that of bars; NaN without boundaries.
    """

    is_boundary: np.ndarray
    is_weekend: np.ndarray
    is_equal: np.ndarray
    stretches: tuple[Stretch, ...]
    narrow: tuple[Stretch, ...] = ()
    gap_variance: float = np.nan

    @property
    def share(self) -> float:
        """Share of the boundaries whose open equals the close before; NaN where the market never closes."""
        return float(self.is_equal.sum() / self.is_boundary.sum()) if self.is_boundary.any() else np.nan

    @property
    def is_stale(self) -> np.ndarray:
        """Bool (time,): the bar opens at the close before it, or nearly, within a stretch in which most do."""
        return (self.is_equal & self._within(self.stretches)) | (self.is_boundary & self._within(self.narrow))

    @property
    def in_order(self) -> list[Stretch]:
        """`stretches` and `narrow`, in order of time."""
        return sorted((*self.stretches, *self.narrow), key=lambda part: part.first)

    def _within(self, stretches: tuple[Stretch, ...]) -> np.ndarray:
        within = np.zeros(len(self.is_equal), dtype=bool)
        for stretch in stretches:
            within[stretch.first : stretch.last + 1] = True
        return within


def opens(candles: Candles) -> Opens:
    """Opens after a closed market, compared with the close before.

    A market that trades all the time opens each bar where the last one closed. Where it closes, news come in between: an
    open that equals the close before was copied from it, and where the variance of the gaps is below NARROW of that of bars,
    over LONG_WINDOW boundaries and over their weekends, the opens were copied and then rounded, converted to another currency or
    computed from prices of the day before (an index). Real closures leave a multiple of that (Oldfield and Rogalski 1980).
    Boundaries are the bars after closing hours or a lunch break; of days and longer, every bar but the first. Bars that
    stand still at the close before show nothing. Days of a market that trades around the clock from Monday to Friday may
    open at the close before, but not after a weekend, so that a stretch of days needs stale opens there too.
    """
    bars = len(candles)
    is_boundary = np.zeros(bars, dtype=bool)
    if not candles.has_sessions or bars < 2:
        return Opens(is_boundary, is_boundary.copy(), is_boundary.copy(), ())
    closed = np.zeros(bars, dtype=np.int64)
    closed[1:] = (candles.open_time[1:] - candles.close_time[:-1]).astype(np.int64)
    was_closed = closed > 0
    is_boundary[1:] = was_closed[1:] | (candles.interval.microseconds >= DAY)
    is_boundary &= ~is_repeat(candles)
    is_weekend = is_boundary & (closed + candles.interval.microseconds > LONG_CLOSURE)
    is_equal = is_boundary.copy()
    is_equal[1:] &= is_same(candles.open[1:], candles.close[:-1])
    rows = np.flatnonzero(is_boundary)
    if not len(rows):
        return Opens(is_boundary, is_weekend, is_equal, ())
    stretches = _stretches(rows, is_equal[rows], was_closed[rows])
    gaps, moves = np.log(candles.open[rows] / candles.close[rows - 1]), np.log(candles.close[rows] / candles.open[rows])
    exact = Opens(is_boundary, is_weekend, is_equal, tuple(stretches), (), variance_ratio(gaps, moves))
    return replace(exact, narrow=tuple(_narrow(rows, gaps, moves, is_weekend[rows], exact.is_stale[rows])))


def variance_ratio(gaps: np.ndarray, moves: np.ndarray) -> float:
    """Mean square of gaps over that of moves, each cut at its TRIMMED quantile; infinite where nothing moves."""
    sizes = [np.abs(values) for values in (gaps, moves)]
    gap, move = (float(np.mean(np.minimum(size, np.quantile(size, TRIMMED)) ** 2)) for size in sizes)
    return gap / move if move > 0 else np.inf


def _narrow(
    rows: np.ndarray, gaps: np.ndarray, moves: np.ndarray, is_weekend: np.ndarray, is_known: np.ndarray
) -> list[Stretch]:
    """Parts of the boundaries in which gaps are narrow, in each window of LONG_WINDOW and over the weekends of the part.

    Those that are known to be stale are not among them.
    """
    if len(rows) < LONG_WINDOW:
        return []
    step = LONG_WINDOW // 4
    is_narrow = np.zeros(len(rows), dtype=bool)
    for first in sorted({*range(0, len(rows) - LONG_WINDOW, step), len(rows) - LONG_WINDOW}):
        part = slice(first, first + LONG_WINDOW)
        if variance_ratio(gaps[part], moves[part]) < NARROW:
            is_narrow[part] = True
    found = []
    for first, end in runs(is_narrow & ~is_known):
        part = slice(first, end)
        late = is_weekend[part]
        if (
            end - first >= LONG_WINDOW
            and late.sum() >= MINIMUM
            and variance_ratio(gaps[part][late], moves[part][late]) < NARROW
        ):
            ratio = variance_ratio(gaps[part], moves[part])
            found.append(Stretch(int(rows[first]), int(rows[end - 1]), end - first, end - first, ratio))
    return found


def _stretches(rows: np.ndarray, is_equal: np.ndarray, was_closed: np.ndarray) -> list[Stretch]:
    """Runs of boundaries around each of which most opens of a window are stale, from their first to their last stale one.

    Runs less than a window apart are one.
    """
    if len(rows) < MINIMUM:
        return []
    width = min(WINDOW, len(rows))
    counts = np.concatenate([[0], np.cumsum(is_equal)])
    starts = np.clip(np.arange(len(rows)) - width // 2, 0, len(rows) - width)
    is_stale = (counts[starts + width] - counts[starts]) / width > MAJORITY
    for first, end in runs(is_equal):  # one that reaches into a stretch belongs to it
        if is_stale[first:end].any():
            is_stale[first:end] = True
    found = []
    for first, end in _joined(runs(is_stale), width):
        part = slice(first, end)
        inside = np.flatnonzero(is_equal[part]) + first
        weekends = is_equal[part][was_closed[part]]
        if len(inside) >= MINIMUM and (not len(weekends) or weekends.mean() > MAJORITY):
            began, last = int(inside[0]), int(inside[-1])
            found.append(Stretch(int(rows[began]), int(rows[last]), len(inside), last - began + 1))
    return found


def _joined(parts: list[tuple[int, int]], apart: int) -> list[tuple[int, int]]:
    """Runs, those joined that lie less than so many rows apart."""
    joined: list[tuple[int, int]] = []
    for first, end in parts:
        is_near = bool(joined) and first - joined[-1][1] < apart
        joined.append((joined.pop()[0] if is_near else first, end))
    return joined
