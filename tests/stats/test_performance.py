"""Performance figures against numbers worked on paper, and at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from candlecast import stats

RETURNS = np.array([0.10, -0.20, 0.25, 0.05])  # equity 1.1, 0.88, 1.1, 1.155
NONE = np.array([])


def test_growth():
    assert stats.equity_curve(RETURNS) == pytest.approx([1, 1.1, 0.88, 1.1, 1.155])
    assert stats.total_return(RETURNS) == pytest.approx(0.155)
    assert stats.annual_return(RETURNS, bars_per_year=4) == pytest.approx(0.155)
    assert stats.annual_return(RETURNS, bars_per_year=2) == pytest.approx(1.155**0.5 - 1)


def test_risk():
    deviation = math.sqrt((0.05**2 + 0.25**2 + 0.2**2 + 0.0**2) / 3)  # mean 0.05
    assert stats.annual_volatility(RETURNS, bars_per_year=9) == pytest.approx(3 * deviation)
    assert stats.sharpe(RETURNS, bars_per_year=9) == pytest.approx(3 * 0.05 / deviation)
    assert stats.sortino(RETURNS, bars_per_year=9) == pytest.approx(3 * 0.05 / math.sqrt(0.2**2 / 4))
    assert stats.max_drawdown(stats.equity_curve(RETURNS)) == pytest.approx(0.2)
    assert stats.calmar(RETURNS, bars_per_year=4) == pytest.approx(0.155 / 0.2)


def test_the_first_fall_counts_from_the_start():
    assert stats.max_drawdown(stats.equity_curve(np.array([-0.5, 0.1]))) == 0.5


@pytest.mark.parametrize("name", ["annual_return", "sharpe", "sortino", "calmar", "annual_volatility"])
def test_nothing_gained_and_nothing_risked_is_zero(name):
    assert getattr(stats, name)(np.zeros(10), bars_per_year=252) == 0.0


def test_no_returns():
    assert stats.total_return(NONE) == stats.annual_return(NONE, bars_per_year=252) == stats.max_drawdown(NONE) == 0.0
    for undefined in (stats.annual_volatility, stats.sharpe, stats.sortino):
        assert math.isnan(undefined(NONE, bars_per_year=252))
    assert math.isnan(stats.sharpe(np.array([0.1]), bars_per_year=252))


def test_gain_without_risk_is_undefined():
    for undefined in (stats.sharpe, stats.sortino, stats.calmar):
        assert math.isnan(undefined(np.full(7, 0.1), bars_per_year=252))


def test_a_lost_account():
    lost = np.array([0.5, -1.0, 0.0])
    assert stats.total_return(lost) == stats.annual_return(lost, bars_per_year=252) == -1.0
    assert stats.max_drawdown(stats.equity_curve(lost)) == 1.0


@pytest.mark.parametrize("bars_per_year", [5, 252, 8_766])
def test_less_than_a_year_is_not_annualised(bars_per_year):
    """A week of 15.5 % is no year of 100,000 %; at a year, total and annual return are one."""
    assert stats.annual_return(RETURNS, bars_per_year=bars_per_year) == pytest.approx(0.155)
    assert stats.calmar(RETURNS, bars_per_year=bars_per_year) == pytest.approx(0.155 / 0.2)
    total, annual, *_, calmar = stats.moments(RETURNS).figures(bars_per_year=bars_per_year)
    assert (annual, calmar) == (total, pytest.approx(0.155 / 0.2))
    assert stats.annual_return(RETURNS, bars_per_year=3.999) == pytest.approx(0.155, rel=1e-3)


def test_log_returns_add_up_to_growth_and_end_in_ruin():
    found = stats.log_returns(np.array([0.1, -1.0, 0.0, -1.5]))
    assert found.tolist() == [math.log1p(0.1), -math.inf, 0.0, -math.inf]
    assert np.isnan(stats.log_returns(np.array([np.nan, 0.0]))).tolist() == [True, False]
    assert math.exp(stats.log_returns(RETURNS).sum()) == pytest.approx(1.155)


def test_nan_stays_nan():
    broken = np.array([0.1, np.nan, 0.2])
    assert math.isnan(stats.total_return(broken))
    assert math.isnan(stats.max_drawdown(stats.equity_curve(broken)))
    for figure in (stats.annual_return, stats.annual_volatility, stats.sharpe, stats.sortino, stats.calmar):
        assert math.isnan(figure(broken, bars_per_year=252))
