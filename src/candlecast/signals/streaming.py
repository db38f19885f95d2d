"""`RuleStream`: positions bar by bar, equal to those that a rule gives for the whole forecast at once.

Rules of candlecast that remember a position or a sum carry it. Any other rule is called again with all forecasts so far and
the candles that are kept, and its newest positions are taken.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.candles.growing import GrowingCandles
from candlecast.dataset.forecast import Forecast
from candlecast.signals.direction import FollowDirection
from candlecast.signals.hold import HoldPosition
from candlecast.signals.no_trade_band import NoTradeBand
from candlecast.signals.positions import Positions
from candlecast.signals.rule import Rule, decide, expected_returns, single
from candlecast.signals.sizing import InverseVolatility
from candlecast.signals.threshold import Threshold

if TYPE_CHECKING:
    from candlecast.backtesting import Costs


class RuleStream:
    """The positions of a rule for forecasts that come part by part.

    `leverage`, `in_units` and `band` are those of its `Positions`, known once it has decided.
    """

    def __init__(self, rule: Rule, costs: Costs | None) -> None:
        self.rule, self.costs = rule, costs
        self.leverage, self.in_units, self.band = 1.0, False, math.inf
        self._held, self._total, self._count, self._steps = 0.0, 0.0, 0, 0
        self._frames: list[pl.DataFrame] = []

    @property
    def keeps_all(self) -> bool:
        """Whether every forecast is kept, because the rule is called with all of them."""
        return type(self.rule) not in (FollowDirection, Threshold, HoldPosition, InverseVolatility, NoTradeBand)

    def step(self, forecast: Forecast, growing: GrowingCandles) -> np.ndarray:
        """Positions for the newest forecasts, float64 (bars,); `growing` has their candles, the newest one last."""
        rule = self.rule
        if type(rule) is FollowDirection:
            return rule.followed(expected_returns(forecast)[1])
        if type(rule) is NoTradeBand:
            return self._within_bands(rule, forecast)
        if type(rule) is Threshold:
            values = rule.walked(expected_returns(forecast)[1], held=self._held)
        elif type(rule) is HoldPosition:
            frame = single(forecast)
            if frame["position"].null_count():
                return self._of(rule(forecast))
            values = rule.walked(frame["position"].to_numpy(), held=self._held)
        elif type(rule) is InverseVolatility:
            self._of(rule(forecast))  # refuses what it cannot read
            logs = single(forecast)["mean"].to_numpy()
            values = rule.sized(logs, total=self._total, count=self._count, held=self._held)
            for value in logs.tolist():
                self._total, self._count = (self._total + value if self._count else value), self._count + 1
        else:
            return self._by_all(forecast, growing)
        self._held = float(values[-1])
        return values

    def _within_bands(self, rule: NoTradeBand, forecast: Forecast) -> np.ndarray:
        _, low, high = rule.bounded(forecast, self.costs)
        steps = rule.stepped(low, high, held=self._steps)
        self._steps = int(steps[-1])
        return rule.positions_of(steps)

    def _by_all(self, forecast: Forecast, growing: GrowingCandles) -> np.ndarray:
        candles = growing.candles(len(growing))
        self._frames.append(forecast.frame)
        frame = pl.concat(self._frames, how="diagonal").filter(pl.col("time") >= candles.frame["close_time"][0])
        self._frames = [frame]
        count = forecast.frame["time"].n_unique()
        return self._of(decide(self.rule, Forecast(frame, forecast.horizon), candles, costs=self.costs))[-count:]

    def _of(self, positions: Positions) -> np.ndarray:
        self.leverage, self.in_units, self.band = positions.leverage, positions.in_units, positions.band
        return positions.frame["position"].to_numpy()
