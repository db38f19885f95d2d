"""`backtest`: walks the account through candles along decided positions, and a buy-and-hold account beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.backtesting.account import Account, Bar, Fill, start, step
from candlecast.backtesting.costs import DEFAULT_COSTS, Costs
from candlecast.backtesting.result import BacktestResult
from candlecast.candles import Candles
from candlecast.errors import CandleError, ConfigError, NotEnoughDataError

if TYPE_CHECKING:
    from candlecast.signals import Positions


def backtest(
    candles: Candles, positions: Positions, *, costs: Costs = DEFAULT_COSTS, cash: float = 10_000.0
) -> BacktestResult:
    """Trade the positions on the candles, from `cash` (quote currency), after costs.

    A position decided at the close of bar t is filled at the open of bar t+1, the next bar there is, also across a gap.
    A bar without a position keeps the last target; units are held until the target changes (see `account.trade`).
    A position decided on the last bar has no bar to be filled on: it is `result.pending`. The result begins at the
    first decided position, still flat, and its benchmark buys there and holds, under the same costs.

    Raises ConfigError for `cash` that is not positive, NotEnoughDataError without positions, CandleError for unsound
    candles, positions of another symbol, or a position whose time is no bar's close.

    >>> from candlecast.signals import Positions
    >>> prices = {"open": [10, 10], "high": [10, 12], "low": [10, 10], "close": [10, 12], "volume": [1, 1]}
    >>> candles = Candles.from_frame(pl.DataFrame({"time": ["2024-01-01", "2024-01-02"], **prices}))
    >>> decided = candles.frame.head(1).select(time="close_time", symbol=pl.lit("asset"), position=pl.lit(1.0))
    >>> backtest(candles, Positions(decided), costs=Costs.free()).equity["equity"].to_list()
    [10000.0, 12000.0]
    """
    if not 0.0 < cash < math.inf:
        raise ConfigError(
            f"cash is {cash}", expected="a positive amount of money", remedy="Use for example cash=10_000.0"
        )
    targets, first = _targets(candles.require_sound(), positions)
    bars = candles[first:]
    equity, fills, account = _ledger(bars, targets, costs, cash)
    benchmark, benchmark_fills, _ = _ledger(bars, np.ones(len(bars)), costs, cash)
    last = float(targets[-1])
    is_pending = not math.isnan(last) and last != account.target and equity["equity"][-1] > 0
    return BacktestResult(
        symbol=candles.symbol,
        equity=equity,
        fills=fills,
        benchmark=benchmark,
        benchmark_fills=benchmark_fills,
        costs=costs,
        cash=cash,
        bars_per_year=candles.bars_per_year,
        pending=last if is_pending else None,
        shortfall=account.shortfall,
    )


def _targets(candles: Candles, positions: Positions) -> tuple[np.ndarray, int]:
    """The target decided on each bar from the first decision on (NaN: none), and the row of that bar."""
    frame = positions.frame
    if frame.is_empty():
        raise NotEnoughDataError(
            "there are no positions",
            expected="at least one decided position",
            remedy="Check that the forecast covers the candles",
        )
    foreign = frame.filter(pl.col("symbol") != candles.symbol)["symbol"]
    if foreign.len():
        raise CandleError(
            f"positions are of {foreign[0]!r}",
            expected=f"positions of {candles.symbol!r}, the symbol of the candles",
            remedy="Pass the candles that the positions were decided on",
        )
    decided = frame["time"].dt.replace_time_zone(None).to_numpy()
    closes = candles.close_time
    rows = np.searchsorted(closes, decided)
    unknown = closes[np.minimum(rows, len(closes) - 1)] != decided
    if unknown.any():
        raise CandleError(
            f"the position at {frame['time'][int(unknown.argmax())]:%Y-%m-%d %H:%M:%S} UTC is on no bar",
            expected=f"times at which a {candles.interval} bar of {candles.symbol} closes",
            remedy="Pass the candles that the positions were decided on",
        )
    targets = np.full(len(candles), np.nan)
    targets[rows] = frame["position"].to_numpy()
    return targets[rows[0] :], int(rows[0])


def _ledger(
    bars: Candles, targets: np.ndarray, costs: Costs, cash: float
) -> tuple[pl.DataFrame, pl.DataFrame, Account]:
    """Equity by bar, fills, and the last state of an account that follows the targets, one open late."""
    account, rates = start(cash), costs.rates
    held, fills = [(cash, 0.0)], list[tuple[float, ...]]()
    waiting = zip(bars.open[1:].tolist(), bars.close[1:].tolist(), targets[:-1].tolist(), strict=True)
    for bar, (opened, closed, target) in enumerate(waiting, start=1):
        account, info = step(account, Bar(opened, closed), target, rates)
        held.append((account.cash, account.units))
        if info.at_open.units:
            fills.append((bar, False, target, *info.at_open))
        if info.at_close.units:
            fills.append((bar, True, target, *info.at_close))
    executed = np.array(fills, dtype=float).reshape(-1, 3 + len(Fill._fields))
    return _equity_table(bars, np.array(held), executed), _fill_table(bars, executed), account


def _equity_table(bars: Candles, held: np.ndarray, executed: np.ndarray) -> pl.DataFrame:
    cash, units = held.T
    worth = units * bars.close
    equity = cash + worth
    paid = np.bincount(executed[:, 0].astype(int), weights=executed[:, 5] + executed[:, 6], minlength=len(bars))
    return pl.DataFrame(
        {
            "time": bars.frame["close_time"],
            "equity": equity,
            "position": np.divide(worth, equity, out=np.zeros(len(bars)), where=equity > 0),
            "close": bars.close,
            "cash": cash,
            "units": units,
            "cost": np.cumsum(paid),
        }
    )


def _fill_table(bars: Candles, executed: np.ndarray) -> pl.DataFrame:
    row, is_at_close, target, units, price, fee, slippage, is_forced = executed.T
    row = row.astype(int)
    return pl.DataFrame(
        {
            "time": np.where(is_at_close, bars.close_time[row], bars.open_time[row]),
            "side": np.where(units > 0, "buy", "sell").astype(object),
            "units": np.abs(units),
            "price": price,
            "notional": np.abs(units) * price,
            "fee": fee,
            "slippage": slippage,
            "target": np.where(is_forced, 0.0, target),
            "is_forced": is_forced.astype(bool),
        },
        schema_overrides={"side": pl.String},
    ).with_columns(pl.col("time").dt.replace_time_zone("UTC"))
