"""A source in memory, whose every request is written down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import polars as pl

from candlecast.sources.source import Source, moment

START = datetime(2015, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Shelf(Source):
    """Bars that a vendor has now, in pages of `size`; `asked` holds the periods that were asked for."""

    frame: pl.DataFrame
    name: str = "shelf"
    size: int = 100
    market: str = "always"
    listed: str = "trading"
    asked: list[tuple[datetime | None, datetime | None, int]] = field(default_factory=list)

    def pages(self, symbol, interval, *, since=None, until=None) -> Iterator[pl.DataFrame]:
        start, end = since and moment(since), until and moment(until)
        found = self.frame
        if start:
            found = found.filter(pl.col("open_time") >= start)
        if end:
            found = found.filter(pl.col("close_time") <= end)
        self.asked.append((start, end, len(found)))
        for first in range(0, len(found), self.size):
            yield found[first : first + self.size]

    def session(self, symbol):
        return self.market

    def status(self, symbol):
        return self.listed

    def now(self, frame: pl.DataFrame) -> Shelf:
        """The same vendor with other bars, asked for nothing yet."""
        return replace(self, frame=frame, asked=[])
