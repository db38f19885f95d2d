"""Positions as plain tables for other engines: vectorbt and NautilusTrader. Needs neither of them."""

from __future__ import annotations

import polars as pl

from candlecast.backtesting.simulate import targets_by_bar
from candlecast.candles import Candles
from candlecast.signals import Positions


def vectorbt_table(candles: Candles, positions: Positions) -> pl.DataFrame:
    """Columns for `vectorbt.Portfolio.from_orders`: `time`, `close`, `price`, `size`; one row per bar, from the first fill on.

    `size` lies on the bar that fills it, at the open `price`; NaN where nothing changes:

        table = vectorbt_table(candles, positions).to_pandas().set_index("time")
        vbt.Portfolio.from_orders(table.close, size=table["size"], price=table.price, size_type="targetpercent")

    ("targetamount" for positions in units). vectorbt sizes a percentage before costs and cuts an order that cash does not
    cover; ours is sized by what is left after costs, so the two agree to the bit only without costs or in units.
    """
    targets, first = targets_by_bar(candles.require_sound(), positions)
    changed = targets[:-1].copy()
    set_to = pl.Series(targets[:-1]).fill_nan(None).forward_fill()
    repeats = (set_to == set_to.shift(1)).fill_null(False).to_numpy()
    changed[repeats] = float("nan")
    bars = candles.frame[first + 1 :]
    return bars.select(time="open_time", close="close", price="open").with_columns(size=pl.Series(changed))


def nautilus_table(positions: Positions, *, venue: str = "SIM", name: str = "position") -> pl.DataFrame:
    """Rows for NautilusTrader's custom data or signals: `name`, `instrument_id`, `value`, `ts_event`, `ts_init`.

    `instrument_id` is SYMBOL.VENUE; `ts_event` and `ts_init` are nanoseconds since 1970 (UTC, UInt64), both the close at
    which the position is known, so that a strategy that gets it can trade from the next bar's open on:

        for row in nautilus_table(positions, venue="BINANCE").iter_rows(named=True):
            engine.add_data([Position(row["value"], ts_event=row["ts_event"], ts_init=row["ts_init"])], ...)
    """
    moment = pl.col("time").dt.epoch("ns").cast(pl.UInt64)
    return positions.frame.select(
        name=pl.lit(name),
        instrument_id=pl.col("symbol") + f".{venue}",
        value="position",
        ts_event=moment,
        ts_init=moment,
    )
