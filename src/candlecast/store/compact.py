"""Few and ordered files: the observations of each part that hold, in one file, and the others sorted out."""

from __future__ import annotations

import polars as pl

from candlecast.errors import StoreError
from candlecast.store.observations import COLUMNS, current, distinct, is_current
from candlecast.store.table import PATIENCE, SUPERSEDED, Location, Series, calendar_part

CROWDED = 64  # files of one part, from which on reading slows down


def compact(location: Location, series: Series, *, least: int = 2) -> int:
    """Rewrite each part of a series that has `least` files or more; gives how many files there are less.

    Every distinct observation is kept, and every version stays readable. Raises StoreError.
    """
    before = _files(location, series)
    crowded = before.filter(pl.col("part") != SUPERSEDED).group_by("part").len().filter(pl.col("len") >= least)
    if crowded.is_empty():
        return 0
    for part in sorted(crowded["part"]):
        for _ in range(PATIENCE):
            if _rewrite(location, series, part):
                break
        else:
            raise StoreError(
                f"{series} cannot be compacted: others wrote to it {PATIENCE} times meanwhile",
                expected="a quiet moment",
                remedy="Try again later; nothing was changed",
            )
    return len(before) - len(_files(location, series))


def _rewrite(location: Location, series: Series, part: str) -> bool:
    snapshot = location.make()
    scan = snapshot.scan(series, parts=(part, SUPERSEDED))
    assert scan is not None, "a part that is crowded has files"
    everything = scan.select(*COLUMNS, part=calendar_part(series)).collect()
    seen = everything.filter(pl.col("part") == part).drop("part")
    if not is_current(seen):
        seen = distinct(seen)
    holding = current(seen)
    elsewhere = everything.filter(pl.col("part") != part).drop("part")  # superseded in other parts
    old = seen.join(holding, on=["open_time", "seen_at"], how="anti", maintain_order="left")
    return snapshot.replace(series, part, holding, pl.concat([elsewhere, old]))


def _files(location: Location, series: Series) -> pl.DataFrame:
    return location.make().files().filter(*(pl.col(name) == value for name, value in series._asdict().items()))
