"""Candles from files: CSV and Parquet with named columns, and every other usual shape through one door."""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from candlecast.candles import Candles
from candlecast.errors import SourceError
from candlecast.forking import require_threads
from candlecast.interval import Interval
from candlecast.sources.shapes import close_adjusted, factored, has_names, listed, nameless, without_empty_days

Reader = Callable[[Path], tuple[pl.DataFrame, str | None]]  # the frame, and the zone of its times if the shape tells it
PACKED = (".gz", ".zst", ".zip")
ZIP_START = b"PK\x03\x04"


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
    return _read(path, _parquet_frame, "a Parquet file", interval=interval, symbol=symbol, zone=zone)


def read_candles(
    path: str | Path,
    *,
    interval: str | Interval | None = None,
    symbol: str | None = None,
    zone: str | None = None,
    adjusted: bool = False,
    factors: str | Path | None = None,
) -> Candles:
    """Candles from a file of any usual shape, told apart by suffix and content, compressed (.gz, .zst, .zip) or not.

    - CSV and Parquet as `read_csv` and `read_parquet` read them; JSON lists and feather files of freqtrade
      (`BTC_USDT-1h.feather`, symbol BTC/USDT);
    - Binance's dumps, with header or without;
    - Yahoo's exports, whose days of nulls are left out; with `adjusted=True` all prices follow the column `Adj Close`;
    - Lean's zips: shares in 1/10,000 dollars and New York time, crypto as it is, quotes as the middle of bid and ask with
      volume 0. They are as traded; with `factors`, the path of Lean's factor file, adjusted for splits and dividends.

    Raises SourceError when the file is missing or not readable, CandleError when it holds no candles.
    """
    path = _existing(path, "a file of candles")
    suffix = next((suffix for suffix in reversed(path.suffixes) if suffix.lower() not in PACKED), "").lower()
    kind, reader = READERS.get(suffix, ("a CSV file of candles", _usual_frame))
    candles = _read(
        path, partial(_adjusted, reader) if adjusted else reader, kind, interval=interval, symbol=symbol, zone=zone
    )
    return candles if factors is None else replace(candles, frame=factored(candles.frame, Path(factors)))


def _existing(path: str | Path, kind: str) -> Path:
    require_threads()
    path = Path(path)
    if not path.is_file():
        raise SourceError(
            f"{path} {'is a folder' if path.is_dir() else 'does not exist'}",
            expected=kind,
            remedy="Check the path; relative paths start at the current folder",
        )
    return path


def _read(
    path: str | Path,
    reader: Reader,
    kind: str,
    *,
    interval: str | Interval | None,
    symbol: str | None,
    zone: str | None,
) -> Candles:
    path = _existing(path, kind)
    try:
        _require_whole(path)
        frame, own_zone = reader(path)
    except (pl.exceptions.PolarsError, OSError, EOFError, RecursionError, ValueError, zipfile.BadZipFile) as error:
        raise SourceError(
            f"{path} cannot be read ({str(error).splitlines()[0]})", expected=kind, remedy="Check the file"
        ) from error
    return Candles.from_frame(frame, interval=interval, symbol=symbol or _symbol(path), zone=zone or own_zone)


def _symbol(path: Path) -> str:
    """The symbol that a file's name begins with: BTCUSDT-1h-2020.csv, BTC_USDT-1h.feather, aapl.zip."""
    pair = re.fullmatch(r"([A-Z0-9]+)_([A-Z0-9]+)(_[A-Z0-9]+)?-\d+[mhdw](-[a-z]+)?", path.name.partition(".")[0])
    if pair:
        return f"{pair[1]}/{pair[2]}"
    first_word = re.search(r"[^-_.\s]+", path.name)
    return first_word[0] if first_word else path.name


def _csv_frame(path: Path) -> tuple[pl.DataFrame, str | None]:
    return _text_table(_only_member(path)[1] if zipfile.is_zipfile(path) else path, has_header=True), None


def _text_table(source: Path | bytes, *, has_header: bool) -> pl.DataFrame:
    """The columns as text: what a column holds is judged by all of its rows, at the candles' door."""
    frame = pl.read_csv(source, infer_schema=False, has_header=has_header)
    if any("\0" in name or "\ufffd" in name for name in frame.columns):
        raise UnicodeError("it is not UTF-8 text")
    return frame


def _usual_frame(path: Path) -> tuple[pl.DataFrame, str | None]:
    """A CSV of any known shape, and the zone of its times where the shape tells it."""
    member, source = _only_member(path) if zipfile.is_zipfile(path) else (path.name, path)
    frame = _text_table(source, has_header=True)
    if not has_names(frame.columns):
        return nameless(_text_table(source, has_header=False), member) or (frame, None)
    return without_empty_days(frame) if "Adj Close" in frame.columns else frame, None


def _json_frame(path: Path) -> tuple[pl.DataFrame, str | None]:
    content = _only_member(path)[1] if zipfile.is_zipfile(path) else path.read_bytes()
    return listed(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content), "UTC"


def _parquet_frame(path: Path) -> tuple[pl.DataFrame, str | None]:
    return pl.read_parquet(path), None


def _feather_frame(path: Path) -> tuple[pl.DataFrame, str | None]:
    return pl.read_ipc(path), None


def _adjusted(reader: Reader, path: Path) -> tuple[pl.DataFrame, str | None]:
    frame, zone = reader(path)
    if "Adj Close" not in frame.columns:
        raise SourceError(
            f"{path} has no column Adj Close",
            expected="a Yahoo export, for adjusted=True",
            remedy="Leave adjusted out, or give the factors of Lean",
        )
    return close_adjusted(frame), zone


def _require_whole(path: Path) -> None:
    """Raise BadZipFile for a zip without its end, which would else be taken for text."""
    with path.open("rb") as file:
        is_zip = file.read(4) == ZIP_START
    if is_zip and not zipfile.is_zipfile(path):
        raise zipfile.BadZipFile("the zip is not whole")


def _only_member(path: Path) -> tuple[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise zipfile.BadZipFile(f"the archive holds {len(names)} files instead of one")
        return names[0], archive.read(names[0])


READERS: dict[str, tuple[str, Reader]] = {
    ".parquet": ("a Parquet file", _parquet_frame),
    ".pq": ("a Parquet file", _parquet_frame),
    ".feather": ("a feather file", _feather_frame),
    ".arrow": ("a feather file", _feather_frame),
    ".json": ("a JSON list of candles", _json_frame),
}
