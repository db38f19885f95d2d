"""What is called detectable is found in the promised share of simulated worlds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from candlecast import stats
from candlecast.errors import ConfigError


def test_a_detectable_r2_is_found_by_clark_west():
    observations = 1_000
    r2 = stats.detectable_r2(observations)
    assert r2 == pytest.approx(6.1826 / observations, rel=1e-4)  # (1.6449 + 0.8416)^2
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        forecast = math.sqrt(r2) * rng.normal(size=observations)
        y = forecast + math.sqrt(1 - r2) * rng.normal(size=observations)
        found.append(stats.clark_west(y, forecast, np.zeros(observations)).p_value < 0.05)
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_a_detectable_sharpe_is_found_by_the_bootstrap():
    edge = stats.detectable_sharpe(500, bars_per_year=250)
    rng = np.random.default_rng(1)
    returns = 0.01 * (edge / math.sqrt(250) + rng.normal(size=(200, 500)))
    found = [stats.bootstrap_p_value(path, paths=300, block=1.0) < 0.05 for path in returns]
    assert np.mean(found) == pytest.approx(0.8, abs=0.08)


def test_a_detectable_lead_is_found_by_the_sharpe_difference():
    correlation = 0.6
    edge = stats.detectable_sharpe(500, bars_per_year=1, correlation=correlation)
    rng = np.random.default_rng(2)
    found = []
    for _ in range(150):
        common, own = rng.normal(size=(2, 500))
        benchmark = common
        returns = edge + correlation * common + math.sqrt(1 - correlation**2) * own
        found.append(stats.sharpe_difference(returns, benchmark, bars_per_year=1, paths=300, block=1.0).p_value < 0.05)
    assert np.mean(found) == pytest.approx(0.8, abs=0.1)


def test_edges_grow_with_the_horizon_and_shrink_with_the_record():
    assert stats.detectable_r2(1_000, horizon=5) == pytest.approx(5 * stats.detectable_r2(1_000))
    assert stats.detectable_sharpe(4_000, bars_per_year=252) == pytest.approx(
        stats.detectable_sharpe(1_000, bars_per_year=252) / 2
    )
    assert stats.detectable_sharpe(1_000, bars_per_year=252, correlation=1.0) == 0.0


def test_doors():
    with pytest.raises(ConfigError, match="4 observations of outcomes of 5 bars"):
        stats.detectable_r2(4, horizon=5)
    with pytest.raises(ConfigError, match="power is 1.0; expected a probability"):
        stats.detectable_sharpe(100, bars_per_year=252, power=1.0)
    with pytest.raises(ConfigError, match=r"correlation is 1.5; expected a number in \[-1, 1\]"):
        stats.detectable_sharpe(100, bars_per_year=252, correlation=1.5)
