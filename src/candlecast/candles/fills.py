"""Prices that nobody could have traded at: averaged opens, bad prints, bars invented to fill gaps, runs of one price."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from candlecast.interval import SECONDS

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

SAME = 1e-6  # relative: prices that differ by less are equal; adjusting prices moves them by more than float rounding
SOME = 1e-9  # relative: a range, or a difference of prices, below this is zero
NEAR = 0.02  # of a bar's range: a copy may be converted or rounded
MINIMUM = 5  # bars that show anything
MAXIMUM = 0.5  # of the bars, above which their opens are averages
LONG_RUN = 5  # bars of one price: a week of days
THURSDAY, SATURDAY = 3, 5  # days of the week from Monday on; day 0 of Unix time was a Thursday
FILLED, MOVING = 0.9, 0.2  # share of bars that repeat the close before: on Saturdays at least, midweek at most
SPIKE = 3.0  # robust standard deviations of the changes around it, out and back
AROUND = 50  # changes whose median size is the scale of a spike
RETURNED = 0.25  # of the smaller of the two: what may be left after the way back
LOCKED = 2.0  # robust standard deviations between a bar without a range and the close before
NARROW = 0.25  # of the median range: less is no range; real bars that go so far have more, or one price
MANY = 0.005  # of the bars, at least, that go far and come back, to be bad prints
REAL = 0.0025  # of the bars of real minutes, hours and days do, at most


def is_averaged(candles: Candles) -> np.ndarray:
    """Bool (time,): the bar opens midway between open and close of the bar before, as in Heikin-Ashi candles."""
    opened, closed = candles.open, candles.close
    averaged = np.zeros(len(candles), dtype=bool)
    averaged[1:] = is_same(opened[1:], (opened[:-1] + closed[:-1]) / 2) & ~is_same(opened[:-1], closed[:-1])
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

    All four prices are equal, to NEAR of the range of the bar, so are the volumes, or there is no volume, and the open is not
    the close before.
    """
    copied = np.zeros(len(candles), dtype=bool)
    near = np.maximum(NEAR * (candles.high - candles.low), SOME * candles.close)[1:]
    copied[1:] = ~is_same(candles.open[1:], candles.close[:-1])
    for prices in (candles.open, candles.high, candles.low, candles.close):
        copied[1:] &= np.abs(np.diff(prices)) <= near
    volume = candles.volume
    copied[1:] &= (volume[1:] == volume[:-1]) | ~(volume[1:] > 0)
    return copied


def is_invented(candles: Candles) -> np.ndarray:
    """Bool (time,): a bar that repeats the close before, or the whole bar, and has no volume, where any bar has some."""
    has_none = ~(candles.volume > 0) & bool((candles.volume > 0).any())
    return (is_repeat(candles) | is_copy(candles)) & has_none


def is_filled_weekend(candles: Candles) -> np.ndarray:
    """Bool (time,): a bar of a Saturday or Sunday (UTC) that repeats the close before, where nearly all Saturdays do.

    A market that is closed at weekends, whose table was filled forward: an order decided at Friday's close would be filled at
    that very close. None where FILLED of the Saturdays' bars do not repeat the close, or more than MOVING of the bars from
    Tuesday to Thursday do, as in a market that hardly trades, and none of bars longer than a day.
    """
    days = (candles.open_time.astype("datetime64[D]").astype(np.int64) + THURSDAY) % 7  # Monday is 0
    repeats, saturdays, midweek = is_repeat(candles), days == SATURDAY, (days >= 1) & (days <= THURSDAY)
    is_filled = (
        candles.interval.seconds <= SECONDS["d"]
        and saturdays.sum() >= MINIMUM
        and midweek.any()
        and repeats[saturdays].mean() >= FILLED
        and repeats[midweek].mean() <= MOVING
    )
    return repeats & (days >= SATURDAY) if is_filled else np.zeros(len(candles), dtype=bool)


def is_spike(candles: Candles) -> np.ndarray:
    """Bool (time,): the close lies far off those before and after, which agree: a price that was gone with the next one.

    Both changes are larger than SPIKE robust standard deviations (1.4826 times the median size of AROUND changes around
    them), have opposite signs, and leave at most RETURNED of the smaller one. Known only from later bars.
    """
    spikes = np.zeros(len(candles), dtype=bool)
    if len(candles) < MINIMUM:
        return spikes
    change = np.diff(np.log(candles.close))
    least = SPIKE * 1.4826 * local_median(np.abs(change))[1:]
    out, back = change[:-1], change[1:]
    smaller = np.minimum(np.abs(out), np.abs(back))
    spikes[1:-1] = (out * back < 0) & (smaller > least) & (np.abs(out + back) <= RETURNED * smaller) & (least > 0)
    return spikes


def are_many(spikes: np.ndarray) -> bool:
    """Whether so many bars of a mask (time,) go far and come back that prints are bad.

    MANY of them, 3 or more, and more than three standard deviations above REAL: a short table may have some by chance.
    """
    count, real = int(spikes.sum()), REAL * len(spikes)
    return count >= max(MANY * len(spikes), 3) and count > real + 3 * math.sqrt(real)


def local_median(values: np.ndarray) -> np.ndarray:
    """The median of the block of AROUND values, or somewhat more, that each belongs to."""
    blocks = np.array_split(values, max(len(values) // AROUND, 1))
    return np.repeat([np.median(block) for block in blocks], [len(block) for block in blocks])


def is_locked(candles: Candles) -> np.ndarray:
    """Bool (time,): the bar has no range and lies far from the close before: a daily price limit, where one side finds no other.

    Far is LOCKED robust standard deviations (1.4826 times the median size of AROUND changes around it). A bar of one price has
    no range, nor has one whose range is below NARROW of the median of AROUND bars around it: at a limit a few trades may be a
    tick away. Retrospective: the bars around it are later ones too.
    """
    locked = np.zeros(len(candles), dtype=bool)
    if len(candles) < MINIMUM:
        return locked
    change = np.abs(np.diff(np.log(candles.close)))
    least = LOCKED * 1.4826 * local_median(change)
    ranges = np.log(candles.high / candles.low)
    is_narrow = _flat(candles) | (ranges < NARROW * local_median(ranges))
    locked[1:] = is_narrow[1:] & (change > least) & (least > 0)
    return locked


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


def repeated_at_end(candles: Candles) -> int:
    """How many bars at the end repeat the close before them, and have no volume where others have some."""
    repeats = is_repeat(candles)
    if (candles.volume > 0).any():
        repeats &= candles.volume == 0
    return len(candles) - 1 - int(np.flatnonzero(~repeats)[-1])


def _flat(candles: Candles) -> np.ndarray:
    """Bool (time,): the bar has one price."""
    return candles.high - candles.low <= SOME * candles.high


def is_same(prices: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Bool: the prices differ by no more than an adjustment moves them."""
    return np.abs(prices - others) <= SAME * np.abs(others)


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First row and row after the last, of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
