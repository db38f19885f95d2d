"""Rankings: against scipy, by hand, and the size of the tests."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from candlecast import stats
from candlecast.errors import ConfigError


def with_gaps(rows=50, columns=12, seed=0):
    values = np.random.default_rng(seed).standard_normal((rows, columns)).round(1)  # with ties
    values[np.random.default_rng(seed + 1).random(values.shape) < 0.2] = np.nan
    return values


def test_ranks_and_coefficients_are_those_of_scipy():
    a, b = with_gaps(), with_gaps(seed=5)
    ranked, found, plain = stats.rank_rows(a), stats.coefficients(a, b), stats.coefficients(a, b, by_rank=False)
    for row in range(len(a)):
        known = np.isfinite(a[row])
        assert np.array_equal(ranked[row][known], rankdata(a[row][known])) and np.isnan(ranked[row][~known]).all()
        both = known & np.isfinite(b[row])
        assert found[row] == pytest.approx(spearmanr(a[row][both], b[row][both]).statistic)
        assert plain[row] == pytest.approx(np.corrcoef(a[row][both], b[row][both])[0, 1])


def test_a_moment_with_few_assets_or_one_value_has_no_coefficient():
    scores = np.array([[1.0, 2.0, np.nan, np.nan], [1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    returns = np.array([[1.0, 2.0, 3.0, 4.0]] * 3)
    assert np.isnan(stats.coefficients(scores, returns)).tolist() == [True, True, False]
    with pytest.raises(ConfigError, match="scores have shape"):
        stats.coefficients(scores, returns[:, :2])


def test_groups_by_hand():
    scores, returns = np.array([[3.0, 1.0, 2.0, 4.0, np.nan, 9.0]]), np.array([[0.3, 0.1, 0.2, 0.4, 5.0, np.nan]])
    assert stats.group_means(scores, returns, groups=2).tolist() == [[pytest.approx(0.15), pytest.approx(0.35)]]
    assert np.isnan(stats.group_means(scores, returns, groups=5)).all()


def test_the_test_of_a_mean_has_its_size():
    generator = np.random.default_rng(0)
    alarms = covered = 0
    for _ in range(400):
        noise = generator.standard_normal(300)
        series = noise + 0.5 * np.concatenate([[0.0], noise[:-1]])  # autocorrelated, as of overlapping outcomes
        found = stats.mean_test(series)
        alarms += found.p_value < 0.05
        covered += found.low <= 0.0 <= found.high
    assert alarms / 400 < 0.09 and covered / 400 > 0.9
    few = stats.mean_test(np.ones(5))
    assert few.mean == 1.0 and np.isnan(few.p_value)


def test_the_test_of_rising_returns_has_its_size_and_power():
    generator = np.random.default_rng(1)
    noise = [generator.standard_normal((250, 4)) for _ in range(60)]
    assert np.mean([stats.rising_p_value(each) < 0.05 for each in noise]) < 0.12
    assert np.mean([stats.rising_p_value(each + np.arange(4) * 0.5) < 0.05 for each in noise]) > 0.9
    assert np.isnan(stats.rising_p_value(noise[0][:10]))


def test_turnover_by_hand():
    assert stats.turnover_of(np.array([[0.5, -0.5], [0.5, -0.5], [0.0, 0.0]])).tolist() == [1.0, 0.0, 1.0]
