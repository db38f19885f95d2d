"""What a source of candles is, the period that is asked of it, and how its pages become one table."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Literal, final

import numpy as np
import polars as pl

from candlecast.candles import Candles, Origin
from candlecast.candles.intake import ACTIVITY, with_known_activity
from candlecast.errors import ConfigError
from candlecast.events import Listener, Progress, ignore
from candlecast.interval import Interval
from candlecast.sources.refusals import no_bar

COLUMNS = ("open_time", "close_time", "open", "high", "low", "close", "volume")
SHORT_DATE = r"\d{4}(-\d{2})?"  # a year, or a year and a month
FIRST_DAY = {4: "-01-01", 7: "-01"}  # what makes it a date, by its length
Moment = str | date | datetime | np.datetime64
Session = Literal["always", "sessions"]
Status = Literal["trading", "halted", "delisted", "unknown"]


class Source(ABC):
    """Somewhere that candles come from, page by page.

    A source is a frozen recipe: constructing it does nothing, and it can be used by several threads at once. Your own is a
    subclass with a name, `pages` and `session`; `candlecast.testing.check_source` tells whether it keeps the promises.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What the source is called in a store, such as "binance"; differs wherever its bars would differ."""

    @abstractmethod
    def pages(
        self, symbol: str, interval: str | Interval, *, since: Moment | None = None, until: Moment | None = None
    ) -> Iterator[pl.DataFrame]:
        """Closed bars page by page, oldest first, no bar twice and none unfinished.

        Each page has the columns of `Candles.frame`, in their order; a vendor of stocks adds `dividend` (per share, 0.0
        for none) and `split` (new shares for an old one, 1.0 for none), an exchange what it has of `quote_volume`, `trades`
        and `taker_volume`, null where it does not say; all Float64. All bars lie within `since` and
        `until` (open_time >= since, close_time <= until); without them, from the first bar that the source has to now.
        Nothing is asked of the source before the first page is taken, and a caller may stop after any page.

        Raises ConfigError for an impossible period or an interval that the source lacks, SourceError when the symbol is
        unknown or the source gives no usable answer.
        """

    @abstractmethod
    def session(self, symbol: str) -> Session:
        """Whether the symbol's market closes overnight and at weekends ("sessions"), or never does ("always")."""

    def status(self, symbol: str) -> Status:
        """Whether the source says that the symbol trades, is halted, or is no longer listed; "unknown" where it does not say.

        Asked for when bars have been absent for days. Raises SourceError when there is no usable answer.
        """
        return "unknown"

    @final
    def fetch(
        self,
        symbol: str,
        interval: str | Interval,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        progress: Listener = ignore,
    ) -> Candles:
        """All pages as one table, told to `progress` in days.

        Raises CandleError when there is no bar in the period, otherwise as `pages`.
        """
        if not isinstance(symbol, str):
            raise ConfigError(
                f"symbol is {symbol!r}", expected="a name", remedy='Use text as the source writes it, such as "BTCUSDT"'
            )
        interval = Interval.parse(interval)
        end = utc_now() if until is None else moment(until, "until")
        pages, bars = [], 0
        for page in self.pages(symbol, interval, since=since, until=until):
            pages.append(page.select(*COLUMNS, *(name for name in ACTIVITY if name in page.columns)))
            bars += page.height
            first, last = pages[0]["open_time"][0], page["close_time"][-1]
            days = max((end - first).total_seconds() / 86_400, 0.0)
            detail = f"{symbol} {interval} to {last:%Y-%m-%d}, {bars:,} bars"
            progress(Progress("fetch", round(days - (end - last).total_seconds() / 86_400, 1), round(days, 1), detail))
        if not pages:
            raise no_bar(self, symbol, interval, since, until)
        frame = with_known_activity(pl.concat(pages, how="diagonal").rechunk())
        has_sessions = self.session(symbol) == "sessions"
        return Candles(frame, symbol, interval, has_sessions, origin=Origin(self.name))


def moment(value: Moment, name: str = "since") -> datetime:
    """A time in UTC from ISO text, a date or a datetime, NumPy's too; without a zone it is in UTC. Raises ConfigError.

    A year, or a year and a month, stands for its first day.

    >>> moment("2021-01-01").isoformat(), moment("2021-01-01T02:00+02:00").isoformat()
    ('2021-01-01T00:00:00+00:00', '2021-01-01T00:00:00+00:00')
    >>> moment("2021").isoformat(), moment("2021-03").isoformat()
    ('2021-01-01T00:00:00+00:00', '2021-03-01T00:00:00+00:00')
    """
    if isinstance(value, str):
        text = value.strip()
        try:
            value = datetime.fromisoformat(text + FIRST_DAY[len(text)] if re.fullmatch(SHORT_DATE, text) else text)
        except ValueError as error:
            raise ConfigError(
                f"{name} {value!r} is not a date",
                expected="an ISO date or time",
                remedy=f'Use for example {name}="2021-01-31"',
            ) from error
    if isinstance(value, np.datetime64) and not np.isnat(value):
        value = value.astype("datetime64[us]").item()
    if not isinstance(value, date):
        raise ConfigError(
            f"{name} is {value!r}",
            expected="ISO text, a date or a datetime",
            remedy=f'Use for example {name}="2021-01-31"',
        )
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ConfigError(
            f"{name} {value} cannot be told in UTC", expected="a year from 1 to 9999", remedy="Choose another date"
        ) from error


def period(since: Moment | None, until: Moment | None, *, now: datetime, first: datetime) -> tuple[datetime, datetime]:
    """The period that is asked for, from `first` and up to `now` where an end is left open. Raises ConfigError.

    Without `since`, an `until` before `first` gives an empty period.

    >>> period("2021-01-01", "2020-01-01", now=moment("2024-01-01"), first=moment("2017-01-01"))
    Traceback (most recent call last):
    candlecast.errors.ConfigError: since 2021-01-01 00:00 is not before until 2020-01-01 00:00; ...
    ...
    """
    end = now if until is None else moment(until, "until")
    start = min(first, end) if since is None else moment(since)
    for name, time in (("since", start), ("until", end)):
        if time > now:
            raise ConfigError(
                f"{name} {time:%Y-%m-%d %H:%M} UTC is in the future (it is {now:%Y-%m-%d %H:%M} UTC)",
                expected="a time that has passed",
                remedy="Leave out until=... to get everything up to now"
                if name == "until"
                else "Choose an earlier date",
            )
    if since is not None:
        require_order(start, end)
    return start, end


def require_order(start: datetime, end: datetime) -> None:
    """Raise ConfigError unless a period ends behind its beginning."""
    if start >= end:
        raise ConfigError(
            f"since {start:%Y-%m-%d %H:%M} is not before until {end:%Y-%m-%d %H:%M}",
            expected="since before until",
            remedy="Exchange since=... and until=...",
        )


def utc_now() -> datetime:
    """The time of this machine's clock."""
    return datetime.now(UTC)
