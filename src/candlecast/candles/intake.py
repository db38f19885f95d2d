"""Foreign frames as the one market table: what their columns hold is understood as it is for files."""

from __future__ import annotations

from typing import Any

import polars as pl

from candlecast.reading.frames import frame_table
from candlecast.reading.options import Options
from candlecast.reading.understanding import Understood, understand
from candlecast.reading.vocabulary import PRICES

COLUMNS = ("open_time", "close_time", *PRICES, "volume")
ACTIVITY = ("quote_volume", "trades", "taker_volume")  # columns that candles may have as well


def market_table(frame: Any, options: Options, *, what: str) -> tuple[pl.DataFrame, Understood]:
    """The market table of any pandas or Polars frame, oldest first where it was in order, and how it was understood.

    `what` names the frame in messages.
    """
    understood = understand(frame_table(frame), options, what=what)
    return with_close(understood), understood


def with_close(understood: Understood) -> pl.DataFrame:
    """The market table of what was understood."""
    opened = understood.frame["open_time"]
    closed = understood.interval.after(opened).alias("close_time")
    return understood.frame.insert_column(1, closed)


def with_known_activity(frame: pl.DataFrame) -> pl.DataFrame:
    """A market table without the columns of ACTIVITY in which nothing is known; unknown values of the others are NaN."""
    unknown = [name for name in ACTIVITY if name in frame.columns and frame[name].null_count() == frame.height]
    present = [name for name in ACTIVITY if name in frame.columns and name not in unknown]
    return frame.drop(unknown).with_columns(pl.col(present).fill_null(float("nan")))
