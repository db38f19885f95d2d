"""Few and ordered files: the observations of each part that hold, in one file, and the others sorted out."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from candlecast.errors import StoreError
from candlecast.store.observations import COLUMNS, current, distinct, is_current
from candlecast.store.table import PATIENCE, SUPERSEDED, Location, Series, Snapshot, calendar_part

CROWDED = 64  # files of one part, from which on reading slows down


def compact(location: Location, series: Series, parts: Sequence[str]) -> None:
    """Rewrite parts of a series, each into one file.

    Every distinct observation is kept, and every version stays readable. Raises StoreError.
    """
    for part in parts:
        for _ in range(PATIENCE):
            if _rewrite(location, series, part):
                break
        else:
            raise StoreError(
                f"{series} cannot be compacted: others wrote to it {PATIENCE} times meanwhile",
                expected="a quiet moment",
                remedy="Try again later; nothing was changed",
            )


def crowded(snapshot: Snapshot, series: Series, *, least: int) -> list[str]:
    """The parts of a series that have `least` files or more."""
    same = [pl.col(name) == value for name, value in series._asdict().items()]
    counts = snapshot.files().filter(pl.col("part") != SUPERSEDED, *same).group_by("part").len()
    return sorted(counts.filter(pl.col("len") >= least)["part"])


def _rewrite(location: Location, series: Series, part: str) -> bool:
    snapshot = location.make()
    scan = snapshot.scan(series, parts=(part, SUPERSEDED))
    assert scan is not None, "a part that is crowded has files"
    everything = snapshot.read(scan.select(*COLUMNS, part=calendar_part(series)))
    seen = everything.filter(pl.col("part") == part).drop("part")
    if not is_current(seen):
        seen = distinct(seen)
    holding = current(seen)
    elsewhere = everything.filter(pl.col("part") != part).drop("part")  # superseded in other parts
    old = seen.join(holding, on=["open_time", "seen_at"], how="anti", maintain_order="left")
    return snapshot.replace(series, part, holding, pl.concat([elsewhere, old]))
