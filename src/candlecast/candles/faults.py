"""What can be wrong with candles: the list of faults, and where the holes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.errors import CandleError

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

DAY = np.timedelta64(1, "D")
LONGEST_CLOSURE = 5  # weekdays: the longest planned or forced closing of a large exchange since 1950 was 4 (2001-09-11)
WEEKDAY_SHARE = 0.95  # of the bars of a market with sessions; 5 of 7 in one that never closes
TOLERANCE = 1e-9  # relative: vendors round adjusted prices after adjusting them

FATAL = {
    "unsorted": "open before the bar in front of them",
    "duplicate": "repeat the open time of another bar",
    "off_grid": "open off the grid that most bars open on",
    "not_finite": "hold a price or volume that is absent, NaN or infinite",
    "not_positive": "hold a price of zero or below",
    "impossible": "have their open, high or close outside of low..high",
    "negative_volume": "have a negative volume",
}
SORTING = 'Sort them by time first, for example with frame.sort("open_time")'
LISTING = "List them with candles.check() or `candlecast candles FILE` and correct them at the source"
NOTICES = {"gap": "are missing", "zero_volume": "have no volume"}


@dataclass(frozen=True, eq=False)
class CandleReport:
    """What `Candles.check()` found.

    `faults` has one row per kind of fault and one per gap: `kind`, `is_fatal`, `bars` (how many it concerns), `first`
    and `last` (open times), `detail` in words. `is_sound` says that nothing fatal was found: gaps and bars without
    volume are facts of a market, the others are faults of the data, and nothing is computed on those.
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
        """Bars missing in gaps."""
        return int(self.faults.filter(pl.col("kind") == "gap")["bars"].sum())

    def raise_if_unsound(self) -> None:
        """Raise CandleError, naming the first fatal fault and the number of others."""
        fatal = self.faults.filter("is_fatal")
        if fatal.is_empty():
            return
        worst = fatal.row(0, named=True)
        others = f" (and {fatal.height - 1} other kind{'s' * (fatal.height > 2)} of fault)" if fatal.height > 1 else ""
        raise CandleError(
            f"{worst['bars']:,} of {self.bars:,} candles of {self.symbol} {FATAL[worst['kind']]}, "
            f"the first at {worst['first']:%Y-%m-%d %H:%M:%S} UTC: {worst['detail']}{others}",
            expected="sorted, unique, on-grid candles with positive prices inside low..high",
            remedy=SORTING if worst["kind"] == "unsorted" else LISTING,
        )

    def __str__(self) -> str:
        gaps = self.faults.filter(pl.col("kind") == "gap")
        lines = [f"{self.symbol} {self.interval}: {self.bars:,} bars, {'sound' if self.is_sound else 'NOT SOUND'}"]
        for row in self.faults.filter(pl.col("kind") != "gap").iter_rows(named=True):
            words = {**FATAL, **NOTICES}[row["kind"]]
            lines.append(f"  {row['bars']:,} bars {words}, first {row['first']:%Y-%m-%d %H:%M} ({row['detail']})")
        if gaps.height:
            worst = gaps.sort("bars", descending=True).row(0, named=True)
            lines.append(
                f"  {self.missing:,} bars {NOTICES['gap']} in {gaps.height:,} gap{'s' * (gaps.height > 1)}, "
                f"the longest {worst['bars']:,} bars from {worst['first']:%Y-%m-%d %H:%M}"
            )
        return "\n".join(lines)


def check(candles: Candles) -> CandleReport:
    """All faults of the candles, fatal ones first, then gaps in order of time."""
    masks = _masks(candles) if len(candles) else []
    rows = [_fault(candles, kind, mask, detail) for kind, mask, detail in masks if mask.any()]
    if not any(row["is_fatal"] for row in rows):
        rows += _gaps(candles)
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


def segments(candles: Candles) -> np.ndarray:
    """Number of holes before each bar; see `Candles.segments`."""
    return np.concatenate([[0], np.cumsum(_missing_before(candles)[1:] > 0)]).astype(np.int64)[: len(candles)]


def has_sessions(candles: Candles) -> bool:
    """Whether the market closes: next to no bar opens on a Saturday or Sunday although the table spans a whole weekend.

    A few do in a market with sessions: currencies and Sydney open on Sunday evening in UTC, and there are special days.
    """
    days = candles.open_time.astype("datetime64[D]")
    spans_weekend = len(days) > 0 and days[-1] - days[0] >= 9 * DAY
    return candles.interval.seconds < 7 * 86_400 and bool(spans_weekend and np.is_busday(days).mean() > WEEKDAY_SHARE)


def _masks(candles: Candles) -> list[tuple[str, np.ndarray, str]]:
    opened = candles.open_time.astype(np.int64)
    prices = np.stack([candles.open, candles.high, candles.low, candles.close])
    volume = candles.volume
    steps = np.diff(opened, prepend=opened[0] - 1)
    unsorted = steps < 0
    _, first_at = np.unique(opened, return_index=True)
    duplicate = np.ones(len(opened), dtype=bool)
    duplicate[first_at] = False
    phases = opened % candles.interval.microseconds
    common, counts = np.unique(phases, return_counts=True)
    off_grid = phases != common[counts.argmax()]
    not_finite = ~(np.isfinite(prices).all(axis=0) & np.isfinite(volume))
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
        ("zero_volume", volume == 0, "quiet market or halt"),
    ]


def _fault(candles: Candles, kind: str, mask: np.ndarray, detail: str) -> dict[str, object]:
    at = candles.frame["open_time"].filter(pl.Series(mask))
    return {
        "kind": kind,
        "is_fatal": kind in FATAL,
        "bars": int(mask.sum()),
        "first": at[0],
        "last": at[-1],
        "detail": detail,
    }


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


def _missing_before(candles: Candles) -> np.ndarray:
    """Bars missing in front of each bar, int64, shape (time,)."""
    opened = candles.open_time
    steps = np.diff(opened.astype(np.int64), prepend=0)
    missing = steps // candles.interval.microseconds - 1
    missing[:1] = 0
    if has_sessions(candles):
        days = opened.astype("datetime64[D]")
        closed = np.zeros(len(days), dtype=np.int64)
        closed[1:] = np.busday_count(days[:-1], days[1:]) - 1  # weekdays without a bar in between
        overnight = np.diff(days, prepend=days[:1]) > 0 * DAY
        missing = np.where(overnight, np.where(closed > LONGEST_CLOSURE, closed, 0), missing)
    return missing


def _gaps(candles: Candles) -> list[dict[str, object]]:
    missing = _missing_before(candles)
    opened, closed = candles.frame["open_time"], candles.frame["close_time"]
    return [
        {
            "kind": "gap",
            "is_fatal": False,
            "bars": int(missing[row]),
            "first": closed[row - 1],
            "last": opened[row] - candles.interval.timedelta,
            "detail": "weekdays without a bar" if has_sessions(candles) else "bars absent",
        }
        for row in map(int, np.flatnonzero(missing))
    ]
