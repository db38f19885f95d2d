"""Scores of distributions against SciPy, numerical integration, and each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chisquare, norm

from candlecast import stats
from candlecast.errors import ConfigError

RNG = np.random.default_rng(0)
MEAN, SIGMA = RNG.normal(size=40), RNG.uniform(0.2, 3.0, size=40)
Y = MEAN + SIGMA * RNG.normal(size=40)


def test_log_score_equals_scipys_density():
    np.testing.assert_allclose(stats.log_score(Y, MEAN, SIGMA), -norm.logpdf(Y, MEAN, SIGMA), rtol=1e-12)


def test_crps_of_a_normal_is_the_integral_it_is_defined_by():
    x = np.linspace(-40.0, 40.0, 160_001)
    expected = [
        np.trapezoid((norm.cdf(x, mean, sigma) - (x >= y)) ** 2, x)
        for y, mean, sigma in zip(Y[:8], MEAN, SIGMA, strict=False)
    ]
    np.testing.assert_allclose(stats.crps_normal(Y[:8], MEAN[:8], SIGMA[:8]), expected, atol=1e-3)


def test_pinball_equals_scikit_learns():
    from sklearn.metrics import mean_pinball_loss

    levels = [0.1, 0.5, 0.8]
    quantiles = np.column_stack([norm.ppf(level, MEAN, SIGMA) for level in levels])
    ours = stats.pinball(Y, quantiles, levels).mean(axis=0)
    assert ours == pytest.approx([mean_pinball_loss(Y, quantiles[:, i], alpha=q) for i, q in enumerate(levels)])


def test_crps_of_many_quantiles_is_that_of_the_distribution():
    levels = (np.arange(400) + 0.5) / 400
    quantiles = MEAN[:, None] + SIGMA[:, None] * norm.ppf(levels)
    ours = stats.crps_quantiles(Y, quantiles, levels)
    np.testing.assert_allclose(ours, stats.crps_normal(Y, MEAN, SIGMA), rtol=0.01)


@pytest.mark.parametrize("score", [stats.log_score, stats.crps_normal])
def test_the_truth_scores_best(score):
    rng = np.random.default_rng(1)
    y = rng.normal(1.0, 2.0, size=20_000)
    full = np.full(len(y), 1.0)
    best = score(y, full, 2 * full).mean()
    for mean, sigma in ((1.3, 2.0), (0.7, 2.0), (1.0, 2.4), (1.0, 1.7)):
        assert score(y, mean * full, sigma * full).mean() > best


def test_coverage():
    low, high = (MEAN + z * SIGMA for z in (-1.0, 1.0))
    assert stats.coverage(Y, low, high) == np.mean([abs(y - m) <= s for y, m, s in zip(Y, MEAN, SIGMA, strict=True)])
    assert math.isnan(stats.coverage(*[np.array([])] * 3))


@pytest.mark.parametrize("hits", [0, 180, 230, 250])
def test_coverage_test_is_kupiecs_likelihood_ratio(hits):
    from scipy.stats import binom, chi2

    y = np.repeat([0.0, 2.0], [hits, 250 - hits])
    low, high = np.full(250, -1.0), np.full(250, 1.0)
    ratio = 2 * (binom.logpmf(hits, 250, hits / 250) - binom.logpmf(hits, 250, 0.9))
    assert stats.coverage_p_value(y, low, high, level=0.9) == pytest.approx(chi2.sf(ratio, 1), abs=1e-12)


def test_doors():
    one = np.ones(3)
    with pytest.raises(ConfigError, match=r"sigma is 0.0 in row 1; expected a standard deviation above zero"):
        stats.log_score(one, one, np.array([1.0, 0.0, 1.0]))
    with pytest.raises(ConfigError, match=r"quantiles have shape \(3, 1\); expected \(time, 2\)"):
        stats.pinball(one, one[:, None], [0.1, 0.9])
    for levels in ([0.9, 0.1], [0.0, 0.5], [0.5, 1.0], []):
        with pytest.raises(ConfigError, match=r"levels are .*expected rising probabilities in \(0, 1\)"):
            stats.pinball(one, np.ones((3, len(levels))), levels)
    with pytest.raises(ConfigError, match=r"the interval of row 0 reaches from 1.0 to 0.0; expected low at most high"):
        stats.coverage(one, one, 0 * one)
    with pytest.raises(ConfigError, match="quantile 0.1 holds nan in row 2"):
        stats.pinball(one, np.array([[1.0], [1.0], [np.nan]]), [0.1])
    with pytest.raises(ConfigError, match="level is 1.0; expected a probability"):
        stats.coverage_p_value(one, one, one, level=1.0)


def test_the_transform_of_a_normal_is_uniform_and_of_quantiles_a_bin():
    generator = np.random.default_rng(1)
    y = 2 + 3 * generator.standard_normal(2_000)
    mean, sigma = np.full(2_000, 2.0), np.full(2_000, 3.0)
    transform = stats.pit_normal(y, mean, sigma)
    np.testing.assert_allclose(transform, norm(2, 3).cdf(y))
    levels = [0.1, 0.5, 0.9]
    quantiles = np.tile(norm(2, 3).ppf(levels), (2_000, 1))
    np.testing.assert_array_equal(stats.quantile_bins(y, quantiles, levels), np.digitize(transform, levels))


@pytest.mark.parametrize(("n", "horizon"), [(8, 1), (30, 1), (400, 1), (60, 5)])
def test_uniformity_keeps_its_size_with_few_observations(n, horizon):
    generator, shares = np.random.default_rng(2), [0.05, 0.2, 0.25, 0.25, 0.2, 0.05]
    p = [stats.uniformity_p_value(generator.choice(6, n, p=shares), shares, horizon=horizon) for _ in range(200)]
    assert np.mean(np.array(p) < 0.05) < 0.1


def test_uniformity_is_pearsons_and_finds_what_is_too_narrow():
    bins, shares = np.repeat(np.arange(4), [40, 20, 20, 20]), np.full(4, 0.25)
    assert stats.uniformity_p_value(bins, shares) == pytest.approx(chisquare([40, 20, 20, 20]).pvalue)
    assert stats.uniformity_p_value(np.repeat([0, 9], 10), np.full(10, 0.1)) < 0.01
    assert math.isnan(stats.uniformity_p_value(np.empty(0, int), shares))
    with pytest.raises(ConfigError, match="shares are .*numbers above 0 that add to 1"):
        stats.uniformity_p_value(bins, [0.5, 0.6])


def test_overlapping_outcomes_are_tested_apart_and_corrected():
    """Every third outcome is a test of its own; the smallest of three p-values counts three times (Bonferroni)."""
    bins, shares = np.random.default_rng(5).integers(0, 4, 300), np.full(4, 0.25)
    bins[::3][:40] = 0
    each = [chisquare(np.bincount(bins[first::3], minlength=4)).pvalue for first in range(3)]
    assert stats.uniformity_p_value(bins, shares, horizon=3) == pytest.approx(min(1.0, 3 * min(each)))
