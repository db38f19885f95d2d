"""The rivals' side of `bench/backtest.py`: each command does one task in this process and prints one JSON object.

Runs in the rivals' own environment; see `bench/requirements-backtest.txt`. Prices come as a .npz with arrays of shape
(time,) or (time, assets).
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib import import_module

warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

EVERY, HOLD, STOP, PROFIT, CASH = 20, 15, 0.01, 0.015, 1_000_000.0
FEE = 0.001


def vectorbt(path):
    """1,000,000 orders of 1,000 accounts: the best of several runs after one that compiles, and the final values."""
    import vectorbt as vbt

    data = np.load(path)
    price, close, units = data["open"], data["close"], data["units"]
    options = {
        "size": units,
        "price": price,
        "size_type": "targetamount",
        "fees": FEE,
        "slippage": 0.0005,
        "init_cash": CASH,
    }
    seconds, orders = [], 0
    portfolio = vbt.Portfolio.from_orders(close, **options)
    for _ in range(5):
        began = time.perf_counter()
        portfolio = vbt.Portfolio.from_orders(close, **options)
        orders = len(portfolio.order_records)
        seconds.append(time.perf_counter() - began)
    value = np.asarray(portfolio.final_value())
    return {"seconds": min(seconds), "orders": int(orders), "final": value.tolist()}


def frame(path):
    data = np.load(path)
    index = pd.date_range("2020-01-01", periods=len(data["close"]), freq="min")
    return pd.DataFrame({name.capitalize(): data[name] for name in ("open", "high", "low", "close", "volume")}, index)


def backtesting(path):
    """Every 20th bar a long with a stop and a profit target, closed after 15 bars."""
    from backtesting import Backtest, Strategy

    class Brackets(Strategy):
        def init(self):
            pass

        def next(self):
            bar = len(self.data) - 1
            if bar % EVERY == 0:
                price = self.data.Close[-1]
                self.buy(size=1, sl=price * (1 - STOP), tp=price * (1 + PROFIT))
            elif bar % EVERY == HOLD and self.position:
                self.position.close()

    table = frame(path)
    test = Backtest(table, Brackets, cash=CASH, commission=FEE, trade_on_close=False)
    began = time.perf_counter()
    stats = test.run()
    return {"seconds": time.perf_counter() - began, "bars": len(table), "trades": int(stats["# Trades"])}


def backtrader(path):
    """The same in Backtrader."""
    bt = import_module("backtrader")

    class Brackets(bt.Strategy):
        trades = 0

        def next(self):
            bar = len(self) - 1
            if bar % EVERY == 0:
                price = self.data.close[0]
                self.held = self.buy_bracket(
                    size=1, exectype=bt.Order.Market, stopprice=price * (1 - STOP), limitprice=price * (1 + PROFIT)
                )
            elif bar % EVERY == HOLD and self.position:
                self.cancel(self.held[1])
                self.close()

        def notify_trade(self, trade):
            self.trades += trade.isclosed

    table = frame(path)
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=table))
    cerebro.addstrategy(Brackets)
    cerebro.broker.setcash(CASH)
    cerebro.broker.setcommission(commission=FEE)
    began = time.perf_counter()
    (done,) = cerebro.run()
    return {"seconds": time.perf_counter() - began, "bars": len(table), "trades": int(done.trades)}


if __name__ == "__main__":
    task, source = sys.argv[1:]
    print(json.dumps({"vectorbt": vectorbt, "backtesting": backtesting, "backtrader": backtrader}[task](source)))
