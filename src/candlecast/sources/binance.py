"""Binance: official dumps for the past, REST for the rest, joined without a seam."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl

from candlecast.errors import ConfigError, SourceError
from candlecast.interval import Interval
from candlecast.parameters import require_kinds
from candlecast.sources.dumps import Dump, Market, list_dumps, read_dumps
from candlecast.sources.exchange import Rest, connect
from candlecast.sources.page import market_page
from candlecast.sources.refusals import lacking_interval, unknown_symbol
from candlecast.sources.retry import Retry
from candlecast.sources.source import Moment, Session, Source, Status, period, utc_now
from candlecast.sources.web import Get, MissingError, web

if TYPE_CHECKING:
    from candlecast.sources.binance_stream import BinanceStream

logger = logging.getLogger(__name__)
MARKETS: tuple[Market, ...] = ("spot", "usdm")
INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w")
FIRST = datetime(2017, 7, 1, tzinfo=UTC)  # Binance opened on 2017-07-14
PAGE = 1_000  # bars asked of REST at once: the most of spot; of futures 200 for each weight, where ccxt's 500 are 100
NO_SYMBOL = (-1121, -1100)  # unknown, or with invalid characters
MIRROR = 'Use a mirror of the market data, Binance(rest="https://data-api.binance.vision"), or another network'


@dataclass(frozen=True)
class Binance(Source):
    """Candles of Binance: spot (`market="spot"`) or USDT-margined futures (`market="usdm"`). Symbols as "BTCUSDT".

    A month or day of the past comes from the official dump (https://data.binance.vision, SHA-256 checked) where that
    takes fewer requests than REST; all the rest, and whatever a dump lacks, is asked of REST through `ccxt`. So a gap in
    the bars is a gap at Binance, never one of the download. A symbol that is no longer listed comes from the dumps
    alone, and so does a period of the past that they hold whole: then REST is asked for nothing. Binance's own clock
    decides which bars are closed.

    `rest`, `dumps`, `listing` and `streams` are the addresses of the REST interface (ccxt's when None), of the archive's
    files, of its index, and of the websocket streams (the market's when None). Requests keep to the rate
    limits when `is_paced`; what fails for a moment is asked again as `retry` says.
    Needs the extra `exchanges`.
    """

    market: Market = "spot"
    rest: str | None = None
    dumps: str = "https://data.binance.vision"
    listing: str = "https://s3-ap-northeast-1.amazonaws.com/data.binance.vision"
    streams: str | None = None
    retry: Retry = field(default=Retry(), repr=False)
    is_paced: bool = True
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.market not in MARKETS:
            raise ConfigError(
                f"market is {self.market!r}",
                expected='"spot" or "usdm"',
                remedy='Use for example Binance(market="usdm")',
            )

    @property
    def name(self) -> str:
        """`binance`, or `binance-usdm` for futures."""
        return "binance" if self.market == "spot" else f"binance-{self.market}"

    def pages(
        self, symbol: str, interval: str | Interval, *, since: Moment | None = None, until: Moment | None = None
    ) -> Iterator[pl.DataFrame]:
        """See `Source.pages`."""
        interval = Interval.parse(interval)
        known = INTERVALS if self.market == "spot" else INTERVALS[1:]
        if interval not in map(Interval.parse, known):
            raise lacking_interval("Binance", interval, known)
        start, end = period(since, until, now=self.clock(), first=FIRST)
        return self._pages(symbol, interval, max(start, FIRST), None if until is None else end)

    def stream(self, symbol: str, interval: str | Interval) -> BinanceStream:
        """Closed bars as they become known, by websocket, with REST for what is missed; see `BinanceStream`.

        Raises ConfigError for an interval that Binance lacks. Nothing is asked before the first batch is taken.
        """
        from candlecast.sources.binance_stream import BinanceStream

        interval = Interval.parse(interval)
        known = INTERVALS if self.market == "spot" else INTERVALS[1:]
        if interval not in map(Interval.parse, known):
            raise lacking_interval("Binance", interval, known)
        return BinanceStream(symbol, interval, url=self.streams, source=self)

    def _pages(self, symbol: str, interval: Interval, start: datetime, end: datetime | None) -> Iterator[pl.DataFrame]:
        with web("Binance", self.retry) as get, self._market(symbol, interval) as market:
            if end is None:
                end = market().now
            files = self._files(get, market, symbol, interval, start, end)
            if not files and market().listed is None:
                raise unknown_symbol("Binance", symbol, market().known())
            wanted = [
                file
                for file in files
                if (share := min(file.end, end) - max(file.start, start)) > timedelta(0)
                and (_is_worth_it(interval, share) or market().listed is None)
            ]
            dumped = read_dumps(get, self.dumps, wanted, self.retry)
            yield from _joined(market, dumped, symbol=symbol, interval=interval, start=start, end=end)

    def _files(
        self, get: Get, market: Ask, symbol: str, interval: Interval, start: datetime, end: datetime
    ) -> list[Dump]:
        """The dumps of the period; all that there are of a symbol that is not listed."""

        def dumps_since(first: datetime) -> list[Dump]:
            return list_dumps(
                get, self.listing, self.retry, market=self.market, symbol=symbol, interval=interval, since=first
            )

        found: list[Dump] = []
        if _is_worth_it(interval, end - start):
            try:
                found = dumps_since(start)
            except SourceError as error:
                if market().listed is None:
                    raise
                logger.warning("%s; %s %s comes by REST alone, which takes longer", error.wrong, symbol, interval)
        return found or (dumps_since(FIRST) if market().listed is None else [])

    @contextmanager
    def _market(self, symbol: str, interval: Interval) -> Iterator[Ask]:
        """A way to the symbol's market at the REST interface, which is connected to once it is asked for anything.

        The past may need nothing of it: then the import of `ccxt`, half a second, and two requests are saved.
        """
        options = {
            "fetchMarkets": {"types": ["spot" if self.market == "spot" else "linear"]},
            "defaultType": "spot" if self.market == "spot" else "future",
            "fetchCurrencies": False,
        }
        with ExitStack() as connections:

            @cache
            def ask() -> _Market:
                connection = connect(
                    "binance",
                    url=self.rest,
                    retry=self.retry,
                    is_paced=self.is_paced,
                    clock=self.clock,
                    options=options,
                    refused=MIRROR,
                )
                rest = connections.enter_context(connection)
                listed = self._listed(rest, symbol)  # the heaviest request first, which then waits for none before it
                return _Market(rest, listed, interval, rest.now())

            yield ask

    def _listed(self, rest: Rest, symbol: str) -> str | None:
        """What ccxt calls the symbol; None when it is not, or no longer, listed."""
        wanted = {"symbol": symbol} if self.market == "spot" else {}  # the futures' list cannot be narrowed
        try:
            markets = rest.ask(lambda: rest.exchange.fetch_markets(wanted))
        except MissingError:
            if not _is_refusal(rest.said):
                raise
            return None
        rest.exchange.set_markets(markets)
        return next((market["symbol"] for market in markets if market["id"] == symbol), None)

    def session(self, symbol: str) -> Session:
        """Crypto markets never close."""
        return "always"

    def status(self, symbol: str) -> Status:
        """As the exchange lists the symbol."""
        with self._market(symbol, Interval.parse("1h")) as ask:
            market = ask()
            if market.listed is None:
                return "delisted"
            return "halted" if market.rest.exchange.markets[market.listed].get("active") is False else "trading"


def _is_refusal(said: list[Any]) -> bool:
    """Whether Binance itself answered that there is no such symbol, not a proxy or gateway on the way."""
    return bool(said) and isinstance(said[-1], dict) and said[-1].get("code") in NO_SYMBOL


def _is_worth_it(interval: Interval, length: timedelta) -> bool:
    """Whether REST would need more requests for this length than a dump, which takes two: the file and its checksum."""
    return length / interval.timedelta > 2 * PAGE


@dataclass(frozen=True)
class _Market:
    """What the REST interface has of a symbol; `listed` is ccxt's name of it, None for one that is not listed."""

    rest: Rest
    listed: str | None
    interval: Interval
    now: datetime

    def pages(self, start: datetime, end: datetime) -> Iterator[pl.DataFrame]:
        """Closed bars in [start, end]; none of a symbol that is not listed."""
        if self.listed:
            end = min(end, self.now)
            yield from self.rest.pages(self.listed, self.interval, start, end, limit=PAGE, until=True)

    def known(self) -> list[str]:
        """All symbols that are listed."""
        return [market["id"] for market in self.rest.ask(self.rest.exchange.fetch_markets)]


Ask = Callable[[], _Market]


def _joined(
    market: Ask, dumped: Iterator[pl.DataFrame], *, symbol: str, interval: Interval, start: datetime, end: datetime
) -> Iterator[pl.DataFrame]:
    """The dumps' bars, each unbroken run a page, with what REST has before, between and after the runs."""
    cursor = start
    for frame in dumped:
        page = market_page(frame, symbol=symbol, interval=interval, start=cursor, end=end)
        breaks = page.select(pl.arg_where(pl.col("open_time") != pl.col("close_time").shift(1)).alias("row"))["row"]
        bounds = [0, *breaks, page.height] if page.height else []
        for first, last in pairwise(bounds):
            run = page[first:last]
            if run["open_time"][0] > cursor:
                yield from market().pages(cursor, run["open_time"][0])
            yield run
            cursor = run["close_time"][-1]
    if cursor + interval.timedelta <= end:
        yield from market().pages(cursor, end)
