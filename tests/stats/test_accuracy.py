"""Accuracy figures against numbers worked on paper and against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import pearsonr, spearmanr

from candlecast import stats
from candlecast.errors import ConfigError

Y = np.array([1.0, -2.0, 3.0, 0.0])
F = np.array([2.0, -1.0, -1.0, 5.0])


def test_errors():
    assert stats.mae(Y, F) == 11 / 4
    assert stats.rmse(Y, F) == math.sqrt((1 + 1 + 16 + 25) / 4)


def test_r2_against():
    assert stats.r2_against(Y, F, np.zeros(4)) == pytest.approx(1 - 43 / 14)
    assert stats.r2_against(Y, Y, F) == 1.0
    assert stats.r2_against(Y, F, F) == 0.0
    assert math.isnan(stats.r2_against(Y, F, Y))


def test_hit_rate_leaves_out_zero_outcomes_and_counts_zero_forecasts_as_wrong():
    assert stats.hit_rate(Y, F) == 2 / 3
    assert stats.hit_rate(Y, np.zeros(4)) == 0.0
    assert math.isnan(stats.hit_rate(np.zeros(4), F))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=30))
def test_correlations_equal_scipy(pairs):
    y, f = np.array(pairs, dtype=float).T
    if np.ptp(y) == 0 or np.ptp(f) == 0:
        assert math.isnan(stats.information_coefficient(y, f))
        assert math.isnan(stats.rank_ic(y, f))
    else:
        assert stats.information_coefficient(y, f) == pytest.approx(pearsonr(y, f).statistic, abs=1e-12)
        assert stats.rank_ic(y, f) == pytest.approx(spearmanr(y, f).statistic, abs=1e-12)


def test_correlation_does_not_depend_on_scale():
    rng = np.random.default_rng(0)
    y, f = rng.normal(size=(2, 50))
    assert stats.information_coefficient(y * 1e-200, f * 1e200) == pytest.approx(stats.information_coefficient(y, f))


@pytest.mark.parametrize("name", ["mae", "rmse", "hit_rate", "information_coefficient", "rank_ic"])
def test_doors(name):
    figure = getattr(stats, name)
    assert math.isnan(figure(np.array([]), np.array([])))
    with pytest.raises(ConfigError, match=r"forecast holds nan in row 1; expected finite numbers"):
        figure(np.ones(3), np.array([1.0, np.nan, 1.0]))
    with pytest.raises(ConfigError, match=r"forecast has shape \(2,\); expected one dimension, as long as target"):
        figure(np.ones(3), np.ones(2))
    with pytest.raises(ConfigError, match=r"target has shape \(3, 1\)"):
        figure(np.ones((3, 1)), np.ones(3))
