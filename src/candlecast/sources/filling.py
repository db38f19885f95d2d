"""Closed bars of a source as a feed sees them: those that were missed, asked for one stretch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol

import polars as pl

from candlecast.errors import CandleError, SourceError, UnknownSymbolError
from candlecast.interval import Interval
from candlecast.sources.feed import Notice, Seen
from candlecast.sources.source import Source


class Pages(Protocol):
    """Closed bars page by page, as `Source.pages`."""

    def __call__(self, symbol: str, interval: Interval, /, *, since: datetime) -> Iterator[pl.DataFrame]:
        """See `Source.pages`."""
        ...


def missed(
    pages: Pages, symbol: str, interval: Interval, since: datetime, *, how: str, now: Callable[[], datetime]
) -> tuple[list[Seen], Notice | None]:
    """Closed bars that open at `since` or later; and a notice where their source has no such symbol any more.

    A source that gives no usable answer is asked again at the next occasion; its error is the notice.
    """
    if interval.next(since) > now():
        return [], None
    found: list[Seen] = []
    try:
        for page in pages(symbol, interval, since=since):
            rows = page.select("open_time", "open", "high", "low", "close", "volume").iter_rows()
            found += [Seen(*row, received_at=now(), how=how) for row in rows]
    except UnknownSymbolError as error:
        return found, Notice("delisted", now(), f"{symbol} is no longer listed: {error.wrong}")
    except (SourceError, CandleError) as error:
        return found, Notice("disconnected", now(), f"{error.wrong}; asked again later")
    return found, None


def standing(source: Source, symbol: str) -> str:
    """What the source says about trading in a symbol, "unknown" where it does not answer."""
    try:
        return source.status(symbol)
    except SourceError:
        return "unknown"
