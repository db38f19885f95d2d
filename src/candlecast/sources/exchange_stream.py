"""`ExchangeStream`: closed bars of any exchange by the websocket that `ccxt.pro` has for it, confirmed by REST."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from candlecast.errors import SourceError, UnknownSymbolError
from candlecast.interval import Interval
from candlecast.sources.addresses import first_address, moved
from candlecast.sources.answers import is_time
from candlecast.sources.closed_bars import ClosedBarStream, Heard, LostError, Receive, why
from candlecast.sources.feed import Notice, Seen
from candlecast.sources.filling import Pages
from candlecast.sources.proxies import proxy_of
from candlecast.sources.refusals import missing_extra, unknown_symbol

if TYPE_CHECKING:
    from candlecast.sources.exchange import Exchange, Rest

logger = logging.getLogger(__name__)

CLOSING_SECONDS = 5.0
WAITING = 10_000  # messages that may wait
Rows = list[list[Any]]


@dataclass(frozen=True)
class ExchangeStream(ClosedBarStream):
    """Closed bars of a symbol by `ccxt.pro`; made by `Exchange.stream`.

    An exchange sends its unfinished bar with every trade, and few say which message was the last. So a bar has closed when
    the next one begins, or when its time is over by `grace_seconds`; its values are asked of REST, and are those that the
    stream had last only where REST does not have the bar yet.

    source: for REST, and for the machine's clock.
    """

    source: Exchange = field(kw_only=True)
    _markets: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def asked(self) -> Exchange:
        """See `ClosedBarStream.asked`."""
        return self.source

    def machine_now(self) -> datetime:
        """See `ClosedBarStream.machine_now`."""
        return self.source.clock()

    def exchange_now(self) -> datetime | None:
        """See `ClosedBarStream.exchange_now`."""
        try:
            with self.source.opened() as rest:
                return rest.now() if rest.exchange.has.get("fetchTime") else None
        except SourceError:
            return None

    def pages(self) -> Pages:
        """See `ClosedBarStream.pages`: the exchange's list of markets is asked for once for each connection."""
        return self._pages

    def joined(self, wanted: datetime, bar: Seen) -> list[Seen | Notice]:
        """See `ClosedBarStream.joined`: as REST has it, where it has it."""
        if bar.open_time < wanted:
            return []
        bars, ended = self._filled(wanted)
        found = [replace(each, bid=bar.bid, ask=bar.ask) for each in bars if each.open_time <= bar.open_time]
        is_there = bool(found) and found[-1].open_time == bar.open_time
        return [*found, *ended, *([] if is_there else [bar])]

    @contextmanager
    def connected(self) -> Iterator[Receive]:
        """See `ClosedBarStream.connected`."""
        self._markets.clear()
        try:
            with self.source.opened() as rest:
                self._known(rest)
        except UnknownSymbolError:
            raise
        except SourceError as error:
            raise LostError(error.wrong) from error
        latest: list[Any] = []
        with _Watcher(self, self._markets) as watcher:

            def receive(seconds: float) -> list[Heard] | None:
                said = watcher.receive(seconds)
                return None if said is None else said if not isinstance(said, _Rows) else self.read(said.rows, latest)

            yield receive

    def read(self, rows: Rows, latest: list[Any]) -> list[Heard]:
        """The bars that have closed, since a later one has begun; at first, when the newest one opened. `latest` is the newest
        row, and changes.
        """
        found: list[Heard] = []
        for row in rows:
            if not _is_bar(row):
                logger.warning("%s sent a message that is no bar", self.name)
                continue
            if latest and row[0] > latest[0]:
                opened = datetime.fromtimestamp(latest[0] / 1_000, UTC)
                values = [float(value) for value in latest[1:6]]
                found.append(Heard(Seen(opened, *values, received_at=self.now(), how="stream")))
            if not latest:
                found.append(Heard(opened=datetime.fromtimestamp(row[0] / 1_000, UTC)))
            if not latest or row[0] >= latest[0]:
                latest[:] = row[:6]
        return found

    def _pages(self, symbol: str, interval: Interval, *, since: datetime) -> Iterator[pl.DataFrame]:
        with self.source.opened() as rest:
            self._known(rest)
            yield from rest.pages(symbol, interval, since, rest.now())

    def _known(self, rest: Rest) -> None:
        """Give a connection the list of markets. Raises UnknownSymbolError where the symbol is not in it."""
        if self._markets:
            rest.exchange.set_markets(list(self._markets.values()))
            return
        markets = rest.ask(rest.exchange.load_markets)
        if self.symbol not in markets:
            raise unknown_symbol(self.source.id, self.symbol, markets)
        self._markets.update(markets)


def has_stream(name: str) -> bool:
    """Whether `ccxt.pro` has a stream of candles for an exchange."""
    try:
        import ccxt.pro
    except ModuleNotFoundError as error:
        raise missing_extra("ccxt", "exchanges") from error
    return name in ccxt.pro.exchanges and bool(getattr(ccxt.pro, name)().has.get("watchOHLCV"))


@dataclass(frozen=True)
class _Rows:
    """Rows of ccxt: milliseconds, open, high, low, close, volume."""

    rows: Rows


class _Watcher:
    """What `ccxt.pro` gives, which is asynchronous, from a thread of its own, through a queue."""

    def __init__(self, stream: ExchangeStream, markets: dict[str, Any]) -> None:
        self._stream, self._markets = stream, list(markets.values())
        self._queue: queue.Queue[_Rows | list[Heard] | Exception] = queue.Queue(WAITING)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name="candlecast-stream")
        self._task: asyncio.Task[None] | None = None
        self._is_ending = False  # what it opened is being closed, which must not be cancelled

    def __enter__(self) -> _Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join(CLOSING_SECONDS)

    def receive(self, seconds: float) -> _Rows | list[Heard] | None:
        """The next message, None when none came. Raises LostError."""
        try:
            said = self._queue.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(said, Exception):
            raise LostError(why(said)) from said
        return said

    def _cancel(self) -> None:
        if self._task is not None and not self._is_ending:
            self._task.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._watch())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    async def _watch(self) -> None:
        import ccxt.pro

        stream = self._stream
        exchange = getattr(ccxt.pro, stream.source.id)({"enableRateLimit": stream.source.is_paced})
        if stream.source.url:
            exchange.urls["api"] = moved(exchange.urls["api"], stream.source.url)
        if stream.url:
            exchange.urls["api"]["ws"] = moved(exchange.urls["api"]["ws"], stream.url)
        _use_proxy(exchange)
        exchange.set_markets(self._markets)
        quotes = asyncio.create_task(self._watch_quotes(exchange))
        try:
            while True:
                rows = await exchange.watch_ohlcv(stream.symbol, str(stream.interval))
                self._put(_Rows([list(row) for row in rows]))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # ccxt raises errors of many types for an unexpected message
            self._put(error)
        finally:
            self._is_ending = True
            quotes.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await quotes
            with suppress(Exception):
                await exchange.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:  # of ccxt's clients
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def _watch_quotes(self, exchange: Any) -> None:
        """The best bid and ask, where the exchange streams them; bars do not depend on it."""
        symbol = self._stream.symbol
        with suppress(Exception):
            while True:
                if exchange.has.get("watchBidsAsks"):
                    told = (await exchange.watch_bids_asks([symbol]))[symbol]
                elif exchange.has.get("watchTicker"):
                    told = await exchange.watch_ticker(symbol)
                else:
                    return
                if told.get("bid") and told.get("ask"):
                    self._put([Heard(quote=(float(told["bid"]), float(told["ask"])))])

    def _put(self, said: _Rows | list[Heard] | Exception) -> None:
        """Hand over; the oldest message is dropped when too many wait, since REST has every bar."""
        if self._queue.full():
            with suppress(queue.Empty):
                self._queue.get_nowait()
        self._queue.put_nowait(said)


def _use_proxy(exchange: Any) -> None:
    """Use the proxy of the environment for the websocket, by the rules of every source."""
    address = exchange.implode_hostname(first_address(exchange.urls["api"]["ws"]))
    proxy = proxy_of(address.replace("wss://", "https://").replace("ws://", "http://"))
    if proxy is not None:
        setattr(exchange, "wsSocksProxy" if proxy.startswith("socks") else "wssProxy", proxy)


def _is_bar(row: list[Any]) -> bool:
    return (
        len(row) >= 6
        and isinstance(row[0], int)
        and is_time(row[0] / 1_000)
        and all(isinstance(value, (int, float)) for value in row[1:6])
    )
