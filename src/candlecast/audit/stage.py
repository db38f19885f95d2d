"""Stages of a pipeline: columns of numbers with the time at which each is known, and where two of them differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.errors import ConfigError


class Column(NamedTuple):
    """Values (row,), and when each is known or used, datetime64[us] (row,), NaT for never."""

    times: np.ndarray
    values: np.ndarray


class Movement(NamedTuple):
    """The latest known value that moved: its column and time, both values (NaN where there is none), and the share of the
    known values of that column that moved."""

    column: str
    time: Any
    before: float
    after: float
    share: float


@dataclass(frozen=True, eq=False)
class Stage:
    """What one stage of a pipeline gave, by column."""

    name: str
    columns: Mapping[str, Column]

    @classmethod
    def of(cls, name: str, columns: Iterable[tuple[str, np.ndarray, np.ndarray]]) -> Stage:
        """A stage from names, times and values."""
        return cls(name, {column: Column(times, values) for column, times, values in columns})


def stages_of(tables: Mapping[str, object], candles: Candles) -> dict[str, Stage]:
    """The stages of a pipeline by name, from tables with a column `time`, or arrays with a row for each candle.

    A row of an array is known at the close of its candle. Columns that are not numbers are compared by their content.
    Raises ConfigError for anything else.
    """
    return {name: _stage(name, table, candles) for name, table in tables.items()}


def _stage(name: str, table: object, candles: Candles) -> Stage:
    if isinstance(table, pl.DataFrame) and "time" in table.columns:
        times = table["time"].cast(pl.Datetime("us")).to_numpy().astype("datetime64[us]")
        columns = [column for column in table.columns if column != "time"]
        return Stage.of(name, ((column, times, _numbers(table[column])) for column in columns))
    if isinstance(table, np.ndarray) and table.ndim in (1, 2) and len(table) == len(candles):
        values = np.asarray(table, dtype=np.float64).reshape(len(table), -1)
        return Stage.of(name, ((f"column {i}", candles.close_time, each) for i, each in enumerate(values.T)))
    raise ConfigError(
        f"the stage {name} is of type {type(table).__name__}",
        expected="a Polars table with a column time, or an array with one row for each candle",
        remedy='Return for example {"features": array, "positions": table}',
    )


def first_movement(before: Stage, after: Stage, time: Any) -> Movement | None:
    """Where values that are known at a time differ by a bit; None if they are equal."""
    latest = None
    for name in dict.fromkeys([*before.columns, *after.columns]):
        one, two = (_known(stage.columns.get(name), time) for stage in (before, after))
        if not np.array_equal(one.times, two.times):
            found = _unequal_rows(name, one, two)
        else:
            moved = one.values != two.values
            moved &= ~(np.isnan(one.values) & np.isnan(two.values))
            rows = np.flatnonzero(moved)
            if not len(rows):
                continue
            row = rows[one.times[rows].argmax()]
            share = len(rows) / len(one.times)
            found = Movement(name, one.times[row], float(one.values[row]), float(two.values[row]), share)
        if latest is None or found.time > latest.time:
            latest = found
    return latest


def _known(column: Column | None, time: Any) -> Column:
    if column is None:
        return Column(np.empty(0, "datetime64[us]"), np.empty(0))
    rows = column.times <= time  # false for NaT
    count = int(np.count_nonzero(rows))
    if rows[:count].all():  # the first ones: without a copy
        return Column(column.times[:count], column.values[:count])
    return Column(column.times[rows], column.values[rows])


def _unequal_rows(name: str, one: Column, two: Column) -> Movement:
    """The latest row that only one of two columns has."""
    lone = np.setxor1d(one.times, two.times)
    time = lone.max() if len(lone) else max(one.times.max(), two.times.max())
    values = (
        float(each.values[each.times == time][-1]) if (each.times == time).any() else np.nan for each in (one, two)
    )
    return Movement(name, time, *values, share=1.0)


def _numbers(column: pl.Series) -> np.ndarray:
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return column.cast(pl.Float64).to_numpy()
    return column.hash(0).to_numpy().astype(np.float64)
