"""Isotonic regression: the part of a series that rises, or falls, with another one."""

from __future__ import annotations

import numpy as np


def rising_part(values: np.ndarray, signal: np.ndarray) -> np.ndarray:
    """The function of `signal` that never falls and is closest to `values` in squared error, at each of them.

    Args:
        values: float64 (samples,), finite.
        signal: float64 (samples,), finite; samples of the same signal have the same value.

    Returns:
        float64 (samples,), with the mean of `values`.

    >>> rising_part(np.array([3.0, 1.0, 1.0, 5.0]), np.array([0.0, 1.0, 1.0, 2.0])).round(2).tolist()
    [1.67, 1.67, 1.67, 5.0]
    """
    from scipy.optimize import isotonic_regression

    if not len(values):
        return values
    _, place, samples = np.unique(signal, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=values) / samples
    return np.asarray(isotonic_regression(means, weights=samples).x)[place]


def monotone_part(values: np.ndarray, signal: np.ndarray) -> np.ndarray:
    """The function of `signal` that only rises or only falls, whichever is closer to `values`; see `rising_part`.

    >>> monotone_part(np.array([3.0, 2.0, 0.0]), np.array([0.0, 1.0, 2.0])).tolist()
    [3.0, 2.0, 0.0]
    """
    rising, falling = rising_part(values, signal), rising_part(values, -signal)
    errors = [float(np.square(values - each).sum()) for each in (rising, falling)]
    return rising if errors[0] <= errors[1] else falling
