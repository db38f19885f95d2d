"""softplus, the way from any number to one above zero that nets and forecasts share."""

from __future__ import annotations

import numpy as np


def softplus(x: np.ndarray) -> np.ndarray:
    """ln(1 + e^x), without overflow; NaN stays NaN, in silence, as a stream's forecasts are until its window is full.

    >>> softplus(np.array([0.0, 1000.0])).round(4).tolist()
    [0.6931, 1000.0]
    """
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))
