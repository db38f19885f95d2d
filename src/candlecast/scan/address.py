"""`Address`: which bars of a store a series is made of, so that a worker reads them by itself."""

from __future__ import annotations

from dataclasses import dataclass

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.interval import Interval
from candlecast.sources.source import Moment, moment
from candlecast.store import Store


@dataclass(frozen=True)
class Address:
    """Bars of a store at one of its versions, and the interval that candles are made to.

    store: a folder, or the URL of an object store. source, symbol, stored: of the series that is read; stored is its interval.
    interval: of the candles; the same, or a longer one that they are resampled to. since, until: bars that open and close
    within these.

    Prices, volumes and opening times are read, of the files that hold bars of the period.
    """

    store: Store
    version: int | None
    source: str
    symbol: str
    stored: str
    interval: str
    since: Moment | None = None
    until: Moment | None = None

    def read(self) -> Candles:
        """The candles. Raises StoreError, CandleError or ConfigError."""
        is_whole = self.interval != self.stored  # a longer candle may begin before the first bar of the period
        candles = self.store.read(
            self.source,
            self.symbol,
            self.stored,
            since=None if is_whole else self.since,
            until=self.until,
            version=self.version,
        ).require_sound()
        if not is_whole:
            return candles
        return within(resampled(candles, self.interval), since=self.since, until=self.until)


def resampled(candles: Candles, interval: str) -> Candles:
    """The candles at that interval. Raises ConfigError for a shorter one than theirs."""
    length = Interval.parse(interval)
    return candles if length == candles.interval else candles.resample(length)


def within(candles: Candles, *, since: Moment | None, until: Moment | None) -> Candles:
    """The bars that open and close within a period. Raises ConfigError where there are fewer than two."""
    if since is None and until is None:
        return candles
    opened, closed = candles.frame["open_time"], candles.frame["close_time"]
    first = 0 if since is None else int((opened < moment(since)).sum())
    last = len(candles) if until is None else int((closed <= moment(until, "until")).sum())
    if last - first < 2:
        raise ConfigError(
            f"{candles.symbol} has {max(last - first, 0)} bars from {since or 'its beginning'} to {until or 'its end'}",
            expected="2 or more",
            remedy="Choose another period, or leave it out",
        )
    return candles[first:last]
