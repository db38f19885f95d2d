"""The gaps in candles: stretches without the bars that belong there, by the market's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from candlecast.candles.clock import DAY, SHORT_CLOSURE, Breaks, TradingClock
from candlecast.candles.halts import is_closure

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

LONGEST_HOLIDAY = 10  # weekdays: Shanghai's Spring Festivals of 1996 to 2002, the longest regular closings since 1990
SHORT_HOLIDAY_ZONES = ("America/", "Europe/London", "Europe/Berlin", "Europe/Athens", "Australia/", "Pacific/")
LONGEST_CURRENCY_HOLIDAY = 2  # weekdays, of markets that trade around the clock: Christmas and New Year
LONGEST_SHORT_HOLIDAY = 5  # weekdays, in zones whose names begin so: the longest closing since 1950 was 4 (2001-09-11)


@dataclass(frozen=True, eq=False)
class Gaps:
    """All gaps of a table, in order of time; arrays of shape (gap,).

    `row`: the bar after the gap. `bars`: how many are missing; where `is_closed`, the weekdays of a closing that is longer
    than a holiday. `start`, `end`: the stretch without a bar, datetime64[us].
    """

    row: np.ndarray
    bars: np.ndarray
    start: np.ndarray
    end: np.ndarray
    is_closed: np.ndarray


def find_gaps(candles: Candles) -> Gaps:
    """The gaps of candles that are in order, by the candles' clock.

    These are no gaps: nights, weekends, pauses; closings of up to ten weekdays, and longer ones that are known; and
    sessions that begin late or end early. Around a short closure (futures pause for an hour), bars count as missing if they
    are absent on both sides of it. Where trading never pauses overnight (currencies), every absent bar counts.
    """
    opened, step = candles.open_time.astype(np.int64), candles.interval.microseconds
    if candles.interval.months:
        row, missing = _missing_months(candles)
        is_closed = np.zeros(len(row), dtype=bool)
        return Gaps(row, missing, candles.close_time[row - 1], candles.open_time[row], is_closed)
    clock = wall_clock(candles)
    since = np.diff(clock, prepend=clock[:1] - step)
    if candles.zone is not None and step < DAY:  # an hour is left out or repeated where the clocks change
        since = np.minimum(since, np.diff(opened, prepend=opened[:1] - step))
    if candles.has_sessions and step < 7 * DAY:
        return _in_sessions(candles, np.flatnonzero(since > step), since - step)
    missing = since // step - 1
    row = np.flatnonzero(missing > 0)
    return Gaps(row, missing[row], candles.close_time[row - 1], candles.open_time[row], np.zeros(len(row), dtype=bool))


def _missing_months(candles: Candles) -> tuple[np.ndarray, np.ndarray]:
    """Rows before which bars of calendar months are missing, and how many."""
    missing = np.diff(month_numbers(candles), prepend=0) // candles.interval.months - 1
    row = np.flatnonzero(missing[1:] > 0) + 1
    return row, missing[row]


def month_numbers(candles: Candles) -> np.ndarray:
    """The calendar month in which the trading day of each bar lies, counted from January 1970, int64 (time,)."""
    return trading_days(candles).astype("datetime64[M]").astype(np.int64)


def _in_sessions(candles: Candles, row: np.ndarray, gap: np.ndarray) -> Gaps:
    """Gaps before some rows, in a market with sessions; `gap` is the time without a bar before each row, (time,)."""
    step, clock, gap = candles.interval.microseconds, wall_clock(candles), gap[row]
    opened, begins, ends = candles.open_time[row].astype(np.int64), clock[row], clock[row - 1] + step
    paused = _paused(candles.breaks or (), ends, begins, opened)
    days, before = (trading_days(candles, rows) for rows in (row, row - 1))
    closed = np.busday_count(before, days) - 1  # weekdays without a bar in between
    apart = (days - before).astype(np.int64)
    overnight = _missing_overnight(candles.clock, ends, begins, gap - paused, step)
    missing = np.where(apart == 1, overnight, np.where(apart > 0, 0, (gap - paused) // step))
    is_long = (closed > longest_holiday(candles.clock)) & ~is_closure(before, days)
    missing = np.where(is_long, closed, np.where(_is_festive(candles.clock, ends, begins), 0, missing))
    start, end = candles.close_time[row - 1].astype(np.int64), opened
    if step < DAY:  # such a gap is one of whole days
        start = np.where(is_long, day_start(candles.clock, before + 1) - ends + start, start)
        end = np.where(is_long, day_start(candles.clock, days) - begins + opened, end)
    found = missing > 0
    times = (start[found].astype("datetime64[us]"), end[found].astype("datetime64[us]"))
    return Gaps(row[found], missing[found], *times, is_long[found])


def segments(candles: Candles) -> np.ndarray:
    """Number of gaps before each bar, without those that are bridged; see `Candles.segments`."""
    gaps = find_gaps(candles)
    steps = np.zeros(len(candles), dtype=np.int64)
    steps[gaps.row[gaps.bars > candles.bridge]] = 1
    return np.cumsum(steps)


def wall_clock(candles: Candles) -> np.ndarray:
    """Microseconds since 1970 that the clocks of the candles' zone show as each bar opens, int64."""
    return candles.local_time.view(np.int64)


def longest_holiday(clock: TradingClock) -> int:
    """Most weekdays in a row without a bar that can be holidays; a longer stretch is a gap."""
    zone = clock.zone
    if clock.has_sessions and clock.closure == 0:
        return LONGEST_CURRENCY_HOLIDAY
    return LONGEST_SHORT_HOLIDAY if zone is not None and zone.startswith(SHORT_HOLIDAY_ZONES) else LONGEST_HOLIDAY


def trading_days(candles: Candles, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """The trading day of each bar, datetime64[D], shape (time,): the date in the candles' zone, or, where the session goes
    through midnight, the date on which it ends.
    """
    day = (wall_clock(candles)[rows] - candles.clock.day_start) // DAY + candles.clock.lead
    return day.astype("datetime64[D]")


def day_start(clock: TradingClock, days: np.ndarray) -> np.ndarray:
    """When trading days begin, in microseconds that the market's clock shows; int64."""
    return (days.astype(np.int64) - clock.lead) * DAY + clock.day_start


def _paused(breaks: Breaks, start: np.ndarray, end: np.ndarray, opened: np.ndarray) -> np.ndarray:
    """Microseconds of pauses between `start` and `end` by the market's clock, those in force at `opened` (UTC), int64."""
    total = np.zeros(len(start), dtype=np.int64)
    for first, last, *since in breaks:
        before, after = (
            mark // DAY * (last - first) + np.clip(mark % DAY - first, 0, last - first) for mark in (start, end)
        )
        total += np.where(opened >= since[0], after - before, 0) if since else after - before
    return total


def _is_festive(clock: TradingClock, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether a stretch is at Christmas or New Year, when markets that trade around the clock have special hours."""
    if clock.closure is None or clock.closure > SHORT_CLOSURE:
        return np.zeros(len(start), dtype=bool)
    days = (start // DAY).astype("datetime64[D]") + 8  # 24 December is the first day of a year, 31 December the eighth
    day_of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    return np.isin(day_of_year, (0, 1, 2, 7, 8, 9)) & (end - start < 2 * DAY)


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
