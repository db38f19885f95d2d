"""The usual shapes of candles in files: Binance's dumps, Lean's zips and factors, freqtrade's lists, Yahoo's exports."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl

from candlecast.errors import SourceError

NAMES = ("open_time", "open", "high", "low", "close", "volume")
PRICES = list(NAMES[1:5])
DUMP_COLUMNS = 12  # of a Binance dump or of a kline of its REST interface
QUOTE_COLUMNS = 11  # of Lean's quotes: time, then open, high, low, close and size of bids, then of asks
LEAN_SCALE = 10_000  # Lean writes prices of shares as whole numbers of 1/10,000 of a dollar
LEAN_TIME = r"^\d{8} \d\d:\d\d$"
NEW_YORK = "America/New_York"


def has_names(columns: list[str]) -> bool:
    """Whether the first line of a CSV names columns, rather than being the first bar."""
    return not all(re.fullmatch(r"[\d.eE+\- :]*(_duplicated_\d+)?", name) for name in columns)


def nameless(frame: pl.DataFrame, member: str) -> tuple[pl.DataFrame, str | None] | None:
    """A CSV without header, all text, as named columns and the zone of its times; None when its shape is not known.

    `member` is the file's own name, in which Lean writes the day of bars within the day.
    """
    first = frame.columns[0]
    if frame.width == DUMP_COLUMNS and frame[first].str.contains(r"^\d{13,16}$").all():
        return frame.select(pl.col(old).alias(new) for old, new in zip(frame.columns, NAMES, strict=False)), "UTC"
    day = re.search(r"(?<!\d)(\d{8})_", member)
    if frame.width not in (6, QUOTE_COLUMNS):
        return None
    if frame[first].str.contains(LEAN_TIME).all():
        time = pl.col(first).str.to_datetime("%Y%m%d %H:%M", time_unit="us")
    elif day and frame[first].str.contains(r"^\d{1,8}$").all():
        midnight = pl.lit(day[1]).str.to_datetime("%Y%m%d", time_unit="us")
        time = midnight + pl.duration(milliseconds=pl.col(first).cast(pl.Int64))
    else:
        return None
    return _lean(frame, time)


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


def listed(content: bytes) -> pl.DataFrame:
    """freqtrade's JSON (and Binance's klines): a list of lists, each time in milliseconds, open, high, low, close, volume."""
    rows: Any = json.loads(content)
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) >= len(NAMES) for row in rows):
        raise ValueError("it is no list of [time, open, high, low, close, volume]")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(NAMES)}
    return pl.DataFrame({name: pl.Series(_texts(values), dtype=pl.String) for name, values in columns.items()})


def _texts(values: list[Any]) -> list[str | None]:
    return [None if value is None else str(value) for value in values]


def without_empty_days(frame: pl.DataFrame) -> pl.DataFrame:
    """A Yahoo export without the days on which it says null for every price: days without a bar."""
    names = [name for name in frame.columns if name.lower() in PRICES]
    return frame.filter(~pl.all_horizontal(pl.col(names).str.to_lowercase() == "null")) if names else frame


def close_adjusted(frame: pl.DataFrame) -> pl.DataFrame:
    """A Yahoo export with all four prices adjusted as its column `Adj Close` is."""
    number = {name: pl.col(name).cast(pl.Float64) for name in ("Open", "High", "Low", "Close", "Adj Close")}
    factor = number["Adj Close"] / number["Close"]
    return frame.with_columns((number[name] * factor).alias(name) for name in ("Open", "High", "Low", "Close"))


def factored(frame: pl.DataFrame, factors: Path) -> pl.DataFrame:
    """Candles of Lean adjusted by its factor file.

    A row `date, price factor, split factor, price` holds for the bars up to and on its date: prices are multiplied by
    both factors and volume is divided by the split factor. `frame` has the market table's columns, open_time in UTC.
    """
    try:
        table = pl.read_csv(factors, has_header=False, infer_schema=False).select(
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
