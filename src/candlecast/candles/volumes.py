"""Columns of volume and activity that belong to a later bar, or hold a part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from candlecast.candles.clock import DAY
from candlecast.candles.intake import ACTIVITY
from candlecast.candles.stale import opens

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

MINIMUM = 200  # bars with a volume and a range that show anything
EARLY = 0.1  # correlation with the range of the next bar, at least
BEYOND = (
    0.2  # by how much it exceeds that with the ranges of its own bar and the one before; real markets have -0.2 or less
)
SHARE = 0.5  # of the bars with a volume, at least
LEADS = 0.03  # correlation of the takers' share with the next return, at least, and by how much it exceeds that with its own
ERRORS, OTHER_ERRORS = 4.0, 2.0  # the same in standard errors of a correlation, and of a difference of two
CUT = 3.0  # robust standard deviations at which returns are cut
INSIDE = 0.9  # share of the bars whose mean price lies within their range, at least
BETTER = 0.1  # by how much more often it lies within the range of the next bar
PART = 0.4  # of the coefficient of its own bar, that of a later bar at least; real candles have 0.3 or less
SIZE = 0.05  # standardised coefficient of a later bar, at least
FARTHEST = 48  # bars by which a column may be early at most, such as hours between two clocks
FAR, FAR_ERRORS = 0.05, 4.5  # correlation with such a bar, at least, and in standard errors
HARDLY = 0.5  # of it, that with its own bar at most
AT_ONCE = (
    0.2,
    0.1,
)  # correlation with the range of its own bar and with that of a later one: a column that goes by volatility has less
FEW = 20  # bars of a place, at least, of which a mean is taken
SPAN = 2  # bars before and after that are looked at
ROUNDED = 1e-4  # relative: by how much the rounding of volumes may move a mean price


class VolumeTiming(NamedTuple):
    """Correlation of volume with the range of its own bar and of the next; `is_early` where it belongs to the next or holds a
    part of it."""

    own: float
    next: float
    is_early: bool


def early_activity(candles: Candles) -> tuple[str, ...]:
    """Names of the columns of activity that seem to belong to the next bar, or hold a part of it.

    `quote_volume`, `trades` and `taker_volume` that follow the range of the next bar as in `volume_timing`. `taker_volume` whose
    share of the volume goes with the return of the next bar and not with that of its own: takers move prices as they trade
    (Evans and Lyons 2002), at once or up to FARTHEST bars before. Any of them that holds a part of a later bar, as after
    smoothing with a centred window. `quote_volume` whose mean price, quote_volume / volume, lies outside of its bar and within
    the next.

    >>> from candlecast.sources import synthetic
    >>> candles = synthetic.garch(1_000, seed=1).candles
    >>> early_activity(candles.with_activity(trades=candles.volume)), volume_timing(candles).is_early
    ((), False)
    """
    found = []
    for name in ACTIVITY:
        values = _column(candles, name)
        if values is None:
            continue
        is_early = _timing(candles, values).is_early
        is_early |= name == "taker_volume" and _takers_lead(candles, values)
        is_early |= name == "quote_volume" and _is_mean_of_next(candles, values)
        if is_early:
            found.append(name)
    return tuple(found)


def _column(candles: Candles, name: str) -> np.ndarray | None:
    """Values of a column, NaN where not known, (time,); None where there are none."""
    if name not in candles.frame.columns:
        return None
    values = candles.frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return values if np.isfinite(values).any() else None


def _takers_lead(candles: Candles, taken: np.ndarray) -> bool:
    """Whether the takers' share of the volume goes with the next return rather than its own, or holds a part of it."""
    known = np.isfinite(taken) & (candles.volume > 0)
    known[:1] = False
    both = known[:-1] & known[1:]
    if both.sum() < MINIMUM:
        return False
    share = np.where(known, taken / np.where(known, candles.volume, 1.0), 0.0)
    returns = np.diff(np.log(candles.close), prepend=np.log(candles.close[0]))
    cut = CUT * 1.4826 * float(np.median(np.abs(returns)))
    returns = np.clip(returns, -cut, cut)
    if _holds_later(share, returns, known) or _is_far_early(share, returns, known):
        return True
    own, later = (_correlation(share[:-1][both], each[both]) for each in (returns[:-1], returns[1:]))
    error = 1 / np.sqrt(both.sum())
    return later > max(LEADS, ERRORS * error) and later - own > max(LEADS, OTHER_ERRORS * np.sqrt(2) * error)


def _is_mean_of_next(candles: Candles, value: np.ndarray) -> bool:
    """Whether the mean price, value traded / volume, lies outside of its bar and within the next; in other units, in neither."""
    known = np.isfinite(value) & (candles.volume > 0)
    known[-1:] = False
    if known.sum() < MINIMUM:
        return False
    mean = np.where(known, value / np.where(known, candles.volume, 1.0), 0.0)
    slack = ROUNDED * candles.close
    low, high = candles.low - slack, candles.high + slack
    own = float(((mean >= low) & (mean <= high))[known].mean())
    later = float(((mean >= np.roll(low, -1)) & (mean <= np.roll(high, -1)))[known].mean())
    return own < INSIDE and later > own + BETTER


def volume_timing(candles: Candles) -> VolumeTiming:
    """How the volume follows the range of its own bar and that of the next bar.

    Large bars have large volumes (Karpoff 1987). Correlations of log volume with log range, of each less what is usual at its
    place of the session, day or week, and less the mean of the two bars beside it, so that the hours of a day and slow changes
    of both do not count: the last hour of a session has a large volume, and the first one of the next a wide range. NaN where
    fewer than MINIMUM bars in a row have both. A volume that goes with the next return, whatever its own range says, is of the
    next bar as well, and one that goes with the range of a bar up to FARTHEST bars later, and hardly with its own, is of that
    one.
    Retrospective: it describes the table as a whole.
    """
    return _timing(candles, candles.volume)


def _timing(candles: Candles, amount: np.ndarray) -> VolumeTiming:
    """The same of another amount, such as the number of trades, (time,)."""
    has_both = (amount > 0) & (candles.high > candles.low)
    if has_both.mean() < SHARE if len(has_both) else True:
        return VolumeTiming(np.nan, np.nan, False)
    place = _place(candles)
    levels, widths = (
        _beyond_usual(np.log(np.where(has_both, values, 1.0)), place, has_both)
        for values in (amount, (candles.high - candles.low) / candles.close)
    )
    volume, ranges = _beyond_neighbours(levels), _beyond_neighbours(widths)
    known = has_both[:-3] & has_both[1:-2] & has_both[2:-1] & has_both[3:]
    if known.sum() < MINIMUM:
        return VolumeTiming(np.nan, np.nan, False)
    own = _correlation(volume[:-1][known], ranges[:-1][known])
    later = _correlation(volume[:-1][known], ranges[1:][known])
    before = _correlation(volume[1:][known], ranges[:-1][known])
    is_next = later > EARLY and later > own + BEYOND and later > before + BEYOND
    returns = np.diff(np.log(candles.close), prepend=np.log(candles.close[0]))[1:-1]
    rises, falls = (abs(_correlation(volume[:-1][known], each[known])) for each in (returns[1:], returns[:-1]))
    is_next = is_next or rises > max(falls, EARLY) + BEYOND
    is_next = bool(is_next) or _is_far_early(volume, ranges, has_both[1:-1])
    is_part = _holds_later(levels, widths, has_both) and _answers_to_bars(volume, widths[1:-1], has_both[1:-1])
    return VolumeTiming(own, later, is_next or is_part)


def _holds_later(amount: np.ndarray, moves: np.ndarray, known: np.ndarray) -> bool:
    """Whether an amount depends on the moves of a later bar nearly as much as on those of its own bar (`PART`).

    A regression of the amount on the moves of `SPAN` bars before, of its own and of `SPAN` bars after, and on its own last
    `SPAN` values: these hold what is known of slow changes, of persistent flow and of volatility that clusters, so that later
    moves say little about a real amount. A mean over a centred window is made of them.
    """
    rows = np.arange(SPAN, len(amount) - SPAN)
    around = range(-SPAN, SPAN + 1)
    rows = rows[np.all([known[rows + step] for step in around], axis=0)]
    if len(rows) < MINIMUM:
        return False
    regressors = [moves[rows + step] for step in around] + [amount[rows - step] for step in range(1, SPAN + 1)]
    columns, target = np.column_stack(regressors), amount[rows]
    columns, target = columns - columns.mean(axis=0), target - target.mean()
    inverse = np.linalg.pinv(columns.T @ columns, hermitian=True)
    found = inverse @ (columns.T @ target)
    residual = target - columns @ found
    errors = np.sqrt(np.maximum(np.diag(inverse), 0.0) * float(residual @ residual) / max(len(rows) - len(found), 1))
    own, later = found[SPAN], found[SPAN + 1 : 2 * SPAN + 1]
    least = SIZE * float(target.std()) / max(float(columns[:, SPAN].std()), 1e-12)
    is_part = (later > PART * abs(own)) & (later > ERRORS * errors[SPAN + 1 : 2 * SPAN + 1]) & (later > least)
    return bool(is_part.any())


def _is_far_early(amount: np.ndarray, moves: np.ndarray, known: np.ndarray) -> bool:
    """Whether an amount goes best with the moves of a bar 2 to FARTHEST bars later, and hardly with those of its own bar.

    So do columns that were merged by the clock of another zone, or lost rows. Nor does any of FARTHEST bars before it go better
    with it: what is late has echoes.
    """
    found = _by_lag(amount, moves, known, range(-FARTHEST, FARTHEST + 1))
    if not found:
        return False
    best = max(found, key=lambda lag: found[lag][0])
    later, bars = found[best]
    own = found[0][0] if 0 in found else 0.0
    return (
        best > 1
        and later > max(FAR, FAR_ERRORS * _widening(amount, moves) / float(np.sqrt(bars)))
        and own < HARDLY * later
    )


def _widening(amount: np.ndarray, moves: np.ndarray) -> float:
    """By how much the standard error of a correlation of two unrelated series grows with their own memory (Bartlett 1935)."""
    shared = sum(
        _correlation(amount[:-lag], amount[lag:]) * _correlation(moves[:-lag], moves[lag:])
        for lag in range(1, SPAN + 1)
    )
    return float(np.sqrt(max(1.0 + 2.0 * shared, 1.0)))


def _answers_to_bars(amount: np.ndarray, moves: np.ndarray, known: np.ndarray) -> bool:
    """Whether an amount, less the mean of the two beside it, goes with the move of its own bar or of a later one.

    One that goes by a volatility which changes slowly, as in simulated markets, does not: ranges of its own bar and of later ones
    then tell that volatility equally well, although it holds nothing of them. A mean over a centred window enters and leaves at
    single bars.
    """
    found = _by_lag(amount, moves, known, range(FARTHEST + 1))
    least, later = AT_ONCE
    return any(
        value > least if lag == 0 else abs(value) > max(later, FAR_ERRORS / float(np.sqrt(bars)))
        for lag, (value, bars) in found.items()
    )


def _by_lag(amount: np.ndarray, moves: np.ndarray, known: np.ndarray, lags: range) -> dict[int, tuple[float, int]]:
    """Correlation of an amount with the moves of so many bars later, and the number of bars, by lag; where MINIMUM know both."""
    found: dict[int, tuple[float, int]] = {}
    for lag in lags:
        first, last = max(-lag, 0), len(amount) - max(lag, 0)
        both = known[first:last] & known[first + lag : last + lag]
        if both.sum() >= MINIMUM:
            found[lag] = _correlation(amount[first:last][both], moves[first + lag : last + lag][both]), int(both.sum())
    return found


def _place(candles: Candles) -> np.ndarray:
    """The place of each bar, int64 (time,): bars since the session began, or where it never does, the time of day.

    Of bars of a day or longer in a market that never closes it is the day of the week.
    """
    is_first = opens(candles).is_boundary
    if is_first.any():
        rows = np.arange(len(is_first))
        return rows - np.maximum.accumulate(np.where(is_first, rows, 0))
    times = candles.open_time.astype("datetime64[us]").astype(np.int64)
    return times % DAY if candles.interval.microseconds < DAY else times // DAY % 7


def _beyond_usual(values: np.ndarray, place: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Values less the mean of the known ones of their place, where that has FEW of them or more."""
    _, group = np.unique(place, return_inverse=True)
    samples = np.bincount(group, weights=known)
    usual = np.bincount(group, weights=np.where(known, values, 0.0)) / np.maximum(samples, 1)
    overall = float(values[known].mean()) if known.any() else 0.0
    return np.where(known, values - np.where(samples >= FEW, usual, overall)[group], 0.0)


def _beyond_neighbours(values: np.ndarray) -> np.ndarray:
    """Values less the mean of the two beside them, (time - 2,)."""
    return values[1:-1] - (values[:-2] + values[2:]) / 2


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else 0.0
