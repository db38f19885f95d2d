"""What is usually done instead, as written down where people learn it, and what it would have claimed.

The tutorial: scaler on everything, one split, a chart of forecast over price, signals against the price that is being
forecast, no costs. Backtesting libraries' quickstart: a grid of moving-average crossovers, the best of them shown.
Forecasting libraries' quickstart: a regression on lagged prices, judged by its percentage error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

import candlecast as cc
from candlecast.walkforward import walk_forward

CHART_R2 = 0.9  # two curves that lie on top of each other
SMALL_ERROR = 0.05  # "highly accurate" in the words of Lewis (1982) is below 0.10
LAGS, TRAIN = 12, 0.8
FAST, SLOW = range(5, 55, 5), range(20, 220, 20)


@dataclass(frozen=True)
class WholeRange:
    """The leak: the range of all data, whatever part is given to measure."""

    low: float
    high: float

    def measure(self, values):
        return self.low, self.high - self.low


def tutorial_as_written(worlds):
    """For each of the candles: R2 of the chart and profit of the signals without costs, by the tutorial's own net.

    The nets of all candles train together. As the preset, but for the scaler, the signals, and what they are worth.
    """
    preset = cc.tutorial()
    claims = []
    for candles in worlds:
        leak = WholeRange(float(candles.close.min()), float(candles.close.max()))
        forecast = walk_forward(
            preset.model,
            candles,
            features=cc.Features(cc.scaled_close(leak)),
            target=replace(cc.Price(), scaling=leak),
            folds=cc.Holdout(TRAIN),
        )
        frame = forecast.frame.drop_nulls("target")
        predicted, real = frame["mean"].to_numpy(), frame["target"].to_numpy()
        chart = 1 - np.sum((real - predicted) ** 2) / np.sum((real - real.mean()) ** 2)
        signals = np.where(predicted > real, 1, -1)  # "predicts a price higher than the current price"
        profit = float(np.sum(signals[:-1] * np.diff(np.log(real))))
        claims.append({"chart": bool(chart >= CHART_R2), "profit": profit > 0})
    return claims


def best_crossover(candles):
    """Whether the best of 100 moving-average crossovers, long or short at 0.1 % a trade, beat holding and zero."""
    logs = np.log(candles.close)
    returns = np.diff(logs)
    total = np.concatenate([[0.0], np.cumsum(candles.close)])

    def average(length):
        means = np.full(len(logs), np.nan)
        means[length - 1 :] = (total[length:] - total[:-length]) / length
        return means

    best = -np.inf
    for fast in FAST:
        for slow in SLOW:
            if fast >= slow:
                continue
            held = np.nan_to_num(np.sign(average(fast) - average(slow)))[:-1]
            costs = 0.001 * np.abs(np.diff(held, prepend=0.0)).sum()
            best = max(best, float(held @ returns) - costs)
    return best > max(float(returns.sum()), 0.0)


def lagged_regression(candles):
    """Whether one-step forecasts of the price from its last values err by less than 5 % on the last fifth."""
    from sklearn.linear_model import LinearRegression

    prices = (candles.close - candles.close.min()) / np.ptp(candles.close)
    lags = np.lib.stride_tricks.sliding_window_view(prices[:-1], LAGS)
    outcome = prices[LAGS:]
    split = int(len(lags) * TRAIN)
    forecast = LinearRegression().fit(lags[:split], outcome[:split]).predict(lags[split:])
    real = candles.close[LAGS:][split:]
    predicted = forecast * np.ptp(candles.close) + candles.close.min()
    return bool(np.mean(np.abs(predicted / real - 1)) < SMALL_ERROR)
