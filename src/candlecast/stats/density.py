"""How good forecasts of a whole distribution are: scores that only the truth minimises, and coverage.

Outcomes are float64 of shape (time,), in the unit of the target, as are `mean` and `sigma` of a normal forecast; forecast
`quantiles` have shape (time, levels), one column for each of `levels` in (0, 1), rising. A score is a loss for each moment,
smaller is better; compare means. Unlike lengths, values that are not finite, and a sigma that is not above zero raise
ConfigError.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from candlecast.errors import ConfigError
from candlecast.parameters import is_number
from candlecast.stats.samples import aligned

MIN_EXPECTED = 5.0  # outcomes in a bin, for the chi-squared distribution to hold
DRAWS = 1_999


def log_score(target: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Negative log density of each outcome under its normal forecast, in nats; shape (time,).

    ln(s sqrt(2 pi)) + (y - m)^2 / (2 s^2). Good (1952); Gneiting and Raftery (2007).

    >>> log_score(np.array([0.0]), np.array([0.0]), np.array([1.0])).round(4)      # ln sqrt(2 pi)
    array([0.9189])
    """
    target, mean, sigma = _normal(target, mean, sigma)
    return np.log(sigma * math.sqrt(2 * math.pi)) + ((target - mean) / sigma) ** 2 / 2


def crps_normal(target: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of each normal forecast, in the unit of the target; shape (time,).

    CRPS = E|X - y| - E|X - X'| / 2; for a normal s (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)), z = (y - m) / s. It is the
    absolute error of a forecast that names a single value. Gneiting and Raftery (2007), eq. 21.

    >>> crps_normal(np.array([0.0]), np.array([0.0]), np.array([1.0])).round(4)      # (sqrt(2) - 1) / sqrt(pi)
    array([0.2337])
    """
    target, mean, sigma = _normal(target, mean, sigma)
    from scipy.special import ndtr

    z = (target - mean) / sigma
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return sigma * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi))


def pinball(target: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Pinball loss of each forecast quantile, in the unit of the target; shape (time, levels).

    q (y - f) where the outcome is above the forecast, (1 - q)(f - y) where it is below. Koenker and Bassett (1978).

    >>> pinball(np.array([1.0, -1.0]), np.array([[0.0], [0.0]]), [0.75])
    array([[0.75], [0.25]])
    """
    target, quantiles, share = _quantiles(target, quantiles, levels)
    gap = target[:, None] - quantiles  # (time, levels)
    return np.maximum(share * gap, (share - 1) * gap)


def crps_quantiles(target: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Continuous ranked probability score from forecast quantiles: twice the pinball loss, integrated over the levels; (time,).

    2 int QS_q dq by the trapezoid between the levels, and at the ends by the nearest level's loss. Few levels make it
    coarse: compare only forecasts of the same levels. Gneiting and Ranjan (2011).

    >>> crps_quantiles(np.array([1.0]), np.array([[0.0]]), [0.5])      # of a median, the absolute error
    array([1.])
    """
    losses, share = pinball(target, quantiles, levels), np.asarray(levels, dtype=np.float64)
    edges = np.concatenate([[0.0], share, [1.0]])
    values = np.concatenate([losses[:, :1], losses, losses[:, -1:]], axis=1)
    return 2.0 * np.trapezoid(values, edges, axis=1)


def coverage(target: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Share of outcomes inside [low, high]: of intervals for 90 %, about 0.9. Raises ConfigError for a low above its high.

    >>> coverage(np.array([0.0, 2.0]), np.array([-1.0, -1.0]), np.array([1.0, 1.0]))
    0.5
    """
    target, low, high = aligned(target=target, low=low, high=high)
    if (low > high).any():
        row = int((low > high).argmax())
        raise ConfigError(
            f"the interval of row {row} reaches from {low[row]} to {high[row]}",
            expected="low at most high",
            remedy="Sort the quantiles of each row",
        )
    return float(np.mean((low <= target) & (target <= high))) if len(target) else math.nan


def coverage_p_value(target: np.ndarray, low: np.ndarray, high: np.ndarray, *, level: float) -> float:
    """Two-sided p-value of the hypothesis that intervals hold the outcome with probability `level`: too few, or too many.

    Likelihood ratio 2 ln[(c / n)^c (1 - c / n)^(n - c) / (level^c (1 - level)^(n - c))] of c hits in n, chi-squared with 1
    degree of freedom. Misses are taken as independent. Kupiec (1995). Empty gives NaN; ConfigError for a level outside (0, 1).

    >>> y = np.array([0.0] * 90 + [2.0] * 10)
    >>> coverage_p_value(y, np.full(100, -1.0), np.full(100, 1.0), level=0.9)
    1.0
    """
    if not is_number(level) or not 0.0 < level < 1.0:
        raise ConfigError(f"level is {level!r}", expected="a probability between 0 and 1", remedy="Use for example 0.9")
    share, n = coverage(target, low, high), len(target)
    if not n:
        return math.nan
    from scipy.special import chdtrc, xlogy

    hits = share * n
    ratio = xlogy(hits, share / level) + xlogy(n - hits, (1 - share) / (1 - level))
    return float(chdtrc(1, max(2.0 * ratio, 0.0)))


def pit_normal(target: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Probability integral transform of each outcome under its normal forecast: Phi((y - m) / s); shape (time,).

    Uniform on [0, 1] when the forecasts are right. Dawid (1984); Diebold, Gunther and Tay (1998).

    >>> pit_normal(np.array([0.0, 1.96]), np.zeros(2), np.ones(2)).round(3)
    array([0.5  , 0.975])
    """
    target, mean, sigma = _normal(target, mean, sigma)
    from scipy.special import ndtr

    return ndtr((target - mean) / sigma)


def quantile_bins(target: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Which of the ranges between its forecast quantiles each outcome fell into, int64 (time,): 0 below the lowest.

    The probability integral transform as far as quantiles determine it. An outcome that equals a quantile lies below it.

    >>> quantile_bins(np.array([-2.0, 0.5, 3.0]), np.array([[-1.0, 1.0]] * 3), [0.1, 0.9])
    array([0, 1, 2])
    """
    target, quantiles, _ = _quantiles(target, quantiles, levels)
    return (target[:, None] > quantiles).sum(axis=1)


def uniformity_p_value(
    bins: np.ndarray, shares: Sequence[float] | np.ndarray, *, horizon: int = 1, seed: int = 0
) -> float:
    """p-value of the hypothesis that outcomes fall into bins as often as forecast: small when the forecasts are not calibrated.

    Pearson's sum_b (n_b - n p_b)^2 / (n p_b) over bins (time,) of probabilities p_b, the `shares`. Chi-squared where 5 or more
    are expected in each bin; otherwise, where that would be wrong, against 1,999 draws of n from the shares. Outcomes over
    a `horizon` overlap: those h bars apart do not, and make h samples; the smallest of their p-values counts h times
    (Bonferroni; Diebold, Gunther and Tay 1998). Few observations thus give a large p-value, not a small one by accident.
    Empty gives NaN. ConfigError for shares that do not add to 1.

    >>> uniformity_p_value(np.array([0, 1] * 50), [0.5, 0.5]), uniformity_p_value(np.zeros(20, int), [0.5, 0.5]) < 1e-4
    (1.0, True)
    """
    p = np.asarray(shares, dtype=np.float64)
    if p.ndim != 1 or (p <= 0).any() or not math.isclose(p.sum(), 1.0, abs_tol=1e-9):
        raise ConfigError(
            f"shares are {list(shares)}", expected="numbers above 0 that add to 1", remedy="Give one for each bin"
        )
    if not len(bins):
        return math.nan
    from scipy.special import chdtrc

    generator, found = np.random.default_rng(seed), []
    for first in range(min(horizon, len(bins))):
        counts = np.bincount(bins[first::horizon], minlength=len(p))
        n = int(counts.sum())
        statistic = float(((counts - n * p) ** 2 / (n * p)).sum())
        if n * p.min() >= MIN_EXPECTED:
            found.append(float(chdtrc(len(p) - 1, statistic)))
            continue
        drawn = ((generator.multinomial(n, p, size=DRAWS) - n * p) ** 2 / (n * p)).sum(axis=1)
        found.append((1 + int((drawn >= statistic * (1 - 1e-12)).sum())) / (1 + DRAWS))
    return min(1.0, len(found) * min(found))


def _normal(target: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> list[np.ndarray]:
    arrays = aligned(target=target, mean=mean, sigma=sigma)
    if (arrays[2] <= 0).any():
        row = int((arrays[2] <= 0).argmax())
        raise ConfigError(
            f"sigma is {arrays[2][row]} in row {row}",
            expected="a standard deviation above zero",
            remedy="Give every forecast some width",
        )
    return arrays


def _quantiles(
    target: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    share = np.asarray(levels, dtype=np.float64)
    if share.ndim != 1 or not len(share) or not (np.diff(share, prepend=0.0, append=1.0) > 0).all():
        raise ConfigError(
            f"levels are {list(levels)}",
            expected="rising probabilities in (0, 1)",
            remedy="Use for example [0.1, 0.5, 0.9]",
        )
    values = np.asarray(quantiles, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(share):
        raise ConfigError(
            f"quantiles have shape {values.shape}",
            expected=f"(time, {len(share)}), a column for each level",
            remedy="Stack the forecast quantiles as columns",
        )
    columns = aligned(target=target, **{f"quantile {level:g}": values[:, i] for i, level in enumerate(share)})
    return columns[0], values, share
