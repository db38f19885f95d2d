"""From a raw table to candles, and the notes on how the table was interpreted."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from candlecast.errors import CandleError
from candlecast.interval import Interval
from candlecast.reading.bars import Found, bars_of
from candlecast.reading.calendar_months import month_bars
from candlecast.reading.columns import Columns, find_columns, is_akin, same_symbol, several
from candlecast.reading.growing import Growing
from candlecast.reading.numerals import ABSENT, NumberForm, Undecided, form_of, is_number
from candlecast.reading.opening import opened_at
from candlecast.reading.options import Options
from candlecast.reading.soundness import interval_of, lost_point, require_candles, require_interval
from candlecast.reading.stamps import Stamps
from candlecast.reading.table import Block, Table
from candlecast.reading.vocabulary import ENGLISH, PRICES, canonical
from candlecast.text.formatting import count

LAST_MILLISECOND = (
    999_000  # microseconds into a second; only times of closing, such as 59.999 s, have that in every row
)
OTHER_SCRIPT = re.compile(
    r"[^\x00-\x7f]"
)  # canonical names have no accents; other scripts put no point between thousands
LOST = re.compile(r"\d{1,3}([.,])\d{3}(?:\1\d{3}){3,}")  # more groups of thousands than any price has


@dataclass(frozen=True)
class Understood:
    """Candles: `frame` with open_time (UTC, us), open, high, low, close, volume; volume is NaN where there is none.

    `zone`: whose clock the times were written by, where the table or an option says it.
    """

    frame: pl.DataFrame
    interval: Interval
    symbol: str | None
    notes: tuple[str, ...]
    zone: str | None = None


def understand(table: Table, options: Options, *, what: str) -> Understood:
    """The candles that a table holds. `what` names it in messages.

    Raises CandleError when it holds none or has several readings, ConfigError for options that do not fit.
    """
    columns = find_columns(table, options, what=what)
    _require_numeric(table, columns, what=what)
    form = _number_form(table, columns, options, what=what)
    notes = list(columns.notes)
    if form.decimal == "," or form.group:
        marks = [f"decimal {'comma' if form.decimal == ',' else 'point'}"]
        marks += [f"thousands separated by {form.group!r}"] if form.group else []
        notes.append(", ".join(marks))
    stamps = Stamps(columns.time.digits, options.dates)
    found, rows, first = Found(), Growing(), ""
    for block in table.blocks(_wanted(columns), _plain(table, columns, form)):
        first = first or _first_time(block, columns)
        part = bars_of(block, table, columns, form, stamps, found, options, what=what)
        if len(part):
            rows.append(part)
    symbol = _symbol(columns, found, options, what=what)
    if rows.length < 2:
        raise CandleError(
            f"{what} has {count(rows.length, 'candle')}",
            expected="at least 2",
            remedy="Check the file or the range that was asked for",
        )
    opened, zone = opened_at(rows, columns, stamps, options, table, first, notes, what=what)
    values = {name: rows.take(name) for name in (*PRICES, "volume") if name in rows}
    if options.adjusted:
        values = _adjust(values, {name: rows.take(f"adjusted {name}") for name in columns.adjusted})
        notes.append("adjusted prices")
    if columns.ticks is not None and "ticks" in rows and not np.nan_to_num(values["volume"]).any():
        values["volume"] = rows.take("ticks")
        notes.append("volume is the number of ticks, since the other is zero")
    if "volume" not in values:
        values["volume"] = np.full(rows.length, np.nan)
        notes.append("no volume")
    if _is_newest_first(opened):
        opened, values = opened.reverse(), {name: _reversed(array) for name, array in values.items()}
        notes.append("newest first, reversed")
    is_close = columns.time.is_close or bool(((opened.cast(pl.Int64) % 1_000_000) >= LAST_MILLISECOND).all())
    dated = month_bars(_full_second(opened) if is_close else opened, is_close=is_close, what=what)
    if dated is not None:
        opened, interval = dated[0], require_interval(dated[1], options.interval, what=what)
        notes.append(f"bars of {interval}, dated by their first day")
    else:
        interval = interval_of(opened, options.interval, what=what)
        if is_close:
            opened = interval.before(_full_second(opened))
            notes.append(f"times are those of the close, {interval} after the open")
    frame = pl.DataFrame([opened.alias("open_time"), *(pl.Series(name, values[name]) for name in (*PRICES, "volume"))])
    require_candles(frame, form, what=what)
    notes += found.notes()
    return Understood(frame, interval, symbol, tuple(dict.fromkeys([*table.notes, *notes])), zone)


def _require_numeric(table: Table, columns: Columns, *, what: str) -> None:
    """Raise CandleError for a column of prices or volumes that cannot hold numbers."""
    roles = {position: role for role, position in columns.prices.items()}
    for place in columns.numeric:
        kind = table.types.get(place)
        if kind is not None and (kind.is_nested() or kind in (pl.Boolean, pl.Object, pl.Binary) or kind.is_temporal()):
            raise CandleError(
                f"the column {table.display_name(place)} of {what} holds {kind}",
                expected="numbers, or texts that are numbers",
                remedy=f'Convert the column, or name another, for example columns={{"{roles.get(place, "volume")}": "NAME"}}',
            )


def _wanted(columns: Columns) -> list[int]:
    positions = [*columns.time.positions, *columns.numeric]
    return positions if columns.symbol is None else [*positions, columns.symbol]


def _number_form(table: Table, columns: Columns, options: Options, *, what: str) -> NumberForm:
    """The form of the numbers, found in all columns but those of times."""
    texts = [position for position in columns.numeric if position not in table.types]
    if not texts:
        return NumberForm()
    prices = [cell for position in columns.prices.values() if position in texts for cell in table.column(position)]
    others = [
        position
        for position in range(table.width)
        if position not in columns.time.positions and position not in table.types
    ]
    cells = [cell for position in others for cell in table.column(position) if is_number(cell)]
    lost = next((cell for cell in prices if LOST.fullmatch(cell.strip())), None)
    if lost is not None:
        raise lost_point(lost, what=what)
    labels = [canonical(label) for position in columns.prices.values() for label in table.labels[position]]
    foreign = any(label and label not in ENGLISH and not OTHER_SCRIPT.search(label) for label in labels)
    form = form_of(cells, prices=prices, decimal=options.decimal, is_doubtful=foreign and table.delimiter != ",")
    if isinstance(form, Undecided):
        cell = form.cell.strip()
        mark = "," if "," in cell else "."
        part, whole = (re.sub(r"[^\d.]", "", cell.replace(mark, by)) for by in (".", ""))
        raise CandleError(
            f"prices of {what} such as {cell} can be read in 2 ways: {part} or {whole}",
            expected="numbers of which one shows which mark is the decimal one",
            remedy=f'Say decimal="{mark}" for {part}, or decimal="{"." if mark == "," else ","}" for {whole}',
        )
    return form


def _plain(table: Table, columns: Columns, form: NumberForm) -> list[int]:
    """Places of columns whose cells in the sample are all numbers as programs write them."""
    if not form.is_plain:
        return []
    positions = [position for position in columns.numeric if position not in table.types]
    if columns.time.form == "epoch":
        positions += [
            position
            for position in columns.time.positions
            if position not in table.types and all(len(cell) < 16 for cell in table.column(position))
        ]
    return [position for position in positions if all(_is_plain(cell) for cell in table.column(position))]


def _is_plain(cell: str) -> bool:
    return cell in ABSENT or re.fullmatch(r"-?\d+(\.\d*)?([eE][-+]?\d+)?", cell) is not None


def _first_time(block: Block, columns: Columns) -> str:
    """The first time as it is written, of texts."""
    if columns.time.form != "text":
        return "-"
    cells = [str(block.frame[str(position)][0]) for position in columns.time.positions] if len(block.frame) else []
    return " ".join(cells)


def _symbol(columns: Columns, found: Found, options: Options, *, what: str) -> str | None:
    """The symbol of the rows that were taken. Raises CandleError for several, ConfigError for one that is not there."""
    symbols = list(found.symbols) if columns.named is None else [columns.named]
    if options.symbol is not None and symbols and (len(symbols) > 1 or not is_akin(symbols[0], options.symbol)):
        return same_symbol(sorted(symbols), options.symbol, what=what)
    if len(symbols) > 1:
        if max(found.symbols.values()) < 2:
            raise CandleError(
                f"{what} holds one row of each of {len(symbols)} symbols ({', '.join(sorted(symbols)[:5])}, ...)",
                expected="at least 2 candles of one symbol",
                remedy="Use a table of several days",
            )
        raise several(sorted(symbols), what=what)
    return symbols[0] if symbols else None


def _adjust(values: dict[str, np.ndarray], adjusted: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The adjusted prices where the table has all four, or else all prices times adjusted close / close."""
    if set(PRICES) <= adjusted.keys():
        return values | adjusted
    factor = adjusted["close"] / values["close"]
    return values | {name: values[name] * factor for name in PRICES}


def _reversed(array: np.ndarray) -> np.ndarray:
    array[:] = array[::-1].copy()
    return array


def _is_newest_first(opened: pl.Series) -> bool:
    steps = opened.diff().drop_nulls().dt.total_microseconds()
    return int((steps < 0).sum()) > int((steps > 0).sum())


def _full_second(closed: pl.Series) -> pl.Series:
    """Times of closing; a close of 59.999 seconds is that of the full minute."""
    micros = closed.cast(pl.Int64)
    whole = pl.select(
        pl.when(micros % 1_000_000 >= LAST_MILLISECOND).then((micros // 1_000_000 + 1) * 1_000_000).otherwise(micros)
    ).to_series()
    return whole.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
