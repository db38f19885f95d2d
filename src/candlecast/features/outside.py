"""`outside`: a feature of data from elsewhere, each value used from the moment at which it was known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.errors import ConfigError, near_misses
from candlecast.features.feature import Feature
from candlecast.features.scaling import Scaler
from candlecast.interval import span_seconds

Combine = Callable[[Candles, Mapping[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True, eq=False)
class Known:
    """Columns of a table as they were known at the close of each bar; called with candles, it gives them.

    `times`: when each row became known, datetime64[us] in UTC (row,), rising. `values`: float64 (row, column), of which
    `names` are the columns. A row counts until the next one is known, and no longer than `max_age` (microseconds).
    `combine`: what is made of the candles and these columns, where they are not the feature themselves.
    """

    times: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    max_age: int | None = None
    combine: Combine | None = None

    def __call__(self, candles: Candles) -> np.ndarray:
        known = self.at(candles)
        if self.combine is None:
            return known
        return self.combine(candles, dict(zip(self.names, known.T.copy(), strict=True)))

    def at(self, candles: Candles) -> np.ndarray:
        """The newest row known at the close of each bar, (time, column); NaN before the first, and where it is too old."""
        place = np.searchsorted(self.times, candles.close_time, side="right") - 1
        is_known = place >= 0
        newest = np.maximum(place, 0)
        if self.max_age is not None:
            is_known &= candles.close_time - self.times[newest] <= np.timedelta64(self.max_age, "us")
        return np.where(is_known[:, None], self.values[newest], np.nan)

    def later(self, shift: timedelta) -> Known:
        """The same table, with every row known later by `shift`."""
        return replace(self, times=self.times + np.timedelta64(shift))

    @property
    def digest(self) -> str:
        """SHA-256 of the table, as hexadecimal text: names these very values."""
        digest = hashlib.sha256(repr((self.names, self.max_age)).encode())
        digest.update(self.times.tobytes())
        digest.update(np.ascontiguousarray(self.values).tobytes())
        return digest.hexdigest()


def outside(
    name: str,
    table: Any,
    *,
    known_at: str = "known_at",
    columns: Sequence[str] | None = None,
    max_age: str | None = None,
    combine: Combine | None = None,
    outputs: tuple[str, ...] = (),
    warmup: int = 0,
    scaling: Scaler | None = None,
) -> Feature:
    """A feature of data from elsewhere: another asset, the chain, the news, a calendar of events.

    `table` is a Polars or pandas frame with a time column `known_at`, with a zone: the first moment at which anybody could
    have known the row: the close of a bar for its prices, the hour of publication for figures about a day.
    `columns` are its numbers; all others when not given. The value at the close of each bar is that of the newest row
    known by then; NaN before the first row, and where it is older than `max_age`, a span such as "2d".

    `combine(candles, known)` may make the feature of both: `known` holds each column by name, float64 (time,), as known at
    each bar; it gives values of shape (time,), or (time, column) with names in `outputs`, and looks back on `warmup` bars.

    The times at which rows were known cannot be checked: a table of tomorrow's returns with today's times makes every result
    worthless. The table is part of the feature: other values are another study (`parameters` hold its digest).

    Raises ConfigError for a table that cannot be read, times without a zone or twice the same, and columns that are not there.

    >>> from candlecast.sources import synthetic
    >>> world = synthetic.lead_lag(100, seed=1)
    >>> other = world.leader.frame.select(known_at="close_time", leader="close")
    >>> feature = outside("leader", other)
    >>> feature.columns, bool(feature(world.candles)[9, 0] == world.leader.close[9])
    (('leader',), True)
    """
    known = _known(name, _polars(name, table), known_at, columns=columns, max_age=max_age, combine=combine)
    given = known.names if combine is None else outputs
    return Feature(
        f"outside:{name}",
        known,
        warmup,
        {"table": known.digest},
        outputs=() if len(given) == 1 and combine is None else tuple(given),
        scaling=scaling,
        label=name,
    )


def _known(
    name: str,
    frame: pl.DataFrame,
    known_at: str,
    *,
    columns: Sequence[str] | None,
    max_age: str | None,
    combine: Combine | None,
) -> Known:
    chosen = [column for column in frame.columns if column != known_at] if columns is None else list(columns)
    for column in (known_at, *chosen):
        if column not in frame.columns:
            raise ConfigError(
                f"the table of {name} has no column {column!r}",
                expected=f"{known_at!r}, when each row was known, and numbers",
                remedy=near_misses(column, frame.columns),
            )
    times = frame[known_at]
    kind = times.dtype
    if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
        raise ConfigError(
            f"{known_at} of {name} is of type {kind}",
            expected="moments with a zone, at which each row was known",
            remedy='Add one, such as with .dt.replace_time_zone("UTC"); of a day, take the hour at which it was published',
        )
    order = frame.with_columns(times.dt.convert_time_zone("UTC").dt.cast_time_unit("us")).sort(known_at)
    times = order[known_at]
    if times.null_count() or times.n_unique() < len(times) or not len(times):
        wrong = "no rows" if not len(times) else "rows without a time" if times.null_count() else "two rows"
        at = f" known at {times.filter(times.is_duplicated())[0]}" if wrong == "two rows" else ""
        raise ConfigError(
            f"the table of {name} has {wrong}{at}", expected="one row for each moment", remedy="Keep the newest one"
        )
    try:
        values = order.select(pl.col(column).cast(pl.Float64) for column in chosen).to_numpy()
    except pl.exceptions.PolarsError as error:
        raise ConfigError(
            f"the table of {name} holds what is no number ({str(error).splitlines()[0]})",
            expected="numbers in all columns but the time",
            remedy="Choose some with columns=[...]",
        ) from error
    if not chosen or (combine is not None and not callable(combine)):
        raise ConfigError(
            f"outside data {name} has {len(chosen)} columns, and combine is {combine!r}",
            expected="one column or more, and a function of candles and these, or None",
            remedy='Use for example outside("leader", table, columns=["close"])',
        )
    age = None if max_age is None else round(span_seconds(max_age) * 1e6)
    clock = times.dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
    return Known(clock, np.ascontiguousarray(values), tuple(chosen), age, combine)


def _polars(name: str, table: Any) -> pl.DataFrame:
    if isinstance(table, pl.DataFrame):
        return table
    if type(table).__module__.partition(".")[0] == "pandas" and hasattr(table, "columns"):
        return pl.from_pandas(table)
    raise ConfigError(
        f"the table of {name} is of type {type(table).__name__}",
        expected="a Polars or pandas frame",
        remedy="Make one with a column known_at and a column of numbers",
    )
