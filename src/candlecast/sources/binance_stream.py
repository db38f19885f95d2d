"""`BinanceStream`: closed bars of Binance by websocket, and by REST whatever was missed."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from candlecast.errors import ConfigError, SourceError
from candlecast.interval import Interval
from candlecast.parameters import require_parameters
from candlecast.sources.feed import Batch, Notice, Seen
from candlecast.sources.filling import missed, standing
from candlecast.sources.proxies import proxy_of
from candlecast.sources.web import web

if TYPE_CHECKING:
    from candlecast.sources.binance import Binance

logger = logging.getLogger(__name__)

STREAMS = {"spot": "wss://stream.binance.com:9443", "usdm": "wss://fstream.binance.com"}
TIMES = {"spot": ("https://api.binance.com", "/api/v3/time"), "usdm": ("https://fapi.binance.com", "/fapi/v1/time")}
LARGEST_MESSAGE = 1 << 20  # bytes
LONGEST_LIFE = 23 * 3_600.0  # seconds; Binance ends a connection after 24 hours; it is renewed before
CLOCK_SECONDS = 1.0  # the machine's clock may be off by so much


@dataclass
class _State:
    """What a stream knows of the moment."""

    offset: timedelta = timedelta(0)
    is_off: bool = False
    closing: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class BinanceStream:
    """Closed bars of a symbol as Binance sends them, with the best bid and ask; made by `Binance.stream`.

    After each connection, and whenever a bar is overdue by `grace_seconds`, the bars that were missed are asked of REST. A
    connection that is lost, silent for `silent_seconds` or a day old is made anew, after a wait that grows up to
    `longest_wait_seconds`. Times are those of Binance's clock, whatever the machine's shows.

    source: for REST, and for the machine's clock.
    url: of the streams; that of the market when None.
    beat_seconds: after so long without a bar an empty batch is given.
    """

    source: Binance
    symbol: str
    interval: Interval
    url: str | None = None
    grace_seconds: float = 5.0
    silent_seconds: float = 120.0
    beat_seconds: float = 1.0
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    _state: _State = field(default_factory=_State, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = ("grace_seconds", "silent_seconds", "beat_seconds", "first_wait_seconds", "longest_wait_seconds")
        require_parameters(self, {name: (getattr(self, name) > 0, "seconds above 0") for name in names})

    @property
    def name(self) -> str:
        """That of the source."""
        return self.source.name

    def now(self) -> datetime:
        """The time of Binance's clock, as far as it is known."""
        return self.source.clock() + self._state.offset

    def close(self) -> None:
        """End `batches`."""
        self._state.closing.set()

    def batches(self, since: datetime) -> Iterator[Batch]:
        """See `Feed.batches`."""
        wanted, failures = since, 0
        while not self._state.closing.is_set():
            batch: list[Seen | Notice] = self._clock_notice()
            bars, ended = self._filled(wanted)
            wanted = self._after(bars, wanted)
            yield [*batch, *bars, *ended]
            if _is_delisted(ended):
                return
            try:
                with _connected(self._address(), self) as receive:
                    failures = 0
                    yield [Notice("connected", self.now(), f"connected to the stream of {self.name}")]
                    for given in self._received(receive, wanted):
                        wanted = self._after([each for each in given if isinstance(each, Seen)], wanted)
                        yield given
                        if _is_delisted(given):
                            return
            except _LostError as error:
                if self._state.closing.is_set():
                    return
                failures += 1
                yield [Notice("disconnected", self.now(), f"the stream of {self.name} broke off ({error})")]
                wait = min(self.first_wait_seconds * 2 ** (failures - 1), self.longest_wait_seconds)
                self._state.closing.wait(wait)

    def _received(self, receive: Callable[[float], str | None], wanted: datetime) -> Iterator[Batch]:
        """Batches of one connection, first whatever closed while it was made. Ends, or raises _LostError, when it does."""
        began = last = time.monotonic()
        asked_at = self.now()
        bars, ended = self._filled(wanted)
        wanted = self._after(bars, wanted)
        if bars or ended:
            yield [*bars, *ended]
        is_told = False
        quote = math.nan, math.nan
        while not self._state.closing.is_set():
            text = receive(self.beat_seconds)
            now = self.now()
            if text is not None:
                last = time.monotonic()
                bar, quote = self._read(text, quote)
                if bar is not None:
                    batch: list[Seen | Notice] = []
                    if bar.open_time > wanted:  # bars before it never came
                        bars, ended = self._filled(wanted, before=bar.open_time)
                        batch = [*bars, *ended]
                    wanted, is_told = max(wanted, self.interval.next(bar.open_time)), False
                    yield [*batch, bar]
                continue
            overdue = (now - self.interval.next(wanted)).total_seconds()
            given: list[Seen | Notice] = []
            if overdue > self.grace_seconds and (now - asked_at).total_seconds() > self.grace_seconds:
                asked_at = now
                bars, ended = self._filled(wanted)
                bars = [replace(bar, bid=quote[0], ask=quote[1]) for bar in bars]
                wanted, given = self._after(bars, wanted), [*bars, *ended]
                if not bars and not is_told and overdue > 2 * self.interval.seconds:
                    state = standing(self.source, self.symbol)
                    if state in ("halted", "delisted"):
                        is_told = True
                        given.append(Notice(state, now, f"{self.symbol} is {state} at {self.name}"))
            yield given
            if time.monotonic() - began > LONGEST_LIFE:
                return
            if time.monotonic() - last > self.silent_seconds:
                raise _LostError(f"silent for {self.silent_seconds:g} s")

    def _filled(self, wanted: datetime, *, before: datetime | None = None) -> tuple[list[Seen], list[Notice]]:
        bars, notice = missed(self.source, self.symbol, self.interval, wanted, how="rest", now=self.now)
        chosen = bars if before is None else [bar for bar in bars if bar.open_time < before]
        return chosen, [] if notice is None else [notice]

    def _after(self, bars: list[Seen], wanted: datetime) -> datetime:
        return max([wanted, *(self.interval.next(bar.open_time) for bar in bars)])

    def _read(self, text: str, quote: tuple[float, float]) -> tuple[Seen | None, tuple[float, float]]:
        """The closed bar of a message, None for any other; and the best bid and ask by then."""
        try:
            data: Any = json.loads(text)
            data = data.get("data", data)
            if data.get("e") != "kline" and "b" in data and "a" in data:
                return None, (float(data["b"]), float(data["a"]))
            if data.get("e") != "kline" or not data["k"]["x"] or data["s"] != self.symbol:
                return None, quote
            told = data["k"]
            opened = datetime.fromtimestamp(told["t"] / 1_000, UTC)
            values = [float(told[name]) for name in ("o", "h", "l", "c", "v")]
            bid, ask = quote
            return Seen(opened, *values, received_at=self.now(), how="stream", bid=bid, ask=ask), quote
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            logger.warning("%s sent a message that is no bar (%s)", self.name, type(error).__name__)
            return None, quote

    def _address(self) -> str:
        base = self.url or STREAMS[self.source.market]
        name = self.symbol.lower()
        return f"{base.rstrip('/')}/stream?streams={name}@kline_{self.interval}/{name}@bookTicker"

    def _clock_notice(self) -> list[Seen | Notice]:
        """Take the time of Binance, and say when the machine's clock is off, or right again."""
        base, path = TIMES[self.source.market]
        try:
            with web(self.name, self.source.retry) as get:
                told = json.loads(get((self.source.rest or base).rstrip("/") + path, {}))
            self._state.offset = datetime.fromtimestamp(told["serverTime"] / 1_000, UTC) - self.source.clock()
        except (SourceError, ValueError, KeyError, TypeError):
            return []
        seconds = self._state.offset.total_seconds()
        was, self._state.is_off = self._state.is_off, abs(seconds) > CLOCK_SECONDS
        if self._state.is_off and not was:
            side = "behind" if seconds > 0 else "ahead of"
            words = (
                f"the clock of this machine is {abs(seconds):,.1f} s {side} that of {self.name}, which is used instead"
            )
            return [Notice("clock wrong", self.now(), words)]
        if was and not self._state.is_off:
            return [Notice("clock right", self.now(), "the clock of this machine is right again")]
        return []


class _LostError(Exception):
    """A connection that is no more."""


class _connected:  # noqa: N801 - a context manager that is used as a function
    """A connection to a stream: gives a function that waits for one message, None after so many seconds without one."""

    def __init__(self, address: str, stream: BinanceStream) -> None:
        self._address, self._stream = address, stream
        self._manager: Any = None
        self._connection: Any = None

    def __enter__(self) -> Callable[[float], str | None]:
        try:
            from websockets.sync.client import connect
        except ImportError as error:
            raise ConfigError(
                "websockets is not installed",
                expected="the extra exchanges, for live bars",
                remedy="Install it with: pip install 'candlecast[exchanges]'",
            ) from error
        proxy = proxy_of(self._address.replace("wss://", "https://").replace("ws://", "http://"))
        try:
            self._manager = connect(
                self._address, open_timeout=20, close_timeout=2, max_size=LARGEST_MESSAGE, ping_interval=20, proxy=proxy
            )
            self._connection = self._manager.__enter__()
        except Exception as error:
            raise _LostError(_why(error)) from error
        return self._receive

    def _receive(self, seconds: float) -> str | None:
        try:
            text = self._connection.recv(timeout=seconds)
        except TimeoutError:
            return None
        except Exception as error:
            raise _LostError(_why(error)) from error
        return text if isinstance(text, str) else text.decode(errors="replace")

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            try:
                self._manager.__exit__(None, None, None)
            except Exception as error:
                logger.info("closing a stream failed (%s)", type(error).__name__)


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:100]}"


def _is_delisted(batch: Batch | list[Notice]) -> bool:
    return any(isinstance(each, Notice) and each.kind == "delisted" for each in batch)
