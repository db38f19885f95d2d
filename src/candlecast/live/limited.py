"""`limited_backtest`: a backtest under the safety limits of a paper session."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from candlecast.backtesting import BacktestResult, Costs, Limits
from candlecast.backtesting.costs import DEFAULT_COSTS
from candlecast.backtesting.filters import NO_FILTERS
from candlecast.backtesting.limits import Close
from candlecast.backtesting.simulate import AccountHistory, AccountOptions, Market, decided_by_bar, walk_targets
from candlecast.backtesting.validation import require_account
from candlecast.candles import Candles
from candlecast.live.trading import Trader
from candlecast.signals import FollowDirection, Positions
from candlecast.signals.given import as_positions


def limited_backtest(
    candles: Candles,
    positions: Positions,
    *,
    limits: Limits,
    costs: Costs = DEFAULT_COSTS,
    cash: float = 10_000.0,
) -> BacktestResult:
    """`backtest` of positions, but with the limits applied at each close, as a paper session applies them.

    Args:
        candles: of one asset.
        positions: what a rule wants to hold.
        limits: drawdown, largest position and price band; a stale feed and a kill file are for sessions alone.
        costs: of trading and holding.
        cash: initial cash, quote currency.

    Raises what `backtest` raises.

    >>> from candlecast.sources import synthetic
    >>> candles = synthetic.random_walk(300, seed=2).candles
    >>> import polars as pl
    >>> held = Positions(candles.frame.select(time="close_time", symbol=pl.lit(candles.symbol), position=pl.lit(1.0)))
    >>> limited_backtest(candles, held, limits=Limits(max_position=0.5)).fills["target"].to_list()
    [0.5]
    """
    require_account(candles, costs, cash, NO_FILTERS, None)
    positions = as_positions(positions, candles)
    decided, first = decided_by_bar(candles, positions)
    trader = Trader(FollowDirection(), costs, cash)
    trader.rules.leverage, trader.rules.in_units, trader.rules.band = (
        positions.leverage,
        positions.in_units,
        positions.band,
    )
    trader.remember(candles[:first], None, None)
    state = limits.init(cash)

    def limited(row: int, equity: float, close: float, wanted: float, target: float) -> float:
        nonlocal state
        state, found = limits.step(state, Close(equity, close, wanted, target))
        return found

    steps = trader.trade(candles[first:], decided, limited=limited)
    market = Market.of(candles, AccountOptions(costs, cash, NO_FILTERS, None), first=first)
    held = np.array([step.account[:2] for step in steps])
    fills: list[Any] = [fill for step in steps for fill in step.fills]
    history = AccountHistory(held, np.array(fills, dtype=np.float64).reshape(-1, 8), trader.account)
    waiting = None if math.isnan(trader.pending) else trader.pending
    return BacktestResult.of(
        market, history, walk_targets(market, np.ones(len(market.bars))), pending=waiting, bounds=None
    )
