"""`stream_of`: the live bars of any source: by its own stream where it has one, or else by polling."""

from __future__ import annotations

from candlecast.interval import Interval
from candlecast.sources.alpha_vantage import AlphaVantage
from candlecast.sources.binance import Binance
from candlecast.sources.exchange import Exchange
from candlecast.sources.feed import Feed
from candlecast.sources.polling import Polling
from candlecast.sources.source import Source

PATIENCE = {"alphavantage": 3_600.0}  # seconds between two questions, by the start of a source's name
USUAL_SECONDS = 30.0


def stream_of(source: Source, symbol: str, interval: str | Interval) -> Feed:
    """The closed bars of a symbol as they become known.

    Raises ConfigError for an interval that the source lacks.
    """
    length = Interval.parse(interval)
    if isinstance(source, Binance | Exchange):
        return source.stream(symbol, length)
    seconds = PATIENCE["alphavantage"] if isinstance(source, AlphaVantage) else USUAL_SECONDS
    return Polling(source, symbol, length, poll_seconds=seconds)
