"""Round trips: fills paired into trades, from flat to flat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

TIME = pl.Datetime("us", "UTC")
SCHEMA = {
    "opened": TIME,
    "closed": TIME,
    "side": pl.String,
    "units": pl.Float64,
    "entry": pl.Float64,
    "exit": pl.Float64,
    "pnl": pl.Float64,
    "return": pl.Float64,
    "cost": pl.Float64,
    "bars": pl.Int64,
    "is_open": pl.Boolean,
}


@dataclass
class _Trip:
    """A round trip in the making; amounts in quote currency, `held` unsigned."""

    side: int
    opened: datetime
    units: float = 0.0
    held: float = 0.0
    entered_for: float = 0.0
    exited_for: float = 0.0
    fees: float = 0.0
    slippage: float = 0.0

    def row(self, closed: datetime, is_open: bool) -> tuple[Any, ...]:
        pnl = self.side * (self.exited_for - self.entered_for) - self.fees
        return (
            self.opened,
            closed,
            "long" if self.side > 0 else "short",
            self.units,
            self.entered_for / self.units,
            self.exited_for / self.units,
            pnl,
            pnl / self.entered_for,
            self.fees + self.slippage,
            None,
            is_open,
        )


def round_trips(fills: pl.DataFrame, equity: pl.DataFrame) -> pl.DataFrame:
    """Trades of an account, one row per round trip from flat to flat; see `BacktestResult.trades`.

    A fill that turns a long into a short, or back, ends one trade and begins the next, its costs shared by units. A
    trade's `pnl` is side x (value of its exits - value of its entries) - fees, at prices after slippage.
    """
    rows, trip = list[tuple[Any, ...]](), None
    for fill in fills.iter_rows(named=True):
        side = 1 if fill["side"] == "buy" else -1
        left = fill["units"]
        if trip is not None and trip.side != side:
            closing = min(left, trip.held)
            _book(trip, fill, closing)
            trip.held -= closing
            trip.exited_for += closing * fill["price"]
            left -= closing
            if trip.held == 0.0:
                rows.append(trip.row(fill["time"], False))
                trip = None
        if left > 0.0:
            trip = trip or _Trip(side, fill["time"])
            _book(trip, fill, left)
            trip.units += left
            trip.held += left
            trip.entered_for += left * fill["price"]
    if trip is not None:
        trip.exited_for += trip.held * equity["close"][-1]
        rows.append(trip.row(equity["time"][-1], True))
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    closes = equity["time"]
    bars = closes.search_sorted(table["closed"], side="right") - closes.search_sorted(table["opened"], side="right")
    return table.with_columns(bars.cast(pl.Int64).alias("bars"))


def _book(trip: _Trip, fill: dict[str, Any], units: float) -> None:
    share = units / fill["units"]
    trip.fees += fill["fee"] * share
    trip.slippage += fill["slippage"] * share
