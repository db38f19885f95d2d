"""The door for foreign frames: finds the columns, reads the times, and makes the one market table of them."""

from __future__ import annotations

from typing import Any

import polars as pl

from candlecast.errors import CandleError, ConfigError, listed
from candlecast.interval import Interval

PRICES = ("open", "high", "low", "close")
COLUMNS = ("open_time", "close_time", *PRICES, "volume")
ALIASES = {
    "time": ("open_time", "opentime", "time", "timestamp", "datetime", "date", "unix", "ts", "index"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v"),
}
EPOCH_UNITS = ((10**11, 1_000_000), (10**14, 1_000), (10**17, 1))  # counts below: microseconds in one (s, ms, us)
ZONE = r" ?(Z|UTC|[+-]\d\d:?\d\d)$"
TIME_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%Y%m%d")


def market_table(
    frame: Any, *, interval: str | Interval | None, symbol: str, zone: str | None
) -> tuple[pl.DataFrame, Interval]:
    """The market table of any pandas or Polars frame, in the order of its rows, and its interval."""
    frame = _as_polars(frame)
    names = _column_names(frame, symbol)
    if frame.height < 2:
        raise CandleError(
            f"{symbol} has {frame.height} candle{'s' if frame.height != 1 else ''}",
            expected="at least 2",
            remedy="Check the file or the range that was asked for",
        )
    opened = _utc(frame[names["time"]], symbol=symbol, zone=zone)
    step = _interval(opened, interval, symbol)
    values = [_numbers(frame[names[column]], column, symbol) for column in (*PRICES, "volume")]
    closed = (opened + step.timedelta).alias("close_time")
    return pl.DataFrame([opened, closed, *values]).rechunk(), step


def _as_polars(frame: Any) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if type(frame).__module__.partition(".")[0] == "pandas":
        if frame.columns.nlevels > 1:  # yfinance labels columns (field, ticker)
            level = 0 if "Close" in frame.columns.get_level_values(-1) else -1  # or (ticker, field), when grouped so
            tickers = frame.columns.get_level_values(level).unique()
            if len(tickers) > 1:
                raise CandleError(
                    f"the frame holds {len(tickers)} symbols ({listed(tickers, most=3)})",
                    expected="one symbol",
                    remedy=f"Select one first, for example frame.xs({tickers[0]!r}, axis=1, level={level})",
                )
            frame = frame.droplevel(level, axis=1)
        label = "open_time" if frame.index.dtype.kind == "M" else frame.index.name or "index"
        is_counter = frame.index.dtype.kind in "iu" and frame.index.name is None
        if not is_counter and label not in frame.columns:
            frame = frame.rename_axis(label).reset_index()
        try:
            return pl.from_pandas(frame)
        except (TypeError, ValueError) as error:
            raise CandleError(
                f"the pandas frame cannot be taken over ({str(error).splitlines()[0]})",
                expected="plain columns with different names",
                remedy="Keep only the columns of times, prices and volume",
            ) from error
    raise CandleError(
        f"a {type(frame).__name__} is not a table",
        expected="a pandas or Polars DataFrame",
        remedy="Build one with the columns open_time, open, high, low, close, volume",
    )


def _column_names(frame: pl.DataFrame, symbol: str) -> dict[str, str]:
    lowered = {name.strip().lower().replace(" ", "_"): name for name in reversed(frame.columns)}
    found = {
        column: next((lowered[alias] for alias in aliases if alias in lowered), None)
        for column, aliases in ALIASES.items()
    }
    missing = [column for column, name in found.items() if name is None]
    if missing:
        remedy = "Rename the columns"
        if missing == ["volume"]:
            remedy = "Rename the column, or add one of zeros where the market has no volume"
        elif any(name.replace(".", "").isdigit() for name in frame.columns):
            remedy = "Add a header line that names the columns"
        raise CandleError(
            f"{symbol} has no column for {', '.join(missing)} (its columns are {listed(frame.columns)})",
            expected="open_time, open, high, low, close, volume or their usual other names",
            remedy=remedy,
        )
    return {column: name for column, name in found.items() if name is not None}


def _numbers(series: pl.Series, column: str, symbol: str) -> pl.Series:
    if series.dtype == pl.String:
        series = series.str.strip_chars()
    numbers = series.cast(pl.Float64, strict=False)
    unread = numbers.is_null() & series.is_not_null()
    if unread.any():
        row = int(unread.arg_max() or 0)
        raise CandleError(
            f"{symbol} has {column} {series[row]!r} in row {row + 1}",
            expected="a number",
            remedy="Correct or remove that row",
        )
    return numbers.fill_null(float("nan")).alias(column)  # an absent value stays absent: check() lists it


def _interval(opened: pl.Series, interval: str | Interval | None, symbol: str) -> Interval:
    steps = opened.sort().diff().drop_nulls().dt.total_seconds()
    steps = steps.filter(steps > 0)
    if interval is not None and steps.is_empty():
        return Interval.parse(interval)
    if steps.is_empty():
        raise CandleError(
            f"all {opened.len()} candles of {symbol} open at {opened[0]:%Y-%m-%d %H:%M:%S}",
            expected="candles that follow each other",
            remedy="Check the time column",
        )
    common = Interval(int(steps.mode().min()))  # type: ignore[arg-type]
    if interval is None:
        return common
    wanted = Interval.parse(interval)
    if wanted != common:
        raise CandleError(
            f"most candles of {symbol} open {common} apart",
            expected=f"{wanted}, the interval that was named",
            remedy=f'Use interval="{common}"'
            + (f', then resample("{wanted}")' if wanted.seconds > common.seconds else ", or find shorter candles"),
        )
    return wanted


def _utc(series: pl.Series, *, symbol: str, zone: str | None) -> pl.Series:
    """Times in UTC, microseconds, named `open_time`."""
    if series.dtype.is_float():
        series = series.fill_nan(None)
    if series.null_count():
        row = int(series.is_null().arg_max() or 0)
        raise CandleError(
            f"{symbol} has no time in row {row + 1}",
            expected="a time in every row",
            remedy="Remove or complete the row",
        )
    if series.dtype.is_numeric() and series.is_between(19_000_101, 21_001_231).all():
        series = series.cast(pl.Int64).cast(pl.String)  # dates written as 20240131
    if series.dtype == pl.String:
        series = _parsed(series.str.strip_chars(), symbol)
    if series.dtype.is_numeric():
        return _from_epoch(series, symbol)
    if series.dtype == pl.Date:
        series = series.cast(pl.Datetime("us"))
    if not isinstance(series.dtype, pl.Datetime):
        raise CandleError(
            f"the time column {series.name!r} of {symbol} holds {series.dtype}",
            expected="times, dates, or seconds, milliseconds or microseconds since 1970",
            remedy="Convert the column",
        )
    times = series.dt.cast_time_unit("us")
    local = times.dt.replace_time_zone(None)
    if (local.dt.truncate("1d") == local).all():  # whole dates name the day, whatever the zone and its daylight saving
        return local.dt.replace_time_zone("UTC").alias("open_time")
    if times.dtype.time_zone is not None:  # type: ignore[union-attr]
        return times.dt.convert_time_zone("UTC").alias("open_time")
    if zone is None:
        raise CandleError(
            f"{symbol} has times without a zone (the first is {times[0]})",
            expected="times in UTC, or the zone that they are in",
            remedy='Say zone="UTC" or for example zone="America/New_York" (--zone on the command line)',
        )
    try:
        return times.dt.replace_time_zone(zone).dt.convert_time_zone("UTC").alias("open_time")
    except pl.exceptions.ComputeError as error:
        raise ConfigError(
            f"times of {symbol} cannot be read in zone {zone!r} ({str(error).splitlines()[0]})",
            expected="a zone of the IANA database in which every time exists once",
            remedy='Use for example zone="UTC" or zone="America/New_York", or convert the times first',
        ) from error


def _parsed(series: pl.Series, symbol: str) -> pl.Series:
    """Text as integers (epoch), dates or times, whichever every row can be read as."""
    if series.str.contains(r"^\d{9,}(\.\d+)?$").all():
        return series.cast(pl.Float64 if series.str.contains(".", literal=True).any() else pl.Int64)
    for form in TIME_FORMATS:
        dates = series.str.to_date(form, strict=False)
        if not dates.null_count():
            return dates
    has_zone = series.str.contains(ZONE).all()
    local = series.str.replace(ZONE, "") if has_zone else series
    if has_zone and not local.str.contains(r"[T ]00:00(:00(\.0+)?)?$").all():
        local, zone = series.str.replace(r" ?(Z|UTC)$", "+00:00"), "UTC"
    else:
        zone = None
    try:
        times = local.str.to_datetime(time_unit="us", time_zone=zone, strict=False)
    except pl.exceptions.ComputeError:  # no form fits the first text
        times = pl.Series([None] * series.len(), dtype=pl.Datetime("us"))
    if times.null_count():
        row = int(times.is_null().arg_max() or 0)
        raise CandleError(
            f"{symbol} has time {series[row]!r} in row {row + 1}",
            expected="a date or time such as 2024-01-31 or 2024-01-31T13:00:00Z, alike in all rows",
            remedy="Correct the row, or convert the column to one form",
        )
    return times


def _from_epoch(series: pl.Series, symbol: str) -> pl.Series:
    """Counts since 1970; each value's unit follows from its size, since one column may change unit (as Binance did)."""
    counts = series if series.dtype.is_float() else series.cast(pl.Int64)
    is_count = counts.is_between(10**8, 2**62)
    if not is_count.all():
        row = int(is_count.arg_min() or 0)
        raise CandleError(
            f"{symbol} has time {series[row]} in row {row + 1}",
            expected="seconds, milliseconds, microseconds or nanoseconds since 1970, of a date after 1973",
            remedy="Convert the column to times with a zone",
        )
    micros = pl.when(counts < EPOCH_UNITS[0][0]).then(counts * EPOCH_UNITS[0][1])
    for limit, factor in EPOCH_UNITS[1:]:
        micros = micros.when(counts < limit).then(counts * factor)
    whole = micros.otherwise(counts // 1_000).round().cast(pl.Int64)
    return pl.select(whole.cast(pl.Datetime("us", "UTC")).alias("open_time")).to_series()
