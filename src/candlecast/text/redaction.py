"""Text of third parties as it may be shown: control characters escaped, secrets replaced by ***."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

MASK = "***"
SHORTEST_SECRET = 6  # characters; a shorter one would match inside numbers and ordinary words
MAX_SHOWN = 1_500  # characters of one text; messages are shorter
_NUL = r"(?:\x00|\\+x00|\\+u0000|%00)*"  # what stands between the letters of UTF-16 that was read as bytes
_PASSWORD = re.compile(r"(?<=://)[^/?#\s:@'\"]*(?::(?!\d{1,5}(?:[/?#\s'\"]|$))[^\s'\"<>]*)?@")
_PARAMETER = re.compile(
    r"((?:^|[?&;,{\s\"'])[\w.-]*(?:key|token|secret|passw(?:or)?d|pwd|passphrase|signature|sig|credential|sas)s?[\w.-]*=)"
    r"(?!\s|=|None\b|\.\.\.|\*\*\*)[^&;#\s'\",)]+",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"<>]+")
_known: dict[str, None] = {}  # secrets of this process, the oldest first


def visible(text: str) -> str:
    """The text with characters that a terminal executes or hides as escapes: controls, line ends, marks of direction.

    >>> visible("BTC\\x1b[2J\\r\\u202eUSDT")
    'BTC\\\\x1b[2J\\\\r\\\\u202eUSDT'
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() and ord(letter) > 0x9F else _escaped(letter)
        for letter in text
    )


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def register_secret(secret: str) -> None:
    """Redact a secret of 6 characters or more from everything shown from now on, in each encoding a server could echo."""
    if len(secret) >= SHORTEST_SECRET and secret not in _known:
        _known[secret] = None


def redacted(text: str) -> str:
    """The text without the secrets of this process, the passwords of addresses, and their parameters that hold keys.

    >>> redacted("s3://user:pass@bucket/candles?token=abc&region=eu")
    's3://***@bucket/candles?token=***&region=eu'
    """
    for secret in tuple(_known):
        text = _pattern(secret).sub(MASK, text)
    if "://" in text:
        text = _PASSWORD.sub(f"{MASK}@", text)
        text = _ADDRESS.sub(lambda found: _PARAMETER.sub(rf"\1{MASK}", found[0]), text)
    return text


def redacted_bytes(content: bytes, secret: str) -> bytes:
    """A response body without a secret, in any text encoding."""
    if len(secret) < SHORTEST_SECRET:
        return content
    return _byte_pattern(secret).sub(MASK.encode(), content)


def shown(text: str) -> str:
    """The text for a message: no secrets, no control characters, at most MAX_SHOWN characters.

    >>> shown("a" * 5_000)[-40:]
    'aaaaaaaaaaaaaaaaaa... (5,000 characters)'
    """
    text = visible(redacted(text))
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text):,} characters)"


@lru_cache(maxsize=32)
def _pattern(secret: str) -> re.Pattern[str]:
    return re.compile(_spellings(secret), re.IGNORECASE)


@lru_cache(maxsize=32)
def _byte_pattern(secret: str) -> re.Pattern[bytes]:
    return re.compile(_spellings(secret).encode("ascii", "backslashreplace"), re.IGNORECASE)


def _spellings(secret: str) -> str:
    """A pattern that matches the secret with each letter plain, percent-encoded, escaped as in JSON or HTML, or in UTF-16; or
    the whole secret in base64 (at any place of a longer text) or hexadecimal."""
    letters = [_letter(letter) for letter in secret]
    content, whole = secret.encode(), []
    for skipped in range(3):  # where the secret begins within a group of three bytes
        code = base64.b64encode(bytes(skipped) + content).decode().rstrip("=")
        first, last = -(-skipped * 8 // 6), (skipped + len(content)) * 8 // 6
        core = re.escape(code[first:last])
        whole.append(core.replace(r"\+", "(?:[-+]|%2b)").replace("/", "(?:[/_]|%2f)"))
    return "|".join([_NUL.join(letters), *whole, content.hex()])


def _letter(letter: str) -> str:
    number = ord(letter)
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in letter.encode())
    units = letter.encode("utf-16-be")
    escape = "".join(rf"\\+u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
    forms = [re.escape(letter), percent, escape, rf"&\#0*{number};?", rf"&\#x0*{number:x};?"]
    if number < 256:
        forms.append(rf"\\+x{number:02x}")
    return f"(?:{'|'.join(forms)})"


class _Redacting(logging.Filter):
    """Rewrites log records: HTTP libraries log addresses and headers."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = shown(record.getMessage()), ()
        return True


@contextmanager
def redacting_loggers(*names: str) -> Iterator[None]:
    """Redact secrets from the records of these loggers within the block."""
    rewriting = _Redacting()
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(rewriting)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(rewriting)
