"""What a store knows about a symbol beside its bars: that its series ended, and what it was called before.

Both are appended to a small Delta Lake table in the store's folder, with the version of the candles that they were recorded
at: nothing is overwritten, and a read at an earlier version knows what was known then.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from candlecast.store.observations import COLUMNS, TIME
from candlecast.store.table import Location, explained

if TYPE_CHECKING:
    from candlecast.interval import Interval

FOLDER = "_listings"  # Delta Lake takes no folder that begins so for data of the candles' own table
SCHEMA = {
    "source": pl.String(),
    "symbol": pl.String(),
    "interval": pl.String(),
    "kind": pl.String(),
    "at": TIME,
    "detail": pl.String(),
    "seen_at": TIME,
    "version": pl.Int64(),
}
RENAMED = "renamed"
ENDED = ("delisted", "halted", "inactive")
INACTIVE_DAYS, INACTIVE_BARS = 30, 10  # without a bar, both, after which a series counts as ended
DOUBTFUL_DAYS, DOUBTFUL_BARS = 3, 3  # the same, after which the source is asked whether it lists the symbol
PATIENCE = 0.1  # of the time since the end: how long until the source is asked for new bars again
SHORTEST, LONGEST = timedelta(days=1), timedelta(days=30)  # of that time


class Ending(NamedTuple):
    """That a series ended: `kind` (one of ENDED), when its last bar closed, what the source says, and when that was seen."""

    kind: str
    at: datetime
    detail: str
    seen_at: datetime

    def is_due(self, now: datetime) -> bool:
        """Whether new bars are to be requested again: after a day, and the longer ago the end, the more rarely."""
        return now - self.seen_at >= min(max(SHORTEST, PATIENCE * (self.seen_at - self.at)), LONGEST)


class Listings(NamedTuple):
    """Everything recorded up to a version, in the order in which it was seen."""

    table: pl.DataFrame

    def ending(self, source: str, symbol: str, interval: str) -> Ending | None:
        """The newest state of a series, if it is that it ended."""
        same = (pl.col("source") == source) & (pl.col("symbol") == symbol) & (pl.col("interval") == interval)
        rows = self.table.filter(same & (pl.col("kind") != RENAMED)).tail(1)
        if rows.is_empty() or rows["kind"].item() not in ENDED:
            return None
        return Ending(*rows.select("kind", "at", "detail", "seen_at").row(0))

    def before(self, source: str, symbol: str) -> tuple[str, datetime] | None:
        """What the symbol was called before, and until when."""
        return self._renaming(source, pl.col("symbol") == symbol, "detail")

    def later(self, source: str, symbol: str) -> tuple[str, datetime] | None:
        """What the asset is called that had the symbol, and since when."""
        return self._renaming(source, pl.col("detail") == symbol, "symbol")

    def _renaming(self, source: str, same: pl.Expr, name: str) -> tuple[str, datetime] | None:
        rows = self.table.filter((pl.col("source") == source) & (pl.col("kind") == RENAMED) & same).tail(1)
        return None if rows.is_empty() else rows.select(name, "at").row(0)


def read_listings(location: Location, version: int | None = None) -> Listings:
    """What was recorded up to a version of the candles, or up to now. Raises StoreError."""
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    place = _place(location)
    if place.folder is not None and not place.folder.exists():
        return Listings(pl.DataFrame(schema=SCHEMA))
    with explained(place.url, "read"):
        try:
            table = DeltaTable(place.url, storage_options=dict(place.options) or None)
        except TableNotFoundError:
            return Listings(pl.DataFrame(schema=SCHEMA))
        rows = pl.DataFrame(table.to_pyarrow_table()) if len(table.file_uris()) else pl.DataFrame(schema=SCHEMA)
    rows = rows.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()).sort("seen_at", maintain_order=True)
    return Listings(rows if version is None else rows.filter(pl.col("version") <= version))


def record(location: Location, **row: object) -> None:
    """Append one row; see SCHEMA. Raises StoreError."""
    from deltalake import write_deltalake

    place = _place(location)
    rows = pl.DataFrame([row], schema=SCHEMA)
    location.require_space(pl.DataFrame(schema=COLUMNS))
    with explained(place.url, "written"):
        write_deltalake(place.url, rows, mode="append", storage_options=dict(place.options) or None)


def end_of(status: str, *, last: datetime, now: datetime, interval: Interval, source: str) -> tuple[str, str] | None:
    """The kind and the description of the end of a series whose last bar closed at `last`; None while it has not ended.

    `status` is what the source says: "delisted", "halted", "trading" or "unknown".
    """
    silent = now - last
    if status == "delisted":
        return status, f"{source} no longer lists it"
    if status == "halted":
        return status, f"{source} has halted its trading"
    if status == "unknown" and silent > max(timedelta(days=INACTIVE_DAYS), INACTIVE_BARS * interval.timedelta):
        return "inactive", f"{source} had no bar since, for {silent.days} days"
    return None


def is_doubtful(*, last: datetime, now: datetime, interval: Interval) -> bool:
    """Whether bars have been absent for so long that the source is asked whether it lists the symbol."""
    return now - last > max(timedelta(days=DOUBTFUL_DAYS), DOUBTFUL_BARS * interval.timedelta)


def _place(location: Location) -> Location:
    return Location(f"{location.url.rstrip('/')}/{FOLDER}", location.options)
