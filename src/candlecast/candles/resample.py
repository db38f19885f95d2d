"""Longer candles from shorter ones, never a partial one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.candles.faults import has_sessions
from candlecast.errors import ConfigError
from candlecast.interval import Interval

if TYPE_CHECKING:
    from candlecast.candles.table import Candles


def resample(candles: Candles, interval: Interval) -> pl.DataFrame:
    """The market table of `candles` in bars of `interval`.

    A market that never closes keeps a long bar only when every short bar of it is there. A market with sessions has
    days of unequal length, so there only the first and last long bar are dropped when shorter than the usual one.
    """
    if interval.seconds % candles.interval.seconds:
        raise ConfigError(
            f"{interval} is no multiple of {candles.interval}",
            expected="a longer interval made of whole candles",
            remedy="Resample to a multiple, or fetch the candles at the interval wanted",
        )
    long = (
        candles.frame.group_by_dynamic(
            "open_time",
            every=f"{interval.seconds}s",
            start_by="monday" if interval.seconds % 604_800 == 0 else "window",
        )
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            bars=pl.len(),
        )
        .with_columns(close_time=pl.col("open_time") + interval.timedelta)
    )
    if has_sessions(candles):
        usual = int(long["bars"].mode().min())  # type: ignore[arg-type]
        inner = np.ones(long.height, dtype=bool)
        inner[[0, -1]] = long["bars"].to_numpy()[[0, -1]] >= usual
        long = long.filter(pl.Series(inner))
    else:
        long = long.filter(pl.col("bars") == interval.seconds // candles.interval.seconds)
    return long.select("open_time", "close_time", "open", "high", "low", "close", "volume").rechunk()
