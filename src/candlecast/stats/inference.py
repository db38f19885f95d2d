"""Whether a forecast is better than a reference, or than chance, by more than luck explains.

All take float64 arrays of shape (time,) that belong to the same moments. Fewer than 30 observations are too few for the
limits these tests rest on: statistic and p-value are NaN. Unlike lengths, NaN or infinite values, and a horizon below 1
raise ConfigError.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from candlecast.errors import ConfigError
from candlecast.stats.samples import aligned, ratio

FEWEST = 30


@dataclass(frozen=True)
class TestResult:
    """A test's `statistic`, its `p_value`, the `observations` it used, and its `name`."""

    statistic: float
    p_value: float
    observations: int
    name: str


def newey_west_variance(values: np.ndarray, *, lags: int) -> float:
    """Long-run variance of a series: its mean over n observations has about this variance / n.

    g_0 + 2 sum_{k=1..L} (1 - k / (L + 1)) g_k, with g_k = sum_t (x_t - mean)(x_{t-k} - mean) / n. Never negative; in
    the squared unit of the values. Lags beyond n - 1 have no pairs and add nothing. Empty gives NaN. Raises ConfigError
    for negative `lags`. Newey and West (1987).

    >>> newey_west_variance(np.array([1.0, -1.0, 1.0, -1.0]), lags=1)      # 1 + 2 x 1/2 x (-3/4)
    0.25
    """
    (values,) = aligned(values=values)
    if lags < 0:
        raise ConfigError(f"lags is {lags}", expected="0 or more", remedy="Use 0 for values without autocorrelation")
    if len(values) == 0:
        return math.nan
    covariances = _autocovariances(values, lags)
    weights = 1.0 - np.arange(1, len(covariances)) / (lags + 1)
    return max(float(covariances[0] + 2.0 * weights @ covariances[1:]), 0.0)


def clark_west(target: np.ndarray, forecast: np.ndarray, reference: np.ndarray, *, horizon: int = 1) -> TestResult:
    """Test that a forecast adds to a reference that it nests, such as a constant or no change.

    c_t = (y - g)^2 - [(y - f)^2 - (g - f)^2], with y the target, f the forecast and g the reference: the gain in
    squared error, less the noise that estimating a larger model brings. Statistic: mean(c) / sqrt(V / n), V the
    Newey-West variance with L = max(2 (horizon - 1), floor(4 (n / 100)^(2/9))) lags, since errors `horizon` bars long
    overlap. One-sided p-value P(N(0, 1) > statistic): small when the forecast adds.

    A forecast equal to the reference gives statistic 0 and p 1; any other constant c gives NaN.
    Clark and West (2007).

    >>> target = np.tile([1.0, -1.0, 0.0], 20)
    >>> clark_west(target, target, np.zeros(60)).p_value < 0.001, clark_west(target, target, target).p_value
    (True, 1.0)
    """
    target, forecast, reference = aligned(target=target, forecast=forecast, reference=reference)
    _require_horizon(horizon)
    gain = (target - reference) ** 2 - ((target - forecast) ** 2 - (reference - forecast) ** 2)
    observations = len(gain)
    if observations < FEWEST:
        return _unknown("Clark-West", observations)
    lags = max(2 * (horizon - 1), math.floor(4 * (observations / 100) ** (2 / 9)))
    error = math.sqrt(newey_west_variance(gain, lags=lags) / observations)
    return _one_sided("Clark-West", float(gain.mean()), error, observations)


def diebold_mariano(target: np.ndarray, a: np.ndarray, b: np.ndarray, *, horizon: int = 1) -> TestResult:
    """Test that two forecasts, neither of which nests the other, have equal squared error; small samples corrected.

    d_t = (y - a)^2 - (y - b)^2. Statistic: sqrt((n + 1 - 2h + h (h - 1) / n) / n) mean(d) / sqrt(V / n), with h the
    horizon and V = g_0 + 2 sum_{k=1..h-1} g_k, or g_0 alone where that sum is not positive. Negative when `a` is the
    better. Two-sided p-value by Student's t with n - 1 degrees of freedom.

    Equal losses give statistic 0 and p 1; any other constant d gives NaN.
    Diebold and Mariano (1995); Harvey, Leybourne and Newbold (1997).

    >>> diebold_mariano(np.zeros(50), np.zeros(50), np.tile([1.0, 0.0], 25)).statistic      # -sqrt(n - 1)
    -7.0...
    """
    target, a, b = aligned(target=target, a=a, b=b)
    _require_horizon(horizon)
    name, worse = "Diebold-Mariano", (target - a) ** 2 - (target - b) ** 2
    observations = len(worse)
    if observations < FEWEST or horizon >= observations:
        return _unknown(name, observations)
    covariances = _autocovariances(worse, horizon - 1)
    variance = float(covariances[0] + 2.0 * covariances[1:].sum())
    if variance <= 0.0:
        variance = float(covariances[0])
    correction = (observations + 1 - 2 * horizon + horizon * (horizon - 1) / observations) / observations
    statistic = math.sqrt(correction) * ratio(float(worse.mean()), math.sqrt(variance / observations))
    from scipy.special import stdtr

    p_value = 2.0 * float(stdtr(observations - 1, -abs(statistic)))
    return TestResult(statistic, p_value, observations, name)


def pesaran_timmermann(target: np.ndarray, forecast: np.ndarray) -> TestResult:
    """Test that the signs of a forecast and of its outcome are related: that it knows the direction.

    P the share of right signs; p and q the shares of rises among outcomes and forecasts; R = p q + (1 - p)(1 - q) the
    share of right signs that unrelated ones would have. Statistic: (P - R) / sqrt(V - W), with V = R (1 - R) / n and
    W = (2p - 1)^2 q (1 - q) / n + (2q - 1)^2 p (1 - p) / n + 4 p q (1 - p)(1 - q) / n^2. One-sided p-value
    P(N(0, 1) > statistic). The outcomes are taken as independent: use it on a horizon of one bar.

    Moments whose outcome or forecast is zero name no direction and are left out. A forecast that always has one sign,
    or outcomes that do, give statistic 0 and p 1. Pesaran and Timmermann (1992).

    >>> target = np.tile([1.0, -1.0], 50)
    >>> round(pesaran_timmermann(target, target).statistic, 2)      # (1 - 0.5) / sqrt(0.0025 - 0.000025)
    10.05
    """
    target, forecast = aligned(target=target, forecast=forecast)
    directed = (target != 0) & (forecast != 0)
    rises, calls = target[directed] > 0, forecast[directed] > 0
    name, observations = "Pesaran-Timmermann", len(rises)
    if observations < FEWEST:
        return _unknown(name, observations)
    n, p, q = observations, float(rises.mean()), float(calls.mean())
    if p in (0.0, 1.0) or q in (0.0, 1.0):
        return TestResult(0.0, 1.0, observations, name)
    expected = p * q + (1 - p) * (1 - q)
    spread = (2 * p - 1) ** 2 * q * (1 - q) / n + (2 * q - 1) ** 2 * p * (1 - p) / n
    spread += 4 * p * q * (1 - p) * (1 - q) / n**2
    variance = expected * (1 - expected) / n - spread
    excess = float((rises == calls).mean()) - expected
    return _one_sided(name, excess, math.sqrt(max(variance, 0.0)), observations)


def _autocovariances(values: np.ndarray, lags: int) -> np.ndarray:
    """g_0 .. g_lags about the mean, each a sum over n, as far as there are pairs."""
    n = len(values)
    x = values - values.mean()
    return np.array([x[k:] @ x[: n - k] for k in range(min(lags, n - 1) + 1)]) / n


def _one_sided(name: str, mean: float, error: float, observations: int) -> TestResult:
    statistic = ratio(mean, error)
    p_value = 1.0 if mean == 0.0 == error else 0.5 * math.erfc(statistic / math.sqrt(2.0))
    return TestResult(statistic, p_value, observations, name)


def _unknown(name: str, observations: int) -> TestResult:
    return TestResult(math.nan, math.nan, observations, name)


def _require_horizon(horizon: int) -> None:
    if horizon < 1:
        raise ConfigError(f"horizon is {horizon}", expected="at least 1 bar", remedy="Pass the horizon of the target")
