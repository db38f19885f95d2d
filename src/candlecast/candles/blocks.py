"""Blocks of the calendar, such as days, weeks and months, with the returns of the bars or groups of bars within them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from candlecast.candles.clock import DAY, HOUR, WEEK
from candlecast.candles.gaps import month_numbers, trading_days, wall_clock

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

LEAST = 4  # bars of a block
CELLS = 24  # of a block at most: shorter bars are put together
TO_MONDAY = 3  # days from a Monday to 1 January 1970
FOUR_WEEKS = 28  # days


class Blocks(NamedTuple):
    """The returns of a table by blocks of one kind.

    name: of the kind, such as "week"; shift: by how many days, or hours for days, such a block begins after the calendar's own.
    returns: log returns from close to close, of the bars or of cells of several bars, float64 (time,). block: number of the
        block of each, int64, never falling. position: where each stands in its block, int64, from 0. day: its day of the week.
    size: of a block, in returns.
    """

    name: str
    shift: int
    returns: np.ndarray
    block: np.ndarray
    position: np.ndarray
    day: np.ndarray
    size: int


def blocks(candles: Candles) -> Iterator[Blocks]:
    """All kinds of blocks that have at least `LEAST` bars, those that begin where the calendar's do first of their name.

    Bars below a day: hours, four hours, days (trading days of a market with sessions) and weeks. Days: weeks, four weeks and
    months. Weeks: quarters. Months: years.
    """
    step = candles.interval.microseconds
    if len(candles) < LEAST:
        return
    if candles.interval.months or step >= DAY:
        yield from _of_days(candles)
        return
    clock = wall_clock(candles)
    for name, length in (("hour", HOUR), ("four-hour block", 4 * HOUR)):
        if step * LEAST <= length:
            yield from _of_cells(candles, clock, name, length, 0)
    if candles.has_sessions:
        yield from _of_sessions(candles, clock)
        return
    if step * LEAST <= DAY:
        for hour in range(0, 24, max(step // HOUR, 1)):
            yield from _of_cells(candles, clock, "day", DAY, hour * HOUR)
    for day in range(7):
        yield from _of_cells(candles, clock + TO_MONDAY * DAY, "week", WEEK, day * DAY)


def _of_cells(candles: Candles, clock: np.ndarray, name: str, length: int, shift: int) -> Iterator[Blocks]:
    """Blocks of a fixed length, cut into cells of whole bars."""
    step = candles.interval.microseconds
    cell = -(-length // CELLS // step) * step
    while length % cell or shift % cell:
        cell += step
        if cell * LEAST > length:
            return
    number = (clock - shift) // cell
    is_last = np.append(np.diff(number) != 0, True)
    returns, number, time = _returns(candles, is_last), number[is_last][1:], clock[is_last][1:]
    cells = length // cell
    unit = DAY if length == WEEK else HOUR
    yield Blocks(name, shift // unit, returns, number // cells, number % cells, _day(time // DAY), cells)


def _of_sessions(candles: Candles, clock: np.ndarray) -> Iterator[Blocks]:
    """Trading days of a market with sessions, bar by bar, and their weeks."""
    days = trading_days(candles).astype(np.int64)
    returns = _returns(candles, np.ones(len(candles), dtype=bool))
    position = (clock % DAY // max(candles.interval.microseconds, HOUR // 2))[1:]
    size = _size(days)
    if size >= LEAST:
        yield Blocks("trading day", 0, returns, days[1:], position, _day(days[1:]), size)
    is_last = np.append(np.diff(days) != 0, True)
    closes, days = _returns(candles, is_last), days[is_last][1:]
    week = (days + TO_MONDAY) // 7
    yield Blocks("week", 0, closes, week, _day(days), _day(days), _size(week))


def _of_days(candles: Candles) -> Iterator[Blocks]:
    """Blocks of bars of a day or more."""
    returns = _returns(candles, np.ones(len(candles), dtype=bool))
    if candles.interval.months:
        months = month_numbers(candles)[1:]
        if candles.interval.months == 1:
            yield Blocks("year", 0, returns, months // 12, months % 12, months % 1, 12)
        return
    days = trading_days(candles).astype(np.int64)[1:]
    months, none = month_numbers(candles)[1:], np.zeros(len(days), dtype=np.int64)
    if candles.interval.microseconds > DAY:
        if candles.interval.microseconds == WEEK:
            yield Blocks("quarter", 0, returns, months // 3, none, none, 13)
        return
    day = _day(days)
    week = _size((days + TO_MONDAY) // 7)
    yield Blocks("month", 0, returns, months, day, day, _size(months))
    for shift in range(7):
        if shift == 0 or np.any(day == shift):
            yield Blocks("week", shift, returns, (days + TO_MONDAY - shift) // 7, day, day, week)
    for shift in range(0, FOUR_WEEKS, 7):
        since = days + TO_MONDAY - shift
        yield Blocks("four-week block", shift, returns, since // FOUR_WEEKS, since % FOUR_WEEKS, day, 4 * week)


def _returns(candles: Candles, is_last: np.ndarray) -> np.ndarray:
    return np.diff(np.log(candles.close[is_last]))


def _day(days: np.ndarray) -> np.ndarray:
    return (days + TO_MONDAY) % 7


def _size(block: np.ndarray) -> int:
    """Bars of a usual block."""
    return int(np.median(np.unique(block, return_counts=True)[1])) if len(block) else 0
