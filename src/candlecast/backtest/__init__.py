"""Positions on candles: the account step, costs, the simulation and its result."""

from candlecast.backtest.account import Account, Bar, Fill, Info, start, step, trade
from candlecast.backtest.costs import Costs, Rates
from candlecast.backtest.result import BacktestResult
from candlecast.backtest.simulate import backtest

__all__ = ["Account", "BacktestResult", "Bar", "Costs", "Fill", "Info", "Rates", "backtest", "start", "step", "trade"]
