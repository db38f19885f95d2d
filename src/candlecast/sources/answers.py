"""What an answer of the network has to be before anything is concluded from it: whole, and of the kind that was asked for."""

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

FIRST_SECONDS, LAST_SECONDS = -5_400_000_000, 7_300_000_000  # 1798 and 2201: no candle opens outside
MOST_TEXT = 32 << 20  # bytes of JSON or CSV, which take some twenty times as much once they are objects
MOST_NESTED = 40  # brackets within brackets; answers of candles have a handful
MOST_DIGITS = 400
EXPONENT = re.compile(r"[-+]?[0-9.]+[eE][-+]?0*([0-9]+)")
COUNTING = re.compile(
    "precision|scale|decimal|digit|places", re.IGNORECASE
)  # names of numbers that are counts of digits
BEGINNING = 60  # characters of an unusable answer that a message quotes


def unusable(vendor: str, why: str) -> TransientError:
    """The passing failure for an answer that is not what was asked for: nothing may be concluded from it."""
    return TransientError(
        SourceError(
            f"{vendor} gave an answer that is not what was asked for ({why})",
            expected="candles, or a word that there are none",
            remedy="Check that no login page or proxy answers instead, and try again later; nothing of it was stored",
        )
    )


def parse_json(content: bytes | str, vendor: str) -> Any:
    """An object or list of JSON. Raises TransientError for anything else, NaN and numbers without end among it."""
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
    """What in an answer nobody may compute with: libraries loop over precisions and write exponents out; "" for nothing."""
    level: list[Any] = [value]
    for _ in range(MOST_NESTED):
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
        if len(value) > MOST_DIGITS and value[:1] in "-+.0123456789":
            return True
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    elif abs(value) >= 2**64 and isinstance(value, int):
        return True
    if COUNTING.search(name) is None:
        return False
    try:
        return abs(float(value)) > MOST_DIGITS
    except ValueError:
        return False


def _parts(value: Any) -> Iterator[Any]:
    yield from value.values() if isinstance(value, dict) else value


def says_nothing_found(value: Any, depth: int = 4) -> bool:
    """Whether an answer without bars says so: by an empty list, or by an empty place (null) beside other words.

    An empty object, or words alone, are what a login page or a broken server gives.

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
    """Whether seconds since 1970 are a time that a candle may have.

    >>> is_time(1_700_000_000), is_time(9e18), is_time("2024"), is_time(True)
    (True, False, False, False)
    """
    return (
        isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and FIRST_SECONDS <= seconds <= LAST_SECONDS
    )


def are_dated(rows: Any) -> bool:
    """Whether each row of a list has a time in it (a count since 1970 in any unit, or ISO text); true of anything else.

    Bars of another period are no answer without bars, and still an answer; rows without a time are none.

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
