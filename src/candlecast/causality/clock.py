"""Features of a user that depend on the time alone, and are more than a time: they can hold what happened at it.

A table of the hours of the week, or of the days of the year, that was filled in by looking at the candles gives the same values
for any candles, so no change of these shows where it comes from. A plain time holds no answers: a number that rises through the
day, week, month or year, a sine and cosine of it, and a flag of one stretch of it.
"""

from __future__ import annotations

import numpy as np

from candlecast.candles import Candles
from candlecast.causality import markets
from candlecast.causality.compare import informative
from candlecast.causality.features import is_ours, nested
from candlecast.features import Feature, Features

BARS = 2_000  # newest bars, after the warm-up, on which a feature is computed
ALIKE = 0.9  # least correlation with the values on other prices of what depends on the time alone, but for noise
PLAIN = 0.999  # least share of the variance that a sine and a cosine of the time explain
DAY, WEEK = 1_440, 10_080  # minutes


def clock_features(features: Features, candles: Candles, *, seed: int = 0) -> tuple[str, ...]:
    """The columns of a user's features that depend on the time alone and are no plain time.

    Computed on the newest bars, and on two other paths of prices at the same times.
    """
    found: list[str] = []
    for feature in features.features:
        for inner, given in nested(feature, candles):
            found += clock_features(Features(inner), given, seed=seed)
        if not is_ours(feature):
            found += _clock_columns(feature, candles[-(BARS + 2 * feature.warmup) :], seed)
    return tuple(dict.fromkeys(found))


def _clock_columns(feature: Feature, candles: Candles, seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    others = [markets.other_prices(candles, generator) for _ in range(2)]
    try:
        with np.errstate(all="ignore"):
            base, *changed = (feature(each) for each in (candles, *others))
    except Exception:  # the check of causality reports it
        return []
    return [
        name
        for column, name in enumerate(feature.columns)
        if all(_are_alike(base[:, column], other[:, column]) for other in changed)
        and not is_plain_time(base[:, column], candles)
    ]


def _are_alike(one: np.ndarray, two: np.ndarray) -> bool:
    rows = np.isfinite(one) & np.isfinite(two)
    one, two = one[rows], two[rows]
    if not informative(one).any() or not np.ptp(one) > 0 or not np.ptp(two) > 0:
        return False
    return bool(np.corrcoef(one, two)[0, 1] > ALIKE)


def is_plain_time(values: np.ndarray, candles: Candles) -> bool:
    """Whether values by bar, (time,), are a number of the time of day, week, month or year, a sine of it, or a flag.

    A number rises, or falls, from one end of the cycle to the other, wherever that begins; a flag has two values, and changes
    to either once in a cycle.
    """
    rows = np.isfinite(values)
    values = values[rows]
    if not len(values) or not np.ptp(values) > 0:
        return True
    return any(
        _is_of(phase[rows], length, values)
        for times in (candles.open_time, candles.close_time)
        for phase, length in _phases(times)
    )


def _phases(times: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """The place of each moment in its day, week, month and year, in coarse and fine units, (time,), and how many there are."""
    minute = times.astype("datetime64[m]").astype(np.int64)
    months, days = times.astype("datetime64[M]"), times.astype("datetime64[D]")
    month = months.astype(np.int64) % 12
    of_month = (days - months.astype("datetime64[D]")).astype(np.int64)
    of_year = (days - times.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    of_week = (minute - 4 * DAY) % WEEK  # from Monday: 1970-01-01 was a Thursday
    weekday = of_week // DAY
    return [
        (minute % DAY, DAY),
        (minute % DAY // 60, 24),
        (of_week, WEEK),
        (weekday, 7),
        (weekday, 5),
        (of_month, 31),
        (31 * month + of_month, 372),  # the same for the months of all years
        (of_year, 366),
        (month, 12),
    ]


def _is_of(phase: np.ndarray, length: int, values: np.ndarray) -> bool:
    angle = 2 * np.pi * phase / length
    waves = np.column_stack([np.ones(len(angle)), np.sin(angle), np.cos(angle)])
    rest = values - waves @ np.linalg.lstsq(waves, values, rcond=None)[0]
    if rest @ rest <= (1 - PLAIN) * ((values - values.mean()) ** 2).sum():
        return True
    order = np.argsort(phase, kind="stable")
    places, first = np.unique(phase[order], return_index=True)
    lowest, highest = (edge.reduceat(values[order], first) for edge in (np.minimum, np.maximum))
    if (highest > lowest).any() or len(places) < 2:
        return False  # no function of the place
    steps = np.diff(lowest, append=lowest[0])
    is_flag = len(np.unique(lowest)) == 2 and np.count_nonzero(steps) == 2
    return bool(is_flag or (steps < 0).sum() <= 1 or (steps > 0).sum() <= 1)
