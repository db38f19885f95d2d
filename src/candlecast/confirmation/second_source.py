"""Candles of one asset from two sources, bar by bar: what makes them comparable, and what makes the second one no evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.candles.clock import DAY
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.signals import Positions
from candlecast.stats.robust import robust_correlation
from candlecast.text.formatting import count, number, percent

FEWEST = 30  # bars in common
LEAST_COMMON = 0.5  # of the own bars
EQUAL = 4e-7  # difference of log returns within which two prices are the same: those of 32-bit floats are
SAME = 0.999  # share of equal bars, from which on both have the same prices
LEAST_CORRELATION = 0.9  # of returns of one asset at two sources
NEARLY_ONE = 0.98  # correlation of returns that no two assets have
LONG_BARS = 240  # from which on longer returns are looked at
SHORTER, LONGER = 80, 20  # parts of the record: lengths over which the ratio of prices may drift
DRIFTS = (
    1.5  # times its change over the shorter length: 2 for the ratio of two assets, 1 for one that stays where it is
)
LOCAL = 101  # bars of the running median of the ratio of prices
MOVED = 0.01  # change of that ratio over the record that is reported


@dataclass(frozen=True, eq=False)
class PairedBars:
    """The bars that both sources have, at the times of the first.

    `own` has the prices of the first source, `other` those of the second times `scale`, the median ratio of their closes: only
    returns of the second count. Where the second has no volume, it is that of the first, by which impact is charged. `given` are
    the candles of the second as they came, `tested` is the number of bars of the first.
    """

    own: Candles
    other: Candles
    given: Candles
    scale: float
    tested: int

    @property
    def missing_share(self) -> float:
        """Share of the bars of the first source that the second lacks."""
        return 1.0 - len(self.own) / self.tested

    @cached_property
    def ratios(self) -> tuple[np.ndarray, np.ndarray]:
        """Logarithm of the other price over the own one, of opens and of closes, each (time,)."""
        return np.log(self.other.open / self.own.open), np.log(self.other.close / self.own.close)

    @cached_property
    def apart(self) -> tuple[np.ndarray, np.ndarray]:
        """The same less their running median, which adjustments and another quote unit change: absolute values, (time,)."""
        opens, closes = self.ratios
        return np.abs(opens - self._level), np.abs(closes - self._level)

    @cached_property
    def _level(self) -> np.ndarray:
        return _running_median(self.ratios[1], LOCAL)

    @property
    def level_move(self) -> float:
        """How far the ratio of the prices moves from the first to the last quarter of the record, as a logarithm."""
        closes, quarter = self.ratios[1], max(len(self.own) // 4, 1)
        return float(np.abs(np.median(closes[-quarter:]) - np.median(closes[:quarter])))

    @property
    def is_repeated(self) -> np.ndarray:
        """Whether the open of each bar but the first has moved as that of the first source did, to the last digit: bool."""
        return np.abs(np.diff(self.ratios[0])) <= EQUAL

    @property
    def is_copy(self) -> bool:
        """Whether all values of all bars are equal, volumes too."""
        names = ("open", "high", "low", "close", "volume")
        return self.tested == len(self.own) and all(
            np.allclose(getattr(self.other, name), getattr(self.own, name), rtol=EQUAL, atol=0.0, equal_nan=True)
            for name in names
        )

    @cached_property
    def correlation(self) -> float:
        """Of the log returns of the closes; see `stats.robust.robust_correlation`."""
        return self.lagged_correlation(0)

    @property
    def long_bars(self) -> int:
        """Bars of the longer returns, 0 where there are too few."""
        return len(self.own) // LONGER if len(self.own) >= LONG_BARS else 0

    @cached_property
    def long_correlation(self) -> float:
        """Of the returns over `long_bars`; NaN where there are too few."""
        bars = self.long_bars
        if not bars:
            return math.nan
        own, other = (np.log(each.close[bars:] / each.close[:-bars]) for each in (self.own, self.other))
        return robust_correlation(own, other)

    @property
    def drifts(self) -> bool:
        """Whether the ratio of the prices goes on to change with time, as that of two assets does."""
        short, long = len(self.own) // SHORTER, self.long_bars
        closes = self.ratios[1]
        changes = [float(np.quantile(np.abs(closes[bars:] - closes[:-bars]), 0.75)) for bars in (short, long)]
        return changes[1] > DRIFTS * changes[0]

    def lagged_correlation(self, lag: int) -> float:
        """Of the returns of the first source with those of the second `lag` bars later."""
        own, other = (np.diff(np.log(candles.close)) for candles in (self.own, self.other))
        rows = len(own) - abs(lag)
        return robust_correlation(own[max(-lag, 0) :][:rows], other[max(lag, 0) :][:rows])

    @property
    def is_one_asset(self) -> bool:
        """Whether both are prices of one asset.

        What differs between two prices of one asset, such as noise or offsets for some bars, does not add up with time: the ratio
        of the prices stays, and longer returns agree. That of two assets drifts.
        """
        if self.correlation >= NEARLY_ONE or not self.long_bars:
            return self.correlation >= LEAST_CORRELATION
        if self.long_correlation >= NEARLY_ONE:
            return True
        return max(self.correlation, self.long_correlation) >= LEAST_CORRELATION and not self.drifts

    def positions(self, decided: Positions) -> Positions:
        """The positions, each at the last bar in common before the first one whose open can fill it.

        What was decided at bars that the other source lacks is filled at its next bar; a later decision overtakes it.
        """
        opens, closes = self.own.open_time, self.own.frame["close_time"]
        times = decided.frame["time"].dt.replace_time_zone(None).to_numpy()
        rows = np.maximum(np.searchsorted(opens, times, side="left") - 1, 0)
        is_last = np.append(rows[1:] != rows[:-1], True) if len(rows) else np.zeros(0, dtype=bool)
        frame = decided.frame.filter(pl.Series(is_last, dtype=pl.Boolean))
        return replace(decided, frame=frame.with_columns(time=closes.gather(rows[is_last])))


def pair_bars(own: Candles, other: Candles, *, since: datetime) -> PairedBars:
    """The bars of both sources from the close `since` on. Bars of a day and more are paired by their date.

    Raises ConfigError for candles of another interval or another asset, for such as are dated otherwise, for jumps like splits
    that the own candles lack, and for a copy; NotEnoughDataError where both have too few bars in common; CandleError for unsound
    candles.
    """
    if own.interval != other.interval:
        raise ConfigError(
            f"the second source has candles of {other.interval}",
            expected=f"candles of {own.interval}, as in the run",
            remedy=f'Give candles of that length, or make them of shorter ones with candles.resample("{own.interval}")',
        )
    other.require_sound()
    tested = replace(own, frame=own.frame.filter(pl.col("close_time") >= since))
    mine, theirs = _rows_in_common(tested, other)
    if len(mine) < max(FEWEST, LEAST_COMMON * len(tested)):
        raise NotEnoughDataError(
            f"{source_words(other)} has {count(len(mine), 'bar')} of the {len(tested):,} that the run was tested on",
            expected=f"{FEWEST} or more, and half of them",
            remedy=f"Give candles from {tested.frame['open_time'][0]:%Y-%m-%d %H:%M} to "
            f"{tested.frame['close_time'][-1]:%Y-%m-%d %H:%M} UTC; where times are in another zone, say it with zone=...",
        )
    paired = _paired(tested, other, mine, theirs)
    _require_comparable(paired)
    return paired


def within(other: Candles, first: np.datetime64, last: np.datetime64) -> Candles:
    """Those of the other candles that open from the first to the last of the own ones, to a bar."""
    times, bar = other.open_time, np.timedelta64(other.interval.microseconds, "us")
    first, last = first - bar, last + bar
    return other[int(np.searchsorted(times, first, side="right")) : int(np.searchsorted(times, last, side="left"))]


def _rows_in_common(own: Candles, other: Candles) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both that begin at the same time, or, where that pairs more bars of a day or longer, on the same date."""
    found = _matched(own.open_time, other.open_time)
    if own.interval.microseconds >= DAY:
        by_date = _matched(*(each.local_time.astype("datetime64[D]") for each in (own, other)))
        found = max(found, by_date, key=lambda rows: len(rows[0]))
    return found


def _matched(own: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _, mine, theirs = np.intersect1d(own, other, return_indices=True)
    return mine, theirs


def _paired(own: Candles, other: Candles, mine: np.ndarray, theirs: np.ndarray) -> PairedBars:
    kept, taken = own.frame[mine], other.frame[theirs]
    scale = float(np.median(kept["close"].to_numpy() / taken["close"].to_numpy()))
    volume = taken["volume"].to_numpy()
    prices = taken.select(pl.col("open", "high", "low", "close") * scale).with_columns(
        volume=pl.Series(np.where(np.isfinite(volume), volume, kept["volume"].to_numpy()))
    )
    frame = pl.concat([kept.select("open_time", "close_time"), prices], how="horizontal")
    return PairedBars(replace(own, frame=kept), replace(own, frame=frame), other, scale, len(own))


def _require_comparable(paired: PairedBars) -> None:
    own, other = names_of(paired)
    share = float(np.mean(paired.is_repeated))
    is_short = paired.own.interval.microseconds < DAY
    if (share >= SAME and is_short) or paired.is_copy:
        raise ConfigError(
            f"the opens of {other} are those of {own}, to the last digit in {percent(share)} of the bars: a copy, which "
            "confirms nothing",
            expected="a second source, which recorded its prices itself",
            remedy="Fetch the same asset from another exchange or another vendor",
        )
    best = max((-1, 1), key=paired.lagged_correlation)
    if paired.lagged_correlation(best) > max(paired.correlation, 0.5):
        raise ConfigError(
            f"the returns of {other} agree better with those of {own} one bar {'later' if best > 0 else 'earlier'} than at the "
            f"same time (correlations {number(paired.lagged_correlation(best))} and {number(paired.correlation)}): one of "
            "them is dated otherwise, by which an edge can be feigned",
            expected="bars that are dated by their opening time in both",
            remedy="Find out which of them is wrong, and correct its times or its zone; run the study again if it is its own",
        )
    if not paired.is_one_asset:
        bars = paired.long_bars
        longer = f"; of {bars} bars, {number(paired.long_correlation)}" if bars else ""
        raise ConfigError(
            f"the returns of {other} and {own} have a correlation of {number(paired.correlation)} (of a bar{longer}): they are "
            "not prices of one asset",
            expected=f"the same asset, whose returns have {LEAST_CORRELATION} or more",
            remedy="Give candles of the same asset in the same currency",
        )
    jumps = _jumps(paired.other).filter(~pl.col("first").is_in(_jumps(paired.own)["first"].implode()))
    if jumps.height and not _are_real(paired.given):
        time, words = jumps.row(0)
        raise ConfigError(
            f"{other} jumps at {time:%Y-%m-%d %H:%M} UTC where the candles of the run do not: it {words}",
            expected="prices that are adjusted for splits, as those of the run are",
            remedy="Adjust them, or declare the jumps to be moves of the market with candles.with_real_jumps()",
        )


def _running_median(values: np.ndarray, bars: int) -> np.ndarray:
    """The median of as many bars around each, fewer at the ends: (time,)."""
    return pl.Series(values).rolling_median(bars, center=True, min_samples=1).to_numpy()


def _jumps(candles: Candles) -> pl.DataFrame:
    return candles.check().issues.filter(pl.col("kind") == "split").select("first", "detail")


def _are_real(candles: Candles) -> bool:
    return candles.origin is not None and any(change.kind == "accepted" for change in candles.origin.changes)


def names_of(paired: PairedBars) -> tuple[str, str]:
    """What both are called in sentences, apart where symbol and source are the same."""
    own, other = source_words(paired.own), source_words(paired.given)
    return (own, other) if own != other else (f"{own} of the run", f"{other} of the second source")


def source_words(candles: Candles) -> str:
    """Symbol of candles, and their source where it is known, for sentences."""
    return f"{candles.symbol} ({candles.origin.source})" if candles.origin else candles.symbol
