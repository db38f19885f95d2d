"""Positions on candles: the account step, costs, the simulation and its result."""

from candlecast.backtesting.account import Account, Bar, Fill, Info, start, step, trade
from candlecast.backtesting.costs import Costs, Rates
from candlecast.backtesting.result import BacktestResult
from candlecast.backtesting.simulate import backtest

__all__ = ["Account", "BacktestResult", "Bar", "Costs", "Fill", "Info", "Rates", "backtest", "start", "step", "trade"]
