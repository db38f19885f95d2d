"""Candles from files of every usual shape, interpreted by their content; see docs/files.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from candlecast.candles import Candles, Change, Origin, sessions
from candlecast.candles.intake import with_close
from candlecast.errors import CandleError, SourceError
from candlecast.interval import Interval
from candlecast.process.forking import require_threads
from candlecast.reading import containers, encoding, workbooks
from candlecast.reading.containers import Content
from candlecast.reading.frames import frame_table, lazy_table
from candlecast.reading.lines import head_of, text_table
from candlecast.reading.options import Options
from candlecast.reading.records import records_table
from candlecast.reading.refusals import TABLE, refuse_no_table
from candlecast.reading.symbols import from_banner, from_name
from candlecast.reading.table import Table
from candlecast.reading.understanding import Understood, understand
from candlecast.sources.file_formats import lean, with_factors

MAX_MEMORY = 16 * 2**30  # bytes of the table of a Parquet or feather file, whose metadata may be wrong
WIDTH = 8  # bytes of a value in memory; columns without variation are compressed to almost nothing


def read_candles(
    path: str | Path,
    *,
    interval: str | Interval | None = None,
    symbol: str | None = None,
    zone: str | None = None,
    dates: str | None = None,
    decimal: str | None = None,
    columns: Mapping[str, str] | None = None,
    adjusted: bool = False,
    factors: str | Path | None = None,
) -> Candles:
    """Candles from a file: CSV and other text, JSON, Parquet, feather, workbooks (extra `excel`), packed or not.

    Delimiter, decimal mark, thousands, encoding, header, form of the dates, order of the rows and columns are found in the
    content of the file, and `candles.origin.reading` says in one line how it was read. A file that has several readings is
    refused with all of them named; these arguments then choose one:

    - `interval`: length of one candle; the most common step when not given.
    - `symbol`: the one to read where there are several, and the name of the candles.
    - `zone`: IANA zone of times without one.
    - `dates`: order of numeric dates, "ymd", "dmy" or "mdy".
    - `decimal`: "." or ",".
    - `columns`: names by role, such as {"open": "OpnPric", "time": "Date+Time"}.
    - `adjusted`: read the adjusted prices that the file has beside the plain ones.
    - `factors`: path of Lean's factor file, for its zips.

    Rows without prices are left out, an absent volume is NaN, and newest-first files are reversed; `reading` says so.

    Raises SourceError when there is no file or it cannot be read, CandleError when it holds no candles or has several
    readings, ConfigError for what was given and does not fit.
    """
    options = Options(interval, symbol, zone, dates, decimal, columns or {}, adjusted)
    candles = _read(path, options)
    if options.adjusted:
        candles = candles.recorded(Change("adjusted", len(candles), "all prices as the file's adjusted close"))
    return candles if factors is None else with_factors(candles, Path(factors))


def read_csv(
    path: str | Path,
    *,
    interval: str | Interval | None = None,
    symbol: str | None = None,
    zone: str | None = None,
    dates: str | None = None,
    decimal: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Candles:
    """Candles from a CSV or other text file, packed or not; otherwise as `read_candles`."""
    return _read(path, Options(interval, symbol, zone, dates, decimal, columns or {}), kind="text")


def read_parquet(
    path: str | Path,
    *,
    interval: str | Interval | None = None,
    symbol: str | None = None,
    zone: str | None = None,
    dates: str | None = None,
    decimal: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Candles:
    """Candles from a Parquet file; otherwise as `read_candles`."""
    return _read(path, Options(interval, symbol, zone, dates, decimal, columns or {}), kind="parquet")


def as_candles(value: Any) -> Candles:
    """Candles of anything that holds them: candles themselves, a pandas or Polars frame, or the path of a file.

    Raises CandleError for anything else, and whatever reading the frame or the file raises.
    """
    if isinstance(value, Candles):
        return value
    if isinstance(value, (str, Path)):
        return read_candles(value)
    if isinstance(value, (pl.DataFrame, pl.LazyFrame)) or type(value).__module__.partition(".")[0] == "pandas":
        return Candles.from_frame(value)
    raise CandleError(
        f"a {type(value).__name__} is no candles",
        expected="Candles, a pandas or Polars frame, or the path of a file",
        remedy="Make them with Candles.from_frame or read_candles",
    )


def as_assets(value: Any) -> list[Candles]:
    """The candles of one asset, or of each of several in a list or tuple; see `as_candles`."""
    return [as_candles(each) for each in (value if isinstance(value, (list, tuple)) else [value])]


def _read(path: str | Path, options: Options, *, kind: containers.Kind | None = None) -> Candles:
    """The candles of a file, which must be of a kind if one is given."""
    require_threads()
    content = containers.find(path)
    if kind is not None and content.kind != kind:
        raise SourceError(
            f"{content.path} cannot be read (it is {containers.WORDS[content.kind]})",
            expected=containers.WORDS[kind],
            remedy="Read it with read_candles",
        )
    try:
        table = _table(content)
        understood = understand(table, options, what=str(content.path))
        symbol, notes = _symbol(content, table, options, understood)
        origin = Origin(content.path.name, reading="; ".join([*understood.notes, *notes]))
        frame = with_close(understood)
        clock = sessions.settle(frame["open_time"], understood.interval, hint=understood.zone or options.zone)
        return Candles(frame, symbol, understood.interval, origin=origin, clock=clock)
    except (
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        OSError,
    ) as error:  # panics of damaged binary files
        raise containers.unreadable(content.path, error, content.kind) from error


def _symbol(content: Content, table: Table, options: Options, understood: Understood) -> tuple[str, list[str]]:
    """The symbol, and a note on where it is from: the table, a line before it, or the file's name."""
    found = understood.symbol
    if options.symbol is not None and (found is None or found.casefold() == options.symbol.casefold()):
        return found or options.symbol, []
    if options.symbol is not None:
        return options.symbol, [f"symbol {options.symbol} as given, {found} in the file"]
    if found is not None:
        return found, [f"symbol {found} from the table"]
    found = from_banner(table.banner)
    if found is not None:
        return found, [f"symbol {found} from the line before the header"]
    found = from_name(content.name, content.path.name)
    return found, [f"symbol {found} from the file's name"]


def _table(content: Content) -> Table:
    if content.kind in ("parquet", "feather"):
        return _columnar(content)
    notes: list[str] = []
    if content.kind == "workbook":
        content, notes = workbooks.as_text(content)
    head = head_of(content)
    code = encoding.detect(head)
    if code is None:
        raise SourceError(f"{content.path} cannot be read (it is no text)", expected=TABLE, remedy="Check the file")
    text = encoding.text_of(head, code)
    refuse_no_table(content.path, text)
    if text.lstrip()[:1] in ("[", "{"):
        with containers.reading(content.path), content.open() as stream:
            whole = stream.read(containers.MAX_DOCUMENT + 1)
        return records_table(content.path, encoding.text_of(whole, code), content.name)
    table = text_table(content, head, code)
    table.notes.extend(notes)
    return (_lean(content, table) or table) if content.is_zip and not table.has_header else table


def _columnar(content: Content) -> Table:
    """A Parquet or feather file, whose columns are read when they are wanted."""
    scan = pl.scan_parquet if content.kind == "parquet" else pl.scan_ipc
    frame = scan(content.path, glob=False)
    schema = frame.collect_schema()
    height = int(frame.select(pl.len()).collect().item())
    containers.require_size(content.path, height * len(schema) * WIDTH, content.path.stat().st_size, MAX_MEMORY)
    return lazy_table(frame, schema, height, name=content.name)


def _lean(content: Content, table: Table) -> Table | None:
    places = list(range(table.width))
    blocks = [block.frame for block in table.blocks(places, [])]
    found = lean(pl.concat(blocks), content.name) if blocks else None
    if found is None:
        return None
    frame, zone = found
    return frame_table(frame, name=content.name, zone=zone, notes=["the layout of Lean"])
