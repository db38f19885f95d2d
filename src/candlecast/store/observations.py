"""What a source gave for each bar, and when: nothing is overwritten, and the values seen last are the current ones.

An *observation* is one bar as a source gave it at one moment. A bar that a vendor changes later has several, and the one
seen last holds. `asked_from` is where the period before the bar begins that was requested and for which the source gave
nothing: it separates a gap of the market from bars that were never requested, and is committed with the bar.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from candlecast.candles.intake import ACTIVITY
from candlecast.errors import SourceError
from candlecast.interval import Interval

TIME = pl.Datetime("us", "UTC")
BEGINNING = datetime(
    1800, 1, 1, tzinfo=UTC
)  # what a source without an asked beginning is asked from; no candle is older
PRICES = ("open", "high", "low", "close", "volume")
VALUES = (*PRICES, "dividend", "split")
EVERY = (*VALUES, *ACTIVITY)
ROUNDING = 1e-6  # relative; a cent of a share of 10,000
COLUMNS = {
    "open_time": TIME,
    **dict.fromkeys(EVERY, pl.Float64()),
    "asked_from": TIME,
    "has_sessions": pl.Boolean(),
    "seen_at": TIME,
}


def observe(
    page: pl.DataFrame, *, asked_from: datetime, has_sessions: bool, seen_at: datetime, interval: Interval, source: str
) -> pl.DataFrame:
    """Observations of the bars of a page, of the columns COLUMNS; the source was asked from `asked_from` on without a gap.

    Raises SourceError for a page that is not in order of time, or that holds a bar from before `asked_from`.
    """
    opened = page["open_time"].cast(TIME)
    earliest = opened.shift(1) + timedelta(microseconds=1)
    is_early = opened < earliest.fill_null(asked_from)
    if is_early.any():
        row = int(is_early.arg_max() or 0)
        before = opened[row - 1] if row else asked_from
        raise SourceError(
            f"{source} gave a bar of {opened[row]:%Y-%m-%d %H:%M} UTC after {before:%Y-%m-%d %H:%M}",
            expected="bars in order of time, none twice, none from before the period that was asked for",
            remedy="Nothing of that page was stored; correct the source",
        )
    closed = interval.after(opened).shift(1, fill_value=asked_from)
    absent = [pl.lit(None, pl.Float64).alias(name) for name in EVERY if name not in page.columns]
    return page.with_columns(
        *absent,
        open_time=opened,
        asked_from=pl.when(opened > closed).then(closed),
        has_sessions=pl.lit(has_sessions),
        seen_at=pl.lit(seen_at, TIME),
    ).select(pl.col(name).cast(kind) for name, kind in COLUMNS.items())


def is_current(observations: pl.DataFrame) -> bool:
    """Whether the observations are in order of time with none twice, so that all of them hold."""
    opened = observations["open_time"].to_physical().to_numpy()
    return bool(np.all(opened[1:] > opened[:-1]))


def current(observations: pl.DataFrame) -> pl.DataFrame:
    """The observations that hold, one for each bar, in order of time: of several, the one seen last.

    >>> day, hour = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 1, tzinfo=UTC)
    >>> seen = pl.DataFrame({"open_time": [day, day], "seen_at": [hour, day], "asked_from": [None, None], "close": [2, 1]})
    >>> current(seen)["close"].to_list()
    [2]
    """
    if is_current(observations):
        return observations
    ordered = observations.sort("open_time", "seen_at", maintain_order=True)
    asked = pl.col("asked_from").min().over("open_time")  # what was asked once stays asked
    return ordered.with_columns(asked).unique("open_time", keep="last", maintain_order=True)


def distinct(observations: pl.DataFrame) -> pl.DataFrame:
    """The observations without those that repeat the one before of the same bar, in order of bar and of sight."""
    ordered = observations.sort("open_time", "seen_at", maintain_order=True)
    same = [pl.col(name).eq_missing(pl.col(name).shift(1)) for name in ("open_time", *EVERY)]
    asked = pl.col("asked_from").min().over("open_time")
    return ordered.with_columns(asked).filter(~pl.all_horizontal(same))


def news(fresh: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The fresh observations that add to the known ones: another bar, other values, or a longer period requested.

    Vendors of stocks round adjusted prices after adjusting them, each time anew, so that there (where `dividend` is
    given) values that differ by less than ROUNDING are the same. What a source says of ACTIVITY is news where it differs or
    nothing was known of it. An update is stored as seen after what is known of the
    same bar, whatever the clocks of the machines say.
    """
    if known.is_empty():
        return fresh
    joined = _beside(fresh, known)
    before = pl.col("asked_from_before")
    is_longer = pl.col("asked_from").is_not_null() & (before.is_null() | (pl.col("asked_from") < before))
    later = pl.max_horizontal("seen_at", pl.col("seen_at_before") + timedelta(microseconds=1))
    found = joined.filter(pl.col("is_known").is_null() | is_longer | _is_other() | _says_more())
    return found.with_columns(seen_at=later).select(fresh.columns)


def differs(fresh: pl.DataFrame, known: pl.DataFrame) -> bool:
    """Whether any of the fresh observations has other values than the known one of the same bar; see `news`."""
    return not _beside(fresh, known).filter(pl.col("is_known") & _is_other()).is_empty()


def _beside(fresh: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    there = known.select("open_time", "asked_from", "seen_at", *EVERY, is_known=pl.lit(True))
    return fresh.join(there, on="open_time", how="left", maintain_order="left", suffix="_before")


def _is_other() -> pl.Expr:
    """Any value of an observation that stands beside the one before is another."""
    others = []
    for name in VALUES:
        now, before = pl.col(name), pl.col(f"{name}_before")
        is_rounded = pl.col("dividend").is_not_null() & ((now - before).abs() <= ROUNDING * before.abs()).fill_null(
            False
        )
        others.append(now.ne_missing(before) & ~is_rounded)
    return pl.any_horizontal(others)


def _says_more() -> pl.Expr:
    """Any of ACTIVITY is given, and is not what it was."""
    return pl.any_horizontal(
        pl.col(name).is_not_null() & pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in ACTIVITY
    )


def changes(observations: pl.DataFrame) -> pl.DataFrame:
    """Every change of a bar's values: `open_time`, `seen_at` (of the new ones), old values as `open_before` ..., and new."""
    repeated = observations.filter(pl.col("open_time").is_duplicated())
    ordered = distinct(repeated)
    before = [pl.col(name).shift(1).alias(f"{name}_before") for name in VALUES]
    pairs = ordered.with_columns(*before, is_first=pl.col("open_time") != pl.col("open_time").shift(1))
    is_other = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in VALUES)
    later = pairs.filter(~pl.col("is_first").fill_null(True) & is_other)
    return later.select("open_time", "seen_at", *(name for value in VALUES for name in (f"{value}_before", value)))


def unrequested(
    bars: pl.DataFrame, *, since: datetime, until: datetime, interval: Interval, is_recheck: bool = False
) -> list[tuple[datetime, datetime]]:
    """Periods before known bars that were never requested, from `since` to `until`; each ends when a known bar opens.

    With `is_recheck`, requested ones count too. `bars`: `open_time` and `asked_from` of the known bars, in order of time.
    """
    opened = bars["open_time"].to_physical().to_numpy()
    rows = (
        np.flatnonzero(opened[1:] - opened[:-1] > interval.microseconds) + 1
    )  # bars that do not adjoin the one before
    closed = pl.concat([pl.Series([BEGINNING], dtype=TIME), interval.after(bars["open_time"][rows - 1])])
    stretches = (
        bars[np.append(0, rows)]
        .select("asked_from", start=closed.clip(lower_bound=pl.lit(since, TIME)), end="open_time")
        .filter(
            (pl.col("start") < pl.col("end"))
            & (pl.col("start") < until)
            & (pl.lit(is_recheck) | pl.col("asked_from").is_null() | (pl.col("asked_from") > pl.col("start")))
        )
    )
    return list(zip(stretches["start"].to_list(), stretches["end"].to_list(), strict=True))


def joined(stretches: list[tuple[datetime, datetime]], near: timedelta) -> list[tuple[datetime, datetime]]:
    """Periods, merged when one begins within `near` of the end of the previous one.

    >>> day = timedelta(days=1)
    >>> start = datetime(2024, 1, 1, tzinfo=UTC)
    >>> found = joined([(start, start + day), (start + 2 * day, start + 3 * day), (start + 9 * day, start + 10 * day)], day)
    >>> [((first - start).days, (last - start).days) for first, last in found]
    [(0, 3), (9, 10)]
    """
    found: list[tuple[datetime, datetime]] = []
    for start, end in stretches:
        if found and start - found[-1][1] <= near:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found
