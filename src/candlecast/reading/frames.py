"""Pandas and Polars frames as tables, with row indices of symbols and times, and columns in levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl

from candlecast.errors import CandleError
from candlecast.reading.table import Block, Table

SAMPLE = 1_000  # rows from the beginning, and as many from the end


def frame_table(frame: Any, *, name: str = "", zone: str | None = None, notes: Sequence[str] = ()) -> Table:
    """A pandas or Polars frame as a table. Raises CandleError for anything else."""
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pl.DataFrame):
        labels = tuple((label,) for label in frame.columns)
        return _table(labels, frame.schema.dtypes(), frame.height, frame.to_series, name, zone, notes)
    if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        return _pandas_table(frame, name, zone, notes)
    raise CandleError(
        f"a {type(frame).__name__} is not a table",
        expected="a pandas or Polars DataFrame",
        remedy="Build one with the columns open_time, open, high, low, close, volume",
    )


def columns_table(
    labels: tuple[tuple[str, ...], ...], columns: Sequence[pl.Series], *, name: str = "", zone: str | None = None
) -> Table:
    """Series with or without names as a table."""
    dtypes = [column.dtype for column in columns]
    return _table(labels, dtypes, len(columns[0]) if columns else 0, columns.__getitem__, name, zone, ())


def lazy_table(frame: pl.LazyFrame, schema: pl.Schema, height: int, *, name: str) -> Table:
    """A file that Polars reads column by column, as a table."""

    def column(position: int) -> pl.Series:
        return frame.select(pl.nth(position)).collect().to_series()

    return _table(tuple((label,) for label in schema), schema.dtypes(), height, column, name, None, ())


def _pandas_table(frame: Any, name: str, zone: str | None, notes: Sequence[str]) -> Table:
    depth = frame.columns.nlevels
    if depth == 1 and not frame.columns.is_unique:
        raise CandleError(
            "the pandas frame cannot be taken over (two columns have the same name)",
            expected="plain columns with different names",
            remedy="Keep only the columns of times, prices and volume",
        )
    labels = [tuple(map(str, column)) if depth > 1 else (str(column),) for column in frame.columns]
    columns: list[Callable[[], Any]] = [
        lambda position=position: frame.iloc[:, position] for position in range(len(labels))
    ]
    leading: list[tuple[tuple[str, ...], Callable[[], Any]]] = []
    for level in range(frame.index.nlevels):
        values = frame.index.get_level_values(level)
        if hasattr(values, "to_timestamp"):  # periods
            values = values.to_timestamp()
        label = _index_label(values, frame.index.nlevels)
        if label is not None and (label,) not in [tuple(cells[:1]) for cells in labels]:
            leading.append(
                ((label, *[""] * (depth - 1)), lambda values=values: values.to_series(index=range(len(values))))
            )
    labels = [label for label, _ in leading] + labels
    columns = [column for _, column in leading] + columns

    def column(position: int) -> pl.Series:
        try:
            return pl.Series(pl.from_pandas(columns[position]()))
        except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
            raise CandleError(
                f"column {' '.join(labels[position])!r} of the pandas frame cannot be taken over ({str(error).splitlines()[0]})",
                expected="plain columns with different names",
                remedy="Keep only the columns of times, prices and volume",
            ) from error

    dtypes = [_dtype(columns[position]()) for position in range(len(labels))]
    return _table(tuple(labels), dtypes, len(frame), column, name, zone, notes)


def _index_label(values: Any, levels: int) -> str | None:
    """The name of a level of the rows; None for a counter."""
    kind = values.dtype.kind
    if kind == "M":
        return "open_time"
    if values.name is not None:
        return str(values.name)
    if kind in "iu":
        return None
    return "index" if levels == 1 else "symbol"


def _dtype(series: Any) -> pl.DataType:
    """The type that a column of pandas has here, without taking all of it over."""
    if series.dtype.kind in "Mfiub" or hasattr(series.dtype, "tz"):
        return pl.Series(pl.from_pandas(series.iloc[:1])).dtype
    try:
        found = pl.Series(pl.from_pandas(series.iloc[:SAMPLE])).dtype
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        return pl.String()
    return found if found != pl.Null else pl.String()


def _table(
    labels: tuple[tuple[str, ...], ...],
    dtypes: Sequence[pl.DataType],
    height: int,
    column: Callable[[int], pl.Series],
    name: str,
    zone: str | None,
    notes: Sequence[str],
) -> Table:
    def sample(position: int) -> list[str]:
        try:
            values = column(position)
        except CandleError:  # the same error is raised again if the column is needed
            return [""] * min(height, 2 * SAMPLE)
        if height > 2 * SAMPLE:
            values = values.head(SAMPLE).append(values.tail(SAMPLE))
        return [_cell(value) for value in _plain_values(values)]

    def blocks(wanted: Sequence[int], plain: Sequence[int]) -> Iterator[Block]:
        chosen = {str(position): column(position) for position in sorted(set(wanted))}
        yield Block(
            pl.DataFrame([values.alias(label) for label, values in chosen.items()]), lambda row: f"row {row + 1}"
        )

    cells = [sample(position) for position in range(len(labels))]
    types = {position: dtype for position, dtype in enumerate(dtypes) if dtype != pl.String}
    return Table(labels, tuple(zip(*cells, strict=True)), blocks, name, (), list(notes), None, types, zone)


def _plain_values(values: pl.Series) -> list[Any]:
    """Values as Python objects; times as the whole numbers that store them, since Python has no years beyond 9999."""
    if values.dtype.is_nested() or values.dtype == pl.Object:
        return [None] * len(values)
    return (values.to_physical() if values.dtype.is_temporal() else values).to_list()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.1f}" if value.is_integer() and abs(value) < 1e21 else repr(value)
    return str(value)
