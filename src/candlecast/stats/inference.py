"""Tests that a forecast is better than a reference, or than random directions.

All take float64 arrays of shape (time,) that belong to the same moments. Fewer than 30 observations are too few for the
limits these tests rest on: statistic and p-value are NaN. Unlike lengths, NaN or infinite values, and a horizon below 1
raise ConfigError.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from candlecast.errors import ConfigError
from candlecast.stats.long_run import cosine_count, long_run_variance
from candlecast.stats.samples import aligned, ratio

MINIMUM = 30
MIN_HORIZONS = 10


@dataclass(frozen=True)
class TestResult:
    """A test's `statistic`, its `p_value`, the `observations` it used, and its `name`."""

    statistic: float
    p_value: float
    observations: int
    name: str


def clark_west(target: np.ndarray, forecast: np.ndarray, reference: np.ndarray, *, horizon: int = 1) -> TestResult:
    """Test that a forecast adds to a reference that it nests, such as a constant or no change.

    c_t = (y - g)^2 - [(y - f)^2 - (g - f)^2], with y the target, f the forecast and g the reference: the gain in
    squared error, less the noise that estimating a larger model brings. Statistic: mean(c) / sqrt(V / n), V the
    `long_run_variance` with m = `cosine_count` cosines, since outcomes `horizon` bars long overlap. One-sided p-value
    P(t_m > statistic): small when the forecast adds. Average seeds into one forecast first.

    A forecast equal to the reference gives statistic 0 and p 1; any other constant c gives NaN. Clark and West (2007).

    Share of 1,000 worlds in which it is below 5 %, beside the same test with a Bartlett window of 2 (h - 1) lags and normal
    p-values (`bench/inference.py`: Student GARCH returns, without skill and with a slow signal planted; regressions on
    momentum over 1 to 24 bars, rolled over five folds):

        n      h      without skill: this, Bartlett      with: this, Bartlett
        500    1        6 %    6 %                        29 %   29 %
        500    24       5 %   10 %                        24 %   32 %
        500    60       7 %   15 %                        13 %   28 %
        2,500  1        5 %    5 %                        82 %   83 %
        2,500  24       6 %    7 %                        85 %   88 %
        2,500  60       4 %    6 %                        66 %   72 %

    >>> target = np.tile([1.0, -1.0, 0.0], 20)
    >>> clark_west(target, target, np.zeros(60)).p_value < 0.001, clark_west(target, target, target).p_value
    (True, 1.0)
    """
    target, forecast, reference = aligned(target=target, forecast=forecast, reference=reference)
    _require_horizon(horizon)
    gain = (target - reference) ** 2 - ((target - forecast) ** 2 - (reference - forecast) ** 2)
    if len(gain) < MINIMUM:
        return _unknown("Clark-West", len(gain))
    return _mean_test("Clark-West", gain, horizon)


def diebold_mariano(target: np.ndarray, a: np.ndarray, b: np.ndarray, *, horizon: int = 1) -> TestResult:
    """Test that two forecasts, neither of which nests the other, have equal squared error; small samples corrected.

    d_t = (y - a)^2 - (y - b)^2. Statistic: sqrt((n + 1 - 2h + h (h - 1) / n) / n) mean(d) / sqrt(V / n), with h the
    horizon and V = g_0 + 2 sum_{k=1..h-1} g_k. Negative when `a` is the better. Two-sided p-value by Student's t with n - 1
    degrees of freedom. Where that sum is not positive, or fewer than 10 horizons are observed: mean(d) / sqrt(V / n) with
    the variance and the degrees of freedom of `clark_west`; false alarms at 5 % with 200 observations of 60 bars are 5 %
    instead of 20 %.

    Equal losses give statistic 0 and p 1; any other constant d gives NaN.
    Diebold and Mariano (1995); Harvey, Leybourne and Newbold (1997); Coroneo and Iacone (2020) for the last.

    >>> diebold_mariano(np.zeros(50), np.zeros(50), np.tile([1.0, 0.0], 25)).statistic      # -sqrt(n - 1)
    -7.0...
    """
    target, a, b = aligned(target=target, a=a, b=b)
    _require_horizon(horizon)
    name, worse = "Diebold-Mariano", (target - a) ** 2 - (target - b) ** 2
    n, h = len(worse), horizon
    if n < MINIMUM:
        return _unknown(name, n)
    mean, degrees, correction = float(worse.mean()), n - 1, (n + 1 - 2 * h + h * (h - 1) / n) / n
    deviation = worse - mean
    covariances = [float(deviation[k:] @ deviation[: n - k]) / n for k in range(min(h, n))]
    variance = covariances[0] + 2.0 * sum(covariances[1:])
    if n < MIN_HORIZONS * h or (variance <= 0.0 < covariances[0]):
        degrees, correction = cosine_count(n, horizon=h), 1.0
        variance = long_run_variance(worse, cosines=degrees)
    statistic = math.sqrt(correction) * ratio(mean, math.sqrt(variance / n))
    from scipy.special import stdtr

    return TestResult(statistic, 2.0 * float(stdtr(degrees, -abs(statistic))), n, name)


def pesaran_timmermann(target: np.ndarray, forecast: np.ndarray, *, horizon: int = 1) -> TestResult:
    """Test that the signs of a forecast and of its outcome are related: that it knows the direction.

    P the share of right signs; p and q the shares of rises among outcomes and forecasts; R = p q + (1 - p)(1 - q) the
    share of right signs that unrelated ones would have. Statistic: (P - R) / sqrt(V - W), with V = R (1 - R) / n and
    W = (2p - 1)^2 q (1 - q) / n + (2q - 1)^2 p (1 - p) / n + 4 p q (1 - p)(1 - q) / n^2. One-sided p-value
    P(N(0, 1) > statistic).

    At one bar its false alarms at 5 % are 4 to 6 % in the worlds of `anatolyev_gerko`: signs do not know how turbulent the
    market is. Outcomes of a longer `horizon` overlap. There, P - R = mean(z) with z_t = 2 (rise_t - p)(call_t - q), tested as in
    `clark_west`: at 24 bars and n = 500 the formula above raises 25 % of false alarms at 5 %, this 4 %.

    Moments whose outcome or forecast is zero name no direction and are left out. A forecast that always has one sign,
    or outcomes that do, give statistic 0 and p 1. Pesaran and Timmermann (1992).

    >>> target = np.tile([1.0, -1.0], 50)
    >>> round(pesaran_timmermann(target, target).statistic, 2)      # (1 - 0.5) / sqrt(0.0025 - 0.000025)
    10.05
    """
    target, forecast = aligned(target=target, forecast=forecast)
    _require_horizon(horizon)
    directed = (target != 0) & (forecast != 0)
    rises, calls = target[directed] > 0, forecast[directed] > 0
    name, observations = "Pesaran-Timmermann", len(rises)
    if observations < MINIMUM:
        return _unknown(name, observations)
    n, p, q = observations, float(rises.mean()), float(calls.mean())
    if p in (0.0, 1.0) or q in (0.0, 1.0):
        return TestResult(0.0, 1.0, observations, name)
    if horizon > 1:
        return _mean_test(name, 2.0 * (rises - p) * (calls - q), horizon)
    expected = p * q + (1 - p) * (1 - q)
    spread = (2 * p - 1) ** 2 * q * (1 - q) / n + (2 * q - 1) ** 2 * p * (1 - p) / n
    spread += 4 * p * q * (1 - p) * (1 - q) / n**2
    variance = expected * (1 - expected) / n - spread
    excess = float((rises == calls).mean()) - expected
    statistic = ratio(excess, math.sqrt(max(variance, 0.0)))
    return TestResult(statistic, 0.5 * math.erfc(statistic / math.sqrt(2.0)), observations, name)


def anatolyev_gerko(target: np.ndarray, forecast: np.ndarray, *, horizon: int = 1) -> TestResult:
    """Test that trading the sign of a forecast earns more than holding as much of the asset all the time.

    Excess profitability: mean(s y) - mean(s) mean(y) = mean(z) with z_t = (s_t - mean(s))(y_t - mean(y)), s = sign(f) the
    position and y the outcome, a return; mean(z) is tested as in `clark_west`. Unlike `pesaran_timmermann` it weighs each
    call by what was at stake. The paper's variance, var(s) var(y), holds where positions have nothing to do with the size of
    outcomes: a forecast that is short while the market is turbulent gives false alarms with it.

    Share of 2,000 worlds without skill in which it is below 5 %, beside the same test with the paper's variance and normal
    p-values (`bench/inference.py`: a forecast that is short while an average of past squares is high, one bar ahead):

        n      returns                              this     the paper's
        500    independent, Student's t             2 %      3 %
        500    GARCH, alpha 0.06, 0.08, 0.12        2-3 %    9 %, 9 %, 12 %
        500    two regimes of volatility            5 %      9 %
        2,500  independent, Student's t             5 %      5 %
        2,500  GARCH, alpha 0.06, 0.08, 0.12        5 %      13 %, 17 %, 20 %
        2,500  two regimes of volatility            5 %      9 %

    For a reversed last return and for a slow signal both have 4 to 6 % everywhere. Planted skill is found as often, to 4
    points of a hundred less with 500 bars and 1 less with 2,500.

    A forecast of zero is no position. One position, or outcome, throughout gives statistic 0 and p 1.
    Anatolyev and Gerko (2005), A Trading Approach to Testing for Predictability.

    >>> target = np.random.default_rng(0).normal(size=100)
    >>> anatolyev_gerko(target, target).p_value < 0.001, anatolyev_gerko(target, np.ones(100)).p_value
    (True, 1.0)
    """
    target, forecast = aligned(target=target, forecast=forecast)
    _require_horizon(horizon)
    name, observations, position = "Anatolyev-Gerko", len(target), np.sign(forecast)
    if observations < MINIMUM:
        return _unknown(name, observations)
    if np.ptp(position) == 0 or np.ptp(target) == 0:
        return TestResult(0.0, 1.0, observations, name)
    return _mean_test(name, (position - position.mean()) * (target - target.mean()), horizon)


def _mean_test(name: str, values: np.ndarray, horizon: int) -> TestResult:
    """One-sided test that the mean of dependent values is above zero, by Student's t with a degree for each cosine."""
    from scipy.special import stdtr

    n = len(values)
    cosines = cosine_count(n, horizon=horizon)
    mean, error = float(values.mean()), math.sqrt(long_run_variance(values, cosines=cosines) / n)
    statistic = ratio(mean, error)
    return TestResult(statistic, 1.0 if mean == 0.0 == statistic else float(stdtr(cosines, -statistic)), n, name)


def _unknown(name: str, observations: int) -> TestResult:
    return TestResult(math.nan, math.nan, observations, name)


def _require_horizon(horizon: int) -> None:
    if horizon < 1:
        raise ConfigError(f"horizon is {horizon}", expected="at least 1 bar", remedy="Pass the horizon of the target")
