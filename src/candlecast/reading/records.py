"""JSON as tables: lists of lists or objects, objects of lists, days by name, an object a line, and answers around them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from candlecast.errors import SourceError
from candlecast.reading.containers import MAX_DOCUMENT
from candlecast.reading.frames import columns_table
from candlecast.reading.refusals import answer_without_candles
from candlecast.reading.table import Table
from candlecast.reading.timing import unit_of
from candlecast.reading.vocabulary import canonical, is_known

DEPTH = 6  # of answers around candles
MINIMUM = 4  # values of a candle: without a volume or a time of its own
SPARE_PARTS = 100_000  # lists, and strings, of one text in any case; each takes ten times its characters in memory
LIST_BYTES, STRING_BYTES = 16, 6  # characters of the text for each further one


def records_table(path: Path, text: str, name: str) -> Table:
    """The candles in a text of JSON. Raises SourceError when there are none."""
    if len(text) > MAX_DOCUMENT:
        raise SourceError(
            f"{path} holds {len(text):,} characters of JSON",
            expected=f"at most {MAX_DOCUMENT:,}",
            remedy="Save the candles as Parquet or CSV",
        )
    value = _parsed(path, text)
    zone = _zone(value)
    symbol = _symbol(value)
    for candidate in _candidates(value, 0):
        labels, rows = candidate
        if len(rows) and len(labels) >= MINIMUM:
            columns = [
                pl.Series([_text(row[position]) for row in rows], dtype=pl.String) for position in range(len(labels))
            ]
            if symbol and not any(canonical(label) in ("symbol", "ticker") for label in labels) and any(labels):
                labels, columns = [*labels, "symbol"], [*columns, pl.Series([symbol] * len(rows), dtype=pl.String)]
            return columns_table(tuple((label,) if label else () for label in labels), columns, name=name, zone=zone)
    raise answer_without_candles(path, value)


def _parsed(path: Path, text: str) -> Any:
    lists, strings = text.count("[") + text.count("{"), text.count('"') // 2
    if lists > SPARE_PARTS + len(text) // LIST_BYTES or strings > SPARE_PARTS + len(text) // STRING_BYTES:
        raise SourceError(
            f"{path} has {lists:,} lists and {strings:,} strings in {len(text):,} characters of JSON",
            expected="a list of candles, which has fewer",
            remedy="Check where the file is from",
        )
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        failure: Exception = error
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.lstrip()[:1] in "{[" for line in lines[:5]):
        try:
            return [json.loads(line) for line in lines]
        except (ValueError, RecursionError) as error:
            failure = error
    raise SourceError(
        f"{path} cannot be read ({'nested too deep' if isinstance(failure, RecursionError) else str(failure).splitlines()[0]})",
        expected="JSON with a list of candles",
        remedy="The file is cut off or damaged: fetch it again",
    ) from failure


def _candidates(value: Any, depth: int) -> Iterator[tuple[list[str], Sequence[Sequence[Any]]]]:
    """Tables in a value of JSON, from the outside in: names of columns (empty for none), and rows."""
    if depth > DEPTH:
        return
    if isinstance(value, list) and value:
        if all(isinstance(row, list) for row in value) and len({len(row) for row in value}) == 1:
            yield [""] * len(value[0]), value
        elif all(isinstance(row, dict) for row in value):
            names = list(dict.fromkeys(name for row in value[:100] for name in row))
            if sum(is_known(canonical(name)) for name in names) >= MINIMUM:
                yield names, [[row.get(name) for name in names] for row in value]
        for each in value[:3]:
            yield from _candidates(each, depth + 1)
    elif isinstance(value, dict) and value:
        yield from _object(value)
        for each in value.values():
            yield from _candidates(each, depth + 1)


def _object(value: dict[str, Any]) -> Iterator[tuple[list[str], Sequence[Sequence[Any]]]]:
    lists = {name: column for name, column in value.items() if isinstance(column, list)}
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):  # pandas, split
        names, rows = [str(name) for name in value["columns"]], value["data"]
        index = value.get("index")
        if isinstance(index, list) and len(index) == len(rows):
            names, rows = (
                ["", *names],
                [[label, *row] for label, row in zip(index, rows, strict=True) if isinstance(row, list)],
            )
        if all(isinstance(row, list) and len(row) == len(names) for row in rows):
            yield names, rows
    known = {name: column for name, column in lists.items() if is_known(canonical(name))}
    if len(known) >= MINIMUM and len({len(column) for column in known.values()}) == 1:
        yield list(known), list(zip(*known.values(), strict=True))
    if {"timestamp", "indicators"} <= value.keys():  # Yahoo's chart
        yield from _chart(value)
    inner = [row for row in value.values() if isinstance(row, dict)]
    if len(inner) == len(value) >= 2:
        names = list(dict.fromkeys(name for row in inner[:100] for name in row))
        if sum(is_known(canonical(name)) for name in names) >= MINIMUM:
            yield ["time", *names], [[key, *(row.get(name) for name in names)] for key, row in value.items()]  # type: ignore[union-attr]
        elif sum(is_known(canonical(name)) for name in value) >= MINIMUM:  # pandas, columns of rows by index
            keys = list(inner[0])
            if all(list(column) == keys for column in inner):
                has_counter = all(re.fullmatch(r"\d{1,8}", key) for key in keys)
                names = list(value) if has_counter else ["time", *value]
                rows = [[*([] if has_counter else [key]), *(column[key] for column in inner)] for key in keys]
                yield names, rows


def _chart(value: dict[str, Any]) -> Iterator[tuple[list[str], Sequence[Sequence[Any]]]]:
    quotes = value["indicators"].get("quote") if isinstance(value["indicators"], dict) else None
    if isinstance(quotes, list) and quotes and isinstance(quotes[0], dict) and isinstance(value["timestamp"], list):
        columns = {"timestamp": value["timestamp"], **quotes[0]}
        if len({len(column) for column in columns.values() if isinstance(column, list)}) == 1:
            yield list(columns), list(zip(*columns.values(), strict=True))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, (list, dict)):
        return None
    if isinstance(value, float):
        return f"{value:.1f}" if value.is_integer() and unit_of(value) is not None else repr(value)
    return str(value)


def _zone(value: Any) -> str | None:
    """The zone that an answer says its times are in."""
    if isinstance(value, dict):
        for name, each in value.items():
            if isinstance(each, str) and re.search(r"time ?zone|timezone", name, re.IGNORECASE) and "/" in each:
                return each
            if isinstance(each, dict) and len(each) < 20 and (found := _zone(each)):
                return found
    return None


def _symbol(value: Any) -> str | None:
    if isinstance(value, dict):
        for name, each in value.items():
            if isinstance(each, str) and canonical(name) in ("symbol", "ticker") and each.strip():
                return each.strip()
            if isinstance(each, dict) and len(each) < 30 and (found := _symbol(each)):
                return found
    return None
