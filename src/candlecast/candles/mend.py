"""Repairs of unsound candles: only those that are asked for, each of them counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from candlecast.candles.gaps import find_gaps
from candlecast.candles.issues import fatal_bars
from candlecast.errors import CandleError, ConfigError
from candlecast.parameters import is_whole
from candlecast.reading.vocabulary import PRICES
from candlecast.text.formatting import count

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

Mend = Literal["drop", "clip"]
WORDS = {
    "sorted": "put in order of time",
    "dropped": "dropped",
    "clipped": "clipped",
    "adjusted": "adjusted",
    "left_out": "left out",
    "bridged": "missing and bridged",
    "accepted": "accepted",
    "joined": "joined",
}
REASONS = {
    "duplicate": "open time repeated",
    "off_grid": "off the grid",
    "not_finite": "absent or infinite values",
    "not_positive": "prices of zero or below",
    "impossible": "prices outside low..high",
    "negative_volume": "negative volume",
}


@dataclass(frozen=True)
class Change:
    """What was changed in candles before anything was computed: `kind`, how many bars, and why or how in words.

    Kinds: "sorted", "dropped", "clipped", "adjusted", "left_out", "bridged", whose bars are those that are missing, and
    "accepted", whose bars were looked at and left as they are.

    >>> str(Change("dropped", 3, "prices outside low..high"))
    '3 bars dropped (prices outside low..high)'
    """

    kind: str
    bars: int
    detail: str

    def __str__(self) -> str:
        return f"{count(self.bars, 'bar')} {WORDS.get(self.kind, self.kind)} ({self.detail})"


def mend(
    candles: Candles, repair: Mend | None, *, sort: bool, max_gap: int | None, bridge: int | None
) -> tuple[Candles, list[Change]]:
    """The candles with what is asked for done, in this order: sorted, mended, cut and bridged; see `Candles.mended`."""
    for name, bars in (("max_gap", max_gap), ("bridge", bridge)):
        if bars is not None and not is_whole(bars, 0):
            raise ConfigError(
                f"{name} is {bars!r}", expected="a whole number of 0 or more", remedy=f"Use for example {name}=3"
            )
    if repair not in (None, "drop", "clip"):
        raise ConfigError(
            f"mend is {repair!r}", expected="drop or clip", remedy='Use for example candles.mended("drop")'
        )
    changes: list[Change] = []
    if sort:
        candles, found = _sorted(candles)
        changes += found
    if repair is not None:
        candles, found = (_dropped if repair == "drop" else _clipped)(candles)
        changes += found
    if max_gap is not None:
        candles, found = _longest(candles, max_gap)
        changes += found
    if bridge is not None:
        bars = find_gaps(candles).bars
        small = bars[bars <= bridge]
        candles = candles.with_max_gap(bridge)
        if len(small):
            gaps = f"{count(len(small), 'gap')} of at most {count(bridge, 'bar')}"
            changes.append(Change("bridged", int(small.sum()), gaps))
    return candles, changes


def _sorted(candles: Candles) -> tuple[Candles, list[Change]]:
    """The rows in order of their opening times; rows of one time keep their order."""
    order = np.argsort(candles.open_time, kind="stable")
    moved = int(np.sum(order != np.arange(len(order))))
    if not moved:
        return candles, []
    is_turned = bool(np.all(np.diff(candles.open_time).astype(np.int64) <= 0))
    words = "they were newest first" if is_turned else "they were out of it"
    return replace(candles, frame=candles.frame[order]), [Change("sorted", moved, words)]


def _dropped(candles: Candles) -> tuple[Candles, list[Change]]:
    """Without the bars that have fatal issues; rows that are only out of order are left to `sort`.

    Of bars that repeat an open time with the same values one is kept, of bars with different values none.
    """
    wrong = {kind: mask for kind, mask in fatal_bars(candles).items() if kind != "unsorted"}
    repeated = wrong.get("duplicate", np.zeros(len(candles), dtype=bool))
    changes, is_kept = [], np.ones(len(candles), dtype=bool)
    if repeated.any():
        times = candles.frame["open_time"].filter(pl.Series(repeated)).unique()
        among = candles.frame["open_time"].is_in(times.implode()).to_numpy()
        values = candles.frame.with_row_index("row").filter(pl.Series(among))
        forms = values.group_by("open_time").agg(pl.struct(pl.exclude("row")).n_unique().alias("forms"))
        differing = forms.filter(pl.col("forms") > 1)["open_time"]
        is_disputed = candles.frame["open_time"].is_in(differing.implode()).to_numpy()
        for mask, words in (
            (repeated & ~is_disputed, "the same bar again"),
            (is_disputed, "one time, different values"),
        ):
            if mask.any():
                changes.append(Change("dropped", int(mask.sum()), words))
                is_kept &= ~mask
    for kind, mask in wrong.items():
        here = mask & is_kept
        if kind != "duplicate" and here.any():
            changes.append(Change("dropped", int(here.sum()), REASONS[kind]))
            is_kept &= ~here
    if not changes:
        return candles, []
    if not is_kept.any():
        raise CandleError(
            f"all {len(candles):,} candles of {candles.symbol} would be dropped ({changes[0].detail})",
            expected="some sound candles",
            remedy="Check how the file was read: its columns, its times and its zone",
        )
    return replace(candles, frame=candles.frame.filter(pl.Series(is_kept))), changes


def _clipped(candles: Candles) -> tuple[Candles, list[Change]]:
    """With low and high moved out to hold open and close, and negative volumes set to 0; open and close stay as they are."""
    wrong, changes, frame = fatal_bars(candles), [], candles.frame
    impossible = wrong.get("impossible", np.zeros(len(candles), dtype=bool))
    if impossible.any():
        here = pl.lit(pl.Series(impossible))
        frame = frame.with_columns(
            pl.when(here).then(pl.max_horizontal(*PRICES)).otherwise("high").alias("high"),
            pl.when(here).then(pl.min_horizontal(*PRICES)).otherwise("low").alias("low"),
        )
        changes.append(Change("clipped", int(impossible.sum()), "low and high moved to hold open and close"))
    negative = wrong.get("negative_volume", np.zeros(len(candles), dtype=bool))
    if negative.any():
        frame = frame.with_columns(volume=pl.when(pl.lit(pl.Series(negative))).then(0.0).otherwise("volume"))
        changes.append(Change("clipped", int(negative.sum()), "negative volume set to 0"))
    return (replace(candles, frame=frame), changes) if changes else (candles, [])


def _longest(candles: Candles, max_gap: int) -> tuple[Candles, list[Change]]:
    """The longest stretch of bars without a gap of more than `max_gap` bars; the later one of two that are equal."""
    gaps = find_gaps(candles)
    rows = gaps.row[gaps.bars > max_gap]
    if not len(rows):
        return candles, []
    edges = np.concatenate([[0], rows, [len(candles)]])
    longest = len(edges) - 2 - int(np.diff(edges)[::-1].argmax())
    first, last = int(edges[longest]), int(edges[longest + 1])
    sides = [f"before {str(candles.open_time[first])[:16]}"] if first else []
    sides += [f"after {str(candles.close_time[last - 1])[:16]}"] if last < len(candles) else []
    gaps = f"{count(len(rows), 'gap')} of more than {count(max_gap, 'bar')}"
    words = f"{' and '.join(sides)}: {gaps}".replace("T", " ")
    return candles[first:last], [Change("left_out", len(candles) - (last - first), words)]
