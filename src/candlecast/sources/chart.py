"""The format of answers of Yahoo's chart API, checked before yfinance reads them: it reads most malformed ones as no bars."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from candlecast.errors import SourceError
from candlecast.sources.answers import is_time
from candlecast.sources.refusals import unreadable
from candlecast.sources.retry import TransientError

EVENTS = {"dividends": ("amount",), "splits": ("numerator", "denominator")}


def unreadable_chart(symbol: str, why: str) -> SourceError:
    """The error for an answer that is not in Yahoo's format."""
    return unreadable("Yahoo", symbol, why, remedy="Try again later, or update yfinance")


def require_chart(answer: Any, symbol: str) -> None:
    """Raise TransientError unless an answer holds bars, or says in full that there are none."""
    why = _fault(answer)
    if why:
        raise TransientError(unreadable_chart(symbol, why))


def _fault(answer: Any) -> str:
    chart = answer.get("chart") if isinstance(answer, dict) else None
    result = chart.get("result") if isinstance(chart, dict) else None
    if not isinstance(result, list) or not result or not isinstance(result[0], dict):
        return "it has no result"
    found: dict[str, Any] = result[0]
    meta, indicators, times = found.get("meta"), found.get("indicators"), found.get("timestamp") or []
    if not isinstance(meta, dict) or not _is_zone(meta.get("exchangeTimezoneName")):
        return "it has no time zone"
    if not isinstance(indicators, dict) or not isinstance(indicators.get("quote"), list):
        return "it has no quotes"
    if not isinstance(times, list) or not all(is_time(time) for time in times):
        return "a time is none"
    for part in ("quote", "adjclose"):
        table = (indicators.get(part) or [{}])[0]
        if not isinstance(table, dict):
            return f"its {part} is no table"
        for name, column in table.items():
            if not isinstance(column, list) or len(column) != len(times):
                return f"it has {len(times)} times and another number of values of {name}"
            if not all(value is None or _is_number(value) for value in column):
                return f"a value of {name} is no number"
    rows = list(zip(times, *(indicators["quote"] or [{}])[0].values(), strict=True))
    if len(set(times)) < len(set(rows)):
        return "one time came twice with different values"
    if times and not set((indicators["quote"] or [{}])[0]) >= {"open", "high", "low", "close"}:
        return "it has no prices"
    return _odd_event(found.get("events") or {})


def _odd_event(events: Any) -> str:
    for kind, numbers in EVENTS.items():
        group = events.get(kind) or {} if isinstance(events, dict) else None
        if not isinstance(group, dict):
            return "its events are no table"
        for event in group.values():
            is_whole = isinstance(event, dict) and is_time(event.get("date"))
            if not is_whole or not all(_is_number(event.get(name)) and event[name] >= 0 for name in numbers):
                return f"one of its {kind} is none"
            if kind == "splits" and not event["numerator"] * event["denominator"]:
                return "one of its splits is by zero"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _is_zone(name: Any) -> bool:
    try:
        return isinstance(name, str) and bool(ZoneInfo(name))
    except (ValueError, OSError, KeyError):
        return False
