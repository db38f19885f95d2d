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


def test_long_run_variance_is_the_papers_formula():
    """Lazarus, Lewis, Stock and Watson (2018): the mean square of cosine-weighted sums, written out."""
    values = np.convolve(np.random.default_rng(3).normal(size=200), np.ones(4), mode="valid") + 0.3
    n = len(values)
    t = np.arange(1, n + 1)
    sums = [math.sqrt(2 / n) * np.sum(np.cos(math.pi * j * (t - 0.5) / n) * values) for j in range(1, 9)]
    assert stats.long_run_variance(values, cosines=8) == pytest.approx(np.mean(np.square(sums)), rel=1e-10)
    assert stats.long_run_variance(values, cosines=n - 1) == pytest.approx(values.var(ddof=1))
    assert stats.long_run_variance(values + 5.0, cosines=8) == pytest.approx(stats.long_run_variance(values, cosines=8))


def test_long_run_variance_is_close_to_newey_wests():
    """Of a sum over four shocks the long-run variance is 16; both estimators find it in a long series."""
    values = np.convolve(np.random.default_rng(4).normal(size=50_000), np.ones(4), mode="valid")
    n = len(values)
    ours = stats.long_run_variance(values, cosines=stats.cosine_count(n, horizon=4))
    theirs = n * (values.mean() / hac_t_value(values, 60)) ** 2
    assert ours == pytest.approx(16.0, rel=0.1)
    assert theirs == pytest.approx(16.0, rel=0.1)


def test_long_run_variance_edges():
    assert math.isnan(stats.long_run_variance(np.array([5.0]), cosines=3))
    assert math.isnan(stats.long_run_variance(np.array([]), cosines=3))
    assert stats.long_run_variance(np.full(9, 2.0), cosines=3) == pytest.approx(0.0, abs=1e-25)
    with pytest.raises(ConfigError, match="cosines is 0; expected 1 or more"):
        stats.long_run_variance(np.ones(5), cosines=0)


@pytest.mark.parametrize(
    ("observations", "horizon", "expected"),
    [(1_000, 1, 40), (1_000, 12, 40), (1_000, 24, 20), (100, 1, 8), (30, 1, 3), (30, 60, 1)],
)
def test_cosines_are_fewer_at_long_horizons(observations, horizon, expected):
    assert stats.cosine_count(observations, horizon=horizon) == expected


@pytest.mark.parametrize("horizon", [1, 10])
def test_clark_west_is_a_test_of_the_mean_adjusted_gain(horizon):
    from scipy.stats import t

    y, f, g = simulated(1)
    result = stats.clark_west(y, f, g, horizon=horizon)
    adjusted = (y - g) ** 2 - ((y - f) ** 2 - (g - f) ** 2)
    cosines = {1: 17, 10: 15}[horizon]  # 0.4 x 300^(2/3) = 17.9; 300 / 20
    error = math.sqrt(stats.long_run_variance(adjusted, cosines=cosines) / 300)
    assert result.statistic == pytest.approx(adjusted.mean() / error, rel=1e-10)
    assert result.p_value == pytest.approx(t.sf(result.statistic, cosines), rel=1e-10)
    assert result.statistic == pytest.approx(hac_t_value(adjusted, 5), rel=0.4)
    assert (result.observations, result.name) == (300, "Clark-West")
    assert result.p_value < 0.01


def test_clark_west_does_not_reward_noise():
    """Of 200 forecasts without skill about 10 % are significant at 10 %."""
    p_values = [stats.clark_west(*simulated(seed, skill=0.0)).p_value for seed in range(200)]
    assert 0.04 < np.mean(np.array(p_values) < 0.1) < 0.17


def overlapping(seed: int, n: int, horizon: int, skill: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the next `horizon` returns, and a slow signal that moves them by its `skill`."""
    rng = np.random.default_rng(seed)
    signal = autoregressive(rng.normal(size=n + horizon), 0.97)
    returns = rng.normal(size=n + horizon)
    returns[1:] += skill * signal[:-1]
    level = np.concatenate([[0.0], np.cumsum(returns)])
    return (level[1 + horizon :] - level[1:-horizon])[: n - 1], 0.05 * horizon * signal[: n - 1]


def autoregressive(shocks: np.ndarray, rho: float) -> np.ndarray:
    from scipy.signal import lfilter

    return lfilter([math.sqrt(1 - rho**2)], [1.0, -rho], shocks)


@pytest.mark.parametrize("test", ["clark_west", "pesaran_timmermann", "anatolyev_gerko"])
def test_size_and_power_at_a_long_horizon(test):
    """At 24 bars: false alarms at 5 % stay near it (the binomial error of 300 worlds is 1.3 %), and skill is found."""

    def is_found(seed: int, skill: float) -> bool:
        y, f = overlapping(seed, 600, 24, skill)
        reference = (np.zeros(len(y)),) if test == "clark_west" else ()
        return getattr(stats, test)(y, f, *reference, horizon=24).p_value < 0.05

    assert np.mean([is_found(seed, 0.0) for seed in range(300)]) < 0.09
    assert np.mean([is_found(seed, 0.25) for seed in range(60)]) > 0.85


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
    from scipy.stats import t

    y, a, b = np.tile([1.0, 0.0], 20), np.zeros(40), np.full(40, 0.4)  # loss differences alternate: g_1 = -0.975 g_0
    worse = y**2 - (y - 0.4) ** 2
    result = stats.diebold_mariano(y, a, b, horizon=2)
    expected = worse.mean() / math.sqrt(stats.long_run_variance(worse, cosines=4) / 40)
    assert result.statistic == pytest.approx(expected)
    assert result.p_value == pytest.approx(2 * t.sf(expected, 4))


def test_diebold_mariano_with_few_whole_horizons():
    """200 outcomes of 60 bars: the correction of Harvey et al. alone would raise 20 % of false alarms at 5 %."""
    rejected = 0
    for seed in range(200):
        y, a = overlapping(seed, 200, 60)
        b = 0.05 * 60 * autoregressive(np.random.default_rng([seed, 1]).normal(size=len(y)), 0.97)
        rejected += stats.diebold_mariano(y, a, b, horizon=60).p_value < 0.05
    assert rejected / 200 < 0.1


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


def test_anatolyev_gerko_is_the_papers_in_the_limit():
    """Where positions know nothing of the size of outcomes; and then a permutation test, too."""
    from scipy.stats import permutation_test

    rng = np.random.default_rng(5)
    signal = rng.normal(size=5_000)
    y = 0.05 * signal + rng.standard_t(5, size=5_000)
    positions = np.sign(signal)
    result = stats.anatolyev_gerko(y, signal)
    profit = (positions - positions.mean()) * (y - y.mean())
    error = math.sqrt(stats.long_run_variance(profit, cosines=116) / 5_000)  # 0.4 x 5000^(2/3) = 116.96
    assert result.statistic == pytest.approx(profit.mean() / error)
    excess, p = np.mean(positions * y) - positions.mean() * y.mean(), (positions.mean() + 1) / 2
    assert result.statistic == pytest.approx(excess / math.sqrt(4 * p * (1 - p) * np.var(y) / 5_000), rel=0.15)
    shuffled = permutation_test(
        (positions,),
        lambda s: np.mean(s * y),
        permutation_type="pairings",
        n_resamples=2_000,
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    assert result.p_value == pytest.approx(shuffled.pvalue, abs=0.02)


def test_anatolyev_gerko_is_not_taken_in_by_turbulence():
    """A forecast that is short while the market is turbulent knows no direction; the paper's variance alarms in 1 of 5."""
    rejected = 0
    for seed in range(200):
        shocks = np.random.default_rng(seed).standard_t(5, size=1_550) / math.sqrt(5 / 3)
        y, variance = np.empty(1_550), np.empty(1_550)
        level = 1.0
        for t, shock in enumerate(shocks):
            variance[t], y[t] = level, math.sqrt(level) * shock
            level = 0.02 + 0.12 * y[t] ** 2 + 0.86 * level
        rejected += stats.anatolyev_gerko(y[50:], 2.0 - variance[50:]).p_value < 0.05
    assert rejected / 200 < 0.09


def test_anatolyev_gerko_without_positions():
    y = np.random.default_rng(0).normal(size=100)
    for position in (np.ones(100), np.zeros(100), -np.ones(100)):
        assert stats.anatolyev_gerko(y, position).p_value == 1.0
    assert stats.anatolyev_gerko(np.ones(100), y).p_value == 1.0


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
    directions = (stats.pesaran_timmermann(y, f), stats.anatolyev_gerko(y, f))
    for result in (stats.clark_west(y, f, g), stats.diebold_mariano(y, f, g), *directions):
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
    for test in (stats.pesaran_timmermann, stats.anatolyev_gerko):
        with pytest.raises(ConfigError, match="horizon is 0; expected at least 1 bar"):
            test(y, f, horizon=0)


@pytest.mark.parametrize("test", [stats.pesaran_timmermann, stats.anatolyev_gerko])
@pytest.mark.parametrize("horizon", [1, 4])
def test_tests_of_direction_and_profit_are_one_sided(test, horizon):
    """The p-values of a forecast and of its opposite add up to 1."""
    target, noise = np.random.default_rng(4).normal(size=(2, 300))
    forecast = 0.3 * target + noise
    right, wrong = test(target, forecast, horizon=horizon), test(target, -forecast, horizon=horizon)
    assert right.p_value < 0.05 < 0.95 < wrong.p_value
    assert right.p_value + wrong.p_value == pytest.approx(1.0)
    assert wrong.statistic == pytest.approx(-right.statistic)
