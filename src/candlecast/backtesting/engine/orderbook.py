"""`Orders`: decided orders as a table, and their rows laid out by bar for the account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting.engine.account import REASONS
from candlecast.backtesting.orders import CANCEL, FIELDS, ORDERED, Order, first_fault, no_parent
from candlecast.candles import Candles
from candlecast.errors import CandleError, ConfigError, NotEnoughDataError, listed, near_misses

KINDS = (*(REASONS[kind] for kind in ORDERED), "cancel")
NUMBERS = {kind: float(number) for number, kind in enumerate(KINDS[:-1], start=1)} | {"cancel": float(CANCEL)}
SCHEMA: dict[Any, Any] = {
    "time": pl.Datetime("us", "UTC"),
    "symbol": pl.String,
    "kind": pl.String,
    "units": pl.Float64,
    "limit": pl.Float64,
    "stop": pl.Float64,
    "trail": pl.Float64,
    "bars": pl.Float64,
    "group": pl.Float64,
    "parent": pl.Float64,
    "id": pl.Float64,
    "reduces": pl.Boolean,
}
ABSENT = {"bars": np.inf, "group": 0.0, "parent": 0.0, "id": 0.0, "reduces": False}


@dataclass(frozen=True, eq=False)
class Orders:
    """Orders of one asset, decided at the closes of bars, that do not depend on how the account has done.

    `frame`: `time` (close of the bar on which it was decided; it rests from the next bar on), `symbol`, `kind` (target,
    market, limit, stop, trailing stop, take profit, cancel), `units` (signed; the fraction of equity for a target; 0 to
    cancel), and where they apply `limit`, `stop`, `trail`, `bars`, `group`, `parent`, `id`, `reduces`, as in `Order`. Rows
    of one bar act in their order. `Orders.of` makes the table from values.

    Raises ConfigError for columns of another type, an unknown kind, an order that `limit`, `stop` and the others would
    refuse, one that waits for an order that is not in the table, and times that fall.
    """

    frame: pl.DataFrame

    def __post_init__(self) -> None:
        if not isinstance(self.frame, pl.DataFrame):
            raise ConfigError(
                f"orders are of type {type(self.frame).__name__}",
                expected="a Polars table of time, symbol, kind and units",
                remedy="Make it with Orders.of",
            )
        missing = [name for name in ("time", "symbol", "kind", "units") if name not in self.frame.columns]
        if missing:
            raise ConfigError(
                f"orders lack the column {missing[0]}",
                expected="time, symbol, kind and units",
                remedy="Rename or add the column",
            )
        unknown = [name for name in self.frame.columns if name not in SCHEMA]
        if unknown:
            raise ConfigError(
                f"orders have a column {unknown[0]}",
                expected=", ".join(SCHEMA),
                remedy=near_misses(unknown[0], SCHEMA, are_listed=True),
            )
        absent = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in self.frame.columns]
        try:
            frame = self.frame.with_columns(absent).select(*SCHEMA).cast(SCHEMA)
        except pl.exceptions.PolarsError as error:
            found = listed((f"{name} {kind}" for name, kind in self.frame.schema.items()), most=len(SCHEMA))
            raise ConfigError(
                f"orders have the columns {found}",
                expected="times, text and numbers",
                remedy="Convert them, such as with str.to_datetime()",
            ) from error
        frame = frame.with_columns(pl.col(name).fill_null(value) for name, value in ABSENT.items())
        frame = frame.with_columns(pl.col("limit", "stop", "trail").fill_null(np.nan))
        object.__setattr__(self, "frame", frame)
        _require(frame)

    def __len__(self) -> int:
        return self.frame.height

    @classmethod
    def of(cls, decided: Sequence[tuple[datetime, Order]], *, symbol: str = "asset") -> Orders:
        """The table of orders with the times at which they were decided."""
        wrong = [pair for pair in decided if not _is_decided(pair)]
        if wrong:
            raise ConfigError(
                f"there is {wrong[0]!r} among the orders",
                expected="pairs of a datetime and an order",
                remedy="Give a list such as [(candles.frame['close_time'][0], market(1.0))]",
            )
        words = {number: kind for kind, number in NUMBERS.items()}
        rows = [
            {"time": time, "symbol": symbol, **order._asdict(), "kind": words.get(order.kind, str(order.kind))}
            for time, order in decided
        ]
        frame = pl.DataFrame(rows, schema={name: SCHEMA[name] if name != "reduces" else pl.Float64 for name in SCHEMA})
        return cls(frame.with_columns(pl.col("reduces") != 0.0))


def _is_decided(pair: object) -> bool:
    if not isinstance(pair, tuple) or len(pair) != 2:
        return False
    time, order = pair
    return isinstance(time, datetime) and isinstance(order, Order)


def decision_rows(candles: Candles, frame: pl.DataFrame, thing: str) -> np.ndarray:
    """The bar at whose close each row of a decided table was decided.

    Raises CandleError for rows of another symbol, and for a time at which no bar closes.
    """
    symbols = frame["symbol"]
    is_foreign = symbols != candles.symbol
    if is_foreign.any():
        foreign = symbols.filter(is_foreign)
        raise CandleError(
            f"{thing}s are of {foreign[0]!r}",
            expected=f"{thing}s of {candles.symbol!r}, the symbol of the candles",
            remedy=f"Pass the candles that the {thing}s were decided on",
        )
    decided = frame["time"].cast(pl.Int64).to_numpy().view("datetime64[us]")  # faster than to drop the zone
    closes = candles.close_time
    rows = rows_among(closes, decided)
    unknown = closes[np.minimum(rows, len(closes) - 1)] != decided
    if unknown.any():
        raise CandleError(
            f"the {thing} at {frame['time'][int(unknown.argmax())]:%Y-%m-%d %H:%M:%S} UTC is on no bar",
            expected=f"times at which a {candles.interval} bar of {candles.symbol} closes",
            remedy=f"Pass the candles that the {thing}s were decided on",
        )
    return rows


def rows_among(times: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Where each time is, or would be, among rising times: `np.searchsorted`, in a step where they are a stretch of them.

    >>> rows_among(np.array([1, 3, 5, 7]), np.array([3, 5])).tolist(), rows_among(np.array([1, 3]), np.array([2])).tolist()
    ([1, 2], [1])
    """
    first = int(np.searchsorted(times, own[0])) if len(own) else 0
    if np.array_equal(times[first : first + len(own)], own):
        return np.arange(first, first + len(own))
    return np.searchsorted(times, own)


def rows_by_bar(candles: Candles, orders: Orders) -> tuple[int, np.ndarray, np.ndarray]:
    """The first bar with an order, the orders as rows of a book, and where each later bar's rows begin, (time + 1,)."""
    frame = orders.frame
    if frame.is_empty():
        raise NotEnoughDataError(
            "there are no orders", expected="at least one", remedy="Pass positions to hold nothing for a while"
        )
    bars = decision_rows(candles, frame, "order")
    first = int(bars[0])
    counts = np.bincount(bars - first, minlength=len(candles) - first)
    return first, _rows(frame), np.append(0, np.cumsum(counts))


def _rows(frame: pl.DataFrame) -> np.ndarray:
    """The orders as rows of a book, (orders, FIELDS)."""
    kinds = frame["kind"].replace_strict(NUMBERS, return_dtype=pl.Float64)
    table = frame.with_columns(kind=kinds, reduces=pl.col("reduces").cast(float), rests=pl.lit(0.0))
    return np.ascontiguousarray(table.select(Order._fields).to_numpy()).reshape(-1, FIELDS)


def _require(frame: pl.DataFrame) -> None:
    unknown = frame.filter(~pl.col("kind").is_in(KINDS) | pl.col("kind").is_null())["kind"]
    if unknown.len():
        raise ConfigError(
            f"an order is of kind {unknown[0]!r}",
            expected=", ".join(KINDS),
            remedy=near_misses(str(unknown[0]), KINDS, are_listed=True),
        )
    for name in ("time", "symbol", "units"):
        if frame[name].null_count():
            raise ConfigError(
                f"{frame[name].null_count()} orders have no {name}",
                expected="one in every row",
                remedy="Drop those rows, or fill them in",
            )
    rows = _rows(frame)
    fault = first_fault(rows)
    if fault is not None:
        row, field, expected = fault
        raise ConfigError(
            f"the {frame['kind'][row]} order at {frame['time'][row]} has {Order._fields[field]} {rows[row, field]}",
            expected=expected,
            remedy="Make orders with limit(), stop(), bracket() and Orders.of",
        )
    given = frame.filter(pl.col("kind") != "cancel")
    orphan = given.filter((pl.col("parent") != 0) & ~pl.col("parent").is_in(given["id"].implode()))
    if orphan.height:
        raise no_parent(orphan["parent"][0])
    if not frame["time"].is_sorted():
        raise ConfigError("times of the orders fall", expected="rising times", remedy='Sort with frame.sort("time")')
