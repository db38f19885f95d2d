"""Statistics of rankings: information coefficients moment by moment, groups by score, and whether their returns rise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from candlecast.errors import ConfigError
from candlecast.stats.bootstrap import block_length, bootstrap_means
from candlecast.stats.inference import MINIMUM
from candlecast.stats.long_run import cosine_count, long_run_variance
from candlecast.stats.samples import ratio

LEAST_ASSETS = 3  # with a score and a return, for a correlation between them


@dataclass(frozen=True)
class MeanTest:
    """A mean of dependent values with its 95 % confidence interval, and the one-sided p-value that it is zero or less."""

    mean: float
    low: float
    high: float
    statistic: float
    p_value: float
    observations: int


def mean_test(values: np.ndarray, *, horizon: int = 1) -> MeanTest:
    """The mean of a series, with the long-run variance of `clark_west`, which allows for autocorrelation (HAC).

    mean +- t_m(0.975) sqrt(V / n), V the `long_run_variance` with m = `cosine_count` cosines; p = P(t_m > mean / error).
    Undefined values are left out; fewer than 30 give NaN. Lazarus, Lewis, Stock and Watson (2018).

    >>> found = mean_test(np.tile([0.02, 0.06], 50))
    >>> round(found.mean, 4), found.low < 0.04 < found.high, found.p_value < 0.001
    (0.04, True, True)
    """
    known = values[np.isfinite(values)]
    n = len(known)
    mean = float(known.mean()) if n else math.nan
    if n < MINIMUM:
        return MeanTest(mean, math.nan, math.nan, math.nan, math.nan, n)
    from scipy.special import stdtr, stdtrit

    cosines = cosine_count(n, horizon=horizon)
    error = math.sqrt(long_run_variance(known, cosines=cosines) / n)
    statistic, reach = ratio(mean, error), float(stdtrit(cosines, 0.975)) * error
    p = 1.0 if mean == 0.0 == statistic else float(stdtr(cosines, -statistic))
    return MeanTest(mean, mean - reach, mean + reach, statistic, p, n)


def rank_rows(values: np.ndarray) -> np.ndarray:
    """Ranks within each row (time, asset), the smallest 1, ties sharing their mean rank; NaN where undefined.

    >>> rank_rows(np.array([[0.3, np.nan, 0.1, 0.3]])).tolist()
    [[2.5, nan, 1.0, 2.5]]
    """
    order = np.argsort(values, axis=1, kind="stable")  # NaN last
    ordered = np.take_along_axis(values, order, axis=1)
    assets = values.shape[1]
    place = np.arange(assets)
    is_new = np.ones(values.shape, dtype=bool)
    is_new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.maximum.accumulate(np.where(is_new, place, 0), axis=1)
    is_last = np.ones(values.shape, dtype=bool)
    is_last[:, :-1] = is_new[:, 1:]
    last = np.minimum.accumulate(np.where(is_last, place, assets)[:, ::-1], axis=1)[:, ::-1]
    found = np.empty(values.shape)
    np.put_along_axis(found, order, 0.5 * (first + last) + 1.0, axis=1)
    return np.where(np.isfinite(values), found, np.nan)


def coefficients(scores: np.ndarray, returns: np.ndarray, *, by_rank: bool = True) -> np.ndarray:
    """Information coefficient of each moment: correlation over the assets of scores and returns, (time, asset) -> (time,).

    `by_rank`: Spearman's rank IC, otherwise Pearson's. NaN at a moment with fewer than 3 assets, or where either is constant.
    Grinold and Kahn (1999).

    >>> coefficients(np.array([[1.0, 2.0, 3.0]]), np.array([[0.1, 0.2, 0.9]])).tolist()
    [1.0]
    """
    if scores.shape != returns.shape:
        raise ConfigError(
            f"scores have shape {scores.shape}, returns {returns.shape}",
            expected="one of each for each moment and asset",
            remedy="Pass arrays (time, asset)",
        )
    both = np.isfinite(scores) & np.isfinite(returns)
    pair = [np.where(both, each, np.nan) for each in (scores, returns)]
    if by_rank:
        pair = [rank_rows(each) for each in pair]
    number = both.sum(axis=1)
    means = [np.nansum(each, axis=1) / np.maximum(number, 1) for each in pair]
    a, b = (np.where(both, each - mean[:, None], 0.0) for each, mean in zip(pair, means, strict=True))
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    is_defined = (number >= LEAST_ASSETS) & (scale > 0)
    return np.divide((a * b).sum(axis=1), scale, out=np.full(len(a), np.nan), where=is_defined)


def group_means(scores: np.ndarray, returns: np.ndarray, *, groups: int) -> np.ndarray:
    """Mean return of each group of assets by score at each moment, the lowest first: (time, groups).

    Assets are divided by rank into groups of equal size as near as possible; NaN at moments with fewer assets than groups.

    >>> group_means(np.array([[3.0, 1.0, 2.0, 4.0]]), np.array([[0.3, 0.1, 0.2, 0.4]]), groups=2).round(2).tolist()
    [[0.15, 0.35]]
    """
    both = np.isfinite(scores) & np.isfinite(returns)
    ranks = rank_rows(np.where(both, scores, np.nan))
    number = both.sum(axis=1, keepdims=True)
    group = np.floor((ranks - 1.0) / np.maximum(number, 1) * groups)
    found = np.full((len(scores), groups), np.nan)
    is_enough = number[:, 0] >= groups
    for place in range(groups):
        own = group == place
        size = own.sum(axis=1)
        total = np.where(own, returns, 0.0).sum(axis=1)
        found[:, place] = np.divide(total, size, out=np.full(len(own), np.nan), where=(size > 0) & is_enough)
    return found


def rising_p_value(groups: np.ndarray, *, seed: int = 0) -> float:
    """p-value that mean returns do not rise from each group to the next: small where they do. `groups` (time, groups).

    Test of a monotonic relation: the statistic is the smallest difference of the means of neighbouring groups, its
    distribution under no difference that of the stationary bootstrap around the differences found. Rows with an undefined value
    are left out; fewer than 30 give NaN. Patton and Timmermann (2010), Monotonicity in Asset Returns.

    >>> noise = np.random.default_rng(0).normal(size=(500, 3))
    >>> rising_p_value(noise + np.array([0.0, 0.5, 1.0])) < 0.01, rising_p_value(noise) > 0.05
    (True, True)
    """
    steps = np.diff(groups, axis=1)
    steps = steps[np.isfinite(steps).all(axis=1)]
    if len(steps) < MINIMUM or not steps.shape[1]:
        return math.nan
    mean = steps.mean(axis=0)
    draws = bootstrap_means(steps, block=block_length(steps), seed=seed)
    return float(np.mean((draws - mean).min(axis=1) >= mean.min()))


def turnover_of(weights: np.ndarray) -> np.ndarray:
    """Sum of the sizes of the changes of weights (time, asset) at each moment, from nothing before the first: (time,)."""
    return np.abs(np.diff(weights, axis=0, prepend=np.zeros((1, weights.shape[1])))).sum(axis=1)
