"""Splits and dividends: prices as traded made comparable over time, and back."""

from __future__ import annotations

import polars as pl

ACTIONS = ("dividend", "split")
PRICES = ("open", "high", "low", "close")


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
