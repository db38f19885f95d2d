"""Websockets on which a client subscribes to channels by messages, as those of Kraken and Bybit; one connection has them all."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass

from servers.binance import bars
from servers.binance_stream import Streamed

BARS = "bars"


@dataclass
class Conversed(Streamed):
    """Messages of an exchange with subscriptions; a subclass says what they look like."""

    def greeting(self) -> list[str]:
        """What is sent to a new connection."""
        return []

    def answers(self, said: dict) -> tuple[list[str], bool]:
        """What a message of the client is answered with, and whether it asks for bars."""
        raise NotImplementedError

    def unfinished(self, count: int) -> list[tuple]:
        """The newest bars, the last of which has begun and not ended; none in a halt."""
        now = int(self.world.server.now.timestamp())
        opened = now // self.step * self.step
        return bars(self.listing, self.step, opened - (count - 1) * self.step, opened + 1).rows()

    def serve(self, connection: object) -> None:
        """Answer messages, and send what is queued to the newest connection that asked for bars, until it breaks."""
        mine = 0
        with suppress(Exception):
            for text in self.greeting():
                connection.send(text)
            while not self.closing.is_set():
                with suppress(TimeoutError):
                    texts, asks_for_bars = self.answers(json.loads(connection.recv(timeout=0.002)))
                    for text in texts:
                        connection.send(text)
                    if asks_for_bars:
                        with self.lock:
                            self.connections += 1
                            mine = self.connections
                while mine and self.queue and mine == self.connections:
                    text = self.queue[0]
                    if text is not None:
                        connection.send(text)  # one that cannot be sent is left to the next connection
                    self.queue.popleft()
                    if text is None:
                        connection.close(code=1011)
                        return
