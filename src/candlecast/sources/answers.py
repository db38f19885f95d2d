"""Checks of answers from the network: complete, and of the type that was requested, before anything is concluded from them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import repeat
from typing import Any, NoReturn

from candlecast.errors import SourceError
from candlecast.sources.retry import TransientError

FIRST_SECONDS, LAST_SECONDS = -5_400_000_000, 7_300_000_000  # 1798 and 2201: earlier or later candles do not exist
MAX_TEXT = 32 << 20  # bytes of JSON or CSV, which take about twenty times as much memory as objects
MAX_NESTED = 40  # brackets within brackets; answers of candles have a handful
MAX_DIGITS = 400
EXPONENT = re.compile(r"[-+]?[0-9.]+[eE][-+]?0*([0-9]+)")
COUNTING = re.compile("precision|scale|decimal|digit|places", re.IGNORECASE)  # names of counts of digits
BEGINNING = 60  # characters of an unusable answer that a message quotes


def unusable(vendor: str, why: str) -> TransientError:
    """The transient failure for an answer of another type than requested: nothing may be concluded from it."""
    return TransientError(
        SourceError(
            f"{vendor} gave an answer that is not what was asked for ({why})",
            expected="candles, or an answer that there are none",
            remedy="Check that no login page or proxy answers instead, and try again later; nothing of it was stored",
        )
    )


def parse_json(content: bytes | str, vendor: str) -> Any:
    """An object or list of JSON. Raises TransientError for anything else, such as NaN or numbers of unlimited length."""
    text = content.decode("utf-8-sig", errors="replace") if isinstance(content, bytes) else content
    beginning = " ".join(text[: 4 * BEGINNING].split())[:BEGINNING]
    if not beginning:
        raise unusable(vendor, "it is empty")
    if beginning[0] not in "[{":
        raise unusable(vendor, beginning)
    try:
        value = json.loads(text, parse_constant=_refused, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:BEGINNING]
        raise unusable(vendor, f"no JSON, {why}") from None
    if odd := _oddity(value):
        raise unusable(vendor, odd)
    return value


def quoted(said: list[Any]) -> str:
    """The beginning of the last of some answers, for a message.

    >>> quoted([{"a": 1}]), quoted(["<html>"]), quoted([])
    ('{"a": 1}', '<html>', 'nothing')
    """
    if not said:
        return "nothing"
    text = said[-1] if isinstance(said[-1], str) else json.dumps(said[-1])
    return " ".join(text[: 4 * BEGINNING].split())[:BEGINNING] or "it is empty"


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no number")
    return value


def _oddity(value: Any) -> str:
    """A number that is unsafe to compute with, "" if none: libraries loop over precisions, and write exponents out."""
    level: list[Any] = [value]
    for _ in range(MAX_NESTED):
        inner: list[Any] = []
        for outer in level:
            named = outer.items() if isinstance(outer, dict) else zip(repeat(""), outer, strict=False)
            for name, part in named:
                if isinstance(part, (dict, list)):
                    inner.append(part)
                elif _is_endless(name, part):
                    return f"{name or 'a number'} of {str(part)[:BEGINNING]}"
        if not inner:
            return ""
        level = inner
    return "nested too deeply"


def _is_endless(name: str, value: Any) -> bool:
    if isinstance(value, str):
        if ("e" in value or "E" in value) and (found := EXPONENT.fullmatch(value)):
            return len(found[1]) > 3
        if len(value) > MAX_DIGITS and value[:1] in "-+.0123456789":
            return True
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    elif abs(value) >= 2**64 and isinstance(value, int):
        return True
    if COUNTING.search(name) is None:
        return False
    try:
        return abs(float(value)) > MAX_DIGITS
    except ValueError:
        return False


def _parts(value: Any) -> Iterator[Any]:
    yield from value.values() if isinstance(value, dict) else value


def says_nothing_found(value: Any, depth: int = 4) -> bool:
    """Whether an answer states that there are no bars: by an empty list, or by null beside other values.

    An empty object, or text alone, may also come from a login page or a broken server.

    >>> says_nothing_found([]), says_nothing_found({"error": [], "result": {}}), says_nothing_found({})
    (True, True, False)
    """
    if isinstance(value, list):
        return True
    if not isinstance(value, dict) or depth == 0:
        return False
    if len(value) > 1 and None in value.values():
        return True
    return any(says_nothing_found(inner, depth - 1) for inner in value.values())


def is_time(seconds: object) -> bool:
    """Whether a number of seconds since 1970 is a possible time of a candle.

    >>> is_time(1_700_000_000), is_time(9e18), is_time("2024"), is_time(True)
    (True, False, False, False)
    """
    return (
        isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and FIRST_SECONDS <= seconds <= LAST_SECONDS
    )


def are_dated(rows: Any) -> bool:
    """Whether each row of a list has a time (a count since 1970 in any unit, or ISO text); True for anything but a list.

    Bars of another period are a valid answer, although it has no bar of this one; rows without a time are not.

    >>> are_dated([[1_700_000_000_000, "1.5"]]), are_dated([["2025-13-01", "1.5"]]), are_dated(["a"]), are_dated({})
    (True, False, False, True)
    """
    if not isinstance(rows, list):
        return True
    return all(isinstance(row, (list, dict)) and any(map(_is_date, _parts(row))) for row in rows)


def _is_date(value: Any) -> bool:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{9,19}", value):
        try:
            return len(value) >= len("2025-01-31") and bool(datetime.fromisoformat(value))
        except ValueError:
            return False
    try:
        count = float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return any(1e8 <= count / unit <= LAST_SECONDS for unit in (1, 1e3, 1e6, 1e9))
