"""The holes in candles: stretches without the bars that belong there, by the market's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from candlecast.candles.clock import DAY, SHORT_CLOSURE, Breaks, TradingClock
from candlecast.candles.halts import is_closure

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

LONGEST_CLOSURE = 10  # weekdays: Shanghai's Spring Festivals of 1996 to 2002, the longest regular closings since 1990


@dataclass(frozen=True, eq=False)
class Holes:
    """All holes of a table, in order of time; arrays of shape (hole,).

    `row`: the bar behind the hole. `bars`: how many are missing; weekdays in a hole of a market with sessions that is
    longer than a day. `start`, `end`: the stretch without a bar, datetime64[us].
    """

    row: np.ndarray
    bars: np.ndarray
    start: np.ndarray
    end: np.ndarray

    @cached_property
    def missing(self) -> int:
        """Bars missing in all of them."""
        return int(self.bars.sum())


def find_holes(candles: Candles) -> Holes:
    """The holes of candles that are in order, by the candles' clock.

    No holes are: nights, weekends, pauses; closings of up to ten weekdays, and longer ones that are known; and sessions
    that begin late or end early. Between two sessions that a short closure parts (futures pause for an hour), and where
    trading goes through the night (currencies), bars are missing when they lack on both sides of the closure.
    """
    opened, step = candles.open_time.astype(np.int64), candles.interval.microseconds
    clock = wall_clock(candles)
    since = np.diff(clock, prepend=clock[:1] - step)
    if candles.zone is not None and step < DAY:  # an hour is left out or repeated where the clocks change
        since = np.minimum(since, np.diff(opened, prepend=opened[:1] - step))
    missing = since // step - 1
    start, end = np.roll(candles.close_time, 1), candles.open_time.copy()
    if candles.has_sessions and step < 7 * DAY and len(clock):
        gap = since - step
        ends = np.append(clock[:1], clock[:-1] + step)
        paused = _paused(candles.breaks or (), ends, clock, opened)
        missing = (gap - np.minimum(paused, np.maximum(gap, 0))) // step
        days = trading_days(candles)
        closed = np.zeros(len(days), dtype=np.int64)
        closed[1:] = np.busday_count(days[:-1], days[1:]) - 1  # weekdays without a bar in between
        apart = np.diff(days, prepend=days[:1]).astype(np.int64)
        is_long = (closed > LONGEST_CLOSURE) & ~is_closure(np.roll(days, 1), days)
        overnight = _missing_overnight(candles.clock, ends, clock, gap - paused, step)
        missing = np.where(apart == 1, overnight, np.where(apart > 0, 0, missing))
        missing = np.where(is_long, closed, missing)
        if step < DAY:  # such a hole is one of whole days
            begins = _day_start(candles.clock, days)
            start = np.where(is_long, np.roll(begins - (clock - opened), 1) + DAY, start.astype(np.int64))
            end = np.where(is_long, begins - (clock - opened), end.astype(np.int64))
            start, end = start.astype("datetime64[us]"), end.astype("datetime64[us]")
    row = np.flatnonzero(missing > 0)
    return Holes(row, missing[row], start[row], end[row])


def segments(candles: Candles) -> np.ndarray:
    """Number of holes before each bar, those not counted that the candles bridge; see `Candles.segments`."""
    holes = find_holes(candles)
    steps = np.zeros(len(candles), dtype=np.int64)
    steps[holes.row[holes.bars > candles.bridge]] = 1
    return np.cumsum(steps)


def wall_clock(candles: Candles) -> np.ndarray:
    """Microseconds since 1970 that the clocks of the candles' zone show as each bar opens, int64."""
    return candles.local_time.astype(np.int64)


def trading_days(candles: Candles) -> np.ndarray:
    """The trading day of each bar, datetime64[D], shape (time,): the date in the candles' zone, or, where the session goes
    through midnight, the date on which it ends.
    """
    start = candles.clock.day_start
    day = (wall_clock(candles) - start) // DAY + _lead(candles.clock)
    return day.astype("datetime64[D]")


def _lead(clock: TradingClock) -> int:
    """Days by which the name of a trading day is ahead of the date on which it begins."""
    return int(clock.day_start > DAY // 2)


def _day_start(clock: TradingClock, days: np.ndarray) -> np.ndarray:
    """When trading days begin, in microseconds that the market's clock shows; int64."""
    return (days.astype(np.int64) - _lead(clock)) * DAY + clock.day_start


def _paused(breaks: Breaks, start: np.ndarray, end: np.ndarray, opened: np.ndarray) -> np.ndarray:
    """Microseconds of pauses between `start` and `end` by the market's clock, those in force at `opened` (UTC), int64."""
    total = np.zeros(len(start), dtype=np.int64)
    for first, last, *since in breaks:
        before, after = (mark // DAY * (last - first) + np.clip(mark % DAY - first, 0, last - first) for mark in (start, end))
        total += np.where(opened >= since[0], after - before, 0) if since else after - before
    return total


def _missing_overnight(
    clock: TradingClock, ends: np.ndarray, begins: np.ndarray, gap: np.ndarray, step: int
) -> np.ndarray:
    """Bars missing between the last bar of one trading day, that ends at `ends`, and the first of the next, at `begins`."""
    closure = clock.closure
    if closure is None or closure > SHORT_CLOSURE or step >= DAY // 2:
        return np.zeros(len(gap), dtype=np.int64)
    missing = (gap - closure) // step
    if closure:
        head = (begins - clock.day_start) % DAY
        tail = DAY - closure - (ends - clock.day_start - 1) % DAY - 1
        missing = np.where((head >= step) & (tail >= step), missing, 0)
    return missing
