"""Recursions that follow a series bar by bar, compiled: parameters were learnt before, nothing ahead is read."""

from __future__ import annotations

import numpy as np

from candlecast.process.compiling import compiled


@compiled()
def smooth(values: np.ndarray, alpha: float, beta: float, phi: float, level: float, trend: float) -> np.ndarray:
    """Level and damped trend after each value, (time, 2); an undefined value corrects nothing.

    e_t = x_t - l_{t-1} - phi b_{t-1}, l_t = l_{t-1} + phi b_{t-1} + alpha e_t, b_t = phi b_{t-1} + beta e_t.
    """
    states = np.empty((len(values), 2))
    for t in range(len(values)):
        expected = level + phi * trend
        error = values[t] - expected
        if np.isnan(error):
            error = 0.0
        level = expected + alpha * error
        trend = phi * trend + beta * error
        states[t, 0], states[t, 1] = level, trend
    return states


@compiled()
def garch_variance(
    returns: np.ndarray, mean: float, omega: float, alpha: float, beta: float, start: float
) -> np.ndarray:
    """Variance expected of the *next* bar after each return, (time,); `start` is that of the first bar.

    s_{t+1} = omega + alpha (r_t - mean)^2 + beta s_t; an undefined return counts as one of the expected size.
    """
    variance = np.empty(len(returns))
    expected = start
    for t in range(len(returns)):
        shock = (returns[t] - mean) ** 2
        if np.isnan(shock):
            shock = expected
        expected = omega + alpha * shock + beta * expected
        variance[t] = expected
    return variance
