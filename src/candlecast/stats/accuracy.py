"""How close forecasts came to what happened.

All take float64 arrays of shape (time,) that belong to the same moments, in the unit of the target, and are known when
the last target is. Empty arrays give NaN. Unlike lengths, and NaN or infinite values, raise ConfigError.
"""

from __future__ import annotations

import numpy as np

from candlecast.stats.samples import aligned


def mae(target: np.ndarray, forecast: np.ndarray) -> float:
    """Mean absolute error, in the unit of the target: mean |y - f|.

    >>> mae(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    1.5
    """
    target, forecast = aligned(target=target, forecast=forecast)
    return float(np.mean(np.abs(target - forecast))) if len(target) else np.nan


def rmse(target: np.ndarray, forecast: np.ndarray) -> float:
    """Root of the mean squared error, in the unit of the target: sqrt(mean (y - f)^2).

    >>> rmse(np.array([0.0, 0.0]), np.array([1.0, 7.0]))
    5.0
    """
    target, forecast = aligned(target=target, forecast=forecast)
    return float(np.sqrt(np.mean((target - forecast) ** 2))) if len(target) else np.nan


def mase(target: np.ndarray, forecast: np.ndarray, *, scale: float) -> float:
    """Mean absolute scaled error: mean |y - f| / scale; below 1 the forecast beats the naive one of the training part.

    `scale` is the mean absolute error of the naive forecast on the *training* rows, in the unit of the target. A scale that
    is not above zero gives NaN. Hyndman and Koehler (2006).

    >>> mase(np.array([1.0, 2.0]), np.array([2.0, 4.0]), scale=3.0)
    0.5
    """
    return mae(target, forecast) / scale if scale > 0 else np.nan


def r2_against(target: np.ndarray, forecast: np.ndarray, reference: np.ndarray) -> float:
    """Out-of-sample R2: the share of the reference's squared error that the forecast removes.

    1 - sum (y - f)^2 / sum (y - g)^2, with g the reference forecast; negative when the forecast is worse. A reference
    without any error gives NaN. Campbell and Thompson (2008).

    >>> r2_against(np.array([2.0, -2.0]), np.array([1.0, -1.0]), np.array([0.0, 0.0]))
    0.75
    """
    target, forecast, reference = aligned(target=target, forecast=forecast, reference=reference)
    error = float(np.sum((target - reference) ** 2))
    return 1.0 - float(np.sum((target - forecast) ** 2)) / error if error else np.nan


def hit_rate(target: np.ndarray, forecast: np.ndarray) -> float:
    """Share of forecasts with the right sign, among the moments whose outcome is not zero.

    mean [sign(f) = sign(y)] over y != 0; a forecast of zero names no direction and counts as wrong. No outcome other
    than zero gives NaN.

    >>> hit_rate(np.array([1.0, -1.0, 2.0, 0.0]), np.array([0.5, 0.5, 0.1, 0.3]))
    0.6666...
    """
    target, forecast = aligned(target=target, forecast=forecast)
    moved = target != 0
    return float(np.mean(np.sign(forecast[moved]) == np.sign(target[moved]))) if moved.any() else np.nan


def information_coefficient(target: np.ndarray, forecast: np.ndarray) -> float:
    """Pearson correlation of forecast and outcome, in [-1, 1]. NaN when either is constant.

    Grinold and Kahn (1999), Active Portfolio Management.

    >>> information_coefficient(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    1.0
    """
    target, forecast = aligned(target=target, forecast=forecast)
    if len(target) == 0 or np.ptp(target) == 0 or np.ptp(forecast) == 0:
        return np.nan
    y, f = target - target.mean(), forecast - forecast.mean()
    y, f = y / np.abs(y).max(), f / np.abs(f).max()  # squares of tiny values would underflow
    return float(np.clip(y @ f / np.sqrt((y @ y) * (f @ f)), -1.0, 1.0))


def rank_ic(target: np.ndarray, forecast: np.ndarray) -> float:
    """Spearman's rank correlation of forecast and outcome; ties share their mean rank. NaN when either is constant.

    >>> rank_ic(np.array([1.0, 2.0, 9.0]), np.array([10.0, 11.0, 12.0]))
    1.0
    """
    target, forecast = aligned(target=target, forecast=forecast)
    return information_coefficient(ranks(target), ranks(forecast))


def ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each value, the smallest 1; equal values share their mean rank.

    >>> ranks(np.array([5.0, 2.0, 5.0]))
    array([2.5, 1. , 2.5])
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
