"""The order of year, month and day that the rows prove: the only one in which their dates have regular steps."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from candlecast.errors import CandleError
from candlecast.reading.days import DAY

UNIX = date(1970, 1, 1)
CLOSED_DAYS = 12  # without a bar, at most, between two days of a market that trades by day: weekends, Golden Week
STRAY = 0.02  # of the steps that may be gaps
WORDS = {"ymd": "year, month, day", "dmy": "day before month", "mdy": "month before day"}


def prove(moments: dict[str, np.ndarray], *, what: str, shown: str) -> str:
    """The only order in which the rows are a regular series.

    `moments`: of each order that is possible, microseconds since 1970 by row. `shown`: a date as it stands in the table.
    Raises CandleError, naming the readings, when there is not exactly one.
    """
    names = list(moments)
    alike = [name for name in names if np.array_equal(moments[name], moments[names[0]])]
    if len(alike) == len(names):
        return names[0]
    regular = [name for name in names if is_regular(moments[name])]
    distinct = [
        name
        for number, name in enumerate(regular)
        if not any(np.array_equal(moments[name], moments[before]) for before in regular[:number])
    ]
    if len(distinct) == 1:
        return distinct[0]
    readings = []
    for name in distinct or names:
        first, last = (UNIX + timedelta(days=int(moments[name][row] // DAY)) for row in (0, -1))
        readings.append(f"{name} ({WORDS[name]}): {min(first, last)} to {max(first, last)}")
    raise CandleError(
        f"the dates of {what}, such as {shown}, can be read in {len(readings)} ways: {'; '.join(readings)}",
        expected="a day above 12, or steps that are regular in one order alone",
        remedy="Say the order: " + " or ".join(f'dates="{name}"' for name in (distinct or names)),
    )


def is_regular(moments: np.ndarray) -> bool:
    """Whether rows rise or fall throughout, and their days follow each other as those of one market do.

    By day: no two days further apart than a long holiday. By week, month, quarter or year: always on the same weekday, or
    on the first or last days of the month, with one bar each.
    """
    steps = np.diff(moments)
    if (steps < 0).any() and (steps > 0).any():
        return False
    unique, counts = np.unique(moments // DAY, return_counts=True)
    gaps = np.diff(unique)
    if not len(gaps):
        return True
    if np.mean(gaps > CLOSED_DAYS) <= STRAY and np.median(gaps) <= 4:
        return True
    if counts.max() > 1:
        return False
    usual = np.median(gaps)
    if 5 <= usual <= 9:
        return bool(np.mean((gaps < 5) | (gaps > 9)) <= STRAY)
    dates = unique.astype("datetime64[D]")
    in_month = (dates - dates.astype("datetime64[M]")).astype(np.int64) + 1
    next_month = (dates.astype("datetime64[M]") + 1).astype("datetime64[D]")
    is_trading = (in_month <= 4) & (np.ptp(in_month) > 0)  # the first weekday is not the same each month
    is_first, is_last = (in_month <= 1) | is_trading, (next_month - dates).astype(np.int64) <= 4
    months = dates.astype("datetime64[M]").astype(np.int64)
    whole = np.diff(months)
    return bool((is_first.all() or is_last.all()) and (whole == whole[0]).all() and whole[0] in (1, 3, 6, 12))
