"""The websocket part of the loopback exchange: klines as they close, with what goes wrong on the way."""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from servers.binance import Listing, bars

UNSENT = ("drop", "late", "cut")  # faults with which a bar does not come by the stream, or with the next one


@dataclass
class Streamed:
    """An exchange whose clock moves one bar at a time, and sends the bar that has closed, or not.

    `faults` by bar number: "drop" (never sent), "twice", "late" (sent with the next one), "revised" (sent with other
    values after the next one), "cut" (the connection breaks in place of the bar), "preliminary" (sent with other values
    at first, and as it is with the next one), "lag" (neither sent nor had by REST until the next one has been sent).
    Each message of a bar is preceded by the best bid and ask, and by the bar while it was unfinished.
    """

    world: Any  # of an exchange, with its server and what it hides
    listing: Listing
    step: int
    faults: dict[int, str] = field(default_factory=dict)
    number: int = -1
    url: str = ""
    connections: int = 0
    queue: deque[str | None] = field(default_factory=deque)
    held: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def advance_from(self, known: int) -> None:
        """Move on, unless a bar after the one that opened at `known` can be had: asked for twice, it is done once."""
        while not self._can_be_had(known):
            self.advance()

    def _can_be_had(self, known: int) -> bool:
        """Whether a bar after `known` has closed that REST has: not in a halt, and not while it lags."""
        now = self.world.server.now.timestamp()
        times = bars(self.listing, self.step, known + self.step, int(now) - self.step + 1)["time"].to_list()
        return any(now >= self.world.hidden.get(time, 0.0) for time in times)

    def advance(self) -> None:
        """The clock moves to a second after the close of the next bar, which is sent; to ten seconds when it is not."""
        with self.lock:
            self.number += 1
            server = self.world.server
            opened = int(server.now.timestamp()) // self.step * self.step
            frame = bars(self.listing, self.step, opened, opened + 1)
            fault, later = self.faults.get(self.number), self.held
            waited = 10 if fault in UNSENT or not frame.height else 1
            server.now = datetime.fromtimestamp(opened + self.step + waited, UTC)
            self.held = []
            if frame.height:
                text = self.message(frame.row(0), is_closed=True)
                if fault == "cut":
                    self.queue.append(None)
                elif fault == "late":
                    self.held.append(text)
                elif fault == "lag":
                    self.held.append(text)
                    self.world.hidden[frame["time"][0]] = float(opened + 2 * self.step + 2)
                elif fault == "preliminary":
                    time, opening, high, low, close, volume = frame.row(0)
                    told = (time, opening, high + 1, low, close + 0.5, volume)
                    self.queue += [self.quote(frame.row(0)), self.message(told, is_closed=True)]
                    self.held.append(text)
                elif fault != "drop":
                    self.queue += [self.quote(frame.row(0)), self.message(frame.row(0), is_closed=False), text]
                    self.queue += self.beginning(opened + self.step)
                if fault == "twice":
                    self.queue.append(text)
                if fault == "revised":
                    time, opening, high, low, close, volume = frame.row(0)
                    self.held.append(self.message((time, opening, high + 1, low, close + 0.5, volume), is_closed=True))
            self.queue += later

    def message(self, row: tuple, *, is_closed: bool) -> str:
        time, opened, high, low, close, volume = row
        kline = {"t": time * 1_000, "T": (time + self.step) * 1_000 - 1, "s": self.listing.symbol, "x": is_closed}
        kline["i"] = {60: "1m", 3_600: "1h", 86_400: "1d"}[self.step]
        kline |= {
            "o": f"{opened:.8f}",
            "h": f"{high:.8f}",
            "l": f"{low:.8f}",
            "c": f"{close:.8f}",
            "v": f"{volume:.8f}",
        }
        data = {"e": "kline", "E": (time + self.step) * 1_000, "s": self.listing.symbol, "k": kline}
        return json.dumps({"stream": "kline", "data": data})

    def beginning(self, opened: int) -> list[str]:
        """The bar that has just begun, after its first trade; nothing in a halt."""
        prices = bars(self.listing, self.step, opened, opened + 1)["open"].to_list()
        return [self.message((opened, *[price] * 4, 0.01), is_closed=False) for price in prices]

    def quote(self, row: tuple) -> str:
        close = row[4]
        told = {"u": 1, "s": self.listing.symbol, "b": f"{close - 0.01:.8f}", "a": f"{close + 0.01:.8f}"}
        return json.dumps({"stream": "bookTicker", "data": told})

    def serve(self, connection: object) -> None:
        """Send what is queued to the newest connection, until it breaks.

        A combined stream names its streams in its path; other clients ask for bars, or for best prices, by a first message.
        """
        is_combined = "streams=" in connection.request.path
        with suppress(Exception):
            asked = "@kline" if is_combined else str(json.loads(connection.recv())["params"])
            if "@kline" not in asked:
                self.closing.wait()  # best prices: none are sent by themselves
                return
            with self.lock:
                self.connections += 1
                mine = self.connections
            while not self.closing.wait(0.002) and mine == self.connections:
                while self.queue and mine == self.connections:
                    text = self.queue[0]
                    if text is not None:
                        connection.send(text)  # one that cannot be sent is left to the next connection
                    self.queue.popleft()
                    if text is None:
                        connection.close(code=1011)
                        return


@contextmanager
def stream_server(
    world: Any, listing: Listing, step: int, faults: dict[int, str] | None = None, *, kind: type[Streamed] = Streamed
):
    """A stream of a kind on a free port of 127.0.0.1, beside the REST interface of the world."""
    from websockets.sync.server import serve

    streamed = kind(world, listing, step, faults or {})
    with serve(streamed.serve, "127.0.0.1", 0) as server:
        streamed.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield streamed
        finally:
            streamed.closing.set()
            server.shutdown()
            thread.join(5)
