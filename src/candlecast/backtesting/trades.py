"""Round trips as a table: one row per trade, from flat to flat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.backtesting.engine.account import LIMIT, REASONS, SERIES_END, STOP, TAKE_PROFIT, TRAILING
from candlecast.backtesting.engine.pairing import COLUMNS

if TYPE_CHECKING:
    from candlecast.candles import Candles


def round_trips(candles: Candles, fills: np.ndarray, events: np.ndarray | None) -> pl.DataFrame:
    """Trades of an account on these bars, one row per round trip from flat to flat; see `BacktestResult.trades`.

    A fill that turns a long into a short, or back, ends one trade and begins the next, its costs shared by units.
    """
    return trip_table(trip_columns(candles, fills, events))


def trip_columns(candles: Candles, fills: np.ndarray, events: np.ndarray | None) -> dict[str, np.ndarray]:
    """The columns of `round_trips` as arrays (trades,), sides and reasons as numbers: those of many assets are joined faster."""
    from candlecast.backtesting.engine import compiled

    splits = np.empty((0, 2))
    if events is not None:
        rows = np.flatnonzero(events[:, 0] != 1.0)
        splits = np.column_stack([rows.astype(float), events[rows, 0]])
    trips = np.empty((len(fills) + 1, COLUMNS))
    count = compiled.run_pair(fills, splits, len(candles), float(candles.close[-1]), trips)
    first, opens_at_open, last, closes_at_open, side, units, entered, exited, fees, slippage, why, whence, is_open = (
        trips[:count, :13].T
    )
    first, last, is_open = first.astype(int), last.astype(int), is_open == 1.0
    opened = np.where(opens_at_open == 1.0, candles.open_time[first], candles.close_time[first])
    closed = np.where(closes_at_open == 1.0, candles.open_time[last], candles.close_time[last])
    pnl = side * (exited - entered) - fees
    low, high = _extremes(candles, trips[:count], np.ones(0) if events is None else events[:, 0])
    entry = np.divide(entered, units, out=np.zeros(count), where=units > 0)
    against, favour = np.where(side > 0, low, high), np.where(side > 0, high, low)
    return {
        "opened": opened,
        "closed": closed,
        "side": (side > 0).astype(int),
        "units": units,
        "entry": entry,
        "exit": np.divide(exited, units, out=np.zeros(count), where=units > 0),
        "pnl": pnl,
        "return": np.divide(pnl, entered, out=np.zeros(count), where=entered > 0),
        "cost": fees + slippage,
        "bars": last - first + (closes_at_open != 1.0),
        "is_open": is_open,
        "entry_reason": why.astype(int),
        "exit_reason": np.where(is_open, 0, whence).astype(int),
        "mae": np.maximum(side * (1.0 - against / np.where(entry > 0, entry, 1.0)), 0.0),
        "mfe": np.maximum(side * (favour / np.where(entry > 0, entry, 1.0) - 1.0), 0.0),
    }


def trip_table(columns: dict[str, np.ndarray]) -> pl.DataFrame:
    """The table of such columns, sides and reasons in words."""
    words = pl.Series([None, *REASONS[1:]])
    named = {"side": pl.Series(["short", "long"]), "entry_reason": words, "exit_reason": words}
    return pl.DataFrame(
        {name: named[name].gather(values) if name in named else values for name, values in columns.items()},
        schema_overrides={
            "bars": pl.Int64,
            "opened": pl.Datetime("us"),
            "closed": pl.Datetime("us"),
        },
    ).with_columns(pl.col("opened", "closed").dt.replace_time_zone("UTC"))


def _extremes(candles: Candles, trips: np.ndarray, splits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest price that each trade met for certain, (trades,), as after the splits before its exit.

    These are the prices of its executions and the mark, and the range of every bar that was held from its open to its
    close, as the bar is at whose close a series ends. Of a bar that was entered within and held at its close: that close,
    and the extreme that the entry was on the way to (the low of a limit that bought, the high of a stop that bought; of a
    sale the other one). Of a bar that was held at its open and left within: that open. `splits`: units after for one
    before by bar; empty for none.
    """
    if not len(trips):
        return np.zeros(0), np.zeros(0)
    first, last = trips[:, 0].astype(int), trips[:, 2].astype(int)
    side, why, stays_held = trips[:, 4], trips[:, 10], (trips[:, 12] == 1.0) | (trips[:, 11] == SERIES_END)
    opens, highs, lows, ends = candles.open, candles.high, candles.low, candles.close
    at_exit: np.ndarray | float = 1.0
    if len(splits):
        growth = np.cumprod(splits)
        opens, highs, lows, ends = (each * growth for each in (opens, highs, lows, ends))
        at_exit = growth[last]
    enters_within, leaves_within = trips[:, 1] != 1.0, (trips[:, 3] != 1.0) & ~stays_held
    begin, stop = first + enters_within, last + stays_held  # bars held from open to close: begin .. stop - 1
    bounds = np.column_stack([begin, np.maximum(stop, begin)]).ravel()
    low = np.minimum.reduceat(np.append(lows, [np.inf] * 2), bounds)[::2]
    high = np.maximum.reduceat(np.append(highs, [-np.inf] * 2), bounds)[::2]
    low, high = np.where(stop > begin, low, np.inf), np.where(stop > begin, high, -np.inf)
    is_limit, is_stop = (why == LIMIT) | (why == TAKE_PROFIT), (why == STOP) | (why == TRAILING)
    to_low = (is_limit & (side > 0)) | (is_stop & (side < 0))
    to_high = (is_limit & (side < 0)) | (is_stop & (side > 0))
    stays = enters_within & ((first < last) | stays_held)
    was_there = leaves_within & ((first < last) | ~enters_within)
    for is_met, prices in (
        (stays, ends[first]),
        (stays & to_low, lows[first]),
        (stays & to_high, highs[first]),
        (was_there, opens[last]),
    ):
        low, high = np.where(is_met, np.minimum(low, prices), low), np.where(is_met, np.maximum(high, prices), high)
    return np.minimum(low / at_exit, trips[:, 13]), np.maximum(high / at_exit, trips[:, 14])
