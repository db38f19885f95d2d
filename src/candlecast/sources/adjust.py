"""Splits and dividends: prices as traded made comparable over time, and back."""

from __future__ import annotations

import polars as pl

ACTIONS = ("dividend", "split")
PRICES = ("open", "high", "low", "close")
MONTH = {
    "open": pl.col("open").first(),
    "high": pl.col("high").max(),
    "low": pl.col("low").min(),
    "close": pl.col("close").last(),
    "volume": pl.col("volume").sum(),
    "dividend": pl.col("dividend").sum(),
    "split": pl.col("split").product(),
}  # of its days


def later_splits() -> pl.Expr:
    """New shares of today for one share of each bar: the product of the splits after it. Bars must be in order of time."""
    return pl.col("split").reverse().cum_prod().reverse() / pl.col("split")


def adjusted_by(frame: pl.DataFrame, factor: pl.Expr) -> pl.DataFrame:
    """Prices as traded times `factor`, and volume in shares of today.

    >>> frame = pl.DataFrame({"open": 4.0, "high": 4.0, "low": 4.0, "close": 4.0, "volume": 9.0, "split": [1.0, 2.0]})
    >>> adjusted_by(frame, 1 / later_splits()).select("close", "volume").rows()
    [(2.0, 18.0), (4.0, 9.0)]
    """
    return frame.with_columns(pl.col(*PRICES) * factor, volume=pl.col("volume") * later_splits())


def monthly(days: pl.DataFrame) -> pl.DataFrame:
    """Bars of calendar months from those of days, with their dividends and splits; `open_time` is the first of the month.

    >>> from datetime import datetime
    >>> days = pl.DataFrame({"open_time": [datetime(2024, 1, 30), datetime(2024, 1, 31)], "open": [1.0, 2.0], "high": [3.0, 2.5],
    ...     "low": [1.0, 0.5], "close": [2.0, 2.1], "volume": [5.0, 6.0], "dividend": [0.0, 0.1], "split": [2.0, 1.0]})
    >>> monthly(days).rows()
    [(datetime.datetime(2024, 1, 1, 0, 0), 1.0, 3.0, 0.5, 2.1, 11.0, 0.1, 2.0)]
    """
    month = pl.col("open_time").dt.truncate("1mo")
    return days.group_by(month, maintain_order=True).agg(**MONTH)
