"""HTTP exchanges with limits on time, on bytes received and on bytes after decompression, whatever the server does."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpcore
import httpx

from candlecast.errors import ConfigError
from candlecast.sources.inflation import inflated, too_large
from candlecast.sources.proxies import proxy_of
from candlecast.sources.retry import MIN_RATE, Retry, SlowError
from candlecast.text.redaction import redacted_bytes

HEAD_BYTES = 1 << 20  # of everything that comes before a body
ENCODINGS = ("gzip", "deflate")
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # SSL_CERT_FILE and SSL_CERT_DIR are read by httpx


@dataclass
class _Budget:
    """Time and bytes that one exchange may still take."""

    retry: Retry
    began: float
    received: int = 0
    is_body: bool = False

    def left(self, timeout: float | None) -> float:
        """Seconds that the next wait may last. Raises SlowError when there are none."""
        granted = self.retry.timeout_seconds
        if self.is_body:
            granted = min(granted + self.received / MIN_RATE, self.retry.answer_seconds)
        left = self.began + min(granted, self.retry.answer_seconds) - time.monotonic()
        if left <= 0:
            raise SlowError(time.monotonic() - self.began, self.received)
        return left if timeout is None else min(left, timeout)

    def take(self, amount: int) -> None:
        """Count bytes that came. Raises SourceError for more than an answer may have."""
        self.received += amount
        most = self.retry.answer_bytes + HEAD_BYTES if self.is_body else HEAD_BYTES
        if self.received > most:
            raise too_large(most)


class _Local(threading.local):
    budget: _Budget | None = None  # of the exchange that this thread is in; None for a connection's own housekeeping


_local = _Local()


def _left(timeout: float | None) -> float | None:
    """Seconds that the next wait of this thread may last. Raises SlowError when there are none."""
    return timeout if _local.budget is None else _local.budget.left(timeout)


class _Stream(httpcore.NetworkStream):
    """A connection: each wait and each byte received counts towards the budget of the exchange."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        content = self._inner.read(max_bytes, _left(timeout))
        if _local.budget is not None:
            _local.budget.take(len(content))
        return content

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_tcp(host, port, _left(timeout), local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class Bounded(httpx.BaseTransport):
    """Sends requests, through a proxy where the environment names one, and returns complete responses within the limits of
    `retry`.

    `secret` returns the name and value of a query parameter that is added to each address when it is sent and redacted
    from each response. Nothing above the transport, which logs, shows or raises addresses and responses, sees it.
    """

    def __init__(self, retry: Retry, *, secret: Callable[[], tuple[str, str]] | None = None) -> None:
        self._retry, self._secret, self._context = retry, secret, _certificates()
        self._pools: dict[str | None, httpcore.ConnectionPool] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The whole answer, inflated. Raises SlowError, SourceError or what httpcore raises."""
        name, value = self._secret() if self._secret else ("", "")
        url = request.url.copy_add_param(name, value) if name else request.url
        headers = [(key, text) for key, text in request.headers.raw if key.lower() != b"accept-encoding"]
        wanted = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=[*headers, (b"Accept-Encoding", ", ".join(ENCODINGS).encode())],
            content=request.read(),
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._retry.timeout_seconds)},
        )
        with self._budget() as budget:
            answer = self._pool(proxy_of(str(request.url))).handle_request(wanted)
            try:
                budget.is_body = True
                content = self._body(answer)
            finally:
                answer.close()
        kept = [(key, redacted_bytes(text, value)) for key, text in answer.headers if key.lower() not in _CONSUMED]
        return httpx.Response(answer.status, headers=kept, content=redacted_bytes(content, value), request=request)

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()

    def _body(self, answer: httpcore.Response) -> bytes:
        stream = answer.stream
        assert isinstance(stream, Iterable), "an answer of a synchronous pool is read synchronously"
        most, pieces, size = self._retry.answer_bytes, [], 0
        for piece in stream:
            size += len(piece)
            if size > most:
                raise too_large(most)
            pieces.append(piece)
        codings = [text.decode("latin-1") for key, text in answer.headers if key.lower() == b"content-encoding"]
        return inflated(b"".join(pieces), ",".join(codings), most)

    @contextmanager
    def _budget(self) -> Iterator[_Budget]:
        before, _local.budget = _local.budget, _Budget(self._retry, time.monotonic())
        try:
            yield _local.budget
        finally:
            _local.budget = before

    def _pool(self, proxy: str | None) -> httpcore.ConnectionPool:
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._connected(proxy)
            return self._pools[proxy]

    def _connected(self, proxy: str | None) -> httpcore.ConnectionPool:
        shared: dict[str, Any] = {"ssl_context": self._context, "network_backend": _Backend(), "keepalive_expiry": 5.0}
        if proxy is None:
            return httpcore.ConnectionPool(**shared)
        address = httpx.Proxy(proxy)
        url = httpcore.URL(scheme=address.url.raw_scheme, host=address.url.raw_host, port=address.url.port, target=b"/")
        if not address.url.scheme.startswith("socks"):
            return httpcore.HTTPProxy(proxy_url=url, proxy_auth=address.raw_auth, **shared)
        try:
            return httpcore.SOCKSProxy(proxy_url=url, proxy_auth=address.raw_auth, **shared)
        except (ImportError, RuntimeError):
            raise ConfigError(
                f"the proxy is {proxy}, and the package socksio is not installed",
                expected="an HTTP proxy, or that package",
                remedy="Install it with: pip install socksio",
            ) from None


def _certificates() -> ssl.SSLContext:
    """Trusted certificates: the file or folder that the environment names, as `requests` and `curl` read it, or httpx's own."""
    return _trusting(*(os.environ.get(name) for name in (*BUNDLES, "SSL_CERT_FILE", "SSL_CERT_DIR")))


@lru_cache(maxsize=4)  # a tenth of a second each
def _trusting(*places: str | None) -> ssl.SSLContext:
    named = next(filter(None, places[: len(BUNDLES)]), None)
    if named is None:
        return httpx.create_ssl_context()
    try:
        is_folder = os.path.isdir(named)
        return ssl.create_default_context(cafile=None if is_folder else named, capath=named if is_folder else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the certificates in {named} cannot be read ({type(error).__name__})",
            expected="a file or folder of certificates",
            remedy=f"Correct {' or '.join(BUNDLES)} in the environment",
        ) from None


_CONSUMED = (b"content-encoding", b"content-length", b"transfer-encoding", b"set-cookie")
