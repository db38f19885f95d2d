"""Bars of calendar months, quarters and years: recognized by their dates, and dated by their first day."""

from __future__ import annotations

import numpy as np
import polars as pl

from candlecast.errors import CandleError
from candlecast.interval import Interval
from candlecast.reading.days import FIRST_YEAR, last_year
from candlecast.reading.instants import are_whole_days

FIRST_DAYS = 7  # of a month, one of which is its first day of trade
LAST_DAYS = 7
SHARE = 0.8  # of the steps that are of one number of months, at least
DAYS = (28, 92, 366)  # between two bars: least of months, most of quarters, most of years


def month_bars(opened: pl.Series, *, is_close: bool, what: str) -> tuple[pl.Series, Interval] | None:
    """Openings of bars of calendar months from the dates that they have in a table, and their interval; None for others.

    A bar has the date of its first or of its last day, whether of trade or of the calendar; at least one step has 28 days
    or more, nearly all steps have the same number of months, and no month has two bars. `is_close`: the dates are those
    of the close, of which midnight of the first is the end of the month before. Raises CandleError for bars as long as
    months that have the dates of other days.
    """
    if len(opened) > 12 * (last_year() - FIRST_YEAR + 1):  # more rows than months
        return None
    days = opened.dt.date().to_numpy().astype("datetime64[D]")
    steps = np.abs(np.diff(days).astype(np.int64))
    if not len(steps) or np.mean(steps >= DAYS[0]) < SHARE or np.median(steps) > DAYS[2]:
        return None
    months = days.astype("datetime64[M]")
    since_first = (days - months.astype("datetime64[D]")).astype(np.int64)
    until_last = ((months + 1).astype("datetime64[D]") - days).astype(np.int64) - 1
    is_first, is_last = bool((since_first < FIRST_DAYS).all()), bool((until_last < LAST_DAYS).all())
    apart = np.abs(np.diff(months).astype(np.int64))
    length = int(np.median(apart))
    is_regular = length in (1, 3, 6, 12) and float(np.mean(apart == length)) >= SHARE and bool((apart > 0).all())
    varied = len(np.unique(steps)) > 1 or length > 1 or (since_first == 0).all() or (until_last == 0).all()
    if not is_regular or not varied:
        return None
    if not (is_first or is_last) or not (are_whole_days(opened.dt.replace_time_zone(None)) or is_first):
        raise CandleError(
            f"the bars of {what} are as long as months and have dates within them, such as {opened[0]:%Y-%m-%d %H:%M}",
            expected="months by their first or last day",
            remedy="Use daily candles, of which months can be made",
        )
    if is_close and is_first:
        months = months - length
    elif is_last and not is_first:
        months = months - (length - 1)
    if ((months.astype(np.int64) - int(months[0].astype(np.int64))) % length).any():
        return None
    starts = months.astype("datetime64[us]")
    return pl.Series(opened.name, starts).dt.replace_time_zone("UTC"), Interval.parse(f"{length}mo")
