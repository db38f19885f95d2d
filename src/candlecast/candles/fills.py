"""Prices that nobody could have traded at: stale or averaged opens, bars invented to fill gaps, runs of one price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from candlecast.candles.clock import DAY

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

SAME = 1e-6  # relative: prices that differ by less are equal; adjusting prices moves them by more than float rounding
SOME = 1e-9  # relative: a range, or a difference of two steps, below this is zero
WINDOW = 60  # boundaries over which the share of stale opens is taken: three months of days
MINIMUM = 5  # boundaries that show anything
MAXIMUM = 0.5  # of the boundaries in a window, above which its opens are stale
LONG_RUN = 5  # bars of one price: a week of days
SPIKE = 5.0  # robust standard deviations of the changes, out and back
RETURNED = 0.25  # of the smaller of the two: what may be left after the way back
MANY = 0.005  # of the bars: real hours and days show up to 0.1 % that go far and come back
STEP = 1e-7  # relative: a line with smaller steps is taken for a standstill


@dataclass(frozen=True)
class Stretch:
    """A part of a table: its `first` and `last` row, how many of its rows it is about, and their `share` of `among`."""

    first: int
    last: int
    rows: int
    among: int

    @property
    def share(self) -> float:
        """Rows among those that could have been."""
        return self.rows / self.among


@dataclass(frozen=True, eq=False)
class Opens:
    """How bars open after a closed market, bool, shape (time,).

    `is_boundary`: the market was closed before the bar. `is_equal`: such a bar opens at the close before it. `stretches`:
    parts of the table in which most of them do.
    """

    is_boundary: np.ndarray
    is_equal: np.ndarray
    stretches: tuple[Stretch, ...]

    @property
    def share(self) -> float:
        """Share of the boundaries whose open equals the close before; NaN where the market never closes."""
        return float(self.is_equal.sum() / self.is_boundary.sum()) if self.is_boundary.any() else np.nan

    @property
    def is_stale(self) -> np.ndarray:
        """Bool (time,): the bar opens at the close before it, within a stretch in which most do."""
        within = np.zeros(len(self.is_equal), dtype=bool)
        for stretch in self.stretches:
            within[stretch.first : stretch.last + 1] = True
        return self.is_equal & within


def opens(candles: Candles) -> Opens:
    """Opens after a closed market, compared with the close before.

    A market that trades all the time opens each bar where the last one closed. Where it closes, news come in between, and
    an open that equals the close before was copied from it. Boundaries are the bars after closing hours or a lunch break;
    of days and longer, every bar but the first. Bars that stand still at the close before show nothing. Days of a market
    that trades around the clock from Monday to Friday may open at the close before, but not after a weekend, so that a
    stretch of days needs stale opens there too.
    """
    bars = len(candles)
    is_boundary = np.zeros(bars, dtype=bool)
    if not candles.has_sessions or bars < 2:
        return Opens(is_boundary, is_boundary.copy(), ())
    was_closed = np.zeros(bars, dtype=bool)
    was_closed[1:] = candles.open_time[1:] > candles.close_time[:-1]
    is_boundary[1:] = was_closed[1:] | (candles.interval.microseconds >= DAY)
    is_boundary &= ~is_repeat(candles)
    is_equal = is_boundary.copy()
    is_equal[1:] &= _same(candles.open[1:], candles.close[:-1])
    rows = np.flatnonzero(is_boundary)
    return Opens(is_boundary, is_equal, tuple(_stretches(rows, is_equal[rows], was_closed[rows])))


def _stretches(rows: np.ndarray, is_equal: np.ndarray, was_closed: np.ndarray) -> list[Stretch]:
    """Runs of boundaries around each of which most opens of a window are stale, from their first to their last stale one.

    Runs less than a window apart are one.
    """
    if len(rows) < MINIMUM:
        return []
    width = min(WINDOW, len(rows))
    counts = np.concatenate([[0], np.cumsum(is_equal)])
    starts = np.clip(np.arange(len(rows)) - width // 2, 0, len(rows) - width)
    is_stale = (counts[starts + width] - counts[starts]) / width > MAXIMUM
    for first, end in runs(is_equal):  # one that reaches into a stretch belongs to it
        if is_stale[first:end].any():
            is_stale[first:end] = True
    found = []
    for first, end in _joined(runs(is_stale), width):
        part = slice(first, end)
        inside = np.flatnonzero(is_equal[part]) + first
        weekends = is_equal[part][was_closed[part]]
        if len(inside) >= MINIMUM and (not len(weekends) or weekends.mean() > MAXIMUM):
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


def is_averaged(candles: Candles) -> np.ndarray:
    """Bool (time,): the bar opens midway between open and close of the bar before, as in Heikin-Ashi candles."""
    opened, closed = candles.open, candles.close
    averaged = np.zeros(len(candles), dtype=bool)
    averaged[1:] = _same(opened[1:], (opened[:-1] + closed[:-1]) / 2) & ~_same(opened[:-1], closed[:-1])
    return averaged


def is_repeat(candles: Candles) -> np.ndarray:
    """Bool (time,): open, high, low and close all repeat the close of the bar before."""
    repeats = np.zeros(len(candles), dtype=bool)
    before = candles.close[:-1]
    repeats[1:] = _flat(candles)[1:] & (np.abs(candles.close[1:] - before) <= SOME * before)
    return repeats


def is_untraded(candles: Candles) -> np.ndarray:
    """Bool (time,): the bar has no volume, in a market of which an earlier bar had some.

    Known at the bar's close. Where no bar has had volume yet, it is taken as not reported (indices, currencies).

    >>> from candlecast.sources import synthetic
    >>> candles = synthetic.random_walk(4, seed=0).candles
    >>> from dataclasses import replace
    >>> import polars as pl
    >>> quiet = replace(candles, frame=candles.frame.with_columns(volume=pl.Series([0.0, 5.0, 0.0, 1.0])))
    >>> is_untraded(quiet).tolist()
    [False, False, True, False]
    """
    has_traded = np.maximum.accumulate(candles.volume > 0) if len(candles) else np.zeros(0, dtype=bool)
    return has_traded & ~(candles.volume > 0)


def is_copy(candles: Candles) -> np.ndarray:
    """Bool (time,): the bar is the one before once more, and so opens at a price that had gone by its close.

    All four prices and the volume are equal, or there is no volume, and the open is not the close before.
    """
    copied = np.zeros(len(candles), dtype=bool)
    copied[1:] = ~_same(candles.open[1:], candles.close[:-1])
    for prices in (candles.open, candles.high, candles.low, candles.close):
        copied[1:] &= np.abs(np.diff(prices)) <= SOME * prices[:-1]
    volume = candles.volume
    copied[1:] &= (volume[1:] == volume[:-1]) | ~(volume[1:] > 0)
    return copied


def is_invented(candles: Candles) -> np.ndarray:
    """Bool (time,): a bar that repeats the close before, or the whole bar, and has no volume, where any bar has some."""
    has_none = ~(candles.volume > 0) & bool((candles.volume > 0).any())
    return (is_repeat(candles) | is_copy(candles)) & has_none


def is_spike(candles: Candles) -> np.ndarray:
    """Bool (time,): the close lies far off those before and after, which agree: a price that was gone with the next one.

    Both changes are larger than SPIKE robust standard deviations (1.4826 times the median of their sizes), have opposite
    signs, and leave at most RETURNED of the smaller one. Known one bar later.
    """
    spikes = np.zeros(len(candles), dtype=bool)
    if len(candles) < MINIMUM:
        return spikes
    change = np.diff(np.log(candles.close))
    least = SPIKE * 1.4826 * float(np.median(np.abs(change)))
    out, back = change[:-1], change[1:]
    smaller = np.minimum(np.abs(out), np.abs(back))
    spikes[1:-1] = (out * back < 0) & (smaller > least) & (np.abs(out + back) <= RETURNED * smaller) & (least > 0)
    return spikes


def is_interpolated(candles: Candles) -> np.ndarray:
    """Bool (time,): each of the four prices changes, and by the same amount as at the bar before.

    Such bars lie on a straight line: they were filled in between two traded bars, where bars were missing. The slope of the
    line follows from the bar at its end, so it reveals a later price. Known at the bar's close.
    """
    lined = np.zeros(len(candles), dtype=bool)
    if len(candles) < MINIMUM:
        return lined
    lined[2:] = True
    for prices in (candles.open, candles.high, candles.low, candles.close):
        step = np.diff(prices)
        lined[2:] &= (np.abs(np.diff(step)) <= SOME * prices[2:]) & (np.abs(step[1:]) > STEP * prices[2:])
    return lined


def flat_runs(candles: Candles) -> np.ndarray:
    """Bool (time,): the bar belongs to LONG_RUN or more bars in a row at one and the same price, where other bars move."""
    within = np.zeros(len(candles), dtype=bool)
    repeats = is_repeat(candles)
    if repeats[1:].all():
        return within
    starts = _flat(candles)
    for first, end in runs(repeats):
        began = first - int(starts[first - 1])  # with the bar that is repeated, when it had that price only
        if end - began >= LONG_RUN:
            within[began:end] = True
    return within


def _flat(candles: Candles) -> np.ndarray:
    """Bool (time,): the bar has one price."""
    return candles.high - candles.low <= SOME * candles.high


def _same(prices: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.abs(prices - others) <= SAME * np.abs(others)


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First row and row after the last, of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
