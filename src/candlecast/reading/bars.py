"""The bars of a block of rows, with raw times: rows that are no bars are counted, bars that cannot be read are refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from candlecast.errors import CandleError
from candlecast.reading.columns import Columns
from candlecast.reading.days import FIRST_YEAR, MONTHS, last_year, plain
from candlecast.reading.numerals import NumberForm, as_numbers, is_absent, is_number
from candlecast.reading.options import ORDERS, Options
from candlecast.reading.stamps import Stamps
from candlecast.reading.table import Block, Table
from candlecast.reading.vocabulary import EVENTS, PRICES
from candlecast.text.formatting import count

MAX_JUDGED = 20_000  # rows that are no bars, which a table of candles may have


@dataclass
class Found:
    """Counts over the blocks so far: rows of each symbol, and rows that are no bars by kind."""

    symbols: dict[str, int] = field(default_factory=dict)
    empty: int = 0
    again: int = 0
    events: int = 0
    foreign: int = 0
    judged: int = 0

    def notes(self) -> list[str]:
        """What was left out, in words."""
        kinds = {
            "without prices": self.empty,
            "with the header again": self.again,
            "of dividends or splits": self.events,
            "without a time and prices": self.foreign,
        }
        return [f"{count(number, 'row')} {words} left out" for words, number in kinds.items() if number]


def bars_of(
    block: Block,
    table: Table,
    columns: Columns,
    form: NumberForm,
    stamps: Stamps,
    found: Found,
    options: Options,
    *,
    what: str,
) -> pl.DataFrame:
    """The bars of a block: raw times, prices, volume. Rows that are no bars are counted, or refused."""
    frame, where = block.frame, block.where
    kept = np.arange(len(frame))
    if columns.symbol is not None:
        mask = _of_symbol(frame[str(columns.symbol)], found, options)
        if mask is not None:
            frame, kept = frame.filter(mask), kept[mask.to_numpy()]
    if not len(frame):
        return pl.DataFrame()
    positions = {**columns.prices, **({"volume": columns.volume} if columns.volume is not None else {})}
    positions |= {"ticks": columns.ticks} if columns.ticks is not None else {}
    positions |= {f"adjusted {name}": position for name, position in columns.adjusted.items()}
    numbers, masks = as_numbers(
        frame.select(pl.col(str(position)).alias(name) for name, position in positions.items()), form
    )
    times, is_untimed = _times(frame, columns, stamps)
    masks = masks.with_columns(is_untimed.alias("time"))
    has_prices = ~pl.all_horizontal(pl.col(PRICES).is_null())
    rows = pl.DataFrame([*times, *numbers.get_columns()])
    is_bar = rows.select(has_prices).to_series()
    is_bad = masks.select(pl.any_horizontal(pl.all())).to_series()
    if is_bad.any():
        for row in is_bad.arg_true():
            is_bar[row] = False
            _judge(
                frame, row, table, columns, positions, masks, found, where=lambda row: where(int(kept[row])), what=what
            )
        found.empty += int((~is_bar & ~is_bad).sum())
    else:
        found.empty += int((~is_bar).sum())
    if not is_bar.all():
        rows = rows.filter(is_bar)
    if columns.time.form == "text" and len(rows):
        stamps.narrow(rows)
        rows = rows.drop([order for order in ORDERS if order in rows.columns and order not in stamps.orders])
    return rows.with_columns(pl.col(list(positions)).fill_null(float("nan")))


def _of_symbol(column: pl.Series, found: Found, options: Options) -> pl.Series | None:
    """A mask of the rows of the symbol that was asked for; None while all rows are."""
    text = column.cast(pl.String).str.strip_chars().str.strip_chars("'\"")
    counts = text.drop_nulls().value_counts()
    for symbol, rows in counts.iter_rows():
        if symbol:
            found.symbols[symbol] = found.symbols.get(symbol, 0) + rows
    if options.symbol is None:
        return None
    wanted = _alike(options.symbol)
    matching = [symbol for symbol in found.symbols if _alike(symbol) == wanted]
    exact = [options.symbol] if options.symbol in matching else matching
    return text.is_in(exact).fill_null(False) if len(found.symbols) > 1 else None


def _alike(symbol: str) -> str:
    return symbol.casefold().replace(" ", "")


def _times(frame: pl.DataFrame, columns: Columns, stamps: Stamps) -> tuple[list[pl.Series], pl.Series]:
    """Raw times of a block, and a mask of those that could not be read."""
    raw = [frame[str(position)] for position in columns.time.positions]
    form = columns.time.form
    if form == "typed":
        values = raw[0].cast(pl.Datetime("us")) if raw[0].dtype == pl.Date else raw[0].dt.cast_time_unit("us")
        return [values.alias("moment")], values.is_null()
    if form in ("epoch", "serial"):
        values = raw[0]
        if values.dtype == pl.String:
            text = values.str.strip_chars().str.strip_prefix("'")
            values = text.cast(pl.Int64, strict=False)
            if (values.is_null() & text.is_not_null()).any():
                values = text.cast(pl.Float64, strict=False)
        elif values.dtype.is_float():
            values = values.fill_nan(None)
        else:
            values = values.cast(pl.Int64)
        is_unread = values.is_null() | (values.is_infinite() if values.dtype.is_float() else False)
        return [values.alias("count")], is_unread
    texts = [
        values if values.dtype == pl.String else values.cast(pl.Int64, strict=False).cast(pl.String) for values in raw
    ]
    encoded, is_unread = stamps.encode(texts)
    return encoded.get_columns(), is_unread


def _judge(
    frame: pl.DataFrame,
    row: int,
    table: Table,
    columns: Columns,
    positions: dict[str, int],
    bad: pl.DataFrame,
    found: Found,
    *,
    where: Any,
    what: str,
) -> None:
    """Count a row that is no bar; raise CandleError for a bar that cannot be read."""
    cells = {name: _cell(frame[str(position)][row]) for name, position in positions.items()}
    times = [_cell(frame[str(position)][row]) for position in columns.time.positions]
    everything = [*cells.values(), *times]
    found.judged += 1
    if found.judged > MAX_JUDGED:
        raise CandleError(
            f"{what} has more than {MAX_JUDGED:,} rows that are no candles",
            expected="a table of candles",
            remedy="Check the file",
        )
    prices = [cells[name] for name in PRICES]
    if all(is_absent(cell) for cell in everything) or (not any(times) and all(is_absent(cell) for cell in prices)):
        return
    if _is_header_again(frame, row, table, columns, positions):
        found.again += 1
        return
    numbers = sum(is_number(cell) and not is_absent(cell) for cell in prices)
    if numbers < 4 and any(EVENTS.search(cell) for cell in everything):
        found.events += 1
        return
    if numbers == 0 and bad["time"][row]:
        found.foreign += 1
        return
    name = "time" if bad["time"][row] else next(name for name in bad.columns if bad[name][row])
    line = where(row)
    if name == "time":
        raise _bad_time(" ".join(times), line, columns.time.form, what=what)
    shown = cells[name]
    has_month = any(word in MONTHS for word in re.findall(r"[^\W\d_]+", plain(shown)))
    raise CandleError(
        f"{what} has {name} {shown!r} in {line}",
        expected="a number",
        remedy="A spreadsheet took the number for a date: fetch the file again"
        if has_month
        else "Correct or remove that row",
    )


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _is_header_again(frame: pl.DataFrame, row: int, table: Table, columns: Columns, positions: dict[str, int]) -> bool:
    wanted = [*positions.values(), *columns.time.positions]
    same = [
        _cell(frame[str(position)][row]) in [label for label in table.labels[position] if label] for position in wanted
    ]
    return sum(same) >= 3


def _bad_time(text: str, line: str, form: str, *, what: str) -> CandleError:
    if not text or is_absent(text):
        return CandleError(
            f"{what} has no time in {line}", expected="a time in every row", remedy="Remove or complete the row"
        )
    if form == "epoch":
        return CandleError(
            f"{what} has time {text} in {line}",
            expected="seconds, milliseconds, microseconds or nanoseconds since 1970",
            remedy="Correct the row",
        )
    year = next((int(number) for number in re.findall(r"(?<!\d)\d{4}(?!\d)", text)), None)
    if year is not None and not FIRST_YEAR <= year <= last_year():
        return CandleError(
            f"{what} has time {text!r} in {line}",
            expected=f"years from {FIRST_YEAR} to {last_year()}",
            remedy="Correct the row",
        )
    return CandleError(
        f"{what} has time {text!r} in {line}",
        expected="a date or time such as 2024-01-31 or 2024-01-31T13:00:00Z, alike in all rows",
        remedy="Correct the row, or convert the column to one form",
    )
