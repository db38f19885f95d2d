"""Foreign frames as the one market table: what their columns hold is understood as it is for files."""

from __future__ import annotations

from typing import Any

import polars as pl

from candlecast.reading.frames import frame_table
from candlecast.reading.options import Options
from candlecast.reading.understanding import Understood, understand
from candlecast.reading.vocabulary import PRICES

COLUMNS = ("open_time", "close_time", *PRICES, "volume")


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
