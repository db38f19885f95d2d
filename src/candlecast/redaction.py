"""What may be shown of words that others wrote: control characters escaped, secrets struck out."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

STRUCK = "***"
LEAST_SECRET = 6  # characters; a shorter one would be struck out of numbers and ordinary words
MOST_SHOWN = 1_500  # characters of one text; more is no message
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
    """The text with what a terminal would obey or hide written as an escape: controls, line ends, marks of direction.

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


def hide(secret: str) -> None:
    """Strike a secret out of everything that is shown from now on, in each form that a server could echo it in."""
    if len(secret) >= LEAST_SECRET and secret not in _known:
        _known[secret] = None


def struck(text: str) -> str:
    """The text without the secrets of this process, the passwords of addresses, and their parameters that hold keys.

    >>> struck("s3://user:pass@bucket/candles?token=abc&region=eu")
    's3://***@bucket/candles?token=***&region=eu'
    """
    for secret in tuple(_known):
        text = _pattern(secret).sub(STRUCK, text)
    if "://" in text:
        text = _PASSWORD.sub(f"{STRUCK}@", text)
        text = _ADDRESS.sub(lambda found: _PARAMETER.sub(rf"\1{STRUCK}", found[0]), text)
    return text


def struck_bytes(content: bytes, secret: str) -> bytes:
    """An answer's body without a secret, whatever the encoding of the body."""
    if len(secret) < LEAST_SECRET:
        return content
    return _byte_pattern(secret).sub(STRUCK.encode(), content)


def shown(text: str) -> str:
    """What a message may say of a text: no secrets, no controls, no more than MOST_SHOWN characters.

    >>> shown("a" * 5_000)[-40:]
    'aaaaaaaaaaaaaaaaaa... (5,000 characters)'
    """
    text = visible(struck(text))
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}... ({len(text):,} characters)"


@lru_cache(maxsize=32)
def _pattern(secret: str) -> re.Pattern[str]:
    return re.compile(_spellings(secret), re.IGNORECASE)


@lru_cache(maxsize=32)
def _byte_pattern(secret: str) -> re.Pattern[bytes]:
    return re.compile(_spellings(secret).encode("ascii", "backslashreplace"), re.IGNORECASE)


def _spellings(secret: str) -> str:
    """A pattern of the secret with each letter plain, in percent, as an escape of JSON or HTML, or in UTF-16; or all of it
    in base64 (at any place of a longer text) or hexadecimal."""
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


class _Struck(logging.Filter):
    """Rewrites records: loggers of libraries show what went over the wire."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = shown(record.getMessage()), ()
        return True


@contextmanager
def quiet_wires(*names: str) -> Iterator[None]:
    """Strike secrets out of what the loggers of these names say within the block."""
    rewriting = _Struck()
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(rewriting)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(rewriting)
