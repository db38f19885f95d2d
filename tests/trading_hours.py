"""Opening times as exchanges have them, on their own clocks, and candles of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from candlecast.candles import Candles

NEW_YORK = "America/New_York"


def clock(text: str) -> int:
    """Minutes of "09:30"."""
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def each(step: int, *sessions: str) -> list[int]:
    """Opening minutes of bars of `step` minutes in sessions such as "09:30-11:30"."""
    return [minute for session in sessions for minute in range(clock(session[:5]), clock(session[6:]), step)]


def days(first: str, last: str, *, weekend: Iterable[int] = (5, 6), closed: Iterable[str] = ()) -> list[date]:
    """Trading days; `weekend` as weekdays from Monday 0, `closed` dates."""
    start, end, holidays = date.fromisoformat(first), date.fromisoformat(last), set(closed)
    every = (start + timedelta(days=day) for day in range((end - start).days + 1))
    return [day for day in every if day.weekday() not in set(weekend) and str(day) not in holidays]


def sessions(zone: str, trading: list[date], minutes: list[int]) -> list[datetime]:
    """Times in UTC at which bars open on each of the days, by the zone's clock."""
    local = ZoneInfo(zone)
    starts = [datetime(day.year, day.month, day.day) for day in trading]
    return [
        (start + timedelta(minutes=minute)).replace(tzinfo=local).astimezone(UTC)
        for start in starts
        for minute in minutes
    ]


def around_the_clock(
    first: str, last: str, *, opening: str, pause: str | None = None, step: int = 60
) -> list[datetime]:
    """From Sunday to Friday by New York's clock: `opening` of the week, its end at 17:00, and a `pause` a day."""
    start, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (first, last))
    times, zone = [], ZoneInfo(NEW_YORK)
    hours = (clock(pause[:5]), clock(pause[6:])) if pause else (0, 0)
    for minute in range(0, int((end - start).total_seconds()) // 60, step):
        local = (start + timedelta(minutes=minute)).astimezone(zone)
        weekday, of_day = local.weekday(), local.hour * 60 + local.minute
        is_open = (
            weekday < 4 or (weekday == 4 and of_day < clock("17:00")) or (weekday == 6 and of_day >= clock(opening))
        )
        if is_open and not hours[0] <= of_day < hours[1]:
            times.append(local.astimezone(UTC))
    return times


def globex(first: str, last: str, step: int = 60) -> list[datetime]:
    """Futures in Chicago: a pause from 17:00 to 18:00 in New York."""
    return around_the_clock(first, last, opening="18:00", pause="17:00-18:00", step=step)


def currencies(first: str, last: str, step: int = 60) -> list[datetime]:
    """Five days a week from 17:00 in New York."""
    return around_the_clock(first, last, opening="17:00", step=step)


def candles(times: list[datetime], **options) -> Candles:
    """Bars of a random walk that open at these times."""
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, len(times))))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0, 0.0003, len(times)))
    values = {
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(rng.exponential(0.0005, len(times))),
        "low": np.minimum(opened, close) * np.exp(-rng.exponential(0.0005, len(times))),
        "close": close,
        "volume": np.ones(len(times)),
    }
    return Candles.from_frame(pl.DataFrame({"time": pl.Series(times).dt.cast_time_unit("us"), **values}), **options)


def without(market: Candles, rows: Iterable[int]) -> Candles:
    """The same candles, on the same clock, without some bars."""
    kept = np.ones(len(market), dtype=bool)
    kept[list(rows)] = False
    return replace(market, frame=market.frame.filter(pl.Series(kept)))
