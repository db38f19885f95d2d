"""The check of features at the start of a walk: values come from the candles given, and from no later candles.

A feature that reads tomorrow's price moves when later candles do. One that looks its values up by date, price or row number
does not. So the check also changes the dates, the prices and the first bar, and the values have to follow.
"""

from __future__ import annotations

import logging
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import numpy as np

from candlecast import features as package
from candlecast.candles import Candles
from candlecast.causality import markets
from candlecast.causality.compare import ROUNDING, Passed, are_equal, informative, minute, require_equal, size, usual
from candlecast.causality.copies import by_earlier_calls
from candlecast.causality.rows import ROWS_LATER, goes_by_rows
from candlecast.causality.telling import telling_rows
from candlecast.errors import CandlecastError, ConfigError, LookaheadError, said
from candlecast.features import Feature, Features, Known
from candlecast.process.shared import ignoring

logger = logging.getLogger(__name__)

BARS = 2_000  # after the warm-up, on which a feature is computed
SHORT = 400  # the same, where it is computed by copies
CUTS = 3  # bars after which the future is cut off and replaced
MINIMUM = 60  # rows for a comparison
ZONES_END = np.datetime64("2038-01-01", "us")  # of many tables of daylight saving time
FEW_VALUES = 20  # most distinct values of a column of states: digits, counts, flags
JUMP = 0.3  # of a column's size: more than a price change of 0.01 % moves a computed value
STARTS = (2_520, 840, 360, 120, 24)  # bars cut off at the start: multiples of nearly any period
FEW_ROWS = 10  # different rows with a later first bar from which a function of the clock is refused
EXTREME = 0.005  # share of the changes that is clipped at each end
COHERENCE, SIGMAS = 0.15, 6.0  # least correlation by row number, and in standard errors

_passed = Passed()


def require_causal_features(features: Features, candles: Candles, *, seed: int = 0) -> None:
    """Raise unless each feature that is not candlecast's own is computed from the candles given, up to each bar.

    On these candles, of which a stretch of some thousand bars is enough: values are the same whatever the feature was called
    with before; do not move by a bit when later candles are cut off or replaced; stay when all dates move by 28 years, after
    which hours, weekdays, days and months are the same again; stay small in change when all prices change by 0.01 %; and
    follow the candles, not the row number, when these begin later. What depends on no price has to be a function of the clock.
    Each feature is checked once on the same candles.

    Raises LookaheadError naming the column and the bar, ConfigError for a feature that fails or gives other values when
    asked again.
    """
    if len(candles) <= features.warmup:
        return  # too short: computing the features raises the error
    for feature in features.features:
        for inner, given in nested(feature, candles):
            require_causal_features(Features(inner), given, seed=seed)
        if package.across_of(feature) is not None or is_ours(feature) or _passed.holds(candles, feature):
            continue
        with _silent():
            _require_causal(feature, candles, seed)
        _passed.add(candles, feature)
        logger.debug("feature %s is computed from the candles of %s alone", feature.name, candles.symbol)


def nested(feature: Feature, candles: Candles) -> Iterator[tuple[Feature, Candles]]:
    """The feature within one of `of` or `at`, and the candles that it is computed on."""
    inner, other = (feature.parameters.get(name) for name in ("feature", "other"))
    if package.across_of(feature) is not None and isinstance(inner, Feature):
        yield inner, candles
    elif feature.kind in package.NESTING and isinstance(inner, Feature):
        yield inner, other if isinstance(other, Candles) else candles.resample(str(feature.parameters["interval"]))


def require_no_answers(feature: Feature, candles: Candles, *, seed: int = 0) -> None:
    """Raise LookaheadError for a feature that finds its values by date, by price or by row number."""
    with _silent():
        base = _values(feature, candles)
        _require_no_answers(feature, candles, base, seed)


def is_ours(feature: Feature) -> bool:
    """Whether a feature is one of candlecast's own, which its tests check: made again from its kind and parameters."""
    if type(feature) is not Feature:
        return False
    if isinstance(feature.compute, Known):
        return feature.compute.combine is None
    factory = getattr(package, feature.kind, None)
    if not isinstance(factory, types.FunctionType):
        return False
    try:
        made = factory(**feature.parameters)
    except (CandlecastError, TypeError):
        return False
    return isinstance(made, Feature) and _same_code(made.compute, feature.compute)


def _same_code(one: object, other: object) -> bool:
    if not isinstance(one, types.FunctionType) or not isinstance(other, types.FunctionType):
        return False
    cells = [[cell.cell_contents for cell in function.__closure__ or ()] for function in (one, other)]
    return one.__code__ is other.__code__ and one.__globals__ is other.__globals__ and cells[0] == cells[1]


@contextmanager
def _silent() -> Iterator[None]:
    """No warnings: a function may warn on the changed candles."""
    with np.errstate(all="ignore"), ignoring(Warning):
        yield


def _require_causal(feature: Feature, candles: Candles, seed: int) -> None:
    length = BARS + 2 * feature.warmup
    first = max(len(candles) - length, 0) // 2
    part = candles[first : first + length]
    short = part[-(SHORT + 2 * feature.warmup) :]
    kept = _kept(feature, short, part, seed)
    base = _values(feature, part)
    again = _values(feature, part)
    if not np.array_equal(base, again, equal_nan=True):
        row, column = (int(i) for i in np.argwhere((base != again) & ~(np.isnan(base) & np.isnan(again)))[0])
        raise ConfigError(
            f"feature {feature.name}, column {feature.columns[column]}, is {base[row, column]:.6g} at {minute(part, row)} and "
            f"{again[row, column]:.6g} when it is computed again",
            expected="the same values for the same candles",
            remedy="Draw no random numbers, and keep nothing from call to call",
        )
    if kept is not None:
        raise kept
    whole = base if len(part) == len(candles) else _values(feature, candles)
    if np.isfinite(whole).any() and not np.isfinite(base[feature.warmup :]).any():
        first, part, base = 0, candles, whole  # defined elsewhere
    _require_causal_values(feature, part, base, seed, cuts=CUTS, start=first)
    require_causal_everywhere(feature, part, base, seed, start=first)
    is_clock = _require_no_answers(feature, part, base, seed)
    if len(part) < len(candles):
        _require_causal_values(feature, candles, whole, seed, cuts=1)
        _require_same_on_other_dates(feature, candles, whole, is_clock)
        _require_same_from_later_start(feature, candles, whole, is_clock)
        _require_no_row_numbers(feature, candles, is_clock, seed, most=1)
        newest = candles[-len(part) :]
        _require_no_answers(feature, newest, _values(feature, newest), seed)


def _kept(feature: Feature, short: Candles, part: Candles, seed: int) -> LookaheadError | None:
    """The error of a feature that keeps something between calls; None of any other."""
    for candles, others, what in (
        (short, [markets.unseen(short, seed)], "other candles"),
        (part, markets.other_ends(part, seed), "the same candles with another future"),
    ):
        kept = by_earlier_calls(feature, lambda copy, given: copy(given), own=candles, others=others)
        if kept is not None:
            row, column = (int(i) for i in np.argwhere((kept[0] != kept[1]) & ~np.isnan(kept).all(axis=0))[0])
            return LookaheadError(
                f"feature {feature.name}, column {feature.columns[column]}, is {kept[0][row, column]:.6g} at "
                f"{minute(candles, row)}, and {kept[1][row, column]:.6g} when it is computed on {what} before: it keeps "
                "something between calls",
                expected="the same values for the same candles, whatever it was called with before",
                remedy="Fit nothing inside a feature; a model such as cc.Sklearn(...) is fitted anew in each fold",
            )
    return None


def _require_causal_values(
    feature: Feature, candles: Candles, base: np.ndarray, seed: int, *, cuts: int, start: int = 0
) -> None:
    first = max(feature.warmup, len(candles) // 3) if len(candles) > 3 * MINIMUM else feature.warmup
    if len(candles) < first + 22:
        return
    for bar, other in markets.other_futures(candles, first, seed, moments=cuts):
        after = _values(feature, other)
        require_equal(
            base[: bar + 1],
            after[: bar + 1],
            feature.columns,
            candles,
            bar,
            subject=f"feature {feature.name}",
            first=start,
        )


def require_causal_everywhere(
    feature: Feature, candles: Candles, base: np.ndarray, seed: int, *, start: int = 0
) -> None:
    """Raise LookaheadError where values change when later candles are cut off, after each of many bars where it would tell.

    `base`: the values of all candles, (time, column); `start`: the number of the first candle in the message.
    """
    for bar in telling_rows(candles, base, min(feature.warmup, len(candles)), seed):
        after = _otherwise(feature, candles[: bar + 1], f"without the candles after bar {start + bar:,}")
        require_equal(
            base[: bar + 1],
            after,
            feature.columns,
            candles,
            bar,
            subject=f"feature {feature.name}",
            first=start,
            is_exact=False,
        )


def _require_no_answers(feature: Feature, candles: Candles, base: np.ndarray, seed: int) -> np.ndarray:
    """Other prices, other dates, a later first bar; gives which columns depend on no price, bool (column,)."""
    if len(candles) < feature.warmup + MINIMUM:
        return np.zeros(base.shape[1], dtype=bool)
    changed = markets.other_prices(candles, np.random.default_rng(seed))
    other = _otherwise(feature, changed, "on other prices at the same times")
    is_clock = np.array([_is_same(*columns) for columns in zip(base.T, other.T, strict=True)])
    _require_same_on_other_dates(feature, candles, base, is_clock)
    _require_answers(feature, candles, base, is_clock, seed)
    _require_smooth(feature, candles, base)
    _require_same_from_later_start(feature, candles, base, is_clock)
    _require_no_row_numbers(feature, candles, is_clock, seed)
    for column in np.flatnonzero(is_clock & np.array([informative(values).any() for values in base.T])):
        _require_calendar(feature, candles, base[:, column], int(column))
    return is_clock


def _require_answers(feature: Feature, candles: Candles, base: np.ndarray, is_clock: np.ndarray, seed: int) -> None:
    """What depends on prices moves after a bar when all candles after it are replaced, whatever came before the bar."""
    bar = len(candles) // 2
    after = _otherwise(
        feature, markets.another_path(candles, bar, np.random.default_rng(seed)), "on candles with another future"
    )
    for column in np.flatnonzero(~is_clock):
        defined = np.flatnonzero(~np.isnan(base[:, column]))
        rows = slice(bar + 1 + max(feature.warmup, int(defined[0]) if len(defined) else 0), None)
        one, two = base[rows, column], after[rows, column]
        if informative(one).sum() < MINIMUM or not np.array_equal(one, two, equal_nan=True):
            continue
        raise LookaheadError(
            f"feature {feature.name}, column {feature.columns[column]}, has the same values after bar {bar:,} when all candles "
            "after it are replaced, though it depends on prices: it answers from memory",
            expected="values computed from the candles given",
            remedy="Keep nothing between calls, or by candles.fingerprint, which names all of them",
        )


def _require_no_row_numbers(
    feature: Feature, candles: Candles, is_clock: np.ndarray, seed: int, *, most: int = 2
) -> None:
    """Values belong to bars: where candles that repeat begin later, the same bars have the same values."""
    starts = [start for start in ROWS_LATER if len(candles) - feature.warmup >= start + 4 * markets.PERIOD][:most]
    if not starts:
        return
    repeated, how = markets.repeating(candles, seed), "on candles that repeat"
    base = _otherwise(feature, repeated, how)
    for start in starts:
        part = _otherwise(feature, repeated[start:], how)
        for column in range(base.shape[1]):
            late, own = base[start + feature.warmup :, column], part[feature.warmup :, column]
            if goes_by_rows(own, late, is_clock=bool(is_clock[column])):
                row = int((np.nan_to_num(late) != np.nan_to_num(own)).argmax())
                raise _looked_up(
                    feature,
                    column,
                    f"is {late[row]:.6g} at {minute(candles, start + feature.warmup + row)} and {own[row]:.6g} when the candles "
                    f"begin {start:,} bars later",
                    "goes by the number of the row",
                )


def _require_same_on_other_dates(feature: Feature, candles: Candles, base: np.ndarray, is_clock: np.ndarray) -> None:
    shift = markets.same_calendar(candles)
    moved, later = _dated(feature, candles, shift)
    years = f"on the same candles {abs(shift.days) // 365} years {'later' if shift > timedelta() else 'earlier'}"
    after = _otherwise(moved, later, years)
    for column, (one, two) in enumerate(zip(base.T, after.T, strict=True)):
        wrong = ~are_equal(one, two)
        if not wrong.any() or (is_clock[column] and _is_as_often(one, two)):
            continue
        if is_clock[column] and _is_as_often_until_2037(feature, candles, one, two, column=column, shift=shift):
            continue
        row = int(wrong.argmax())
        raise _looked_up(
            feature,
            column,
            f"is {one[row]:.6g} at {minute(candles, row)} and {two[row]:.6g} {years}",
            "finds its values by date",
        )


def _is_as_often_until_2037(
    feature: Feature, candles: Candles, base: np.ndarray, after: np.ndarray, *, column: int, shift: timedelta
) -> bool:
    """As `_is_as_often`, for the bars whose later date is within tables of time zones, many of which end in 2037.

    Without enough of them, all bars are compared as many years earlier, when daylight saving time was shorter. A table of
    answers by date has none there.
    """
    if shift < timedelta():
        return False
    is_within = candles.close_time < ZONES_END - np.timedelta64(shift)
    if is_within.sum() >= MINIMUM:
        return _is_as_often(base[is_within], after[is_within])
    earlier = _otherwise(*_dated(feature, candles, -shift), f"on the same candles {shift.days // 365} years earlier")
    return _is_as_often(base, earlier[:, column], change=2)


def _is_as_often(one: np.ndarray, two: np.ndarray, *, change: int = 4) -> bool:
    """Whether a function of the clock takes few values, nearly all at the same bars and each about as often as before.

    Rules of daylight saving time change, and Easter moves; `change` is the inverse of the most by which a count may differ.
    """
    found = [dict(zip(*np.unique(each, return_counts=True), strict=True)) for each in (one, two)]
    is_moved = ~are_equal(one, two)
    return (
        len(found[0]) <= len(one) // 4
        and 5 * is_moved.sum() <= len(one)
        and all(abs(count - found[1].get(value, 0)) <= 2 + count // change for value, count in found[0].items())
    )


def _require_smooth(feature: Feature, candles: Candles, base: np.ndarray) -> None:
    how = "when all prices are 0.01 % higher and returns 0.3 % larger"
    after = _otherwise(feature, markets.moved_by_a_hair(candles), how)
    for column, (one, two) in enumerate(zip(base.T, after.T, strict=True)):
        rows = informative(one)
        if rows.sum() < MINIMUM:
            continue
        is_moved = rows & ~(np.abs(one - two) <= JUMP * size(one))
        common = usual(two)
        is_lost = is_moved & (np.isnan(two) | (two == common))
        has_marks = len(np.unique(one[rows])) <= FEW_VALUES
        if 2 * (is_lost if has_marks else is_moved).sum() <= rows.sum():
            continue
        row = int((is_lost if has_marks else is_moved).argmax())
        raise _looked_up(
            feature,
            column,
            f"moved from {one[row]:.6g} to {two[row]:.6g} at {minute(candles, row)}, and as far at most other "
            f"bars, {how}",
            "finds its values by price, return or volume",
        )


def _require_same_from_later_start(feature: Feature, candles: Candles, base: np.ndarray, is_clock: np.ndarray) -> None:
    start = next((bars for bars in STARTS if bars <= (len(candles) - feature.warmup) // 20), STARTS[-1])
    part = _values(feature, candles[start:])
    rows = slice(feature.warmup, len(part))
    for column in range(base.shape[1]):
        early, late, own = base[: len(part), column][rows], base[start:, column][rows], part[rows, column]
        if is_clock[column]:
            rated = informative(late) | (informative(own) & np.isfinite(late))
            follows_rows = rated.sum() >= FEW_ROWS and 2 * (rated & ~are_equal(late, own)).sum() > rated.sum()
        else:
            follows_rows = _is_coherent(own, late, early)
        if follows_rows:
            row = feature.warmup + int((np.nan_to_num(late) != np.nan_to_num(own)).argmax())
            raise _looked_up(
                feature,
                column,
                f"is {base[start + row, column]:.6g} at {minute(candles, start + row)} and "
                f"{part[row, column]:.6g} when the candles begin {start:,} bars later",
                "goes by the number of the row",
            )


def _is_coherent(own: np.ndarray, late: np.ndarray, early: np.ndarray) -> bool:
    """Whether changes of values, beyond what the same bars explain, go with those at the same row numbers.

    In the newer two thirds, where sums and means from the first bar on have calmed down, and without extremes.
    """
    steps = np.diff(np.column_stack([own, late, early]), axis=0)
    steps = steps[len(steps) // 3 :]
    steps = steps[np.isfinite(steps).all(axis=1)]
    if len(steps) < MINIMUM or not (np.ptp(steps, axis=0) > 0).all():
        return False
    explained = np.column_stack([np.ones(len(steps)), steps[:, 1]])
    rest = steps[:, [0, 2]] - explained @ np.linalg.lstsq(explained, steps[:, [0, 2]], rcond=None)[0]
    if np.sqrt(np.mean(rest[:, 0] ** 2)) <= ROUNDING * np.std(steps[:, 0]):
        return False
    rest = np.clip(rest, *np.quantile(rest, [EXTREME, 1 - EXTREME], axis=0))
    rest -= rest.mean(axis=0)
    product, spread = rest[:, 0] @ rest[:, 1], np.sqrt((rest**2).sum(axis=0).prod())
    if not spread:
        return False
    correlation = float(product / spread)
    return correlation > COHERENCE and correlation * np.sqrt(len(steps)) > SIGMAS


def _require_calendar(feature: Feature, candles: Candles, values: np.ndarray, column: int) -> None:
    """A function of the clock repeats from week to week, or changes little from a day of the year to its neighbour."""
    weeks = f"{markets.WEEKS.days} days later"
    after = _otherwise(*_dated(feature, candles, markets.WEEKS), f"on the same candles {weeks}")[:, column]
    if _is_same(values, after):
        return
    is_short = candles.close_time[-1] - candles.open_time[0] < np.timedelta64(markets.SHORT)
    if is_short and _is_of_the_day(values, candles):
        return  # a stretch too short to say how a day of the month goes on
    rows = np.isfinite(values) & np.isfinite(after)
    has_few = not np.isnan(usual(values))
    one, two = values[rows], after[rows]
    if has_few or (len(one) > 2 and np.ptp(one) > 0 and np.ptp(two) > 0 and np.corrcoef(one, two)[0, 1] > 0.5):
        return
    row = int((np.nan_to_num(values) != np.nan_to_num(after)).argmax())
    raise _looked_up(
        feature,
        column,
        f"depends on no price; it is {values[row]:.6g} at {minute(candles, row)} and unrelated, "
        f"{after[row]:.6g}, {weeks}",
        "finds its values by date",
    )


def _is_of_the_day(values: np.ndarray, candles: Candles) -> bool:
    """Whether all bars of a day have the same value, several bars a day."""
    days = candles.open_time.astype("datetime64[D]")
    is_within = days[1:] == days[:-1]
    return bool(is_within.any() and (values[1:] == values[:-1])[is_within].all())


def _dated(feature: Feature, candles: Candles, shift: timedelta) -> tuple[Feature, Candles]:
    """Feature and candles as much later, the table of outside data as well."""
    if isinstance(feature.compute, Known):
        feature = replace(feature, compute=feature.compute.later(shift))
    return feature, markets.dated_otherwise(candles, shift)


def _values(feature: Feature, candles: Candles) -> np.ndarray:
    """What the feature gives; ConfigError for whatever else it raises."""
    try:
        return feature(candles)
    except CandlecastError:
        raise
    except Exception as error:  # whatever a user's function raises is reported with the feature and the candles
        raise ConfigError(
            f"feature {feature.name} failed on {len(candles):,} candles of {candles.symbol} ({said(error)})",
            expected="a function of any candles longer than its warm-up",
            remedy=f"Try it on candles[:{len(candles)}], or declare the bars that it needs with warmup=",
        ) from error


def _otherwise(feature: Feature, candles: Candles, how: str) -> np.ndarray:
    """What the feature gives for candles that were changed; LookaheadError where it gives nothing."""
    try:
        return feature(candles)
    except Exception as error:
        raise LookaheadError(
            f"feature {feature.name} fails {how} ({said(error)})",
            expected="values computed from the candles given",
            remedy=REMEDY,
        ) from error


REMEDY = (
    "Compute it from the candles given; data from elsewhere enter with the time at which each row was known, as "
    'cc.outside("name", table, known_at="known_at")'
)


def _looked_up(feature: Feature, column: int, wrong: str, why: str) -> LookaheadError:
    return LookaheadError(
        f"feature {feature.name}, column {feature.columns[column]}, {wrong}: it {why}",
        expected="values computed from the candles given, or a function of the hour, weekday, day and month",
        remedy=REMEDY,
    )


def _is_same(one: np.ndarray, two: np.ndarray) -> bool:
    """Equal but for rounding, (time,); undefined at the same bars."""
    return bool(are_equal(one, two).all())
