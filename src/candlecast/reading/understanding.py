"""From a table without meaning to the candles in it, and one line that says how they were understood."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from candlecast.errors import CandleError
from candlecast.interval import Interval
from candlecast.reading import instants
from candlecast.reading.columns import Columns, find_columns, same_symbol, several
from candlecast.reading.days import FIRST_YEAR, MONTHS, THAI, is_month, last_year, plain
from candlecast.reading.numerals import (
    ABSENT,
    LOST_POINT,
    NumberForm,
    Undecided,
    as_numbers,
    form_of,
    is_absent,
    is_number,
)
from candlecast.reading.orders import WORDS, prove
from candlecast.reading.stamps import Stamps
from candlecast.reading.table import Block, Table
from candlecast.reading.told import Told
from candlecast.reading.vocabulary import ENGLISH, EVENTS, PRICES, canonical

MOST_JUDGED = 20_000  # rows that are no bars, beyond which a table holds no candles
COMMA_WRITERS = re.compile(r"[^\x00-\x7f]")
TICKS = 10  # rows without any range or step that show single trades
SHARE = 0.5
MONTH_DAYS = ((28, 31, "months"), (89, 92, "quarters"), (365, 366, "years"))
LOST = re.compile(r"\d{1,3}([.,])\d{3}(?:\1\d{3}){3,}")  # as many groups of thousands as no price has
SAYS_UTC = re.compile(r"\btime.*\b(UTC|GMT)\b|\b(UTC|GMT)\b.*\btime", re.IGNORECASE)


@dataclass(frozen=True)
class Understood:
    """Candles: `frame` with open_time (UTC, us), open, high, low, close, volume; volume is NaN where there is none."""

    frame: pl.DataFrame
    interval: Interval
    symbol: str | None
    notes: tuple[str, ...]


@dataclass
class _Found:
    """What was seen on the way through the blocks."""

    symbols: dict[str, int]
    empty: int = 0
    again: int = 0
    events: int = 0
    foreign: int = 0
    judged: int = 0


def understand(table: Table, told: Told, *, what: str) -> Understood:
    """The candles that a table holds. `what` names it in messages.

    Raises CandleError when it holds none, or more than one reading is possible; ConfigError for what was said and does
    not fit.
    """
    columns = find_columns(table, told, what=what)
    form = _number_form(table, columns, told, what=what)
    notes = list(columns.notes)
    if form.decimal == "," or form.group:
        marks = [f"decimal {'comma' if form.decimal == ',' else 'point'}"]
        marks += [f"thousands parted by {form.group!r}"] if form.group else []
        notes.append(", ".join(marks))
    stamps = Stamps(columns.time.digits, told.dates)
    found = _Found({})
    parts, firsts = [], ""
    for block in table.blocks(_wanted(columns), _plain(table, columns, form)):
        firsts = firsts or _first_time(block, columns)
        part = _rows(block, table, columns, form, stamps, found, told, what=what)
        if len(part):
            parts.append(part)
    rows = pl.concat(parts, how="vertical_relaxed") if parts else pl.DataFrame()
    symbol = _symbol(columns, found, told, rows.height, what=what)
    if rows.height < 2:
        raise CandleError(
            f"{what} has {rows.height} candle{'s' if rows.height != 1 else ''}",
            expected="at least 2",
            remedy="Check the file or the range that was asked for",
        )
    opened = _opened(rows, columns, stamps, told, table, firsts, notes, what=what)
    values = {name: rows[name].rechunk() for name in (*PRICES, "volume") if name in rows.columns}
    if told.adjusted:
        values = _adjust(values, {name: rows[f"adjusted {name}"] for name in columns.adjusted})
        notes.append("adjusted prices")
    if columns.ticks is not None and "ticks" in rows.columns and not (values["volume"].fill_nan(0) != 0).any():
        values["volume"] = rows["ticks"].rechunk()
        notes.append("volume is the number of ticks, since the other is zero")
    if "volume" not in values:
        values["volume"] = pl.repeat(float("nan"), len(opened), dtype=pl.Float64, eager=True)
        notes.append("no volume")
    del rows, parts
    if _is_newest_first(opened):
        opened, values = opened.reverse(), {name: series.reverse() for name, series in values.items()}
        notes.append("newest first, reversed")
    interval = _interval(opened, told.interval, what=what)
    if columns.time.is_close:
        opened = _before(opened, interval)
        notes.append(f"times are those of the close, {interval} after the open")
    _require_candles(opened, values, form, what=what)
    _count(found, notes)
    frame = pl.DataFrame([opened.alias("open_time"), *(values[name].alias(name) for name in (*PRICES, "volume"))])
    return Understood(frame, interval, symbol, tuple(dict.fromkeys([*table.notes, *notes])))


def _wanted(columns: Columns) -> list[int]:
    places = [*columns.time.places, *columns.numeric]
    return places if columns.symbol is None else [*places, columns.symbol]


def _number_form(table: Table, columns: Columns, told: Told, *, what: str) -> NumberForm:
    """The form of the numbers, which all columns but those of times show together."""
    texts = [place for place in columns.numeric if place not in table.types]
    if not texts:
        return NumberForm()
    prices = [cell for place in columns.prices.values() if place in texts for cell in table.column(place)]
    others = [place for place in range(table.width) if place not in columns.time.places and place not in table.types]
    cells = [cell for place in others for cell in table.column(place) if is_number(cell)]
    lost = next((cell for cell in prices if LOST.fullmatch(cell.strip())), None)
    if lost is not None:
        raise _lost_point(lost, what=what)
    labels = [canonical(label) for place in columns.prices.values() for label in table.labels[place]]
    foreign = any(label and label not in ENGLISH and not COMMA_WRITERS.search(label) for label in labels)
    form = form_of(cells, prices=prices, told=told.decimal, is_doubtful=foreign and table.delimiter != ",")
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


def _lost_point(price: str, *, what: str) -> CandleError:
    return CandleError(
        f"{what} has a price of {price}: the prices have lost their decimal point, as spreadsheets do to them",
        expected="prices below 1,000,000,000,000",
        remedy="Fetch the file again, and do not save it from a spreadsheet",
    )


def _plain(table: Table, columns: Columns, form: NumberForm) -> list[int]:
    """Places of columns whose cells in the sample are all numbers as programs write them."""
    if not form.is_plain:
        return []
    places = [place for place in columns.numeric if place not in table.types]
    if columns.time.form == "epoch":
        places += [
            place
            for place in columns.time.places
            if place not in table.types and all(len(cell) < 16 for cell in table.column(place))
        ]
    return [place for place in places if all(_is_plain(cell) for cell in table.column(place))]


def _is_plain(cell: str) -> bool:
    return cell in ABSENT or re.fullmatch(r"-?\d+(\.\d*)?([eE][-+]?\d+)?", cell) is not None


def _first_time(block: Block, columns: Columns) -> str:
    cells = [str(block.frame[str(place)][0]) for place in columns.time.places] if len(block.frame) else []
    return " ".join(cells)


def _rows(
    block: Block,
    table: Table,
    columns: Columns,
    form: NumberForm,
    stamps: Stamps,
    found: _Found,
    told: Told,
    *,
    what: str,
) -> pl.DataFrame:
    """The bars of a block: raw times, prices, volume. Rows that are no bars are counted, or refused."""
    frame, where = block.frame, block.where
    kept = np.arange(len(frame))
    if columns.symbol is not None:
        mask = _of_symbol(frame[str(columns.symbol)], found, told)
        if mask is not None:
            frame, kept = frame.filter(mask), kept[mask.to_numpy()]
    if not len(frame):
        return pl.DataFrame()
    series: dict[str, pl.Series] = {}
    bad: dict[str, pl.Series] = {}
    places = {**columns.prices, **({"volume": columns.volume} if columns.volume is not None else {})}
    places |= {"ticks": columns.ticks} if columns.ticks is not None else {}
    places |= {f"adjusted {name}": place for name, place in columns.adjusted.items()}
    for name, place in places.items():
        series[name], bad[name] = as_numbers(frame[str(place)], form)
    times, bad["time"] = _times(frame, columns, stamps)
    has_prices = ~pl.all_horizontal(pl.col(PRICES).is_null())
    rows = pl.DataFrame([*times, *(values.alias(name) for name, values in series.items())])
    is_bar = rows.select(has_prices).to_series()
    is_bad = pl.DataFrame({name: mask for name, mask in bad.items()}).select(pl.any_horizontal(pl.all())).to_series()
    if is_bad.any():
        for row in is_bad.arg_true():
            is_bar[row] = False
            _judge(frame, row, table, columns, places, bad, found, where=lambda row: where(int(kept[row])), what=what)
        found.empty += int((~is_bar & ~is_bad).sum())
    else:
        found.empty += int((~is_bar).sum())
    if not is_bar.all():
        rows = rows.filter(is_bar)
    if columns.time.form == "text" and len(rows):
        stamps.narrow(rows)
        rows = rows.drop(
            [order for order in ("ymd", "dmy", "mdy") if order in rows.columns and order not in stamps.orders]
        )
    return rows.with_columns(pl.col(list(series)).fill_null(float("nan")))


def _of_symbol(column: pl.Series, found: _Found, told: Told) -> pl.Series | None:
    """A mask of the rows of the symbol that was asked for; None while all rows are."""
    text = column.cast(pl.String).str.strip_chars().str.strip_chars("'\"")
    counts = text.drop_nulls().value_counts()
    for symbol, count in counts.iter_rows():
        if symbol:
            found.symbols[symbol] = found.symbols.get(symbol, 0) + count
    if told.symbol is None:
        return None
    wanted = _alike(told.symbol)
    matching = [symbol for symbol in found.symbols if _alike(symbol) == wanted]
    exact = [told.symbol] if told.symbol in matching else matching
    return text.is_in(exact) if len(found.symbols) > 1 else None


def _alike(symbol: str) -> str:
    return symbol.casefold().replace(" ", "")


def _times(frame: pl.DataFrame, columns: Columns, stamps: Stamps) -> tuple[list[pl.Series], pl.Series]:
    """Raw times of a block, and a mask of those that could not be read."""
    raw = [frame[str(place)] for place in columns.time.places]
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
    places: dict[str, int],
    bad: dict[str, pl.Series],
    found: _Found,
    *,
    where: Any,
    what: str,
) -> None:
    """Count a row that is no bar; raise CandleError for a bar that cannot be read."""
    cells = {name: _cell(frame[str(place)][row]) for name, place in places.items()}
    times = [_cell(frame[str(place)][row]) for place in columns.time.places]
    everything = [*cells.values(), *times]
    found.judged += 1
    if found.judged > MOST_JUDGED:
        raise CandleError(
            f"{what} has more than {MOST_JUDGED:,} rows that are no candles",
            expected="a table of candles",
            remedy="Check the file",
        )
    prices = [cells[name] for name in PRICES]
    if all(is_absent(cell) for cell in everything) or (not any(times) and all(is_absent(cell) for cell in prices)):
        return
    if _is_header_again(frame, row, table, columns, places):
        found.again += 1
        return
    numbers = sum(is_number(cell) and not is_absent(cell) for cell in prices)
    if numbers < 4 and any(EVENTS.search(cell) for cell in everything):
        found.events += 1
        return
    if numbers == 0 and bad["time"][row]:
        found.foreign += 1
        return
    name = "time" if bad["time"][row] else next(name for name, mask in bad.items() if mask[row])
    place = where(row)
    if name == "time":
        raise _bad_time(" ".join(times), place, columns.time.form, what=what)
    shown = cells[name]
    has_month = any(word in MONTHS for word in re.findall(r"[^\W\d_]+", plain(shown)))
    raise CandleError(
        f"{what} has {name} {shown!r} in {place}",
        expected="a number",
        remedy="A spreadsheet took the number for a date: fetch the file again"
        if has_month
        else "Correct or remove that row",
    )


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _is_header_again(frame: pl.DataFrame, row: int, table: Table, columns: Columns, places: dict[str, int]) -> bool:
    wanted = [*places.values(), *columns.time.places]
    same = [_cell(frame[str(place)][row]) in [label for label in table.labels[place] if label] for place in wanted]
    return sum(same) >= 3


def _bad_time(text: str, place: str, form: str, *, what: str) -> CandleError:
    if not text or is_absent(text):
        return CandleError(
            f"{what} has no time in {place}", expected="a time in every row", remedy="Remove or complete the row"
        )
    if form == "epoch":
        return CandleError(
            f"{what} has time {text} in {place}",
            expected="seconds, milliseconds, microseconds or nanoseconds since 1970",
            remedy="Correct the row",
        )
    year = next((int(number) for number in re.findall(r"(?<!\d)\d{4}(?!\d)", text)), None)
    if year is not None and not FIRST_YEAR <= year <= last_year():
        return CandleError(
            f"{what} has time {text!r} in {place}",
            expected=f"years from {FIRST_YEAR} to {last_year()}",
            remedy="Correct the row",
        )
    return CandleError(
        f"{what} has time {text!r} in {place}",
        expected="a date or time such as 2024-01-31 or 2024-01-31T13:00:00Z, alike in all rows",
        remedy="Correct the row, or convert the column to one form",
    )


def _symbol(columns: Columns, found: _Found, told: Told, rows: int, *, what: str) -> str | None:
    """The symbol of the rows that were taken. Raises CandleError for several, ConfigError for one that is not there."""
    if columns.named is not None:
        return columns.named
    symbols = list(found.symbols)
    if len(symbols) > 1 and told.symbol is not None:
        return same_symbol(sorted(symbols), told.symbol, what=what)
    if len(symbols) > 1:
        if max(found.symbols.values()) < 2:
            raise CandleError(
                f"{what} holds one row of each of {len(symbols)} symbols ({', '.join(sorted(symbols)[:5])}, ...)",
                expected="at least 2 candles of one symbol",
                remedy="Use a table of several days",
            )
        raise several(sorted(symbols), what=what)
    return symbols[0] if symbols else None


def _opened(
    rows: pl.DataFrame,
    columns: Columns,
    stamps: Stamps,
    told: Told,
    table: Table,
    shown: str,
    notes: list[str],
    *,
    what: str,
) -> pl.Series:
    """Times of opening (or closing, where the column has those) in UTC, in the order of the rows."""
    form = columns.time.form
    offsets: pl.Series | None = None
    if form == "epoch":
        return instants.from_counts(rows["count"].rechunk(), what=what, notes=notes).dt.replace_time_zone("UTC")
    if form == "serial":
        local = instants.from_serials(rows["count"])
        notes.append("days since 1899-12-30, as spreadsheets count")
    elif form == "typed":
        moments = rows["moment"].rechunk()
        instants.require_years(moments, what=what)
        local = moments.dt.replace_time_zone(None)
        if instants.are_whole_days(local):
            return local.dt.replace_time_zone("UTC")
        if moments.dtype.time_zone is not None:  # type: ignore[union-attr]
            return moments.dt.convert_time_zone("UTC")
    else:
        order = _order(rows, stamps, told, shown, notes, what=what)
        if is_month(shown):
            raise _without_length("months", what=what)
        local = instants.local_times(rows[order].rechunk(), rows["clock"].rechunk())
        offsets = rows["offset"].rechunk() if "offset" in rows.columns else None
        _note_calendar(shown, notes)
    if instants.are_whole_days(local):
        return local.dt.replace_time_zone("UTC")
    if offsets is not None and offsets.null_count() < len(offsets):
        if offsets.null_count():
            row = int(offsets.is_null().arg_max() or 0)
            raise CandleError(
                f"{what} has times with a zone and times without one (row {row + 1}: {local[row]})",
                expected="a zone in all rows or in none",
                remedy="Correct the rows",
            )
        return (local - pl.Series(offsets.cast(pl.Int64) * 60_000_000).cast(pl.Duration("us"))).dt.replace_time_zone(
            "UTC"
        )
    zone, said = _zone(columns, stamps, told, table, local, what=what)
    if said:
        notes.append(f"zone {zone} {said}")
    return instants.in_zone(local, zone, what=what, notes=notes)


def _order(rows: pl.DataFrame, stamps: Stamps, told: Told, shown: str, notes: list[str], *, what: str) -> str:
    orders = [order for order in stamps.orders if order in rows.columns and not rows[order].null_count()]
    if not orders:
        raise CandleError(
            f"the dates of {what}, such as {shown}, are in no one order of year, month and day"
            + (f" as {told.dates} says" if told.dates else ""),
            expected=f"dates written alike, of the years {FIRST_YEAR} to {last_year()}",
            remedy="Correct the rows" + (", or say another order" if told.dates else ""),
        )
    if len(orders) == 1:
        order = orders[0]
    else:
        days = {order: rows[order].to_numpy() for order in orders}
        order = prove(days, rows["clock"].to_numpy(), what=what, shown=shown)
    others = [other for other in ("ymd", "dmy", "mdy") if other != order]
    if re.search(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}", shown) and not re.match(r"\d{3,4}", shown) and others:
        notes.append(WORDS[order] + (" as told" if told.dates else ""))
    return order


def _zone(
    columns: Columns, stamps: Stamps, told: Told, table: Table, local: pl.Series, *, what: str
) -> tuple[str, str]:
    """The zone of local times, and who says so."""
    if len(stamps.zones) > 1:
        raise CandleError(
            f"{what} has times in {len(stamps.zones)} zones ({', '.join(sorted(stamps.zones)[:5])})",
            expected="one zone",
            remedy="Convert the times to UTC first",
        )
    if stamps.zones:
        return next(iter(stamps.zones)), "written beside the times"
    if told.zone is not None:
        return told.zone, "as told"
    if columns.time.zone is not None:
        return columns.time.zone, "by the name of the column"
    if table.zone is not None:
        return table.zone, "by the file's own words"
    if any(SAYS_UTC.search(line) for line in table.banner):
        return "UTC", "by the line before the header"
    raise CandleError(
        f"{what} has times without a zone (the first is {local[0]})",
        expected="times in UTC, or the zone that they are in",
        remedy='Say zone="UTC" or for example zone="America/New_York"',
    )


def _note_calendar(shown: str, notes: list[str]) -> None:
    if any(
        FIRST_YEAR + THAI <= int(year) <= last_year() + THAI and int(year) > last_year()
        for year in re.findall(r"(?<!\d)\d{4}(?!\d)", shown)
    ):
        notes.append("years of the Thai calendar, 543 less")
    elif re.match(r"(民國)?1\d\d([/.年-]|\d{4}$)", shown):
        notes.append("years of the calendar of Taiwan, 1911 more")


def _adjust(values: dict[str, pl.Series], adjusted: dict[str, pl.Series]) -> dict[str, pl.Series]:
    """The adjusted columns where the table has all of them, or else all prices by the factor of the close."""
    if set(PRICES) <= adjusted.keys():
        return values | {name: series.rechunk() for name, series in adjusted.items()}
    factor = adjusted["close"] / values["close"]
    return values | {name: values[name] * factor for name in PRICES}


def _is_newest_first(opened: pl.Series) -> bool:
    steps = opened.diff().drop_nulls().dt.total_microseconds()
    return int((steps < 0).sum()) > int((steps > 0).sum())


def _interval(opened: pl.Series, told: str | Interval | None, *, what: str) -> Interval:
    steps = opened.sort().diff().drop_nulls().dt.total_microseconds()
    steps = steps.filter(steps > 0)
    if told is not None and steps.is_empty():
        return Interval.parse(told)
    if steps.is_empty():
        raise CandleError(
            f"all {opened.len()} candles of {what} open at {opened[0]:%Y-%m-%d %H:%M:%S}",
            expected="candles that follow each other",
            remedy="Check the time column",
        )
    seconds = steps // 1_000_000
    days = steps // instants.DAY
    for least, most, words in MONTH_DAYS:
        if len(steps) >= 3 and (days.is_between(least, most)).mean() > 0.9 and days.n_unique() > 1:  # type: ignore[operator]
            raise _without_length(words, what=what)
    common = Interval(max(int(seconds.mode().min()), 1))  # type: ignore[arg-type]
    if told is None:
        return common
    wanted = Interval.parse(told)
    if wanted != common:
        raise CandleError(
            f"most candles of {what} open {common} apart",
            expected=f"{wanted}, the interval that was named",
            remedy=f'Use interval="{common}"'
            + (f', then resample("{wanted}")' if wanted.seconds > common.seconds else ", or find shorter candles"),
        )
    return wanted


def _without_length(words: str, *, what: str) -> CandleError:
    return CandleError(
        f"the bars of {what} are {words}, which have no fixed length",
        expected="bars of seconds, minutes, hours, days or weeks",
        remedy="Use daily candles",
    )


def _before(closed: pl.Series, interval: Interval) -> pl.Series:
    """Times of opening of bars that close then; a close of 59.999 seconds is that of the full minute."""
    micros = closed.cast(pl.Int64)
    whole = pl.select(
        pl.when(micros % 1_000_000 >= 999_000).then((micros // 1_000_000 + 1) * 1_000_000).otherwise(micros)
    ).to_series()
    return (whole - interval.microseconds).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _require_candles(opened: pl.Series, values: dict[str, pl.Series], form: NumberForm, *, what: str) -> None:
    """Raise CandleError for prices that have lost their point, columns that are not what they are called, and trades."""
    top = max((float(values[name].fill_nan(None).max() or 0) for name in PRICES), default=0.0)  # type: ignore[arg-type]
    if form.group and top >= LOST_POINT:
        raise _lost_point(f"{top:,.0f}", what=what)
    bars = pl.DataFrame({name: values[name] for name in PRICES})
    slack = 1e-6
    impossible = bars.select(
        (pl.col("high") * (1 + slack) < pl.max_horizontal("open", "close", "low"))
        | (pl.col("low") > pl.min_horizontal("open", "close") * (1 + slack))
    ).to_series()
    if len(bars) >= TICKS and (impossible.mean() or 0) > SHARE:  # type: ignore[operator]
        raise CandleError(
            f"in {int(impossible.sum()):,} of {len(bars):,} rows of {what} the high lies below another price or the low above one",
            expected="columns that hold what their names say",
            remedy='Say which column is which, for example columns={"high": "low", "low": "high"}',
        )
    flat = bars.select(
        (pl.col("open") == pl.col("high")) & (pl.col("low") == pl.col("close")) & (pl.col("open") == pl.col("close"))
    ).to_series()
    if len(bars) >= TICKS and flat.all():
        steps = opened.diff().drop_nulls().dt.total_microseconds()
        if float((steps == steps.mode()[0]).mean() or 0) < SHARE:  # type: ignore[arg-type]
            raise CandleError(
                f"open, high, low and close are the same in every row of {what}, and the times have no step: single trades",
                expected="candles of one length",
                remedy="Make candles of the trades first",
            )


def _count(found: _Found, notes: list[str]) -> None:
    for number, words in (
        (found.empty, "without prices"),
        (found.again, "with the header again"),
        (found.events, "of dividends or splits"),
        (found.foreign, "without a time and prices"),
    ):
        if number:
            notes.append(f"{number:,} row{'s' * (number > 1)} {words} left out")
