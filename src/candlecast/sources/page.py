"""One page of bars, as every source returns it: sorted, closed, inside the period, without duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from candlecast.candles.intake import ACTIVITY
from candlecast.errors import SourceError
from candlecast.interval import Interval
from candlecast.sources.source import COLUMNS

VALUES = ("open", "high", "low", "close", "volume")


def market_page(
    frame: pl.DataFrame, *, symbol: str, interval: Interval, start: datetime, end: datetime, extra: Sequence[str] = ()
) -> pl.DataFrame:
    """The market table of raw bars, whose column `open_time` is in UTC: those with open_time >= start, close_time <= end.

    Rows that repeat another one exactly come from overlapping pages, and are dropped. Raises SourceError for two rows with
    different values for one bar, and for a row without a time or with a value that is not a number. Columns of ACTIVITY are
    kept where there are any; what is no finite number in them is null.
    """
    if frame["open_time"].null_count():
        raise _not_a_bar(symbol, interval, frame["open_time"].null_count(), "time")
    dated = frame.select(
        "open_time",
        interval.after(frame["open_time"]).alias("close_time"),
        pl.col(*VALUES, *extra).cast(pl.Float64),
        *_activity(frame),
    )
    page = dated.filter((pl.col("open_time") >= start) & (pl.col("close_time") <= end))
    numbers = page.select(pl.col(*VALUES, *extra).is_finite().fill_null(False))
    if absent := numbers.select((~pl.all_horizontal(pl.all())).sum()).item():
        raise _not_a_bar(symbol, interval, absent, "number in each place")
    if not (page["open_time"].diff() <= timedelta(0)).any():
        return page.rechunk()
    page = page.unique().sort("open_time")
    twice = page.filter(pl.col("open_time").is_duplicated())
    if twice.height:
        raise SourceError(
            f"{twice['open_time'].n_unique():,} bars of {symbol} {interval} came twice with different values, "
            f"the first at {twice['open_time'][0]:%Y-%m-%d %H:%M} UTC",
            expected="one row for each bar",
            remedy="Try again later, or report it to the vendor",
        )
    return page.rechunk()


def _activity(frame: pl.DataFrame) -> list[pl.Expr]:
    numbers = [pl.col(name).cast(pl.Float64, strict=False) for name in ACTIVITY if name in frame.columns]
    return [pl.when(each.is_finite()).then(each) for each in numbers]


def _not_a_bar(symbol: str, interval: Interval, rows: int, lacking: str) -> SourceError:
    return SourceError(
        f"{rows:,} bars of {symbol} {interval} came without a {lacking}",
        expected="a time, four prices and a volume in each",
        remedy="Try again later, or report it to the vendor; nothing of that page was stored",
    )


def empty_page(extra: Sequence[str] = ()) -> pl.DataFrame:
    """A page without bars."""
    times = dict.fromkeys(COLUMNS[:2], pl.Datetime("us", "UTC"))
    return pl.DataFrame(schema={**times, **dict.fromkeys((*VALUES, *extra), pl.Float64)})
