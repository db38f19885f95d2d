"""Lean's zips and factor files: tables without header whose numbers have a meaning of their own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import polars as pl

from candlecast.candles import Candles, Change
from candlecast.errors import SourceError

NAMES = ("open_time", "open", "high", "low", "close", "volume")
PRICES = list(NAMES[1:5])
QUOTE_COLUMNS = 11  # of Lean's quotes: time, then open, high, low, close and size of bids, then of asks
LEAN_SCALE = 10_000  # Lean writes prices of shares as whole numbers of 1/10,000 of a dollar
LEAN_TIME = r"^\d{8} \d\d:\d\d$"
NEW_YORK = "America/New_York"


def lean(frame: pl.DataFrame, member: str) -> tuple[pl.DataFrame, str] | None:
    """Lean's table without header, all text, as named columns and the zone of its times; None when it is another.

    `member` is the file's own name, in which Lean writes the day of bars within the day.
    """
    first = frame.columns[0]
    day = re.search(r"(?<!\d)(\d{8})_", member)
    if frame.width not in (6, QUOTE_COLUMNS) or not frame.height:
        return None
    if frame[first].str.contains(LEAN_TIME).all():
        time = pl.col(first).str.to_datetime("%Y%m%d %H:%M", time_unit="us", strict=False)
    elif day and frame[first].str.contains(r"^\d{1,8}$").all():
        midnight = pl.lit(day[1]).str.to_datetime("%Y%m%d", time_unit="us", strict=False)
        time = midnight + pl.duration(milliseconds=pl.col(first).cast(pl.Int64))
    else:
        return None
    return None if frame.select(time.is_null().any()).item() else _lean(frame, time)


def _lean(frame: pl.DataFrame, time: pl.Expr) -> tuple[pl.DataFrame, str]:
    """Lean's bars. Shares: whole numbers of 1/10,000, New York time; all else: prices as they are, UTC; of quotes, the middle."""
    numbers = frame.select(pl.all().exclude(frame.columns[0]).cast(pl.Float64, strict=False))
    if frame.width == QUOTE_COLUMNS:
        middle = [(numbers.to_series(n) + numbers.to_series(n + 5)) / 2 for n in range(4)]
        values = {name: middle[n] for n, name in enumerate(PRICES)}
        return frame.select(time.alias("open_time")).with_columns(**values, volume=pl.lit(0.0)), "UTC"
    is_whole = not any(frame[column].str.contains(".", literal=True).any() for column in frame.columns[1:5])
    is_shares = is_whole and _is_within_hours_of_shares(frame.select(time).to_series())
    values = {name: numbers.to_series(n) for n, name in enumerate(NAMES[1:])}
    if is_shares:  # by NumPy: Polars multiplies by 0.0001, which is off in the last digit
        values |= {name: pl.Series(values[name].to_numpy() / LEAN_SCALE) for name in PRICES}
    return frame.select(time.alias("open_time")).with_columns(**values), NEW_YORK if is_shares else "UTC"


def _is_within_hours_of_shares(times: pl.Series) -> bool:
    """Whether bars open on weekdays alone, and from 04:00 to 20:00 if within the day: crypto may have whole prices too."""
    is_daily = times.dt.truncate("1d").equals(times)
    return (times.dt.weekday() <= 5).all() and (is_daily or times.dt.hour().is_between(4, 19).all())


def with_factors(candles: Candles, factors: Path) -> Candles:
    """Candles adjusted by a factor file of Lean; `origin.changes` counts the bars that changed."""
    adjusted = replace(candles, frame=factored(candles.frame, factors))
    changed = int((adjusted.close != candles.close).sum())
    return adjusted.recorded(Change("adjusted", changed, f"for splits and dividends, by {factors.name}"))


def factored(frame: pl.DataFrame, factors: Path) -> pl.DataFrame:
    """Candles of Lean adjusted by its factor file.

    A row `date, price factor, split factor, price` holds for the bars up to and on its date: prices are multiplied by
    both factors and volume is divided by the split factor. `frame` has the market table's columns, open_time in UTC.
    """
    try:
        table = pl.read_csv(factors, has_header=False, infer_schema=False, glob=False).select(
            pl.nth(0).str.to_date("%Y%m%d").alias("until"),
            pl.nth(1).cast(pl.Float64).alias("price_factor"),
            pl.nth(2).cast(pl.Float64).alias("split_factor"),
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(
            f"{factors} cannot be read ({str(error).splitlines()[0]})",
            expected="a factor file of Lean: date, price factor, split factor, price",
            remedy="Check the path",
        ) from error
    opened = pl.col("open_time")
    is_daily = frame["open_time"].dt.truncate("1d").equals(frame["open_time"])
    local = opened if is_daily else opened.dt.convert_time_zone(NEW_YORK)
    table = table.sort("until")
    row = table["until"].search_sorted(frame.select(local.dt.date()).to_series(), side="left")
    price, split = (
        pl.lit(table[name].extend_constant(1.0, 1).gather(row)) for name in ("price_factor", "split_factor")
    )
    return frame.with_columns(pl.col(PRICES) * price * split, volume=pl.col("volume") / split)
