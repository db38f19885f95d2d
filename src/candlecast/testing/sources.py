"""The check of a source: pages as promised, and the same bars however they are asked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from candlecast.errors import NotEnoughDataError, SourceError
from candlecast.interval import Interval
from candlecast.sources import Source
from candlecast.sources.source import Moment, moment, period, utc_now


def check_source(
    source: Source, symbol: str, interval: str | Interval, *, since: Moment, until: Moment | None = None
) -> None:
    """Raise unless the source keeps what `Source.pages` promises, on a period in which it has bars.

    Columns and types are those of the market table; bars come in order of time, none twice, each as long as `interval`,
    none that ends in the future or lies outside the period; and the two halves of the period, asked for alone, hold the
    same bars as the whole. The source is asked three times.

    Raises SourceError naming the promise and the bar, NotEnoughDataError when the period has fewer than two bars.

    >>> import candlecast as cc
    >>> check_source(cc.Binance(), "BTCUSDT", "1h", since="2025-01-01", until="2025-02-01")  # doctest: +SKIP
    """
    interval = Interval.parse(interval)
    start, end = period(since, until, now=utc_now(), first=moment(since))
    whole = _pages(source, symbol, interval, start, end)
    if whole.height < 2:
        raise NotEnoughDataError(
            f"{source.name} has {whole.height} bars of {symbol} {interval} from {start:%Y-%m-%d} to {end:%Y-%m-%d}",
            expected="at least 2 to check the source",
            remedy="Choose a period with bars",
        )
    opened, closed = whole["open_time"], whole["close_time"]
    broken = {
        "a bar does not follow the one before it": opened.diff() <= timedelta(0),
        f"a bar is not {interval} long": closed != interval.after(opened),
        "a bar opens before since": opened < start,
        "a bar closes after until": closed > end,
    }
    for promise, rows in broken.items():
        if rows.any():
            _break_promise(source, promise, opened.filter(rows.fill_null(False))[0])
    middle = opened[whole.height // 2]
    halves = pl.concat([_pages(source, symbol, interval, start, middle), _pages(source, symbol, interval, middle, end)])
    if not halves.equals(whole):
        lost = pl.concat([whole, halves]).filter(pl.struct(pl.all()).is_unique())
        first = lost["open_time"].min() if lost.height else opened[0]
        _break_promise(source, "two halves of the period hold other bars than the whole", first)


def _pages(source: Source, symbol: str, interval: Interval, start: datetime, end: datetime) -> pl.DataFrame:
    """All pages as one table, each with the columns and types that are promised."""
    times = dict.fromkeys(("open_time", "close_time"), pl.Datetime("us", "UTC"))
    schema = {**times, **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64)}
    pages = list(source.pages(symbol, interval, since=start, until=end))
    for page in pages:
        if dict(list(page.schema.items())[: len(schema)]) != schema:
            _break_promise(source, f"a page has the columns {dict(page.schema)}", start)
    return pl.concat(pages) if pages else pl.DataFrame(schema=schema)


def _break_promise(source: Source, promise: str, at: Any) -> None:
    raise SourceError(
        f"{source.name}: {promise}, at {at:%Y-%m-%d %H:%M:%S} UTC",
        expected="what Source.pages promises",
        remedy="Correct pages() of the source",
    )
