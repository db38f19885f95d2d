"""Every error that candlecast raises on purpose.

    CandlecastError
    ├── ConfigError           an invalid parameter (also a ValueError)
    ├── CandleError           candles that cannot be read, or that are unsound
    ├── SourceError           a source of candles failed: missing file, no answer
    │   └── UnknownSymbolError    a source has no such symbol, or no longer
    ├── StoreError            stored candles that cannot be read or written
    ├── NotEnoughDataError    fewer bars than the request needs
    ├── LookaheadError        something would use what was not known yet
    └── RunError              a run on disk that is missing, foreign or incomplete

A message has three parts: what was wrong (with the value), what was expected, what to do. It is one line without control
characters and secrets, also where it quotes names or answers of third parties.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from candlecast.text.redaction import shown

MAX_LISTED = 20  # names in a message; it says how many more there are


class CandlecastError(Exception):
    """Root of the tree; catching it catches everything that candlecast raises on purpose.

    >>> print(ConfigError("horizon is 0", expected="at least 1 bar", remedy="Use NextReturn(horizon=1)"))
    horizon is 0; expected at least 1 bar. Use NextReturn(horizon=1).
    """

    def __init__(self, wrong: str, *, expected: str, remedy: str) -> None:
        wrong, expected, remedy = shown(wrong), shown(expected), shown(remedy)
        super().__init__(f"{wrong}; expected {expected}. {remedy}" + ("" if remedy.endswith("?") else "."))
        self.wrong = wrong
        self.expected = expected
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles with all parts, so that an error of another process arrives complete."""
        return partial(type(self), expected=self.expected, remedy=self.remedy), (self.wrong,)


class ConfigError(CandlecastError, ValueError):
    """An invalid parameter."""


class CandleError(CandlecastError):
    """Candles that cannot be read, or that are unsound."""


class SourceError(CandlecastError):
    """A source of candles failed: missing file, unknown symbol, no answer."""


class UnknownSymbolError(SourceError):
    """A source has no such symbol, or no longer lists it."""


class StoreError(CandlecastError):
    """Stored candles cannot be read or written; what was stored before is unchanged."""


class NotEnoughDataError(CandlecastError):
    """Fewer bars than the request needs."""


class LookaheadError(CandlecastError):
    """Something would use what was not known yet."""


class RunError(CandlecastError):
    """A run on disk that is missing, foreign or incomplete."""


@contextmanager
def calling(subject: str, *, expected: str, remedy: str) -> Iterator[None]:
    """Around a call of a user's code: whatever it raises becomes a ConfigError that names it. A CandlecastError stays.

    >>> with calling("my rule", expected="positions", remedy="Correct it"):
    ...     {}["close"]
    Traceback (most recent call last):
    candlecast.errors.ConfigError: my rule failed (KeyError: 'close'); expected positions. Correct it.
    """
    try:
        yield
    except CandlecastError:
        raise
    except Exception as error:
        raise ConfigError(f"{subject} failed ({said(error)})", expected=expected, remedy=remedy) from error


def said(error: Exception) -> str:
    """The type and the first line of an error.

    >>> said(KeyError("close")), said(ValueError())
    ("KeyError: 'close'", 'ValueError: no message')
    """
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else 'no message'}"


def near_misses(name: object, options: Iterable[str], *, are_listed: bool = False) -> str:
    """Words that offer the known names closest to a misspelt one; `are_listed`: the message names all of them already.

    >>> near_misses("lstn", ["lstm", "gru", "rnn"])
    'Did you mean lstm?'
    >>> near_misses("zebra", ["lstm", "gru"])
    'Choose one of gru, lstm'
    >>> near_misses("zebra", ["lstm", "gru"], are_listed=True)
    'Choose one of them'
    """
    options = sorted(options)
    lowered = {option.lower(): option for option in options}
    close = difflib.get_close_matches(str(name).lower(), lowered, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(lowered[match] for match in close)}?"
    if are_listed:
        return "Choose one of them"
    return f"Choose one of {listed(options, most=MAX_LISTED, rest='others')}"


def listed(names: Iterable[object], *, most: int = 8, rest: str = "more") -> str:
    """Names with commas, cut after `most` of them.

    >>> listed("abcde", most=3), listed("ab"), listed([])
    ('a, b, c and 2 more', 'a, b', 'none')
    """
    texts = [str(name) for name in names]
    if len(texts) <= most:
        return ", ".join(texts) or "none"
    return f"{', '.join(texts[:most])} and {len(texts) - most:,} {rest}"
