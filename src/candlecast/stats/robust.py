"""Correlation that a minority of wrong values hardly changes."""

from __future__ import annotations

import numpy as np


def robust_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two series of returns, each (time,), by the spreads of their sum and their difference.

    (S(u + v)^2 - S(u - v)^2) / (S(u + v)^2 + S(u - v)^2), where u and v are the series over their S, and S is the median of the
    absolute values. For normal returns it estimates the usual correlation. Values that are wrong in a few percent of the bars,
    however large, hardly change it. Pairs that are both zero are left out; where more than half of the rest of one series is
    zero, it is the usual correlation. NaN for fewer than two pairs and for a constant series.
    Gnanadesikan and Kettenring (1972), Robust Estimates, Residuals, and Outlier Detection with Multiresponse Data.

    >>> shocks = np.random.default_rng(0).standard_normal((2, 5_000))
    >>> one, other = shocks[0], 0.8 * shocks[0] + 0.6 * shocks[1]
    >>> round(robust_correlation(one, other), 1), round(robust_correlation(one, np.where(shocks[1] > 2, 50.0, one)), 1)
    (0.8, 1.0)
    """
    moved = (first != 0) | (second != 0)
    first, second = first[moved], second[moved]
    if len(first) < 2:
        return np.nan
    scales = _spread(first), _spread(second)
    if not min(scales) > 0:
        is_constant = not min(np.ptp(first), np.ptp(second)) > 0
        return np.nan if is_constant else float(np.corrcoef(first, second)[0, 1])
    one, other = first / scales[0], second / scales[1]
    together, apart = _spread(one + other) ** 2, _spread(one - other) ** 2
    return float((together - apart) / (together + apart))


def _spread(values: np.ndarray) -> float:
    return float(np.median(np.abs(values)))
