"""`PriceLevel`: whether a price returns to a level, as ratios, spreads and oscillators do, and prices of assets do not."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from candlecast.candles import Candles

MINIMUM = 200  # closes that show anything
MOST = 4_000  # closes that are tested, evenly apart: the power depends on the time that they span
CRITICAL = -3.8  # of the Dickey-Fuller statistic with a constant: at most 0.5 % of random walks with GARCH lie below
SHORT = 0.02  # half-life as a share of the record, at most: it holds 50 of them


class PriceLevel(NamedTuple):
    """How soon a price returns to its level. The defaults mean that nothing is known.

    statistic: of the test of a unit root in the log close (augmented Dickey-Fuller, with a constant), far below zero where
        the price returns. half_life: bars until half of a deviation from the level is gone, if it does. bars: of the record.
    """

    statistic: float = math.nan
    half_life: float = math.nan
    bars: int = 0

    @property
    def is_stationary(self) -> bool:
        """The price returns to its level, soon against the length of the record."""
        return self.statistic <= CRITICAL and self.half_life <= SHORT * self.bars


def price_level(candles: Candles) -> PriceLevel:
    """Whether the closes of these candles return to a level.

    d x_t = a + b x_(t-1) + sum_i c_i d x_(t-i) + e_t, with x the log close and 12 (n / 100)^(1/4) lags (Schwert 1989); the
    statistic is b over its standard error, robust to changing volatility (White 1980). The half-life is that of the
    autoregression with the same ratio of variances: 2 ln 2 Var(x) / E[d x^2]. Retrospective.

    >>> from candlecast.sources import synthetic
    >>> price_level(synthetic.garch(2_000, seed=1).candles).is_stationary
    False
    """
    bars = len(candles)
    if bars < MINIMUM:
        return PriceLevel(bars=bars)
    x = np.log(candles.close)
    variance = float(np.mean(np.diff(x) ** 2))
    if not variance > 0:
        return PriceLevel(bars=bars)
    half_life = 2 * math.log(2) * float(x.var()) / variance
    closes = x[:: -(-bars // MOST)]
    return PriceLevel(dickey_fuller(closes, lags=int(12 * (len(closes) / 100) ** 0.25)), half_life, bars)


def dickey_fuller(x: np.ndarray, *, lags: int) -> float:
    """The statistic of the augmented Dickey-Fuller test with a constant and robust standard errors, of a series (time,).

    NaN where the regression is not determined.
    """
    steps = np.diff(x)
    rows = len(steps) - lags
    level = x[lags:-1] - x.mean()
    columns = [np.ones(rows), level, *(steps[lags - lag : lags - lag + rows] for lag in range(1, lags + 1))]
    q, r = np.linalg.qr(np.column_stack(columns))
    if not (np.abs(np.diag(r)) > 1e-12 * np.abs(r[0, 0])).all():
        return math.nan
    inverse = np.linalg.inv(r)
    slopes = inverse @ (q.T @ steps[lags:])
    rest = steps[lags:] - np.column_stack(columns) @ slopes
    error = float(np.sqrt(np.sum(((q * rest[:, None]) @ inverse[1]) ** 2)))
    return float(slopes[1]) / error if error > 0 else math.nan
