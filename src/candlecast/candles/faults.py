"""What can be wrong with candles: the list of faults, and where the holes are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.candles.halts import is_halt
from candlecast.candles.holes import DAY, find_holes, wall_clock
from candlecast.errors import CandleError

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

TOLERANCE = 1e-9  # relative: vendors round adjusted prices after adjusting them

FATAL = {
    "unsorted": ("opens before the bar in front of it", "open before the bar in front of them"),
    "duplicate": ("repeats the open time of another bar", "repeat the open time of another bar"),
    "off_grid": ("opens off the grid that most bars open on", "open off the grid that most bars open on"),
    "not_finite": (
        "holds a price or volume that is absent, NaN or infinite",
        "hold a price or volume that is absent, NaN or infinite",
    ),
    "not_positive": ("holds a price of zero or below", "hold a price of zero or below"),
    "impossible": (
        "has its open, high or close outside of low..high",
        "have their open, high or close outside of low..high",
    ),
    "negative_volume": ("has a negative volume", "have a negative volume"),
}  # of one bar, and of several
SORTING = 'Sort them by time first, for example with frame.sort("open_time")'
LISTING = "List them with candles.check() or `candlecast candles FILE` and correct them at the source"
NOTICES = {
    "zero_volume": "without volume",
    "split": "as after a split",
    "reuse": "perhaps of another asset under the same symbol",
}
SPLITS = tuple(
    ratio for shares in (1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100) for ratio in (shares, 1 / shares)
)
SPLIT_TOLERANCE = 0.03  # log: an overnight move that comes with the split
LONG_HOLE = 7  # days after which a symbol may have been given to another asset
OTHER_PRICE = 1.5  # times the old price, or one part in that


@dataclass(frozen=True, eq=False)
class CandleReport:
    """What `Candles.check()` found.

    `faults` has one row per kind of fault, and one for each gap, halt, jump like a split, and new price level behind a
    long gap: `kind`, `is_fatal`, `bars` (how many it concerns), `first` and `last` (open times), `detail` in words.
    `is_sound` says that nothing fatal was found: the fatal kinds are faults of the data, and nothing is computed on
    those; gaps, bars without volume and jumps may be facts of a market, and are for people to judge.

    A `halt` is a gap in which the exchange is known to have stood still (of candles whose `origin` is known).
    """

    symbol: str
    interval: str
    bars: int
    faults: pl.DataFrame

    @property
    def is_sound(self) -> bool:
        """Whether the candles can be computed on."""
        return not self.faults["is_fatal"].any()

    @property
    def missing(self) -> int:
        """Bars missing in gaps and halts."""
        return int(self.faults.filter(pl.col("kind").is_in(["gap", "halt"]))["bars"].sum())

    @property
    def halted(self) -> int:
        """Bars of those that are missing in known halts of the exchange."""
        return int(self.faults.filter(pl.col("kind") == "halt")["bars"].sum())

    def raise_if_unsound(self) -> None:
        """Raise CandleError, naming the first fatal fault and the number of others."""
        fatal = self.faults.filter("is_fatal")
        if fatal.is_empty():
            return
        worst = fatal.row(0, named=True)
        others = f" (and {fatal.height - 1} other kind{'s' * (fatal.height > 2)} of fault)" if fatal.height > 1 else ""
        raise CandleError(
            f"{worst['bars']:,} of {self.bars:,} candles of {self.symbol} {_said(worst)}, "
            f"the first at {worst['first']:%Y-%m-%d %H:%M:%S} UTC: {worst['detail']}{others}",
            expected="sorted, unique, on-grid candles with positive prices inside low..high",
            remedy=SORTING if worst["kind"] == "unsorted" else LISTING,
        )

    def __str__(self) -> str:
        lines = [f"{self.symbol} {self.interval}: {_bars(self.bars)}, {'sound' if self.is_sound else 'NOT SOUND'}"]
        lines += [
            f"  {_bars(row['bars'])} {_said(row)}, first {row['first']:%Y-%m-%d %H:%M} ({row['detail']})"
            for row in self.faults.filter(~pl.col("kind").is_in(["gap", "halt"])).iter_rows(named=True)
        ]
        for kind, words in {"gap": "gap", "halt": "known halt"}.items():
            found = self.faults.filter(pl.col("kind") == kind)
            if found.height:
                missing = int(found["bars"].sum())
                worst = found.sort("bars", descending=True).row(0, named=True)
                number = f"{found.height:,} {words}{'s' * (found.height > 1)}"
                lines.append(
                    f"  {_bars(missing)} {'is' if missing == 1 else 'are'} missing in {number}, "
                    f"the longest {_bars(worst['bars'])} from {worst['first']:%Y-%m-%d %H:%M}"
                )
        return "\n".join(lines)


def _said(row: Mapping[str, Any]) -> str:
    """What is wrong with the bars of a fault, in words that follow their number."""
    kind = row["kind"]
    return NOTICES[kind] if kind in NOTICES else FATAL[kind][row["bars"] != 1]


def _bars(number: int) -> str:
    return f"{number:,} bar{'s' * (number != 1)}"


def check(candles: Candles) -> CandleReport:
    """All faults of the candles, fatal ones first, then gaps in order of time."""
    masks = _masks(candles) if len(candles) else []
    rows = [_fault(candles, kind, mask, detail) for kind, mask, detail in masks if mask.any()]
    if not any(row["is_fatal"] for row in rows):
        rows += _gaps(candles) + _splits(candles)
    schema = {
        "kind": pl.String,
        "is_fatal": pl.Boolean,
        "bars": pl.Int64,
        "first": pl.Datetime("us", "UTC"),
        "last": pl.Datetime("us", "UTC"),
        "detail": pl.String,
    }
    table = pl.DataFrame(rows, schema=schema, orient="row").sort("is_fatal", descending=True, maintain_order=True)
    return CandleReport(candles.symbol, str(candles.interval), len(candles), table)


def _masks(candles: Candles) -> list[tuple[str, np.ndarray, str]]:
    opened = candles.open_time.astype(np.int64)
    prices = np.stack([candles.open, candles.high, candles.low, candles.close])
    volume = candles.volume
    steps = np.diff(opened, prepend=opened[0] - 1)
    unsorted = steps < 0
    _, first_at = np.unique(opened, return_index=True)
    duplicate = np.ones(len(opened), dtype=bool)
    duplicate[first_at] = False
    off_grid = _is_off_grid(candles)
    has_volume = not np.isnan(volume).all()  # of an index or a currency there may be none
    not_finite = ~(np.isfinite(prices).all(axis=0) & (np.isfinite(volume) | (not has_volume)))
    not_positive = np.any(prices <= 0, axis=0)
    slack = TOLERANCE * np.abs(prices[1])
    top, bottom = np.maximum(prices[0], prices[3]), np.minimum(prices[0], prices[3])
    with np.errstate(invalid="ignore"):  # infinite prices are listed as such
        impossible = (prices[1] + slack < top) | (prices[2] - slack > bottom) | (prices[1] + slack < prices[2])
    return [
        ("unsorted", unsorted, "times must rise from row to row"),
        ("duplicate", duplicate, _values_differ(candles, duplicate)),
        ("off_grid", off_grid, f"bars of {candles.interval} share one offset"),
        ("not_finite", not_finite, _bar_words(candles, not_finite)),
        ("not_positive", not_positive, _bar_words(candles, not_positive)),
        ("impossible", impossible, _bar_words(candles, impossible)),
        ("negative_volume", volume < 0, _bar_words(candles, volume < 0)),
        ("zero_volume", volume == 0, _runs(volume == 0, "quiet market or halt")),
    ]


def _is_off_grid(candles: Candles) -> np.ndarray:
    """Bool (time,): the bar opens at another offset than most; behind a break, the grid begins anew."""
    clock, step = wall_clock(candles), candles.interval.microseconds
    phases = clock % step
    common, counts = np.unique(phases, return_counts=True)
    off_grid = phases != common[counts.argmax()]
    for _, end in candles.breaks or ():
        off_grid &= (clock % DAY < end) | ((clock % DAY - end) % step != 0)
    return off_grid


def _fault(candles: Candles, kind: str, mask: np.ndarray, detail: str) -> dict[str, object]:
    at = candles.frame["open_time"].filter(pl.Series(mask))
    return _row(kind, int(mask.sum()), at[0], at[-1], detail)


def _bar_words(candles: Candles, mask: np.ndarray) -> str:
    if not mask.any():
        return ""
    bar = int(mask.argmax())
    names = ("open", "high", "low", "close", "volume")
    return ", ".join(f"{name} {getattr(candles, name)[bar]:g}" for name in names)


def _values_differ(candles: Candles, duplicate: np.ndarray) -> str:
    if not duplicate.any():
        return ""
    times = candles.frame["open_time"].filter(pl.Series(duplicate)).unique()
    repeated = candles.frame.filter(pl.col("open_time").is_in(times.implode()))
    same = repeated.unique().height == times.len()
    return "with the same values" if same else "with different values"


def _gaps(candles: Candles) -> list[dict[str, object]]:
    """One row for each hole, and one for each behind which the price is another."""
    holes = find_holes(candles)
    exchange = candles.origin.source if candles.origin else ""
    starts, ends = (pl.Series(times).cast(pl.Datetime("us", "UTC")) for times in (holes.start, holes.end))
    rows = []
    for hole, (row, bars) in enumerate(zip(holes.row.tolist(), holes.bars.tolist(), strict=True)):
        is_known = is_halt(exchange, holes.start[hole], holes.end[hole], step=candles.interval.timedelta)
        absent = "weekdays without a bar" if candles.has_sessions else "bars absent"
        first, last = starts[hole], ends[hole] - candles.interval.timedelta
        kind, detail = ("halt", f"a known halt of {exchange}") if is_known else ("gap", absent)
        rows.append(_row(kind, bars, first, last, detail))
        ratio = candles.open[row] / candles.close[row - 1]
        if (last - first).days >= LONG_HOLE and abs(np.log(ratio)) > np.log(OTHER_PRICE):
            words = f"the first price behind {bars:,} missing bars is {ratio:.3g} times the last in front of them"
            rows.append(_row("reuse", 1, ends[hole], ends[hole], words))
    return rows


def _splits(candles: Candles) -> list[dict[str, object]]:
    """Bars that open at a simple fraction or multiple of the close in front of them."""
    ratios = candles.open[1:] / candles.close[:-1]
    jumps = np.flatnonzero(np.abs(np.log(ratios)) > np.log(1.4)) + 1
    rows = []
    for row in jumps.tolist():
        ratio = float(ratios[row - 1])
        near = min(SPLITS, key=lambda split: abs(np.log(ratio * split)))
        if abs(np.log(ratio * near)) < SPLIT_TOLERANCE:
            time = candles.frame["open_time"][row]
            shares = f"{Fraction(near).limit_denominator(100)}".replace("/", " for ")
            shares = shares if " for " in shares else f"{shares} for 1"
            words = (
                f"opens at {ratio:.4g} times the close before: a split {shares} that was not adjusted, or a real move"
            )
            rows.append(_row("split", 1, time, time, words))
    return rows


def _runs(mask: np.ndarray, detail: str) -> str:
    """Detail of bars that often come in runs."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    if not len(lengths) or lengths.max() == 1:
        return detail
    return f"{detail}; {len(lengths):,} run{'s' * (len(lengths) > 1)}, the longest {_bars(int(lengths.max()))}"


def _row(kind: str, bars: int, first: Any, last: Any, detail: str) -> dict[str, object]:
    return {"kind": kind, "is_fatal": kind in FATAL, "bars": bars, "first": first, "last": last, "detail": detail}
