"""Candles from CSV and Parquet files, compressed or not."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl

from candlecast.candles import Candles
from candlecast.errors import SourceError
from candlecast.interval import Interval

PARQUET_SUFFIXES = (".parquet", ".pq")


def read_csv(
    path: str | Path, *, interval: str | Interval | None = None, symbol: str | None = None, zone: str | None = None
) -> Candles:
    """Candles from a CSV file with a header, plain or compressed (.gz, .zst, or a .zip that holds this one file).

    Columns, times and zones are understood as by `Candles.from_frame`. `symbol` is the first word of the file's name
    when not given: `BTCUSDT-1h-2020.csv.gz` is BTCUSDT.

    Raises SourceError when the file is missing or no CSV, CandleError when it holds no candles.
    """
    return _read(path, _csv_frame, "a CSV file with a header", interval=interval, symbol=symbol, zone=zone)


def read_parquet(
    path: str | Path, *, interval: str | Interval | None = None, symbol: str | None = None, zone: str | None = None
) -> Candles:
    """Candles from a Parquet file; otherwise as `read_csv`."""
    return _read(path, pl.read_parquet, "a Parquet file", interval=interval, symbol=symbol, zone=zone)


def read_file(
    path: str | Path, *, interval: str | Interval | None = None, symbol: str | None = None, zone: str | None = None
) -> Candles:
    """Candles from a CSV or Parquet file, told apart by suffix."""
    reader = read_parquet if Path(path).suffix.lower() in PARQUET_SUFFIXES else read_csv
    return reader(path, interval=interval, symbol=symbol, zone=zone)


def _read(
    path: str | Path,
    reader: Callable[[Path], pl.DataFrame],
    kind: str,
    *,
    interval: str | Interval | None,
    symbol: str | None,
    zone: str | None,
) -> Candles:
    path = Path(path)
    if not path.is_file():
        raise SourceError(
            f"{path} {'is a folder' if path.is_dir() else 'does not exist'}",
            expected=kind,
            remedy="Check the path; relative paths start at the current folder",
        )
    try:
        frame = reader(path)
    except (pl.exceptions.PolarsError, OSError, UnicodeError, zipfile.BadZipFile) as error:
        raise SourceError(
            f"{path} cannot be read ({str(error).splitlines()[0]})", expected=kind, remedy="Check the file"
        ) from error
    if symbol is None:
        first_word = re.search(r"[^-_.\s]+", path.name)
        symbol = first_word[0] if first_word else path.name
    return Candles.from_frame(frame, interval=interval, symbol=symbol, zone=zone)


def _csv_frame(path: Path) -> pl.DataFrame:
    """The columns as text: what a column holds is judged by all of its rows, at the candles' door."""
    source = _only_member(path) if zipfile.is_zipfile(path) else path
    frame = pl.read_csv(source, infer_schema=False)
    if any("\0" in name or "\ufffd" in name for name in frame.columns):
        raise UnicodeError("it is not UTF-8 text")
    return frame


def _only_member(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise zipfile.BadZipFile(f"the archive holds {len(names)} files instead of one")
        return archive.read(names[0])
