"""The same positions filled later or worse, to see how an edge depends on its fills: `delayed`, `filled_at_close`,
`filled_at_worse`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from candlecast.backtesting.engine.orderbook import decision_rows
from candlecast.backtesting.validation import require_kind
from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.parameters import is_whole
from candlecast.signals.positions import Positions


def delayed(candles: Candles, positions: Positions, *, bars: int = 1) -> Positions:
    """The positions as if each had been decided `bars` bars later: filled at the open after that.

    A decision that would come after the last bar is dropped. The backtest of these shows how long the forecasts last: an edge
    that is gone one bar later may be true (returns that depend on the one before), or come from prices that nobody could have
    traded at (bounce, stale opens).

    Raises ConfigError for anything but a whole number of 0 or more, CandleError for positions of other candles.

    >>> from candlecast.sources import synthetic
    >>> candles = synthetic.random_walk(4, seed=0).candles
    >>> held = candles.frame[:2].select(time="close_time", symbol=pl.lit(candles.symbol), position=pl.Series([1.0, 0.0]))
    >>> delayed(candles, Positions(held)).frame["time"].to_list() == candles.frame["close_time"][1:3].to_list()
    True
    """
    require_kind("positions", positions, Positions, "Pass the positions of a rule")
    if not is_whole(bars, 0):
        raise ConfigError(
            f"bars is {bars!r}", expected="a whole number of 0 or more", remedy="Leave it out for one bar"
        )
    frame = positions.frame
    rows = decision_rows(candles, frame, "position") + bars
    kept = rows < len(candles)
    times = candles.frame["close_time"].gather(rows[kept])
    return replace(positions, frame=frame.filter(pl.Series(kept)).with_columns(time=times))


def filled_at_close(candles: Candles) -> Candles:
    """Candles whose bars have the close as their only price, so that an order is filled at the close of its bar.

    Each decision is filled a bar's length later than on the candles themselves. To backtest positions that were decided on
    the true candles: features of these would know neither opens nor ranges.

    >>> from candlecast.sources import synthetic
    >>> late = filled_at_close(synthetic.random_walk(4, seed=0).candles)
    >>> bool((late.open == late.close).all())
    True
    """
    close = pl.col("close")
    return replace(candles, frame=candles.frame.with_columns(open=close, high=close, low=close))


def filled_at_worse(candles: Candles, fills: pl.DataFrame) -> Candles:
    """Candles on which the orders of a backtest are filled at the worse of open and close of their bar.

    fills: of that backtest on the candles themselves (`BacktestResult.fills`). Bars with a purchase at the open open at the
    higher of both prices, bars with a sale at the lower; all others stay. Neither price can be known to have been had where
    opens are stale or closes bounce, so an edge that lasts here does not come from them.

    >>> from candlecast.sources import synthetic
    >>> candles = synthetic.random_walk(4, seed=0).candles
    >>> fills = pl.DataFrame({"time": candles.frame["open_time"][1:3], "side": ["buy", "sell"], "is_at_open": True})
    >>> worse = filled_at_worse(candles, fills)
    >>> bool(worse.open[1] == max(candles.open[1], candles.close[1]) and worse.open[2] == min(candles.open[2], candles.close[2]))
    True
    """
    at_open = fills.filter("is_at_open")
    rows = np.searchsorted(candles.open_time, at_open["time"].dt.replace_time_zone(None).to_numpy())
    buys = (at_open["side"] == "buy").to_numpy()
    opened = candles.open.copy()
    opened[rows[buys]] = np.maximum(candles.open, candles.close)[rows[buys]]
    opened[rows[~buys]] = np.minimum(candles.open, candles.close)[rows[~buys]]
    return replace(candles, frame=candles.frame.with_columns(open=pl.Series(opened)))
