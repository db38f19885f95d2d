"""Trading hours found in the opening times of bars: whether a market closes, its session, and its pauses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from candlecast.candles.clock import (
    DAY,
    MINUTE,
    SHORT_CLOSURE,
    WEEK,
    Breaks,
    TradingClock,
    local_time,
    split_at_midnight,
)
from candlecast.candles.zones import infer_zones
from candlecast.interval import Interval

PREFIX = 8 * WEEK  # what shows whether a market closes; and at least 20 bars
RARE_SHARE = 0.05  # of a market's bars, at most, open on a day of the week on which it closes
LONGEST_OPEN = 0.8  # share of all hours that a market with sessions trades, at most; currencies trade on 5 of 7 days
MIN_DAYS = 3  # that show a session
BLOCK = 20  # trading days in which a pause must be usual
RARELY_OPEN = 0.25  # times the median over slots of the days with trade: a slot with fewer is closed
USUALLY_OPEN = 0.5  # the same, for the half hours beside a pause: they have at least that many
NEIGHBOURS = 6  # slots in this half hour
SHORTEST_BREAK = 15 * MINUTE  # as Shanghai's futures have in the morning
SHORTEST_CLOSING = 30 * MINUTE
SLOT = 5 * MINUTE
SLOTS = DAY // SLOT
LONGEST_TABLE = 40_000  # days, over 100 years: more are an error of the times


def settle(
    times: pl.Series,
    interval: Interval,
    *,
    has_sessions: bool | None = None,
    breaks: Breaks | None = None,
    zone: str | None = None,
    hint: str | None = None,
) -> TradingClock:
    """The clock of a table, from the opening times of its bars (UTC) alone; what is given (not None) is kept.

    Where hours, pauses and zone are taken from the table, they are those of its first bars: eight weeks show whether it
    closes, at most 60 the zone, the first 20 trading days the session and its pauses. A pause that becomes usual in 20
    later trading days holds from the next day on. `hint` is a zone that is taken unless another one explains the hours
    better. So later bars do not change it for earlier ones.
    """
    step, opened = interval.microseconds, local_time(times, None)
    if np.any(opened[1:] < opened[:-1]):
        times, opened = times.sort(), np.sort(opened)
    if interval.months:  # bars of whole months show no hours
        return TradingClock(zone, bool(has_sessions), None, breaks or (), "default")
    is_told = has_sessions is not None and breaks is not None
    how = "declared" if is_told else "inferred"
    if has_sessions is None:
        has_sessions = _closes(opened, step) or (
            hint is not None
            and step <= DAY // 4
            and _closes_nightly(local_time(times[: _prefix(opened, step)], hint), step)
        )
    zones = [zone]
    if zone is None and not is_told:
        is_shifted = len(opened) > 0 and step > 60 * MINUTE and len(np.unique(opened % step)) > 1
        if has_sessions or is_shifted:
            zones = infer_zones(opened, step, hint=hint if has_sessions else None) or [None]
    found = [_on(zone, has_sessions, times, opened, step) for zone in zones]
    clock = next((clock for clock in found if clock.exchange), found[0])
    is_found = has_sessions or clock.zone is not None
    return replace(clock, how=how if is_found else "default", breaks=clock.breaks if breaks is None else breaks)


def _on(zone: str | None, has_sessions: bool, times: pl.Series, opened: np.ndarray, step: int) -> TradingClock:
    """The clock in a zone, with the hours that the table shows on it."""
    if not has_sessions or not len(opened) or (step >= DAY // 2 and step % DAY):
        return TradingClock(zone, has_sessions)
    clock = local_time(times, zone)
    if step >= DAY:
        stamps, counts = np.unique(clock[:BLOCK] % DAY, return_counts=True)
        begin = int(stamps[counts.argmax()])
        weekday = (clock[:BLOCK] // DAY + 3) % 7
        is_eve = begin > DAY // 2 and np.sum(weekday == 6) > np.sum(weekday == 4)  # Monday's bar opens on Sunday
        return TradingClock(zone, True, (begin, begin) if is_eve else None)
    return TradingClock(zone, True, *_hours(clock, opened, step))


def _prefix(opened: np.ndarray, step: int) -> int:
    """How many bars show whether the market closes; `opened` rises."""
    return int(np.searchsorted(opened, opened[0] + max(PREFIX, 20 * step))) if len(opened) else 0


def _closes(opened: np.ndarray, step: int) -> bool:
    """Whether the market closes: next to no bar opens on a Saturday (or, in four weeks or more, on a Friday) although the
    table is long enough to hold some.

    A few do on special days. Sundays may have bars: Tel Aviv trades, currencies and Sydney open on Sunday evening in UTC,
    and a day of currencies may begin then. A table of hours in which only the Saturdays are missing is more likely
    a broken download.
    """
    opened = opened[: _prefix(opened, step)]
    span = int(opened[-1] - opened[0]) if len(opened) else 0
    if step >= WEEK or span < max(9 * DAY, 7 * step):
        return step <= DAY // 4 and (_closes_nightly(opened, step) or _closes_at_weekends(opened, step))
    weekday = (opened // DAY + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    counts = np.bincount(weekday, minlength=7)
    if step < DAY and len(opened) * step > LONGEST_OPEN * span and counts[6] > counts[0] / 2:
        return False
    share = counts / len(opened)
    return bool(share[5] < RARE_SHARE or (share[4] < RARE_SHARE and span >= 4 * WEEK))


def _closes_at_weekends(opened: np.ndarray, step: int) -> bool:
    """Whether a few days show the weekend of currencies, from Friday evening to Sunday evening, and no other gap of a day."""
    gap = np.diff(opened) - step
    rows = np.flatnonzero(gap >= DAY)
    begins, ends = opened[rows] + step, opened[rows + 1]
    since_monday = (begins + 3 * DAY) % WEEK  # 1970-01-01 was a Thursday
    is_friday = (since_monday >= 5 * DAY - 4 * 60 * MINUTE) & (since_monday <= 5 * DAY)
    length = ends - begins
    return bool(len(rows) > 0 and (is_friday & (length >= 40 * 60 * MINUTE) & (length <= 56 * 60 * MINUTE)).all())


def _closes_nightly(opened: np.ndarray, step: int) -> bool:
    """Whether a few days show that the market closes: on nearly all of them, and on three at least, it opens at one time
    after half an hour or more without a bar, and has closed at about one time before.
    """
    gap = np.diff(opened) - step
    rows = np.flatnonzero(gap >= SHORTEST_CLOSING)
    times, counts = np.unique(opened[rows + 1] % DAY, return_counts=True)
    if not len(times):
        return False
    rows = rows[opened[rows + 1] % DAY == times[counts.argmax()]]
    closings = (opened[rows] + step - opened[rows[0]]) % DAY
    is_alike = np.ptp((closings + DAY // 2) % DAY) <= SHORT_CLOSURE
    days = len(np.unique(opened // DAY))
    return bool(is_alike and days >= MIN_DAYS and len(rows) >= max(MIN_DAYS - 1, days - 2))


def _hours(clock: np.ndarray, opened: np.ndarray, step: int) -> tuple[tuple[int, int] | None, Breaks]:
    """Session and pauses on a clock (int64 microseconds as its hands show them, shape (time,))."""
    first_day = int(clock.min()) // DAY
    days = int(clock.max() + step) // DAY - first_day + 2
    if days > LONGEST_TABLE:
        return None, ()
    begins = (clock - first_day * DAY) // SLOT
    ends = -((first_day * DAY - clock - step) // SLOT)
    size = days * SLOTS + 1
    is_covered = np.cumsum(np.bincount(begins, minlength=size) - np.bincount(ends, minlength=size))[:-1] > 0
    by_day = is_covered.reshape(days, SLOTS)
    traded = np.flatnonzero(by_day.any(axis=1))
    by_day = by_day[traded]
    blocks = np.add.reduceat(by_day.astype(np.int32), np.arange(0, len(by_day), BLOCK), axis=0)
    if len(by_day) < MIN_DAYS:
        return None, ()
    closed = _closed(blocks[0])
    boundary = max(closed, key=lambda pause: (pause[1] - pause[0]) % DAY, default=None)
    if boundary is None:
        session = _around_the_clock(clock[clock < clock[0] + 2 * BLOCK * DAY])
    else:
        session = (boundary[1] % DAY, boundary[0] % DAY)
    found: list[tuple[int, ...]] = list(
        split_at_midnight([pause for pause in closed if pause != boundary and _is_clear(pause, blocks[0])])
    )
    for number, block in enumerate(blocks[1:], 1):
        last = (number + 1) * BLOCK
        if last >= len(traded):
            break  # not a whole block, or no day after it
        later = [pause for pause in _closed(block) if _is_clear(pause, block)]
        later = [pause for pause in later if boundary is None or not _touches(pause, boundary)]
        known = {(pause[0], pause[1]) for pause in found}
        new = [
            pause for pause in split_at_midnight(later) if not any(a <= pause[0] and pause[1] <= b for a, b in known)
        ]
        if new:
            row = int(np.searchsorted(clock, (first_day + traded[last]) * DAY))
            found += [(*pause, int(opened[row])) for pause in new]
    return session, tuple(found)


def _closed(days: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of the day that are rarely traded, (first, last) in microseconds; `days` on which each slot was, (slot,)."""
    is_closed = days < RARELY_OPEN * np.median(days[days > 0])
    if not is_closed.any():
        return []
    edges = np.flatnonzero(is_closed != np.roll(is_closed, 1))
    begins = [edge for edge in edges if is_closed[edge]]
    found = []
    for begin in begins:
        end = next((edge for edge in edges if edge > begin), edges[0] + SLOTS)
        if (end - begin) * SLOT >= SHORTEST_BREAK:
            found.append((int(begin) * SLOT, int(end) * SLOT % DAY or DAY))
    return found


def _is_clear(pause: tuple[int, int], days: np.ndarray) -> bool:
    """Whether trade is usual on both sides of a pause; where it is thin, a stretch without any is no pause."""
    first, last = (mark // SLOT for mark in pause)
    sides = (np.arange(first - NEIGHBOURS, first) % SLOTS, np.arange(last, last + NEIGHBOURS) % SLOTS)
    usual = USUALLY_OPEN * np.median(days[days > 0])
    return all(days[side].mean() >= usual for side in sides)


def _touches(pause: tuple[int, int], closure: tuple[int, int]) -> bool:
    """Whether a pause begins or ends in a closure, or at its edge, so that the session only begins later or ends earlier."""
    length = (closure[1] - closure[0]) % DAY
    return any((mark - closure[0]) % DAY <= length for mark in pause) or (closure[0] - pause[0]) % DAY < (
        (pause[1] - pause[0]) % DAY
    )


def _around_the_clock(clock: np.ndarray) -> tuple[int, int]:
    """The session of a market that trades day and night: it begins as the week does, after a day or more without a bar."""
    begins = clock[1:][np.diff(clock) > DAY] % DAY
    if not len(begins):
        return (0, 0)
    times, counts = np.unique(begins, return_counts=True)
    first = int(times[counts.argmax()])
    return (first, first)


def usual_weekend(days: np.ndarray) -> list[int]:
    """Days of the week (Monday 0 to Sunday 6) that are rarely among the trading days, datetime64[D]."""
    numbers = days.astype(np.int64)
    counts = np.bincount((numbers + 3) % 7, minlength=7)  # 1970-01-01 was a Thursday
    passed = np.bincount((np.arange(numbers.min(), numbers.max() + 1) + 3) % 7, minlength=7)
    is_shown = passed >= np.array([2, 2, 2, 2, 2, 1, 1])  # one weekday without trade may be a holiday
    return np.flatnonzero(is_shown & (counts < RARE_SHARE * counts.max())).tolist()
