"""Ways from any number to one above zero, and to one below 1, that nets and forecasts share."""

from __future__ import annotations

import numpy as np


def softplus(x: np.ndarray) -> np.ndarray:
    """ln(1 + e^x), without overflow; NaN stays NaN, in silence, as a stream's forecasts are until its window is full.

    >>> softplus(np.array([0.0, 1000.0])).round(4).tolist()
    [0.6931, 1000.0]
    """
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x) = e^-softplus(-x), without overflow and with all its digits: the derivative of softplus.

    >>> sigmoid(np.array([0.0, -1000.0])).tolist()
    [0.5, 0.0]
    """
    return np.exp(-softplus(-x))
