"""When a market trades, and the holes in its candles: stretches without the bars that belong there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

DAY = 86_400_000_000  # microseconds, as all plain integers here
LONGEST_CLOSURE = 5  # weekdays: the longest planned or forced closing of a large exchange since 1950 was 4 (2001-09-11)
SATURDAY_SHARE = 0.05  # of the bars of a market with sessions, at most; 1 of 7 in one that never closes
LONGEST_OPEN = 0.8  # of all hours, in a market with sessions; currencies trade for 5 days of 7
SHORTEST_BREAK = (
    DAY // 48
)  # lunch takes an hour or more where there is one; half an hour may be an hourly bar cut short
FEWEST_DAYS = 3  # that show the same break

Breaks = tuple[tuple[int, int], ...]


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
    """The holes of candles that are in order; closing hours, weekends, holidays and lunch are none."""
    opened, step = wall_clock(candles), candles.interval.microseconds
    missing = np.diff(opened, prepend=opened[:1] - step) // step - 1
    start, end = np.roll(candles.close_time, 1), candles.open_time.copy()
    if candles.has_sessions and candles.interval.microseconds < 7 * DAY:
        days = opened.astype("datetime64[us]").astype("datetime64[D]")
        for first, last in candles.breaks or ():
            clock, before = opened % DAY, np.roll(opened, 1) % DAY + step
            missing -= np.where((before <= first) & (clock >= last), (last - first) // step, 0)
        closed = np.zeros(len(days), dtype=np.int64)
        closed[1:] = np.busday_count(days[:-1], days[1:]) - 1  # weekdays without a bar in between
        is_overnight = np.diff(days, prepend=days[:1]).astype(np.int64) > 0
        missing = np.where(is_overnight, np.where(closed > LONGEST_CLOSURE, closed, 0), missing)
        if step < DAY:  # such a hole is one of whole days
            start = np.where(is_overnight, np.roll(days, 1) + 1, start)
            end = np.where(is_overnight, days, end)
    row = np.flatnonzero(missing > 0)
    return Holes(row, missing[row], start[row], end[row])


def segments(candles: Candles) -> np.ndarray:
    """Number of holes before each bar, those not counted that the candles bridge; see `Candles.segments`."""
    holes = find_holes(candles)
    steps = np.zeros(len(candles), dtype=np.int64)
    steps[holes.row[holes.bars > candles.bridge]] = 1
    return np.cumsum(steps)


def infer_sessions(candles: Candles) -> bool:
    """Whether the market closes: next to no bar opens on a Saturday although the table is long enough to hold some.

    A few do on special days. Sundays may have bars: Tel Aviv trades, currencies and Sydney open on Sunday evening in UTC,
    and a day of currencies may begin then. Hours that lack but the Saturdays are rather those of a broken download.
    """
    step, opened = candles.interval.microseconds, candles.open_time
    span = int((opened[-1] - opened[0]).astype(np.int64)) if len(opened) else 0
    if step >= 7 * DAY or span < max(9 * DAY, 7 * step) or (step < DAY and len(opened) * step > LONGEST_OPEN * span):
        return False
    return bool(np.is_busday(opened.astype("datetime64[D]"), weekmask="Sat").mean() < SATURDAY_SHARE)


def infer_breaks(candles: Candles) -> Breaks:
    """Stretches of the UTC day, from half an hour on, in which a market with sessions pauses on most days.

    The exchanges that pause for lunch (Tokyo, Hong Kong, Shanghai, Jakarta, ...) have no daylight saving time.
    """
    step = candles.interval.microseconds
    if not len(candles) or step >= DAY // 2:
        return ()
    opened = candles.open_time.astype(np.int64)
    days = opened // DAY
    closed = opened[:-1] + step
    is_pause = (days[1:] == days[:-1]) & (opened[1:] - closed >= SHORTEST_BREAK)
    pairs = np.stack([closed[is_pause] % DAY, opened[1:][is_pause] % DAY], axis=1)
    found, counts = np.unique(pairs, axis=0, return_counts=True)
    is_usual = (counts >= FEWEST_DAYS) & (counts > len(np.unique(days)) / 2)
    return tuple((int(first), int(last)) for first, last in found[is_usual])


def wall_clock(candles: Candles) -> np.ndarray:
    """Microseconds since 1970 that the clocks of the candles' zone show as each bar opens, int64."""
    if candles.zone is None:
        return candles.open_time.astype(np.int64)
    local = candles.frame["open_time"].dt.convert_time_zone(candles.zone).dt.replace_time_zone(None)
    return local.to_numpy().astype(np.int64)
