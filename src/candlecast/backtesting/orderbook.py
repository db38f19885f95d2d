"""`Orders`: decided orders as a table, and their rows laid out by bar for the account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting.account import REASONS, TARGET, TRAILING
from candlecast.backtesting.orders import FIELDS, Order
from candlecast.candles import Candles
from candlecast.errors import CandleError, ConfigError, NotEnoughDataError, near_misses
from candlecast.signals.positions import HIGHEST_LEVERAGE

KINDS = REASONS[1:-1]  # a liquidation cannot be ordered
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
    market, limit, stop, trailing stop, take profit), `units` (signed; the fraction of equity for a target), and where
    they apply `limit`, `stop`, `trail`, `bars`, `group`, `parent`, `id`, `reduces`, as in `Order`. Rows of one bar act in
    their order. `Orders.of` makes the table from values.

    Raises ConfigError for an unknown kind, for units of zero or NaN, for a price that is not positive, a kind without
    the price that it needs, and times that fall.
    """

    frame: pl.DataFrame

    def __post_init__(self) -> None:
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
                remedy=near_misses(unknown[0], SCHEMA),
            )
        absent = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in self.frame.columns]
        frame = self.frame.with_columns(absent).select(*SCHEMA).cast(SCHEMA)
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
        rows = [
            {"time": time, "symbol": symbol, **order._asdict(), "kind": REASONS[int(order.kind)]}
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
    foreign = frame.filter(pl.col("symbol") != candles.symbol)["symbol"]
    if foreign.len():
        raise CandleError(
            f"{thing}s are of {foreign[0]!r}",
            expected=f"{thing}s of {candles.symbol!r}, the symbol of the candles",
            remedy=f"Pass the candles that the {thing}s were decided on",
        )
    decided = frame["time"].dt.replace_time_zone(None).to_numpy()
    closes = candles.close_time
    rows = np.searchsorted(closes, decided)
    unknown = closes[np.minimum(rows, len(closes) - 1)] != decided
    if unknown.any():
        raise CandleError(
            f"the {thing} at {frame['time'][int(unknown.argmax())]:%Y-%m-%d %H:%M:%S} UTC is on no bar",
            expected=f"times at which a {candles.interval} bar of {candles.symbol} closes",
            remedy=f"Pass the candles that the {thing}s were decided on",
        )
    return rows


def rows_by_bar(candles: Candles, orders: Orders) -> tuple[int, np.ndarray, np.ndarray]:
    """The first bar with an order, the orders as rows of a book, and where each later bar's rows begin, (time + 1,)."""
    frame = orders.frame
    if frame.is_empty():
        raise NotEnoughDataError(
            "there are no orders", expected="at least one", remedy="Pass positions to hold nothing for a while"
        )
    bars = decision_rows(candles, frame, "order")
    first = int(bars[0])
    kinds = frame["kind"].replace_strict({word: float(number) for number, word in enumerate(REASONS)})
    table = frame.drop("time", "symbol").with_columns(
        kind=kinds.cast(pl.Float64), reduces=pl.col("reduces").cast(float)
    )
    rows = np.ascontiguousarray(table.select(Order._fields).to_numpy())
    counts = np.bincount(bars - first, minlength=len(candles) - first)
    return first, rows.reshape(-1, FIELDS), np.append(0, np.cumsum(counts))


def _require(frame: pl.DataFrame) -> None:
    unknown = frame.filter(~pl.col("kind").is_in(KINDS) | pl.col("kind").is_null())["kind"]
    if unknown.len():
        raise ConfigError(
            f"an order is of kind {unknown[0]!r}",
            expected=", ".join(KINDS),
            remedy=near_misses(str(unknown[0]), KINDS),
        )
    is_target, is_trailing = pl.col("kind") == REASONS[TARGET], pl.col("kind") == REASONS[TRAILING]
    units = pl.col("units")
    has_price = pl.col("limit").is_not_nan() | pl.col("stop").is_not_nan()
    refusals = (
        (
            units.is_null() | units.is_nan() | ((units == 0) & ~is_target),
            "units",
            "units above zero to buy, below zero to sell",
        ),
        (units.is_infinite() & ~pl.col("reduces"), "units", "infinite units only where the order reduces"),
        (is_target & (units.abs() > HIGHEST_LEVERAGE), "units", f"a fraction of equity up to {HIGHEST_LEVERAGE:g}"),
        ((pl.col("limit") <= 0) | (pl.col("stop") <= 0), "limit", "prices above zero"),
        (pl.col("kind").is_in(["limit", "stop", "take profit"]) & ~has_price, "limit", "a limit or a stop price"),
        (is_trailing & ~pl.col("trail").is_between(0, 1, closed="none"), "trail", "a distance in (0, 1)"),
        (~(pl.col("bars") >= 1), "bars", "1 bar or more"),
    )
    for wrong, name, expected in refusals:
        rows = frame.filter(wrong)
        if rows.height:
            raise ConfigError(
                f"the {rows['kind'][0]} order at {rows['time'][0]} has {name} {rows[name][0]}",
                expected=expected,
                remedy="Make orders with limit(), stop(), bracket() and Orders.of",
            )
    if not frame["time"].is_sorted():
        raise ConfigError("times of the orders fall", expected="rising times", remedy='Sort with frame.sort("time")')
