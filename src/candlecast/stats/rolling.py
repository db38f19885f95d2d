"""Statistics in a window that moves along the returns."""

from __future__ import annotations

import numpy as np

from candlecast.errors import ConfigError


def rolling_volatility(returns: np.ndarray, *, window: int, bars_per_year: float) -> np.ndarray:
    """Annual volatility of the last `window` returns at each row: sqrt(B) x standard deviation (n - 1). Shape (time,).

    The first `window` - 1 rows are NaN. Raises ConfigError for a window below 2.

    >>> rolling_volatility(np.array([0.01, -0.01, 0.01]), window=2, bars_per_year=4).round(4).tolist()
    [nan, 0.0283, 0.0283]
    """
    _, deviation = _rolling_moments(returns, window)
    return np.sqrt(bars_per_year) * deviation


def rolling_sharpe(returns: np.ndarray, *, window: int, bars_per_year: float) -> np.ndarray:
    """Sharpe ratio per year of the last `window` returns at each row, riskless rate 0. Shape (time,).

    sqrt(B) x mean / standard deviation (n - 1). The first `window` - 1 rows and windows of constant returns are NaN. Raises
    ConfigError for a window below 2.

    >>> rolling_sharpe(np.array([0.01, 0.03, 0.01]), window=2, bars_per_year=1).round(4).tolist()
    [nan, 1.4142, 1.4142]
    """
    mean, deviation = _rolling_moments(returns, window)
    ratio = np.divide(mean, deviation, out=np.full(len(mean), np.nan), where=deviation > 0)
    return np.sqrt(bars_per_year) * ratio


def _rolling_moments(returns: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (n - 1) of each window, NaN before the first."""
    if window < 2:
        raise ConfigError(
            f"window is {window}", expected="2 returns or more", remedy="Use a window of about a year of bars"
        )
    returns = np.asarray(returns, dtype=float)
    mean, deviation = np.full((2, len(returns)), np.nan)
    if len(returns) >= window:
        # sums of differences from the overall mean: no cancellation of large numbers
        centre = returns.mean()
        sums = np.concatenate(
            [[[0.0, 0.0]], np.cumsum(np.column_stack([returns - centre, (returns - centre) ** 2]), axis=0)]
        )
        first, second = (sums[window:] - sums[:-window]).T
        mean[window - 1 :] = centre + first / window
        variance = np.maximum(second - first**2 / window, 0.0) / (window - 1)
        tiny = 1e-12 * max(float(np.mean((returns - centre) ** 2)), 1e-300)  # what rounding leaves of constant returns
        deviation[window - 1 :] = np.sqrt(np.where(variance > tiny, variance, 0.0))
    return mean, deviation
