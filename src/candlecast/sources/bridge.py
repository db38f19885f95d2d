"""Sessions of `requests`, which `ccxt` requires, with the same limits as all other HTTP exchanges."""

from __future__ import annotations

import io
from typing import Any

import httpx
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from candlecast.sources.retry import Retry
from candlecast.sources.transport import Bounded
from candlecast.sources.web import REDIRECTS, failure


def bound(session: requests.Session, vendor: str, retry: Retry) -> None:
    """Send all requests of a session within the limits of `retry`. Failures raise TransientError or SourceError."""
    adapter = _Adapter(vendor, retry)
    session.max_redirects = REDIRECTS
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)


class _Adapter(BaseAdapter):
    def __init__(self, vendor: str, retry: Retry) -> None:
        super().__init__()
        self._vendor, self._transport = vendor, Bounded(retry)

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:  # type: ignore[override]
        """The complete response; limits, proxy and certificates are those of `Bounded`."""
        try:
            headers: Any = list(request.headers.items())
            body: Any = request.body
            asked = httpx.Request(request.method or "GET", request.url or "", headers=headers, content=body)
            answer = self._transport.handle_request(asked)
        except Exception as error:
            raise failure(self._vendor, error) from None
        given = requests.Response()
        given.status_code, given.reason = answer.status_code, answer.reason_phrase
        given.url, given.request = request.url or "", request
        given.headers = CaseInsensitiveDict(answer.headers)
        given.raw, given.encoding = io.BytesIO(answer.content), answer.charset_encoding or "utf-8"
        return given

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()
