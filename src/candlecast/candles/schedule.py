"""The scheduled hours of a market: when it opens next after a moment, and when its session began."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from candlecast.candles.clock import DAY, TradingClock

SATURDAY, SUNDAY = 5, 6  # Monday is 0
WEEKENDS = {"Asia/Jerusalem": (4, SATURDAY), "Asia/Riyadh": (4, SATURDAY)}  # of the others: Saturday and Sunday
LONGEST_CLOSING = 21  # days from any moment in which a market opens again, and has been open
THURSDAY = 3  # 1970-01-01

Holidays = Callable[[np.ndarray], np.ndarray]  # trading days, datetime64[D] -> bool, whether the market is closed


def trading_day(clock: TradingClock, local: np.ndarray) -> np.ndarray:
    """The trading day that a moment belongs to, datetime64[D]; `local` is what the market's clock shows, microseconds."""
    return ((local - clock.day_start) // DAY + clock.lead).astype("datetime64[D]")


def is_trading_day(clock: TradingClock, days: np.ndarray, holidays: Holidays | None = None) -> np.ndarray:
    """Whether the market is scheduled to trade on days, datetime64[D] -> bool: always, or but for weekends and holidays."""
    if not clock.has_sessions:
        return np.ones(days.shape, dtype=bool)
    weekday = (days.astype(np.int64) + THURSDAY) % 7
    is_open = ~np.isin(weekday, WEEKENDS.get(clock.zone or "", (SATURDAY, SUNDAY)))
    return is_open if holidays is None else is_open & ~holidays(days)


def next_trading_day(clock: TradingClock, days: np.ndarray, holidays: Holidays | None = None) -> np.ndarray:
    """The first scheduled trading day after days, datetime64[D]."""
    if not clock.has_sessions:
        return days + 1
    found = np.full(days.shape, np.datetime64("NaT", "D"))
    for ahead in range(LONGEST_CLOSING, 0, -1):
        later = days + ahead
        found = np.where(is_trading_day(clock, later, holidays), later, found)
    return found


def next_opening(
    clock: TradingClock, local: np.ndarray, *, in_hours: bool, holidays: Holidays | None = None
) -> np.ndarray:
    """When the market is next open from a moment on, that moment itself where it is open; microseconds on its clock.

    `local` likewise, int64 (time,). `in_hours`: by the sessions of the day, where they are known; else by whole days.

    >>> clock = TradingClock.parse("09:30-16:00 America/New_York")
    >>> friday = np.array(["2024-03-01T16:00"], dtype="datetime64[us]").astype(np.int64)
    >>> next_opening(clock, friday, in_hours=True).astype("datetime64[us]").astype("datetime64[m]")
    array(['2024-03-04T09:30'], dtype='datetime64[m]')
    """
    if not clock.has_sessions:
        return local
    day = trading_day(clock, local)
    found = np.full(len(local), np.iinfo(np.int64).max)
    for ahead in range(LONGEST_CLOSING):
        is_open, begin = is_trading_day(clock, day + ahead, holidays), _start(clock, day + ahead)
        for opening, closing in _stretches(clock, in_hours=in_hours):
            at = np.maximum(local, begin + opening)
            found = np.where(is_open & (at < begin + closing), np.minimum(found, at), found)
        if (found < np.iinfo(np.int64).max).all():
            break
    return found


def last_opening(
    clock: TradingClock, local: np.ndarray, *, in_hours: bool, holidays: Holidays | None = None
) -> np.ndarray:
    """When the session began that is open just before a moment, or the last one before it; as `next_opening`."""
    if not clock.has_sessions:
        return local
    day = trading_day(clock, local - 1)
    found = np.full(len(local), np.iinfo(np.int64).min)
    opening = _stretches(clock, in_hours=in_hours)[0][0]
    for back in range(LONGEST_CLOSING):
        begin = _start(clock, day - back) + opening
        is_open = is_trading_day(clock, day - back, holidays) & (begin < local)
        found = np.where(is_open, np.maximum(found, begin), found)
        if (found > np.iinfo(np.int64).min).all():
            break
    return found


def _start(clock: TradingClock, days: np.ndarray) -> np.ndarray:
    return (days.astype(np.int64) - clock.lead) * DAY + clock.day_start


def _stretches(clock: TradingClock, *, in_hours: bool) -> list[tuple[int, int]]:
    """Opening and closing of each part of the trading day, microseconds after it begins, in order."""
    if not in_hours or clock.session is None:
        return [(0, DAY)]
    found = [((a - clock.day_start) % DAY, (b - a) % DAY or DAY) for a, b in clock.stretches]
    return sorted((opening, opening + length) for opening, length in found)
