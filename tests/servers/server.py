"""The HTTP part of the loopback server: its clock, its log, its faults, and which world answers which path."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

BOMB = 64 << 20
PORTAL = "<!DOCTYPE html><html><head><title>Wi-Fi</title></head><body>Please log in to continue.</body></html>"
NOW = datetime(2025, 2, 10, 12, 34, 56, tzinfo=UTC)


@dataclass
class Answer:
    """What is sent back: a body as bytes, as text, or as anything that JSON can hold."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose path and query hold `where`, after `after` good ones.

    `how` is "answer" (send `answer` instead), "cut" (reset the connection in the middle of the body), "truncated" (stop in
    the middle of the body, politely), "hang" (no answer until the server closes), "drip" (the answer, its head or its body
    byte by byte without end: "drip head", "drip body"), "continue" (100 Continue without end), or "bomb" (a gzip body of
    BOMB zeros).
    """

    where: str
    how: str = "answer"
    answer: Answer | Callable[[Answer], Answer] = field(default_factory=Answer)
    times: int = 1
    after: int = 0


@dataclass(repr=False)
class Server:
    """A running server. `asked` lists path and query of every request; `now` is its clock, which `wait` moves on."""

    now: datetime = NOW
    url: str = ""
    routes: dict[str, Callable[[str, dict[str, str]], Answer]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, seconds: float) -> None:
        """Sleep without sleeping: what clients under test are given as their `pause`."""
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)

    def clock(self) -> datetime:
        """The server's clock, for clients whose clock is right."""
        return self.now

    def fail(self, where: str, how: str = "answer", *, times: int = 1, after: int = 0, **answer: Any) -> None:
        """Plan a fault; see `Fault` and `Answer`."""
        self.faults.append(Fault(where, how, Answer(**answer), times, after))

    def garble(self, where: str, change: Callable[[Answer], Answer], *, times: int = 1_000_000) -> None:
        """Change good answers on their way."""
        self.faults.append(Fault(where, "answer", change, times))

    def count(self, where: str) -> int:
        """How many requests held `where` in their path."""
        return sum(where in path for path, _ in self.asked)

    def respond(self, path: str, query: dict[str, str]) -> Answer:
        """The good answer of the world whose prefix is the longest."""
        fitting = [prefix for prefix in self.routes if path.startswith(prefix)]
        if not fitting:
            return Answer("no such page", 404, {"Content-Type": "text/plain"})
        return self.routes[max(fitting, key=len)](path, query)

    def due(self, target: str) -> Fault | None:
        """The fault that meets this request, if any."""
        with self.lock:
            for fault in self.faults:
                if fault.where in target and fault.times > 0:
                    if fault.after > 0:
                        fault.after -= 1
                        return None
                    fault.times -= 1
                    return fault
        return None


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # a head and a body are two packets, and the second would wait for the client

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            path, query = unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))
            with server.lock:
                server.asked.append((path, query))
            fault = server.due(unquote(self.path))
            if fault and fault.how == "hang":
                server.closing.wait(60)
                self.close_connection = True
                return
            if fault and fault.how in ("drip head", "drip body", "continue"):
                self.never_end(fault.how)
                return
            if fault and fault.how == "bomb":
                fault = Fault(
                    "", answer=Answer(_bomb(), headers={"Content-Encoding": "gzip", "Content-Type": "text/csv"})
                )
            if fault and fault.how == "answer" and isinstance(fault.answer, Answer):
                answer = fault.answer
            else:
                answer = server.respond(path, query)
            if fault and not isinstance(fault.answer, Answer):
                answer = fault.answer(answer)
            self.send(answer, fault)

        def never_end(self, how: str) -> None:
            """Send a little, again and again, until the client is gone or the server closes."""
            first = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            again = {"drip head": b"X", "drip body": b" ", "continue": b"HTTP/1.1 100 Continue\r\n\r\n"}[how]
            self.close_connection = True
            if how != "continue":
                self.wfile.write(first + (b"X-Long: " if how == "drip head" else b"Content-Length: 1000000\r\n\r\n"))
            while not server.closing.wait(0.01):
                self.wfile.write(again)

        def send(self, answer: Answer, fault: Fault | None) -> None:
            body, kind = answer.body, "application/octet-stream"
            if isinstance(body, str):
                body, kind = body.encode(), "text/html" if body.lstrip().startswith("<") else "text/plain"
            elif not isinstance(body, bytes):
                body, kind = json.dumps(body).encode(), "application/json"
            is_broken = fault is not None and fault.how in ("cut", "truncated")
            self.send_response(answer.status)
            headers = {"Content-Type": kind, **answer.headers}
            if fault is None or fault.how != "truncated":
                headers["Content-Length"] = str(len(body))
            for name, value in headers.items():
                self.send_header(name, value)
            if is_broken:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if is_broken else body)
            if fault and fault.how == "cut":
                self.wfile.flush()  # then a reset instead of a goodbye
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Silence."""

    return Handler


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(BOMB), 6)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""


@contextmanager
def market_server(now: datetime = NOW) -> Iterator[Server]:
    """A server on a free port of 127.0.0.1; mount worlds on it with their `mount(server)`."""
    server = Server(now=now)
    http = _Quiet(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        http.shutdown()
        http.server_close()
        thread.join()
