"""What can be wrong with candles: the list of issues, gaps among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.candles import fills
from candlecast.candles.clock import DAY
from candlecast.candles.gaps import day_start, find_gaps, month_numbers, wall_clock
from candlecast.candles.halts import is_halt
from candlecast.candles.hours import describe
from candlecast.candles.infill import is_interpolated
from candlecast.candles.smoothing import smoothing
from candlecast.candles.stale import Stretch, opens
from candlecast.candles.ticks import ticks
from candlecast.candles.volumes import early_activity, volume_timing
from candlecast.errors import CandleError
from candlecast.interval import SECONDS
from candlecast.text.formatting import count, percent
from candlecast.text.notebook import notebook_text

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

TOLERANCE = 1e-9  # relative: vendors round adjusted prices after adjusting them

FATAL = {
    "unsorted": ("opens before the previous bar", "open before the previous bar"),
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
SORTING = "Put them in order of time with candles.mended(sort=True)"
LISTING = 'List them with candles.check(), and correct them at the source or leave them out with candles.mended("drop")'
OTHERWISE = "List them with candles.check(); so many are no faults of single bars: give their interval and columns, or other data"
MANY = 0.1  # share of the bars, above which leaving them out would make other candles of them
NOTICES = {
    "zero_volume": "without volume",
    "filled_forward": "without volume that repeat the bar before, or its close",
    "filled_weekend": "of weekends that repeat the close before",
    "copied_bar": "that are the bar before once more",
    "repeated_bar": "that repeat a stretch of earlier bars",
    "flat_run": "in long runs of one price",
    "stale_open": "that open at the close before, or nearly, after a closed market",
    "averaged_open": "that open midway through the bar before",
    "spike": "that close far off their neighbours, which agree",
    "interpolated": "that look interpolated between other bars",
    "early_volume": "whose volume seems to be that of a later bar",
    "smoothed": "with prices that look like averages over several bars",
    "early_activity": "with a column that seems to be that of a later bar",
    "coarse_tick": "with steps of price about as large as their moves",
    "split": "as after a split",
    "reuse": "perhaps of another asset under the same symbol",
    "ended": "after which the series ends",
}
IN_PARTS = ("stale_open", "coarse_tick")  # one row for each part of the table
SPLITS = tuple(
    ratio for shares in (1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100) for ratio in (shares, 1 / shares)
)
SPLIT_TOLERANCE = 0.03  # log: an overnight move that comes with the split
LONG_ABSENCE = 365  # days after which a symbol is another asset's, or listed anew, at any price
LONG_GAP = 7  # days after which a symbol may have been given to another asset
OTHER_PRICE = 1.5  # times the old price, or one part in that, at least
OTHER_MOVE = 5.0  # standard deviations of the move over a gap, at least


@dataclass(frozen=True, eq=False)
class CandleReport:
    """What `Candles.check()` found.

    `issues` has one row per kind of issue, and one for each gap, halt, jump like a split, and new price level after a
    long gap: `kind`, `is_fatal`, `bars` (how many it concerns), `first` and `last` (open times), `detail` in words.
    `is_sound` says that nothing fatal was found: the fatal kinds are errors of the data, and nothing is computed on
    those; gaps, bars without volume and jumps may be facts of a market, and are for people to judge. So are prices that
    nobody could have traded at: opens copied from the close before, averaged opens, bars that fill gaps, and steps of
    price so coarse that rounding looks like a reversal (one row for each part of the table).

    `hours` says in words when the market trades, if it closes or keeps another clock than UTC.

    A `halt` is a gap in which the exchange is known to have halted trading (of candles whose `origin` is known).
    """

    symbol: str
    interval: str
    bars: int
    issues: pl.DataFrame
    hours: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether the candles can be computed on."""
        return not self.issues["is_fatal"].any()

    @property
    def missing(self) -> int:
        """Bars missing in gaps and halts."""
        return int(self.issues.filter(pl.col("kind").is_in(["gap", "halt"]))["bars"].sum())

    @property
    def halted(self) -> int:
        """Bars of those that are missing in known halts of the exchange."""
        return int(self.issues.filter(pl.col("kind") == "halt")["bars"].sum())

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader of a result on these candles should know, in sentences: jumps like splits, symbols that may have been
        reused, and prices that nobody could have traded at, all parts of the table in one sentence. Gaps and bars without
        volume are not among them.
        """
        sentences = []
        for (kind,), found in self.issues.group_by("kind", maintain_order=True):
            if kind not in NOTICES or kind == "zero_volume":
                continue
            rows = found.to_dicts()
            sentences += [_joint_sentence(rows)] if kind in IN_PARTS and len(rows) > 1 else map(_sentence, rows)
        return tuple(sentences)

    @property
    def jumps(self) -> tuple[str, ...]:
        """Those of the notices that are jumps like splits."""
        return tuple(_sentence(row) for row in self.issues.filter(pl.col("kind") == "split").iter_rows(named=True))

    def raise_if_unsound(self) -> None:
        """Raise CandleError, naming the first fatal issue and the number of others."""
        fatal = self.issues.filter("is_fatal")
        if fatal.is_empty():
            return
        worst = fatal.row(0, named=True)
        others = f" (and {count(fatal.height - 1, 'other kind')} of issue)" if fatal.height > 1 else ""
        raise CandleError(
            f"{worst['bars']:,} of {self.bars:,} candles of {self.symbol} {_said(worst)}, "
            f"the first at {worst['first']:%Y-%m-%d %H:%M:%S} UTC: {worst['detail']}{others}",
            expected="sorted, unique, on-grid candles with positive prices inside low..high",
            remedy=SORTING
            if worst["kind"] == "unsorted"
            else OTHERWISE
            if worst["bars"] > MANY * self.bars
            else LISTING,
        )

    def _repr_html_(self) -> str:
        """The same as text, for notebooks."""
        return notebook_text(str(self))

    def __str__(self) -> str:
        lines = [
            f"{self.symbol} {self.interval}: {count(self.bars, 'bar')}, {'sound' if self.is_sound else 'NOT SOUND'}"
        ]
        lines += [f"  {sentence}" for sentence in self.hours]
        lines += [
            f"  {_sentence(row)}"
            for row in self.issues.filter(~pl.col("kind").is_in(["gap", "halt"])).iter_rows(named=True)
        ]
        for kind, words in {"gap": "gap", "halt": "known halt"}.items():
            found = self.issues.filter(pl.col("kind") == kind)
            if found.height:
                missing = int(found["bars"].sum())
                worst = found.sort("bars", descending=True).row(0, named=True)
                lines.append(
                    f"  {count(missing, 'bar')} {'is' if missing == 1 else 'are'} missing in {count(found.height, words)}, "
                    f"the longest {count(worst['bars'], 'bar')} from {worst['first']:%Y-%m-%d %H:%M}"
                )
        return "\n".join(lines)


def _said(row: Mapping[str, Any]) -> str:
    """What is wrong with the bars of an issue, in words that follow their number."""
    kind = row["kind"]
    return NOTICES[kind] if kind in NOTICES else FATAL[kind][row["bars"] != 1]


def _sentence(row: Mapping[str, Any]) -> str:
    return f"{count(row['bars'], 'bar')} {_said(row)}, first {row['first']:%Y-%m-%d %H:%M} ({row['detail']})"


def _joint_sentence(rows: list[dict[str, Any]]) -> str:
    """A sentence on an issue that several parts of the table have: their bars, their time, and the longest of them."""
    longest = max(rows, key=lambda row: row["bars"])
    return (
        f"{count(sum(row['bars'] for row in rows), 'bar')} {_said(rows[0])}, in {len(rows)} parts of the table between "
        f"{rows[0]['first']:%Y-%m-%d} and {rows[-1]['last']:%Y-%m-%d}, the longest from {longest['first']:%Y-%m-%d} "
        f"({longest['detail']})"
    )


def check(candles: Candles) -> CandleReport:
    """All issues of the candles, fatal ones first, then gaps in order of time."""
    masks = _masks(candles) if len(candles) else []
    rows = [_issue(candles, kind, mask, detail) for kind, mask, detail in masks if mask.any()]
    if not any(row["is_fatal"] for row in rows):
        rows += _gaps(candles) + _splits(candles) + _untraded_prices(candles) + _ending(candles)
    schema = {
        "kind": pl.String,
        "is_fatal": pl.Boolean,
        "bars": pl.Int64,
        "first": pl.Datetime("us", "UTC"),
        "last": pl.Datetime("us", "UTC"),
        "detail": pl.String,
    }
    table = pl.DataFrame(rows, schema=schema, orient="row").sort("is_fatal", descending=True, maintain_order=True)
    hours = () if table["is_fatal"].any() else describe(candles)
    return CandleReport(candles.symbol, str(candles.interval), len(candles), table, hours)


def fatal_bars(candles: Candles) -> dict[str, np.ndarray]:
    """Which bars have each kind of fatal issue, bool (time,)."""
    return {kind: mask for kind, mask, _ in _masks(candles) if kind in FATAL} if len(candles) else {}


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
    """Bool (time,): the bar opens at another offset than most; the grid may begin anew with the session and after a break."""
    clock, step = wall_clock(candles), candles.interval.microseconds
    if candles.interval.months:
        months = month_numbers(candles)
        begins = day_start(candles.clock, months.astype("datetime64[M]").astype("datetime64[D]"))
        common, counts = np.unique(months % candles.interval.months, return_counts=True)
        return (clock != begins) | (months % candles.interval.months != common[counts.argmax()])
    phases = clock % step
    if not len(phases) or np.all(phases == phases[0]):
        return np.zeros(len(phases), dtype=bool)
    common, counts = np.unique(phases, return_counts=True)
    off_grid = phases != common[counts.argmax()]
    starts = [end for _, end, *_ in candles.breaks or ()]
    if candles.clock.session:
        starts.append(candles.clock.session[0])
    for start in starts:
        after = (clock - start) % DAY
        off_grid &= (after % step != 0) | (after >= DAY // 2)
    return off_grid


def _issue(candles: Candles, kind: str, mask: np.ndarray, detail: str) -> dict[str, object]:
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
    """One row for each gap, and one for each long gap after which the price is at another level."""
    gaps = find_gaps(candles)
    exchange = candles.origin.source if candles.origin else ""
    starts, ends = (pl.Series(times).cast(pl.Datetime("us", "UTC")) for times in (gaps.start, gaps.end))
    lasts = candles.interval.before(ends)
    rows = []
    for gap, (row, bars) in enumerate(zip(gaps.row.tolist(), gaps.bars.tolist(), strict=True)):
        is_known = not candles.interval.months and is_halt(
            exchange, gaps.start[gap], gaps.end[gap], step=candles.interval.timedelta
        )
        absent = "weekdays without a bar" if gaps.is_closed[gap] else "bars absent"
        first, last = starts[gap], lasts[gap]
        kind, detail = ("halt", f"a known halt of {exchange}") if is_known else ("gap", absent)
        rows.append(_row(kind, bars, first, last, detail))
        if (reuse := _reuse(candles, row, bars, starts[gap], ends[gap])) is not None:
            rows.append(reuse)
    return rows


def _reuse(candles: Candles, row: int, bars: int, start: Any, end: Any) -> dict[str, object] | None:
    """The issue that the bar of a row, after a gap, may be of another asset; None where gap and price do not say so."""
    ratio, absent = candles.open[row] / candles.close[row - 1], (end - start).days
    words = f"the first price after {count(bars, 'missing bar')} is {ratio:.3g} times the last before"
    if absent >= max(LONG_ABSENCE, 2 * candles.interval.seconds / SECONDS["d"]):
        return _row("reuse", 1, end, end, words)
    if absent < LONG_GAP or abs(np.log(ratio)) <= np.log(OTHER_PRICE):
        return None
    moves = np.abs(np.diff(np.log(candles.close)))
    deviation = float(np.median(moves)) / 0.6745  # of normal moves, of which half are smaller than that
    if abs(np.log(ratio)) <= OTHER_MOVE * deviation * np.sqrt(bars + 1):
        return None
    return _row("reuse", 1, end, end, words)


def find_reuses(candles: Candles) -> list[dict[str, Any]]:
    """Bars after long gaps at another level of price, as `check` lists them, each with its `row`; of sound candles."""
    gaps = find_gaps(candles)
    starts, ends = (pl.Series(times).cast(pl.Datetime("us", "UTC")) for times in (gaps.start, gaps.end))
    found = []
    for gap in np.flatnonzero((gaps.end - gaps.start) >= np.timedelta64(LONG_GAP, "D")).tolist():
        row = int(gaps.row[gap])
        if (reuse := _reuse(candles, row, int(gaps.bars[gap]), starts[gap], ends[gap])) is not None:
            found.append({**reuse, "row": row})
    return found


def _ending(candles: Candles) -> list[dict[str, object]]:
    """That the series ends with the last bar, where the store knows that."""
    ended = candles.origin.ended if candles.origin else None
    if ended is None or not candles.has_ended:
        return []
    last = candles.frame["open_time"][-1]
    words = f"{ended.why}; a position held then is closed at the last close, at which it may not have been possible to trade"
    return [_row("ended", 1, last, last, words)]


def _splits(candles: Candles) -> list[dict[str, object]]:
    """Bars that open at a simple fraction or multiple of the previous close."""
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


def _untraded_prices(candles: Candles) -> list[dict[str, object]]:
    """Parts of the table whose prices nobody could have traded at."""
    if not len(candles):
        return []
    invented = fills.is_invented(candles)
    copied = fills.is_copy(candles) & ~invented
    weekends = fills.is_filled_weekend(candles) & ~invented
    spikes = fills.is_spike(candles)
    spikes &= fills.are_many(spikes)
    timing = volume_timing(candles)
    volume = np.full(len(candles), timing.is_early)
    early = (
        f"correlation of volume with the range of its own bar {timing.own:.2f}, with that of the next {timing.next:.2f}"
    )
    averaged = fills.is_averaged(candles)
    has_averages = averaged.mean() > fills.MAXIMUM
    shifted, smoothed = early_activity(candles), smoothing(candles)
    averages = (
        f"the ranges are {smoothed.ratio:.1f} times too wide for the moves of the closes, in variance, and these moves go on "
        f"(autocorrelation {smoothed.autocorrelation:.2f})"
    )
    masks = [
        ("filled_forward", invented, "other bars have volume: nobody traded here"),
        ("filled_weekend", weekends, "filled forward while the market was closed: nobody traded here"),
        ("copied_bar", copied, "the open of a copy is a price that had gone when the bar before closed"),
        (
            "repeated_bar",
            candles.is_repeated,
            "the same moves and ranges once more, perhaps mirrored or at another price",
        ),
        ("spike", spikes, "perhaps bad prints: prices that were gone with the next one"),
        (
            "interpolated",
            is_interpolated(candles),
            "their moves go on into the next bar: they lead to prices that came later",
        ),
        ("smoothed", np.full(len(candles), smoothed.is_smoothed and not has_averages), averages),
        ("early_volume", volume, early),
        ("early_activity", np.full(len(candles), bool(shifted)), f"{', '.join(shifted)}: perhaps one bar early"),
        ("flat_run", fills.flat_runs(candles), "open, high, low and close are equal from bar to bar"),
    ]
    rows = [_issue(candles, kind, mask, _runs(mask, detail)) for kind, mask, detail in masks if mask.any()]
    rows += [_stale_row(candles, part) for part in opens(candles).in_order]
    if has_averages:
        words = (
            f"{percent(averaged.mean(), 0)} of all bars, as in Heikin-Ashi candles: averages, which nobody traded at"
        )
        rows.append(_issue(candles, "averaged_open", averaged, words))
    steps = ticks(candles)
    for first, end in fills.runs(steps.is_coarse):
        part = slice(first, end)
        step, price, move = (float(np.mean(values[part])) for values in (steps.step, steps.price, steps.move))
        words = (
            f"a step of {step:.4g} is {percent(step / price, 2)} of the price and {step / move if move else np.inf:.2g} "
            f"times a bar's mean move; {percent(float(np.mean(steps.unchanged[part])), 0)} of the closes do not move"
        )
        row, last = int(steps.first[first]), int(steps.end[end - 1]) - 1
        rows.append(_part("coarse_tick", candles, row, last, last - row + 1, words))
    return rows


def _stale_row(candles: Candles, part: Stretch) -> dict[str, object]:
    words = f"{percent(part.share, 0)} of {part.among:,} opens in this time: copied, so that nobody traded at them"
    if part.is_narrow:
        words = f"the variance of the gaps in this time is {percent(part.gap_variance)} of that of the bars: too little for news"
    return _part("stale_open", candles, part.first, part.last, part.rows, words)


def _part(kind: str, candles: Candles, first: int, last: int, bars: int, detail: str) -> dict[str, object]:
    opened = candles.frame["open_time"]
    return _row(kind, bars, opened[first], opened[last], detail)


def _runs(mask: np.ndarray, detail: str) -> str:
    """Detail of bars that often come in runs."""
    lengths = [end - first for first, end in fills.runs(mask)]
    if not lengths or max(lengths) == 1:
        return detail
    return f"{detail}; {count(len(lengths), 'run')}, the longest {count(max(lengths), 'bar')}"


def _row(kind: str, bars: int, first: Any, last: Any, detail: str) -> dict[str, object]:
    return {"kind": kind, "is_fatal": kind in FATAL, "bars": bars, "first": first, "last": last, "detail": detail}
