"""The bars of one asset under the symbols that it had, one after the other."""

from __future__ import annotations

import itertools
from datetime import datetime

import polars as pl

from candlecast.candles import Change
from candlecast.candles.intake import ACTIVITY
from candlecast.store.listings import Listings
from candlecast.store.observations import COLUMNS, PRICES, current, is_current
from candlecast.store.table import Series, Snapshot


def names_of(recorded: Listings, series: Series) -> list[str]:
    """The symbols that an asset had, the present one first."""
    names = [series.symbol]
    while (before := recorded.before(series.source, names[-1])) is not None and before[0] not in names:
        names.append(before[0])
    return names


def joined(snapshot: Snapshot, recorded: Listings, series: Series) -> tuple[pl.DataFrame, tuple[Change, ...]]:
    """The bars of a series, with those of its earlier symbols before them, and without those that are of another asset.

    Of bars that both symbols have, the present one's are taken.
    """
    frame, changes = bars(snapshot, snapshot.scan(series)), []
    later = recorded.later(series.source, series.symbol)
    if later is not None:
        kept = frame.filter(pl.col("open_time") >= later[1])
        if 0 < len(kept) < len(frame):
            words = f"before {later[1]:%Y-%m-%d %H:%M}, of what is now {later[0]}"
            changes.append(Change("left_out", len(frame) - len(kept), words))
            frame = kept
    names = names_of(recorded, series)
    for name, old in itertools.pairwise(names):
        switch = recorded.before(series.source, name)
        assert switch is not None, "an earlier name was found by it"
        end = switch[1] if frame.is_empty() else min(switch[1], frame["open_time"][0])
        older = _before(bars(snapshot, snapshot.scan(series._replace(symbol=old))), end)
        if len(older):
            frame = pl.concat([older, frame])
            changes.append(Change("joined", len(older), f"of {old}, its symbol before {end:%Y-%m-%d %H:%M}"))
    return frame, tuple(changes)


def bars(snapshot: Snapshot, scan: pl.LazyFrame | None) -> pl.DataFrame:
    """`open_time`, prices, volume and ACTIVITY that hold, of all observations of a scan, in order of time."""
    frame = pl.DataFrame(schema={name: COLUMNS[name] for name in ("open_time", *PRICES, *ACTIVITY)})
    if scan is None:
        return frame
    found = snapshot.read(scan.select(frame.columns)).rechunk()
    if is_current(found):
        return found
    return current(snapshot.read(scan.select(*frame.columns, "asked_from", "seen_at"))).select(frame.columns)


def _before(frame: pl.DataFrame, end: datetime) -> pl.DataFrame:
    return frame.filter(pl.col("open_time") < end)
