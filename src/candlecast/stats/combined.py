"""The p-value of the best of all combinations of several statistics."""

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
