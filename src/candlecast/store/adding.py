"""Bars that were not asked for, such as those of a live feed: kept as a source gave them, without a claim about gaps."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from candlecast.sources.feed import Seen
from candlecast.store.observations import COLUMNS, TIME, current, news, observe
from candlecast.store.table import Location, Series


def add(location: Location, series: Series, bars: Sequence[Seen], *, has_sessions: bool) -> int:
    """Commit the bars that are news; gives how many. A bar that comes twice is kept as it was each time."""
    waiting, added = list(bars), 0
    while waiting:
        first = {bar.open_time: bar for bar in reversed(waiting)}  # of each bar, the one that came first
        waiting = [bar for bar in waiting if first[bar.open_time] is not bar]
        added += _committed(location, series, [first[time] for time in sorted(first)], has_sessions)
    return added


def _committed(location: Location, series: Series, bars: Sequence[Seen], has_sessions: bool) -> int:
    frame = pl.DataFrame(
        {
            "open_time": pl.Series([bar.open_time for bar in bars], dtype=TIME),
            **{name: [getattr(bar, name) for bar in bars] for name in ("open", "high", "low", "close", "volume")},
        }
    )
    observed = observe(
        frame,
        asked_from=bars[0].open_time,
        has_sessions=has_sessions,
        seen_at=max(bar.received_at for bar in bars),
        interval=series.step,
        source=f"the feed of {series}",
    ).with_columns(asked_from=pl.lit(None, TIME))  # what lies between them was not asked for
    snapshot = location.make()
    scan = snapshot.scan(series, since=bars[0].open_time, until=series.step.next(bars[-1].open_time))
    known = pl.DataFrame(schema=COLUMNS) if scan is None else current(snapshot.read(scan.select(*COLUMNS)))
    fresh = news(observed, known)
    if len(fresh):
        location.append(series, fresh)
    return len(fresh)
