"""The tables and weights of a run: size and structure are checked before a library reads them, then the columns."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from candlecast.candles.intake import ACTIVITY
from candlecast.dataset import forecast
from candlecast.disk.parquet import Outline, outline
from candlecast.runs.manifest import LOADED, incomplete, parsed, read_file

SPARE, DENSEST = 1 << 28, 64  # limit on bytes in memory: in any case, and per byte of the files
LARGEST_HEADER = 1 << 25  # bytes, of a safetensors file
MAX_SIDES = 8  # dimensions of an array
WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}  # bytes of a value
TIME, NUMBER = pl.Datetime("us", "UTC"), pl.Float64
YEARS = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
COLUMNS: dict[str, dict[str, Any]] = {
    "candles": {"open_time": TIME, "close_time": TIME}
    | dict.fromkeys(("open", "high", "low", "close", "volume"), NUMBER),
    "forecasts": forecast.SCHEMA,
    "positions": {"time": TIME, "symbol": pl.String, "position": NUMBER, "model": pl.String},
    "folds": {"fold": pl.Int64}
    | dict.fromkeys(("train_first", "train_last", "test_first", "test_last"), TIME)
    | {"train_bars": pl.Int64, "test_bars": pl.Int64},
    "losses": {"fold": pl.Int32, "seed": pl.Int32, "epoch": pl.Int32, "train": NUMBER, "valid": NUMBER},
}
FURTHER_OWN = ("known_at", "mean", "naive", "target", "expected_return")  # columns of each further target
HIGHEST = 1e100  # of numbers in a forecast, whose squares must be finite
OPTIONAL = {
    "candles": dict.fromkeys(ACTIVITY, NUMBER),
    "folds": {"left_out": pl.Int64, "by_place": pl.Boolean},
}  # runs of any age
KNOWN = {  # columns without nulls
    "candles": COLUMNS["candles"],
    "forecasts": ("time", "symbol", "model", "fold", "seed", "mean", "naive"),
    "positions": COLUMNS["positions"],
    "folds": COLUMNS["folds"],
    "losses": COLUMNS["losses"],
}


def read_tables(folder: Path, manifest: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
    """The tables that a run is loaded from, by name. Raises RunError."""
    contents = {name: read_file(folder, f"{name}.parquet", manifest) for name in LOADED}
    outlines = {name: _outline(folder, name, content) for name, content in contents.items()}
    memory, size = sum(each.memory for each in outlines.values()), sum(map(len, contents.values()))
    if memory > max(SPARE, DENSEST * size):
        raise incomplete(folder, f"its {size:,} bytes of tables would take {memory:,} bytes of memory")
    if outlines["candles"].rows != manifest["candles"]["bars"]:
        raise incomplete(folder, f"it has {outlines['candles'].rows:,} candles of {manifest['candles']['bars']:,}")
    return {name: _table(folder, name, content) for name, content in contents.items()}


def read_tensors(folder: Path, manifest: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """The fitted arrays of each job of a run, by job and name. Raises RunError."""
    content = read_file(folder, "weights.safetensors", manifest)
    try:
        return tensors_of(content)
    except ValueError as error:
        raise incomplete(folder, f"weights.safetensors: {error}") from error


def tensors_of(content: bytes) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of a safetensors file, whose names are `job/name`. Raises ValueError."""
    tensors: dict[str, dict[str, np.ndarray]] = {}
    for full, value in read_arrays(content).items():
        key, _, name = full.rpartition("/")
        tensors.setdefault(key, {})[name] = value
    return tensors


def read_arrays(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file by name. Raises ValueError for a file that does not hold what its header says."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    _require_header(content)
    try:
        return load(content)
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(str(error)[:200]) from error


def _require_header(content: bytes) -> None:
    """Raise ValueError unless the header of a safetensors file describes what the file holds.

    8 bytes: length of the header (uint64, little-endian); the header, JSON; the arrays, without gaps.
    """
    length = struct.unpack_from("<Q", content)[0] if len(content) >= 8 else LARGEST_HEADER
    if length >= LARGEST_HEADER or length > len(content) - 8:
        raise ValueError("its header is longer than the file")
    try:
        header = parsed(content[8 : 8 + length])
        header.pop("__metadata__", None)
        end = sum(_array_bytes(each) for each in header.values())
    except (KeyError, TypeError, OverflowError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError("its header is damaged") from error
    if end != len(content) - 8 - length:
        raise ValueError(f"its arrays take {end:,} bytes, and there are {len(content) - 8 - length:,}")


def _array_bytes(about: dict[str, Any]) -> int:
    first, last = about["data_offsets"]
    size = WIDTHS[about["dtype"]]
    if len(about["shape"]) > MAX_SIDES:
        raise ValueError(f"an array of it has {len(about['shape']):,} sides")
    for length in about["shape"]:
        if type(length) is not int or not 0 <= length < 1 << 40:
            raise ValueError(f"an array of it has a side of {str(length)[:20]}")
        size *= length
    if size != last - first:
        raise ValueError("an array of it does not have its size")
    return size


def _outline(folder: Path, name: str, content: bytes) -> Outline:
    try:
        found = outline(content)
    except ValueError as error:
        raise incomplete(folder, f"{name}.parquet: {error}") from error
    columns, expected = set(found.columns), set(COLUMNS[name])
    further = {each for each in columns - expected if name == "forecasts" and forecast.FURTHER.fullmatch(each)}
    further |= (columns - expected) & OPTIONAL.get(name, {}).keys()
    if columns - further != expected:
        odd = sorted(columns - further ^ expected)[0]
        raise incomplete(folder, f"{name}.parquet has other columns than it should, such as {odd[:50]!r}")
    for target in {each.partition("@")[2] for each in further if "@" in each}:
        if lost := [own for own in FURTHER_OWN if f"{own}@{target}" not in columns]:
            raise incomplete(folder, f"{name}.parquet has no {lost[0]} of {target[:50]}")
    return found


def _table(folder: Path, name: str, content: bytes) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(content, hive_partitioning=False, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise incomplete(folder, f"{name}.parquet: {str(error)[:200]}") from error
    for column, kind in frame.schema.items():
        own = column.partition("@")[0]
        expected = (COLUMNS[name] | OPTIONAL.get(name, {})).get(own, NUMBER)
        if kind != expected:
            raise incomplete(folder, f"{column[:50]} of {name}.parquet is of type {kind}, not {expected}")
        if kind == TIME and not frame[column].drop_nulls().is_between(*YEARS).all():
            raise incomplete(folder, f"{column[:50]} of {name}.parquet has a time beyond the years 1 to 9999")
    for column in (*KNOWN[name], *({"left_out", "by_place"} & {*frame.columns})):
        if frame[column].null_count():
            raise incomplete(folder, f"{column} of {name}.parquet lacks values")
    return frame


def require_rows(folder: Path, manifest: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> None:
    """Raise RunError for inconsistent rows: of other models, bars, symbols, seeds or folds."""
    symbol, closes = manifest["candles"]["symbol"], tables["candles"]["close_time"].implode()
    for name in ("forecasts", "positions"):
        frame = tables[name]
        if set(frame["model"].unique()) != set(manifest["models"]):
            raise incomplete(folder, f"{name}.parquet is of other models than the manifest")
        if not (frame["symbol"] == symbol).all() or not frame["time"].is_in(closes).all():
            raise incomplete(folder, f"{name}.parquet is of other candles than the run")
    forecasts, folds = tables["forecasts"], tables["folds"]
    if forecasts.select("model", "seed", "fold", "time").is_duplicated().any():
        raise incomplete(folder, "forecasts.parquet has two forecasts of one bar")
    if not (forecasts["mean"].is_finite() & forecasts["naive"].is_finite()).all():
        raise incomplete(folder, "forecasts.parquet has a forecast that is not finite")
    numbers = forecasts.select(pl.col(pl.Float64).fill_nan(None).abs().max())
    if any(value is not None and value > HIGHEST for value in numbers.row(0)):
        raise incomplete(folder, f"forecasts.parquet has a number above {HIGHEST:g}")
    known = set(forecasts["fold"].unique())
    if not known <= set(folds["fold"]) or folds["fold"].n_unique() < folds.height:  # a part of a study has fewer
        raise incomplete(folder, "folds.parquet is of other folds than the forecasts")
    seeds = set(forecasts.filter(pl.col("model") == manifest["model"])["seed"])
    if seeds != set(manifest["seeds"]):
        raise incomplete(folder, "forecasts.parquet is of other seeds than the manifest")
