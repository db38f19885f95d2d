"""`BinanceStream`: closed bars of Binance by websocket, and by REST whatever was missed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from candlecast.errors import ConfigError, SourceError
from candlecast.sources.closed_bars import ClosedBarStream, Heard, LostError, Receive, why
from candlecast.sources.feed import Seen
from candlecast.sources.filling import Pages
from candlecast.sources.proxies import proxy_of
from candlecast.sources.web import web

if TYPE_CHECKING:
    from candlecast.sources.binance import Binance

logger = logging.getLogger(__name__)

STREAMS = {"spot": "wss://stream.binance.com:9443", "usdm": "wss://fstream.binance.com"}
TIMES = {"spot": ("https://api.binance.com", "/api/v3/time"), "usdm": ("https://fapi.binance.com", "/fapi/v1/time")}
LARGEST_MESSAGE = 1 << 20  # bytes


@dataclass(frozen=True)
class BinanceStream(ClosedBarStream):
    """Closed bars of a symbol as Binance sends them, with the best bid and ask; made by `Binance.stream`.

    source: for REST, and for the machine's clock.
    """

    source: Binance = field(kw_only=True)

    @property
    def asked(self) -> Binance:
        """See `ClosedBarStream.asked`."""
        return self.source

    def pages(self) -> Pages:
        """See `ClosedBarStream.pages`."""
        return replace(self.source, clock=self.now).pages

    def machine_now(self) -> datetime:
        """See `ClosedBarStream.machine_now`."""
        return self.source.clock()

    def exchange_now(self) -> datetime | None:
        """See `ClosedBarStream.exchange_now`."""
        base, path = TIMES[self.source.market]
        try:
            with web(self.name, self.source.retry) as get:
                told = json.loads(get((self.source.rest or base).rstrip("/") + path, {}))
            return datetime.fromtimestamp(told["serverTime"] / 1_000, UTC)
        except (SourceError, ValueError, KeyError, TypeError):
            return None

    @contextmanager
    def connected(self) -> Iterator[Receive]:
        """See `ClosedBarStream.connected`."""
        try:
            from websockets.sync.client import connect
        except ImportError as error:
            raise ConfigError(
                "websockets is not installed",
                expected="the extra exchanges, for live bars",
                remedy="Install it with: pip install 'candlecast[exchanges]'",
            ) from error
        address = self.address
        proxy = proxy_of(address.replace("wss://", "https://").replace("ws://", "http://"))
        closing = ExitStack()
        try:
            connection: Any = closing.enter_context(
                connect(
                    address, open_timeout=20, close_timeout=2, max_size=LARGEST_MESSAGE, ping_interval=20, proxy=proxy
                )
            )
        except Exception as error:
            raise LostError(why(error)) from error

        def receive(seconds: float) -> list[Heard] | None:
            try:
                text = connection.recv(timeout=seconds)
            except TimeoutError:
                return None
            except Exception as error:
                raise LostError(why(error)) from error
            return self.read(text if isinstance(text, str) else text.decode(errors="replace"))

        try:
            yield receive
        finally:
            with suppress(Exception):
                closing.close()

    def read(self, text: str) -> list[Heard]:
        """The closed bar of a message, or the best bid and ask; nothing for any other message."""
        try:
            data: Any = json.loads(text)
            data = data.get("data", data)
            if data.get("e") != "kline" and "b" in data and "a" in data:
                return [Heard(quote=(float(data["b"]), float(data["a"])))]
            if data.get("e") != "kline" or not data["k"]["x"] or data["s"] != self.symbol:
                return []
            told = data["k"]
            opened = datetime.fromtimestamp(told["t"] / 1_000, UTC)
            values = [float(told[name]) for name in ("o", "h", "l", "c", "v")]
            return [Heard(Seen(opened, *values, received_at=self.now(), how="stream"))]
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            logger.warning("%s sent a message that is no bar (%s)", self.name, type(error).__name__)
            return []

    @property
    def address(self) -> str:
        """Of the combined stream of klines and best prices."""
        base = self.url or STREAMS[self.source.market]
        name = self.symbol.lower()
        return f"{base.rstrip('/')}/stream?streams={name}@kline_{self.interval}/{name}@bookTicker"
