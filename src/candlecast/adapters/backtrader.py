"""Backtrader: our positions through its broker, and our forecasts as lines of its data feed.

The tutorial's engine, and an outside witness of our account (`pip install candlecast[backtrader]`). What differs, and why:

    Backtrader                                          here, and why
    sizes a percentage with the close of the decision   with the open of the fill, costs included: all of the equity can
                                                        be held without a debt; `run_positions` gives it that size
    refuses an order that cash does not cover           positions buy on credit only with leverage above 1, orders in
                                                        units as asked; sizes leave no debt, and `run_positions` cuts
                                                        them by 1e-12 against rounding
    slips any limit order up to its limit at the open   only one that arrives there: a resting order takes no spread
    stop and limit in one bar: the one submitted first  one path of prices for all orders of the bar, the one that leaves
    wins, for each pair apart                           less equity: the bar does not tell, but it had one path
    and so where the bar opens beyond one of the two    that one, at the open, which comes before its high and low
    (an entry that gaps past its own profit target is
    stopped later in the bar)
    exits of a bracket rest from the next bar on        from the entry on: an open comes before its own low
    a trailing stop moves at closes                     with every price of the bar's path, as on an exchange
    a short that has lost everything lives on           is closed where nothing is left, as a broker would
    knows no splits, dividends or funding               falls due at the open on what was held until then; `run_positions`
                                                        books it there
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.backtesting.actions import Actions, carry_by_bar
from candlecast.backtesting.costs import DEFAULT_COSTS, Costs
from candlecast.backtesting.engine.account import Account, CarryEvents, Conditions, Quote, trade
from candlecast.backtesting.simulate import targets_by_bar
from candlecast.candles import Candles
from candlecast.errors import ConfigError

if TYPE_CHECKING:
    from candlecast.signals import Positions
    from candlecast.study.result import StudyResult

ROUNDING = 1e-12  # a purchase of all equity is cut by it: Backtrader refuses one that leaves -1e-13 of cash


def feed(candles: Candles) -> Any:
    """A Backtrader data feed of candles, dated by their opens (UTC)."""
    return _backtrader().feeds.PandasData(dataname=_frame(candles), openinterest=None)


def feed_of_run(result: StudyResult) -> Any:
    """A data feed of a run's candles with what it forecast, for a strategy of your own.

    Two lines in addition to open, high, low, close and volume, NaN on bars without a forecast: `expected_return` (log return
    over the horizon, mean of the seeds; NaN too where the target implies none) and `position` (of the run's rule). Both
    are known at the bar's close: in `next`, `self.data.position[0]` is what to hold from the next open on.
    """
    backtrader = _backtrader()

    class Feed(backtrader.feeds.PandasData):
        lines = ("expected_return", "position")
        params = (("expected_return", -1), ("position", -1), ("openinterest", None))

    forecast = result.forecast.averaged().frame.select("time", "expected_return")
    positions = result.positions[result.model].frame.select("time", "position")
    known = result.candles.frame.select(time="close_time").join(forecast, on="time", how="left")
    known = known.join(positions, on="time", how="left", maintain_order="left")
    frame = _frame(result.candles)
    for name in ("expected_return", "position"):
        frame[name] = known[name].cast(pl.Float64).fill_null(math.nan).to_numpy()
    return Feed(dataname=frame)


def run_positions(
    candles: Candles,
    positions: Positions,
    *,
    costs: Costs = DEFAULT_COSTS,
    cash: float = 10_000.0,
    actions: Actions | None = None,
) -> pl.DataFrame:
    """Trade positions in Backtrader: `time` and `equity` of each bar, from the first decided position on.

    Backtrader's broker keeps the cash, the position, fills, commission and slippage; only the size of each order comes
    from here, and splits, dividends and funding of `actions`, which it does not know. It agrees with `candlecast.backtest`
    as long as no account is liquidated. Raises ConfigError for costs that Backtrader's broker does not know (impact,
    funding, borrow, interest, an `extra`), and what `backtest` raises.
    """
    backtrader = _backtrader()

    if costs.has_carry or costs.impact_bps or costs.extra is not None or costs.maintenance_percent:
        raise ConfigError(
            "these costs have more than fee and slippage",
            expected="costs that Backtrader's broker knows",
            remedy="Use Costs(fee_bps=..., slippage_bps=...)",
        )
    targets, first = targets_by_bar(candles.require_sound(), positions)
    bars, conditions = candles[first:], Conditions(costs.terms(), in_units=positions.in_units)
    events = carry_by_bar(bars, costs, actions)

    class Follow(backtrader.Strategy):
        def __init__(self) -> None:
            self.target, self.equity = 0.0, []

        def next_open(self) -> None:
            bar = len(self.data) - 1
            wanted = targets[bar - 1] if bar else math.nan
            quote = Quote(self.data.open[0], math.inf)
            if events is not None:
                pay_actions(self, CarryEvents(*events[bar].tolist()))
            account = Account(self.broker.getcash(), self.position.size, self.target, 0.0)
            decided, fill = trade(account, quote, wanted, conditions)
            self.target = decided.target
            if fill.units > 0.0:
                self.buy(size=fill.units * (1.0 - ROUNDING))
            elif fill.units < 0.0:
                self.sell(size=-fill.units)

        def next(self) -> None:
            self.equity.append(self.broker.getvalue())

    cerebro = backtrader.Cerebro(stdstats=False, cheat_on_open=True)
    cerebro.adddata(feed(bars))
    cerebro.addstrategy(Follow)
    set_up_broker(cerebro.broker, costs, cash)
    (done,) = cerebro.run()
    return pl.DataFrame({"time": bars.frame["close_time"], "equity": np.array(done.equity, dtype=np.float64)})


def pay_actions(strategy: Any, events: CarryEvents) -> None:
    """Give the broker of a strategy the carry events at the open of the bar that it is in: dividends, the split, funding.

    For `next_open` of a strategy in `Cerebro(cheat_on_open=True)`, before it trades. Orders that rest are not split.
    """
    position, broker = strategy.position, strategy.broker
    broker.cash += position.size * events.dividend
    position.size *= events.split
    position.price /= events.split
    broker.cash -= position.size * strategy.data.open[0] * events.funding


def set_up_broker(broker: Any, costs: Costs, cash: float) -> None:
    """Give a Backtrader broker our cash, fee and slippage, and the fill at the open that a position decided before it gets."""
    broker.setcash(cash)
    broker.setcommission(commission=costs.terms().taker)
    broker.set_slippage_perc(costs.terms().slippage, slip_open=True, slip_out=True)
    broker.set_checksubmit(False)
    broker.set_coo(True)


def _backtrader() -> Any:
    """The library, which comes with an extra."""
    try:
        return import_module("backtrader")
    except ImportError as error:
        raise ConfigError(
            "backtrader is not installed",
            expected="the extra that brings it",
            remedy='Install it with: pip install "candlecast[backtrader]"',
        ) from error


def _frame(candles: Candles) -> Any:
    frame = candles.frame.select("open_time", "open", "high", "low", "close", "volume").to_pandas()
    return frame.assign(open_time=frame["open_time"].dt.tz_localize(None)).set_index("open_time")
