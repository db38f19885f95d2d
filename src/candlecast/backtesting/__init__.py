"""Decisions on candles: the account step, orders, costs, the simulation and its result."""

from candlecast.backtesting.actions import Actions
from candlecast.backtesting.costs import Costs, Terms
from candlecast.backtesting.curves import BreakEven, break_even, break_even_bps, capacity
from candlecast.backtesting.delay import delayed, filled_at_close, filled_at_worse
from candlecast.backtesting.drawdown_stop import DrawdownStop
from candlecast.backtesting.engine.account import Account, Bar, CarryEvents, Conditions, Fill
from candlecast.backtesting.engine.orderbook import Orders
from candlecast.backtesting.engine.stepping import Info, State, start, step
from candlecast.backtesting.filters import Filters
from candlecast.backtesting.limits import Limits
from candlecast.backtesting.orders import Order, bracket, cancel, limit, market, stop, stop_limit, target, trailing
from candlecast.backtesting.portfolio import backtest_portfolio
from candlecast.backtesting.result import BacktestResult
from candlecast.backtesting.simulate import View, account_returns, backtest
from candlecast.backtesting.sweep import sweep
from candlecast.backtesting.untraded import traded_volume

__all__ = [
    "Account",
    "Actions",
    "BacktestResult",
    "Bar",
    "BreakEven",
    "CarryEvents",
    "Conditions",
    "Costs",
    "DrawdownStop",
    "Fill",
    "Filters",
    "Info",
    "Limits",
    "Order",
    "Orders",
    "State",
    "Terms",
    "View",
    "account_returns",
    "backtest",
    "backtest_portfolio",
    "bracket",
    "break_even",
    "break_even_bps",
    "cancel",
    "capacity",
    "delayed",
    "filled_at_close",
    "filled_at_worse",
    "limit",
    "market",
    "start",
    "step",
    "stop",
    "stop_limit",
    "sweep",
    "target",
    "traded_volume",
    "trailing",
]
