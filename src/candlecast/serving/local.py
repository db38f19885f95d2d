"""`serve`: pages for this machine alone, by the standard library: 127.0.0.1, GET only, a random token in the address.

A request is answered only when it names this machine as its host, so that no page elsewhere can reach it under another name
(DNS rebinding), and when its path begins with the token, which other users of the machine do not know.
"""

from __future__ import annotations

import errno
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from candlecast.errors import ConfigError
from candlecast.parameters import is_whole

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")  # by which a request may call this machine
PATIENCE_SECONDS = 60.0  # for a request to be sent, and for an answer to be taken
MOST_FIELDS = 50  # of a query
HIGHEST_PORT = 65_535
POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "style-src-attr 'unsafe-inline'",  # shades of table cells
        "script-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """What a request is answered with. `policy`: what the page may load (Content-Security-Policy)."""

    content: str
    kind: str = "text/html"
    status: int = 200
    policy: str = POLICY


@dataclass(frozen=True)
class Stream:
    """Server-sent events: `events` gives their texts, and ends soon after the event that it gets is set."""

    events: Callable[[threading.Event], Iterator[str]]


Answer = Callable[[str, Mapping[str, list[str]]], "Reply | Stream | None"]


@contextmanager
def serve(answer: Answer, *, port: int = 0) -> Iterator[str]:
    """Serve pages while the block runs; gives their address, http://127.0.0.1:PORT/TOKEN/.

    Args:
        answer: called from several threads at once with the path below the token, without its first slash, and the fields of
            the query; gives the answer, None where there is nothing.
        port: a free one when 0.

    Raises:
        ConfigError: for a port that is in use, reserved or no port.

    >>> from urllib.request import urlopen
    >>> with serve(lambda path, query: Reply(f"path {path!r}", kind="text/plain")) as address:
    ...     urlopen(address + "a/b").read()
    b"path 'a/b'"
    """
    if not is_whole(port, 0) or port > HIGHEST_PORT:
        raise ConfigError(
            f"port is {port!r}",
            expected=f"a whole number from 1 to {HIGHEST_PORT:,}, or 0 for a free port",
            remedy="Leave it out",
        )
    token, closing = secrets.token_urlsafe(16), threading.Event()
    try:
        server = _Server((HOST, port), _handler(answer, token, closing))
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error.strerror})"
        raise ConfigError(
            f"port {port} of {HOST} {why}", expected="a free port", remedy="Choose another port, or leave it out"
        ) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/{token}/"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what would be printed."""
        logger.debug("a request was broken off", exc_info=True)


def _handler(answer: Answer, token: str, closing: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version, timeout = "candlecast", "", PATIENCE_SECONDS

        def do_GET(self) -> None:
            if (self.headers.get("Host") or "").partition(":")[0] not in NAMES:
                return self._refuse(403)
            try:
                address = urlsplit(self.path)
                query = parse_qs(address.query, keep_blank_values=True, max_num_fields=MOST_FIELDS)
            except ValueError:
                return self._refuse(400)
            _, given, *rest = (address.path or "/").split("/", 2)
            if not rest or not secrets.compare_digest(given.encode(), token.encode()):
                return self._refuse(404)
            path = unquote(rest[0])
            try:
                found = answer(path, query)
            except Exception:
                logger.exception("the page %s failed", path)
                return self._refuse(500)
            if found is None:
                return self._refuse(404)
            return self._stream(found) if isinstance(found, Stream) else self._send(found)

        def _refuse(self, status: int) -> None:
            self._send(Reply(self.responses[status][0], kind="text/plain", status=status))

        def _begin(self, status: int, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {**HEADERS, **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def _send(self, reply: Reply) -> None:
            content = reply.content.encode()
            headers = {"Content-Type": f"{reply.kind}; charset=utf-8", "Content-Length": str(len(content))}
            with suppress(OSError):
                self._begin(reply.status, headers | {"Content-Security-Policy": reply.policy})
                self.wfile.write(content)

        def _stream(self, stream: Stream) -> None:
            with suppress(OSError):
                self._begin(200, {"Content-Type": "text/event-stream"})
                for text in stream.events(closing):
                    self.wfile.write(text.encode())
                    self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing is printed."""

    return Handler
