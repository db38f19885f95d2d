"""Trading hours in words: sessions and zone, holidays, sessions cut short, and bars that hold less than their interval."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from candlecast.candles.clock import DAY, MINUTE, TradingClock, clock_face
from candlecast.candles.gaps import LONGEST_SHORT_HOLIDAY, longest_holiday, trading_days, wall_clock
from candlecast.candles.sessions import usual_weekend
from candlecast.text.formatting import count

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

HOW = {
    "inferred": "inferred from the opening times of the first bars",
    "declared": "as declared",
    "default": "nothing else was found",
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MAX_HOLIDAYS = 25  # weekdays a year
SHORTEST = 9 * DAY  # from the first to the last bar, which shows a weekend
CLOSING = 30 * MINUTE  # a gap that may be one
TOO_SHORT = (
    "the table is too short to show trading hours, so that a closed market counts as missing bars; declare them with "
    'candles.on_clock("09:30-16:00 America/New_York")'
)
NOTABLE = 15 * MINUTE  # a session is short by at least this, since its last minutes may have no trades
NEAR = 60  # sessions among which a time is usual
USUAL = 0.5  # share of the trading days on which a bar opens at a usual time


def describe(candles: Candles) -> tuple[str, ...]:
    """Sentences about when a market with sessions, or with a clock other than that of UTC, trades; for people.

    They describe the whole table; nothing is computed from them.
    """
    clock = candles.clock
    if not len(candles) or candles.interval.months:
        return ()
    if not clock.has_sessions:
        found = [] if clock.zone is None else [f"always open, on the clock of {clock.zone} ({HOW[clock.how]})"]
        return (*found, TOO_SHORT) if _may_close(candles) else tuple(found)
    days = trading_days(candles)
    weekend = usual_weekend(np.unique(days))
    found = [f"{_hours(candles)}{_closed(candles, weekend)} ({HOW[clock.how]})"]
    found += _later_pauses(clock)
    found += _holidays(days, weekend, longest_holiday(clock))
    if candles.interval.microseconds < DAY // 2 and clock.session is not None:
        found += _short_sessions(candles, days)
        found += _short_bars(candles, days)
    return tuple(found)


def _may_close(candles: Candles) -> bool:
    """Whether a table without sessions and without Saturdays has a gap that may be a closing, and is too short to show it."""
    opened, step = candles.open_time.astype(np.int64), candles.interval.microseconds
    if candles.clock.how == "declared" or step > DAY // 4 or opened.max() - opened.min() >= SHORTEST:
        return False
    has_saturdays = bool(((opened // DAY + 3) % 7 == 5).any())  # 1970-01-01 was a Thursday
    return not has_saturdays and bool((np.diff(opened) >= step + CLOSING).any())


def _closed(candles: Candles, weekend: list[int]) -> str:
    """The days on which it closes; where its sessions go through midnight, the week from opening to closing."""
    clock = candles.clock
    if not weekend:
        return ""
    if clock.day_start and clock.session is not None and candles.interval.microseconds < DAY // 2:
        if len(weekend) < 2 or any((day + 1) % 7 not in weekend for day in weekend[:-1]):
            return ""  # too few weeks to show it
        first, last = (weekend[-1] + 1 - clock.lead) % 7, (weekend[0] - clock.lead) % 7
        ending = clock_face(clock.session[1] or clock.day_start)
        return f", from {WEEKDAYS[first]} {clock_face(clock.day_start)} to {WEEKDAYS[last]} {ending}"
    return f", closed on {_listed([WEEKDAYS[day] for day in weekend])}"


def _hours(candles: Candles) -> str:
    clock = candles.clock
    if clock.session is None or candles.interval.microseconds >= DAY // 2:
        begins = f", which begin at {clock_face(clock.day_start)}" if clock.day_start else ""
        opened = np.unique(wall_clock(candles) % DAY)
        begins = begins or (f", stamped {clock_face(int(opened[0]))}" if len(opened) == 1 and opened[0] else "")
        return f"trades in days of {clock.zone or 'UTC'}{begins}" if clock.zone or begins else "trades in days"
    known = f" ({clock.exchange[0]})" if clock.exchange else ""
    if clock.closure == 0:
        return f"trades around the clock in days from {clock_face(clock.session[0])} {clock.zone or 'UTC'}{known}"
    return f"trades {clock}{known}"


def _later_pauses(clock: TradingClock) -> list[str]:
    return [
        f"pauses from {clock_face(first)} to {clock_face(last)} since {datetime.fromtimestamp(since[0] / 1e6, UTC):%Y-%m-%d}"
        for first, last, *since in clock.breaks
        if since
    ]


def _holidays(days: np.ndarray, weekend: list[int], longest_closing: int) -> list[str]:
    """Working days without a bar in closings that may be holidays, and which of these closings are long."""
    traded = np.unique(days)
    mask = [day not in weekend for day in range(7)]
    if len(traded) < 2 or not any(mask):
        return []
    closed = np.busday_count(traded[:-1] + 1, traded[1:], weekmask=mask)
    closed[closed > longest_closing] = 0
    if not closed.any():
        return []
    longest = int(closed.argmax())
    first = np.busday_offset(traded[longest] + 1, 0, roll="forward", weekmask=mask)
    number, closings = int(closed.sum()), int((closed > 0).sum())
    many = (
        f", in {count(closings, 'closing')}, the longest of {count(int(closed[longest]), 'working day')} from {first}"
        if number > 1
        else f", {first}"
    )
    years = (traded[-1] - traded[0]).astype(np.int64) / 365.25
    words = "holidays" if number <= MAX_HOLIDAYS * max(years, 1.0) else "holidays, and days without trades or missing"
    lines = [f"{count(number, 'working day')} without a bar ({words}){many}"]
    long = np.flatnonzero(closed > LONGEST_SHORT_HOLIDAY)
    if len(long):
        starts = [str(np.busday_offset(traded[row] + 1, 0, roll="forward", weekmask=mask)) for row in long]
        some = _listed(starts) if len(starts) <= 3 else f"the first from {starts[0]}, the last from {starts[-1]}"
        lines.append(
            f"{len(long):,} of these closings {'is' if len(long) == 1 else 'are'} of more than a week ({some}): long holidays, "
            "or missing bars where the exchange has none"
        )
    return lines


def _short_sessions(candles: Candles, days: np.ndarray) -> list[str]:
    """Sessions that end before, or begin after, the time that is usual among the 60 sessions around them.

    The table may cut off its first and its last session, so the start of the one and the end of the other are left out.
    Nothing is reported while no time is usual, as where bars without trades are absent.
    """
    if candles.clock.closure == 0:
        return []
    step = max(candles.interval.microseconds, NOTABLE)
    early = (candles.clock.closure or 0) // 2  # a bar less than this before the session belongs to the one that follows
    since = (wall_clock(candles) - candles.clock.session[0] + early) % DAY - early  # type: ignore[index]
    first = np.flatnonzero(np.diff(days, prepend=days[:1] - 1).astype(np.int64))
    last = np.append(first[1:], len(days)) - 1
    found = []
    for rows, sign, words in ((last[:-1], 1, "end early"), (first[1:], -1, "begin late")):
        dates: list[str] = []
        for begin in range(0, len(rows), NEAR):
            near = rows[begin : begin + NEAR]
            times, counts = np.unique(since[near], return_counts=True)
            usual = int(times[counts.argmax()])
            if counts.max() > USUAL * len(near):
                dates += [str(day) for day in days[near][sign * (usual - since[near]) >= step]]
        if dates:
            verb = words if len(dates) > 1 else words.replace("end", "ends").replace("begin", "begins")
            some = f"{_listed(dates)}" if len(dates) <= 3 else f"the first {dates[0]}, the last {dates[-1]}"
            found.append(f"{count(len(dates), 'session')} {verb} ({some})")
    return found


def _short_bars(candles: Candles, days: np.ndarray) -> list[str]:
    """Regular bars that extend beyond a session, and so hold less than their interval."""
    clock, step = candles.clock, candles.interval.microseconds
    hours = clock.exchange[1] if clock.exchange else clock
    times, counts = np.unique(wall_clock(candles) % DAY, return_counts=True)
    words = []
    for time in times[counts > USUAL * len(np.unique(days))].tolist():
        held = sum(_shared(time, step, first, last) for first, last in hours.stretches)
        if 0 < held < step:
            words.append(f"{clock_face(time)} holds {held // MINUTE} minutes")
    return [f"of its {candles.interval}, the bar of {_listed(words)}"] if words else []


def _shared(time: int, step: int, first: int, last: int) -> int:
    """Microseconds of a bar that lie in a stretch of the day."""
    length = (last - first) % DAY or DAY
    since = (time - first) % DAY
    inside = max(0, min(step, length - since))
    return inside + max(0, min(since + step - DAY, length))


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
