"""Recent volatility of the price, which scales the targets that are measured in it."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.errors import ConfigError

FORGOTTEN = 1e-4  # as of features


def recent_volatility(candles: Candles, halflife: float) -> np.ndarray:
    """Exponentially weighted root mean square of the log returns of single bars, known at bar t; (time,).

    s_t^2 = sum_i 2^(-i / halflife) r_{t-i}^2 / sum_i 2^(-i / halflife), over the returns up to bar t; those across a gap are
    left out. NaN before the first return, and while the price has not moved at all. RiskMetrics (1996).
    """
    squares = np.diff(np.log(candles.close), prepend=np.nan) ** 2
    squares[1:][np.diff(candles.segments) != 0] = np.nan
    mean = pl.Series(squares, nan_to_null=True).ewm_mean(half_life=halflife, adjust=True, ignore_nulls=True)
    known = np.sqrt(mean.forward_fill().cast(pl.Float64).fill_null(math.nan).to_numpy())
    return np.where(known > 0, known, np.nan)


def halflife_memory(halflife: float) -> int:
    """Bars after which an exponential average has forgotten all but `FORGOTTEN` of what lies before them.

    >>> halflife_memory(20)
    266
    """
    return math.ceil(halflife * math.log2(1 / FORGOTTEN))


def require_halflife(halflife: float) -> None:
    if not 0 < halflife < math.inf:
        raise ConfigError(
            f"halflife is {halflife!r}", expected="a number of bars above 0", remedy="Use for example halflife=20"
        )
