"""Where stored candles have bars and where they lack them, by the market's own clock."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.candles.gaps import find_gaps


class Coverage(NamedTuple):
    """Buckets of time: `edges` datetime64[us] (buckets + 1,), the bars in each, and the bars that are missing in each."""

    edges: np.ndarray
    bars: np.ndarray
    missing: np.ndarray


def equal_edges(first: datetime, last: datetime, buckets: int) -> np.ndarray:
    """Edges of equal buckets of time, datetime64[us] (buckets + 1,); the last one is just after `last`.

    >>> equal_edges(datetime(2024, 1, 1), datetime(2024, 1, 3), 2).astype("datetime64[D]")
    array(['2024-01-01', '2024-01-02', '2024-01-03'], dtype='datetime64[D]')
    """
    ends = (np.datetime64(time.replace(tzinfo=None), "us").astype(np.int64) for time in (first, last))
    start, end = (int(each) for each in ends)
    return np.linspace(start, end + 1, buckets + 1).round().astype(np.int64).astype("datetime64[us]")


def coverage(candles: Candles, edges: np.ndarray) -> Coverage:
    """Candles in buckets of time, datetime64[us] (buckets + 1,).

    >>> from candlecast.sources import synthetic
    >>> candles = synthetic.ar1(10, seed=1).candles
    >>> coverage(candles, equal_edges(candles.frame["open_time"][0], candles.frame["open_time"][-1], 2)).bars
    array([5, 5])
    """
    return _counted(candles, edges.astype(np.int64))


def monthly(candles: Candles) -> pl.DataFrame:
    """The same by calendar month, UTC: `year`, `month`, `bars`, `missing`."""
    first, last = (int(time.astype("datetime64[M]").astype(np.int64)) for time in candles.open_time[[0, -1]])
    months = np.arange(first, last + 2)
    counted = _counted(candles, months.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64))
    return pl.DataFrame(
        {
            "year": 1970 + months[:-1] // 12,
            "month": months[:-1] % 12 + 1,
            "bars": counted.bars,
            "missing": counted.missing.round().astype(np.int64),
        }
    )


def _counted(candles: Candles, edges: np.ndarray) -> Coverage:
    """A gap over several buckets counts in each by the time that it takes there."""
    bars, _ = np.histogram(candles.open_time.astype(np.int64), edges)
    gaps, missing = find_gaps(candles), np.zeros(len(bars))
    spans = (gaps.start.astype(np.int64), gaps.end.astype(np.int64), gaps.bars)
    for start, end, absent in zip(*spans, strict=True):
        inside = np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0, None)
        missing += absent * inside / max(inside.sum(), 1)
    return Coverage(edges.astype("datetime64[us]"), bars, missing)
