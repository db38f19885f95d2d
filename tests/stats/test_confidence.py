"""The Sharpe ratio's confidence against the numbers printed by its authors, and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kurtosis, skew

from candlecast import stats
from candlecast.errors import ConfigError
from candlecast.stats import TrackRecord

# Bailey and Lopez de Prado (2014), The Deflated Sharpe Ratio: 2.5 a year, five years of 250 days, skewed, fat tails
SELECTED = TrackRecord(2.5 / math.sqrt(250), 1_250, -3.0, 10.0)
YEARLY_VARIANCE = 0.5 / 250


def test_probabilistic_sharpe_of_the_papers_hedge_fund():
    """Bailey and Lopez de Prado (2012): 24 months, 0.458 a month; 0.913, and 0.982 were its returns normal."""
    assert stats.probabilistic_sharpe(TrackRecord(0.458, 24, -2.448, 10.164)) == pytest.approx(0.913, abs=5e-4)
    assert stats.probabilistic_sharpe(TrackRecord(0.458, 24)) == pytest.approx(0.982, abs=5e-4)


@pytest.mark.parametrize(
    ("bars_per_year", "shape", "years"),
    [(250, (0.0, 3.0), 2.73), (52, (0.0, 3.0), 2.83), (12, (0.0, 3.0), 3.24), (12, (-0.72, 5.78), 4.99)],
)
def test_minimum_track_record_of_the_paper(bars_per_year, shape, years):
    """The same paper: a ratio of 2 a year, to be told from 1 with 95 % confidence."""
    record = TrackRecord(2 / math.sqrt(bars_per_year), 1_000, *shape)
    bars = stats.minimum_track_record(record, benchmark=1 / math.sqrt(bars_per_year))
    assert bars / bars_per_year == pytest.approx(years, abs=0.005)


def test_a_record_of_the_minimum_length_has_the_confidence():
    record = TrackRecord(0.1, 100, -0.5, 6.0)
    needed = stats.minimum_track_record(record, benchmark=0.02, level=0.9)
    longer = record._replace(observations=needed)
    assert stats.probabilistic_sharpe(longer, benchmark=0.02) == pytest.approx(0.9)
    assert stats.minimum_track_record(record, benchmark=0.1) == math.inf


@pytest.mark.parametrize(
    ("trials", "shape", "confidence"),
    [(100, (-3.0, 10.0), 0.9004), (46, (-3.0, 10.0), 0.9505), (88, (0.0, 3.0), 0.9505)],
)
def test_deflated_sharpe_of_the_paper(trials, shape, confidence):
    record = SELECTED._replace(skewness=shape[0], kurtosis=shape[1])
    deflated = stats.deflated_sharpe(record, trials=trials, variance=YEARLY_VARIANCE)
    assert deflated == pytest.approx(confidence, abs=5e-5)


def test_expected_maximum_of_the_paper():
    assert stats.expected_maximum_sharpe(100, variance=YEARLY_VARIANCE) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize("trials", [5, 50, 1_000])
def test_expected_maximum_is_that_of_normals(trials):
    draws = np.random.default_rng(trials).normal(size=(4_000, trials)).max(axis=1)
    assert stats.expected_maximum_sharpe(trials, variance=1.0) == pytest.approx(draws.mean(), rel=0.03)


def test_one_trial_is_not_deflated():
    assert stats.expected_maximum_sharpe(1, variance=1.0) == 0.0
    assert stats.deflated_sharpe(SELECTED, trials=1) == stats.probabilistic_sharpe(SELECTED)
    falling = [stats.deflated_sharpe(SELECTED, trials=trials) for trials in (1, 2, 10, 100, 1e4)]
    assert falling == sorted(falling, reverse=True)


def test_track_record_equals_scipy():
    returns = np.random.default_rng(0).gamma(2.0, 0.01, size=500) - 0.015
    record = stats.track_record(returns)
    assert record.sharpe == stats.sharpe(returns, bars_per_year=1)
    assert record.skewness == pytest.approx(skew(returns))
    assert record.kurtosis == pytest.approx(kurtosis(returns, fisher=False))
    assert record.observations == 500


def test_variance_is_what_simulation_finds():
    rng = np.random.default_rng(1)
    returns = rng.exponential(size=(4_000, 250)) - 0.7  # skewness 2, kurtosis 9
    ratios = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
    assert TrackRecord(0.3, 250, 2.0, 9.0).variance == pytest.approx(ratios.var(), rel=0.1)


def test_confidence_is_a_confidence():
    """Of records without skill, 5 % have a confidence above 95 %; so have the best of 20 when deflated, at most."""
    rng = np.random.default_rng(2)
    records = [stats.track_record(returns) for returns in rng.standard_t(5, size=(2_000, 250))]
    assert np.mean([stats.probabilistic_sharpe(record) > 0.95 for record in records]) == pytest.approx(0.05, abs=0.015)
    best = [max(records[i : i + 20]) for i in range(0, 2_000, 20)]
    assert np.mean([stats.probabilistic_sharpe(record) > 0.95 for record in best]) > 0.4
    assert np.mean([stats.deflated_sharpe(record, trials=20) > 0.95 for record in best]) <= 0.05


@pytest.mark.parametrize("returns", [np.zeros(9), np.full(9, 0.01), np.array([0.01]), np.array([])])
def test_records_without_spread_are_undefined(returns):
    record = stats.track_record(returns)
    assert math.isnan(stats.probabilistic_sharpe(record))
    assert math.isnan(stats.deflated_sharpe(record, trials=3))
    assert math.isnan(stats.minimum_track_record(record))


def test_doors():
    with pytest.raises(ConfigError, match="returns holds nan in row 1"):
        stats.track_record(np.array([0.0, np.nan]))
    with pytest.raises(ConfigError, match="level is 0.5; expected a confidence between 0.5 and 1"):
        stats.minimum_track_record(SELECTED, level=0.5)
    with pytest.raises(ConfigError, match="trials is 0.5; expected 1 or more"):
        stats.deflated_sharpe(SELECTED, trials=0.5)
