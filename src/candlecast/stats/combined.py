"""The best of all combinations of several statistics, and a p-value of which only a share counts."""

from __future__ import annotations

import math

ALONE = 1.5  # directions below which nothing is corrected


def combined_p_value(p_value: float, directions: float) -> float:
    """The p-value, of one side, of a statistic that may be any combination of so many independent ones (Scheffe 1953).

    The square of its normal score is compared with chi-square of as many degrees of freedom. NaN stays NaN.

    >>> [round(combined_p_value(0.001, each), 4) for each in (1.0, 3.0, 20.0)]
    [0.001, 0.0228, 0.9756]
    """
    from scipy import stats

    if math.isnan(p_value) or not directions > ALONE:
        return p_value
    return max(p_value, float(stats.chi2.sf(max(stats.norm.isf(p_value), 0.0) ** 2, directions)))


def combined_score(score: float, directions: float) -> float:
    """The normal score, of one side, of `combined_p_value`; -inf for one that any combination reaches.

    >>> [round(combined_score(5.0, each), 2) for each in (1.0, 3.0, 20.0)]
    [5.0, 4.17, 0.84]
    """
    from scipy import stats

    return float(stats.norm.isf(combined_p_value(float(stats.norm.sf(score)), directions)))


def shared_p_value(p_value: float, share: float) -> float:
    """The p-value, of one side, of that share of a statistic's normal score, where the score is positive. NaN stays NaN.

    >>> [round(shared_p_value(0.001, share), 4) for share in (1.0, 0.5, 0.0)]
    [0.001, 0.0612, 0.5]
    """
    from scipy import stats

    if math.isnan(p_value) or not share < 1.0 or not p_value < 0.5:
        return p_value
    return float(stats.norm.sf(share * stats.norm.isf(max(p_value, 1e-300))))
