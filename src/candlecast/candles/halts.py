"""Known halts and long closings of exchanges, by date: what distinguishes them from failed downloads."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

HOUR = timedelta(hours=1)

# Binance spot: hours without any candle of BTCUSDT, the first of them and how many, from 2017-08-17 to 2025-09-19.
# Independent downloads of the official hourly klines agree on all of them, and from 2020-09 on BNB, ETH, SOL and XRP
# lack the same hours. The longer ones are the exchange's announced system upgrades and outages.
BINANCE = (
    ("2017-09-06 17", 6),
    ("2018-01-04 04", 1),
    ("2018-02-08 01", 33),
    ("2018-06-26 02", 10),
    ("2018-06-27 13", 1),
    ("2018-07-04 01", 7),
    ("2018-10-19 06", 3),
    ("2018-11-14 02", 7),
    ("2019-03-12 02", 6),
    ("2019-05-15 03", 10),
    ("2019-08-15 02", 8),
    ("2019-11-13 02", 2),
    ("2019-11-25 02", 2),
    ("2020-02-09 02", 1),
    ("2020-02-19 12", 5),
    ("2020-03-04 10", 1),
    ("2020-04-25 02", 2),
    ("2020-06-28 02", 3),
    ("2020-11-30 06", 1),
    ("2020-12-21 14", 4),
    ("2020-12-25 02", 1),
    ("2021-02-11 04", 1),
    ("2021-03-06 02", 1),
    ("2021-04-20 02", 2),
    ("2021-04-25 05", 3),
    ("2021-08-13 02", 4),
    ("2021-09-29 07", 2),
    ("2023-03-24 13", 1),
)
EXCHANGES = {"binance": BINANCE}


def is_halt(exchange: str, start: np.datetime64, end: np.datetime64, *, step: timedelta) -> bool:
    """Whether the stretch from `start` to `end`, UTC, without bars of length `step`, is a known halt of the exchange.

    The table has whole hours. Trading stopped and resumed within the hours beside them, so the stretch may be longer by an
    hour, or by one bar, on either side.

    >>> is_halt("binance", np.datetime64("2023-03-24T12:40"), np.datetime64("2023-03-24T14:00"), step=HOUR / 12)
    True
    >>> is_halt("binance", np.datetime64("2023-03-24T12:40"), np.datetime64("2023-03-25T14:00"), step=HOUR / 12)
    False
    """
    slack = np.timedelta64(max(step, HOUR))
    for text, hours in EXCHANGES.get(exchange, ()):
        first = np.datetime64(text.replace(" ", "T"))
        last = first + hours * np.timedelta64(HOUR)
        if first - slack <= start < last and first < end <= last + slack:
            return True
    return False


# Closings of a whole exchange for more than ten weekdays: the last day of trading before, and the first one after.
CLOSURES = (
    ("1914-07-30", "1914-12-12"),  # New York, the war
    ("1999-02-09", "1999-03-01"),  # Shanghai and Shenzhen, Spring Festival
    ("2011-01-27", "2011-03-23"),  # Cairo, the revolution
    ("2015-06-26", "2015-08-03"),  # Athens, capital controls
    ("2022-02-25", "2022-03-24"),  # Moscow, sanctions
)


def is_closure(last: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Whether a market is known to have been closed between two of its days, datetime64[D], shape (time,).

    >>> is_closure(np.array(["2015-06-26"], "datetime64[D]"), np.array(["2015-08-03"], "datetime64[D]")).tolist()
    [True]
    """
    known = np.zeros(len(last), dtype=bool)
    for before, after in CLOSURES:
        known |= (last == np.datetime64(before)) & (first == np.datetime64(after))
    return known
