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


WEEK = 604_800  # seconds
MONDAY = 4 * 86_400_000_000  # microseconds from 1970-01-01, a Thursday, to the first Monday


def resample(candles: Candles, interval: Interval) -> pl.DataFrame:
    """The market table of `candles` in bars of `interval`.

    A market that never closes keeps a long bar only when every short bar of it is there. A market with sessions has
    days of unequal length, so there only the first and last long bar are dropped, when they hold fewer short bars than
    the fullest one at the same time of day. Where a short bar would reach past the end of a long one, which would then
    show what is not known by its close, the grid is shifted by the offset that the short bars have.
    """
    if interval.seconds % candles.interval.seconds:
        raise ConfigError(
            f"{interval} is no multiple of {candles.interval}",
            expected="a longer interval made of whole candles",
            remedy="Resample to a multiple, or fetch the candles at the interval wanted",
        )
    opened, step, length = candles.open_time.astype(np.int64), candles.interval.microseconds, interval.microseconds
    crosses = (opened % length + step > length).any()
    offset = int(opened[0] % step) if crosses else 0
    long = (
        candles.frame.group_by_dynamic(
            "open_time",
            every=f"{interval.seconds}s",
            offset=f"{offset + (MONDAY if interval.seconds % WEEK == 0 else 0)}us",
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
        row = pl.int_range(pl.len())
        is_inner = (row > 0) & (row < pl.len() - 1)
        long = long.filter(is_inner | (pl.col("bars") == pl.col("bars").max().over(pl.col("open_time").dt.time())))
    else:
        long = long.filter(pl.col("bars") == interval.seconds // candles.interval.seconds)
    return long.select("open_time", "close_time", "open", "high", "low", "close", "volume").rechunk()
