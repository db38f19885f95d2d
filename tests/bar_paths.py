"""Candles from the increments of the price within their bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.sources import synthetic

STEPS = 8  # within a bar


def of(increments: np.ndarray, interval: str) -> Candles:
    """Candles that never close, from log increments within bars; float64 (bar, STEPS)."""
    paths = np.cumsum(increments.ravel()).reshape(increments.shape)
    before = np.append(0.0, paths[:-1, -1])[:, None]
    prices = 100 * np.exp(np.concatenate([before, paths], axis=1))
    candles = synthetic.random_walk(len(prices), seed=0, interval=interval).candles
    columns = {"open": prices[:, 0], "high": prices.max(1), "low": prices.min(1), "close": prices[:, -1]}
    return replace(candles, frame=candles.frame.with_columns(pl.Series(name, each) for name, each in columns.items()))
