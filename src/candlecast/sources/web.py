"""HTTP requests, and the errors for failed ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime

from candlecast.errors import CandlecastError, SourceError
from candlecast.sources.answers import unusable
from candlecast.sources.retry import Retry, SlowError, TransientError
from candlecast.sources.source import utc_now
from candlecast.text.redaction import redacting_loggers

Get = Callable[[str, Mapping[str, str]], bytes]
KEPT = "what was stored before is kept, and fetching goes on from there"
REDIRECTS = 5
MAX_READ = 4_000  # characters of an answer that are searched for words
WIRE_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
TRANSIENT = (408, 418, 425, 429)  # and everything from 500


class MissingError(SourceError):
    """The address does not exist (404)."""


@contextmanager
def web(vendor: str, retry: Retry, *, secret: Callable[[], tuple[str, str]] | None = None) -> Iterator[Get]:
    """A function that gets an address with query parameters, with retries; several threads may use it.

    Every answer is limited in time and size. `secret` returns a query parameter that is sent to the address itself, is not
    sent to redirects and is never shown; see `Bounded`. The function raises MissingError for 404, and SourceError, which
    names the vendor, for every other failure.
    """
    import httpx

    from candlecast.sources.transport import Bounded

    transport = Bounded(retry, secret=secret)
    with (
        redacting_loggers(*WIRE_LOGGERS),
        httpx.Client(
            timeout=None, follow_redirects=secret is None, max_redirects=REDIRECTS, transport=transport
        ) as client,
    ):

        def ask(url: str, parameters: Mapping[str, str]) -> bytes:
            try:
                answer = client.get(url, params=dict(parameters) or None)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise SourceError(
                    f"the address of {vendor} is invalid ({error})",
                    expected="an address such as https://example.org",
                    remedy="Correct it",
                ) from None
            except Exception as error:
                raise failure(vendor, error) from None
            require_ok(vendor, answer.status_code, answer.headers, answer.text if answer.is_error else "")
            if not answer.is_success:
                raise SourceError(
                    f"{vendor} has moved to another address ({answer.status_code})",
                    expected="an answer",
                    remedy="Correct the address",
                )
            return answer.content

        yield lambda url, parameters: retry(lambda: ask(url, parameters))


def failure(vendor: str, error: Exception) -> Exception:
    """The error for a request that ended without an answer."""
    if isinstance(error, (CandlecastError, TransientError)):
        return error
    if isinstance(error, SlowError):
        return TransientError(unreachable(vendor, error, f"its answer is too slow, {error}"))
    if isinstance(error, ValueError):  # a body that cannot be decompressed
        return unusable(vendor, str(error))
    return TransientError(unreachable(vendor, error))


def unreachable(vendor: str, error: Exception, why: str = "") -> SourceError:
    """The error for an answer that did not come, or is incomplete."""
    return SourceError(
        f"{vendor} could not be reached ({why or type(error).__name__})",
        expected="a network, and an answer in time",
        remedy=f"Check the connection and try again; {KEPT}",
    )


def require_ok(vendor: str, status: int, headers: Mapping[str, str], text: str, *, refused: str = "") -> None:
    """Raise TransientError, MissingError or SourceError for an answer with status 400 or above.

    `refused`: the remedy when the vendor does not serve this network or country (403 and 451).
    """
    if status < 400:
        return
    said = words(text)
    if status in TRANSIENT or status >= 500:
        after = retry_after(headers)
        busy = f"{vendor} answers {status}{said}" + (f" and asks to wait {after:.0f} s" if after else "")
        raise TransientError(
            SourceError(
                busy,
                expected="an answer",
                remedy=f"Try again later; {KEPT}",
            ),
            after,
        )
    if status == 404:
        raise MissingError(
            f"{vendor} answers 404{said}", expected="an answer", remedy="Check the symbol and the address"
        )
    reason, remedy = {
        401: (f"{vendor} does not accept the key or session (401{said})", "Check the key"),
        403: (
            f"{vendor} refuses requests from this address (403{said})",
            refused or "Wait some minutes, or use another network or a mirror",
        ),
        451: (f"{vendor} does not serve this country (451)", refused or "Use another source or a mirror"),
    }.get(status, (f"{vendor} answers {status}{said}", "Check the symbol, the interval and the period"))
    raise SourceError(reason, expected="an answer", remedy=remedy)


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime] = utc_now) -> float | None:
    """Seconds in a Retry-After header (a number or a date), None without one.

    >>> retry_after({"Retry-After": "35"}), retry_after({})
    (35.0, None)
    """
    value = next((text for name, text in headers.items() if name.lower() == "retry-after"), "").strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", value):
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - now()).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def words(text: str) -> str:
    """The first words of a page for people, after ": " and without markup; "" when it has none.

    >>> words("<html><title>x</title><h1>403 ERROR</h1> Request blocked.</html>")
    ': 403 ERROR Request blocked.'
    >>> words('{"code": -1003, "msg": "Too many requests."}')
    ': Too many requests.'
    """
    text = text[:MAX_READ]
    with suppress(ValueError, RecursionError):
        said = json.loads(text)
        text = said["msg"] if isinstance(said, dict) and isinstance(said.get("msg"), str) else text
    plain = re.sub(r"(?is)<(head|style|script|title).*?</\1>|<[^>]*>", " ", text)
    plain = " ".join(plain.split())
    return f": {plain[:120]}{'...' * (len(plain) > 120)}" if plain else ""
