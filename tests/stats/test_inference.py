"""Tests of forecasts against statsmodels, SciPy, hand computation, and their own size and power."""

from __future__ import annotations

import math

import numpy as np
import pytest

from candlecast import stats
from candlecast.errors import ConfigError


def simulated(seed: int, n: int = 300, skill: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=n)
    return skill * signal + rng.normal(size=n), 0.5 * signal, np.full(n, 0.01)


def hac_t_value(values: np.ndarray, lags: int, weights=None) -> float:
    import statsmodels.api as sm

    options = {"maxlags": lags, "use_correction": False} | ({"weights_func": weights} if weights else {})
    return float(sm.OLS(values, np.ones(len(values))).fit(cov_type="HAC", cov_kwds=options).tvalues[0])


@pytest.mark.parametrize("lags", [0, 1, 5, 20])
def test_newey_west_equals_statsmodels(lags):
    rng = np.random.default_rng(3)
    values = np.convolve(rng.normal(size=200), np.ones(4), mode="valid") + 0.3
    n = len(values)
    t = values.mean() / math.sqrt(stats.newey_west_variance(values, lags=lags) / n)
    assert t == pytest.approx(hac_t_value(values, lags), rel=1e-10)


def test_newey_west_edges():
    assert stats.newey_west_variance(np.array([5.0]), lags=3) == 0.0
    assert math.isnan(stats.newey_west_variance(np.array([]), lags=3))
    with pytest.raises(ConfigError, match="lags is -1; expected 0 or more"):
        stats.newey_west_variance(np.ones(5), lags=-1)


@pytest.mark.parametrize(("horizon", "lags"), [(1, 5), (10, 18)])  # 4 x 3^(2/9) = 5.1
def test_clark_west_is_a_regression_on_a_constant(horizon, lags):
    from scipy.stats import norm

    y, f, g = simulated(1)
    result = stats.clark_west(y, f, g, horizon=horizon)
    adjusted = (y - g) ** 2 - ((y - f) ** 2 - (g - f) ** 2)
    assert result.statistic == pytest.approx(hac_t_value(adjusted, lags), rel=1e-10)
    assert result.p_value == pytest.approx(norm.sf(result.statistic), rel=1e-10)
    assert (result.observations, result.name) == (300, "Clark-West")
    assert result.p_value < 0.01


def test_clark_west_does_not_reward_noise():
    """Of 200 forecasts without skill about 10 % are significant at 10 %."""
    p_values = [stats.clark_west(*simulated(seed, skill=0.0)).p_value for seed in range(200)]
    assert 0.04 < np.mean(np.array(p_values) < 0.1) < 0.17


def test_diebold_mariano_at_horizon_one_is_students_t():
    from scipy.stats import ttest_1samp

    y, a, b = simulated(2)
    expected = ttest_1samp((y - a) ** 2 - (y - b) ** 2, 0.0)
    result = stats.diebold_mariano(y, a, b)
    assert result.statistic == pytest.approx(expected.statistic, rel=1e-10)
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-8)


def test_diebold_mariano_at_a_longer_horizon():
    import statsmodels.stats.sandwich_covariance as sandwich

    y, a, b = simulated(4)
    n, h = len(y), 4
    t = hac_t_value((y - a) ** 2 - (y - b) ** 2, h - 1, sandwich.weights_uniform)
    correction = (n + 1 - 2 * h + h * (h - 1) / n) / n
    result = stats.diebold_mariano(y, a, b, horizon=h)
    assert result.statistic == pytest.approx(t * math.sqrt(correction), rel=1e-10)
    mirrored = stats.diebold_mariano(y, b, a, horizon=h)
    assert (mirrored.statistic, mirrored.p_value) == pytest.approx((-result.statistic, result.p_value))


def test_diebold_mariano_survives_a_negative_variance():
    y, a, b = np.tile([1.0, 0.0], 20), np.zeros(40), np.full(40, 0.4)  # loss differences alternate: g_1 = -0.975 g_0
    result = stats.diebold_mariano(y, a, b, horizon=2)
    assert result.statistic == pytest.approx(0.24 / 0.4 * math.sqrt(40) * math.sqrt((41 - 4 + 2 / 40) / 40))


def test_pesaran_timmermann_by_hand():
    """60 of 100 signs right: 35 of 55 rises called, 25 of 45 falls called; hence 55 calls of a rise."""
    y = np.repeat([1.0, 1.0, -1.0, -1.0], [35, 20, 20, 25])
    f = np.repeat([0.1, -0.1, 0.1, -0.1], [35, 20, 20, 25])
    p = q = 0.55
    expected = p * q + 0.45 * 0.45  # 0.505
    variance = (0.505 * 0.495 - 2 * 0.01 * 0.2475 - 4 * 0.2475**2 / 100) / 100
    result = stats.pesaran_timmermann(y, f)
    assert result.statistic == pytest.approx((0.60 - expected) / math.sqrt(variance))
    assert result.statistic == pytest.approx(1.9289, abs=5e-4)
    assert result.p_value == pytest.approx(0.0269, abs=2e-4)


def test_pesaran_timmermann_without_directions():
    y = np.random.default_rng(0).normal(size=100)
    for always in (np.ones(100), -np.ones(100)):
        assert stats.pesaran_timmermann(y, always).p_value == 1.0
    padded = stats.pesaran_timmermann(np.append(y, [0.0, 1.0]), np.append(np.roll(y, 1), [1.0, 0.0]))
    assert padded == stats.pesaran_timmermann(y, np.roll(y, 1))


def test_the_same_forecast_is_no_better():
    y, f, _ = simulated(0)
    for test in (stats.clark_west, stats.diebold_mariano):
        result = test(y, f, f)
        assert (result.statistic, result.p_value) == (0.0, 1.0)


def test_constant_gain_is_undefined():
    n = 40
    for test in (stats.clark_west, stats.diebold_mariano):
        result = test(np.zeros(n), np.zeros(n), np.ones(n))
        assert math.isnan(result.statistic)
        assert math.isnan(result.p_value)


def test_too_few_observations_are_undefined():
    y, f, g = simulated(0, n=29)
    for result in (stats.clark_west(y, f, g), stats.diebold_mariano(y, f, g), stats.pesaran_timmermann(y, f)):
        assert math.isnan(result.statistic)
        assert math.isnan(result.p_value)
        assert result.observations == 29


def test_doors():
    y, f, g = simulated(0, n=50)
    with pytest.raises(ConfigError, match="reference holds nan in row 0"):
        stats.clark_west(y, f, np.concatenate([[np.nan], g[1:]]))
    with pytest.raises(ConfigError, match=r"b has shape \(49,\)"):
        stats.diebold_mariano(y, f, g[1:])
    with pytest.raises(ConfigError, match="forecast holds inf"):
        stats.pesaran_timmermann(y, np.full(50, np.inf))
    for test in (stats.clark_west, stats.diebold_mariano):
        with pytest.raises(ConfigError, match="horizon is 0; expected at least 1 bar"):
            test(y, f, g, horizon=0)
