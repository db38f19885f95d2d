"""Drawdowns, rolling figures and returns by month, by hand and against a loop."""

from __future__ import annotations

import numpy as np
import pytest

from candlecast.errors import ConfigError
from candlecast.stats import (
    drawdown_curve,
    drawdowns,
    max_drawdown,
    monthly_returns,
    rolling_sharpe,
    rolling_volatility,
    sharpe,
    yearly_returns,
)

RETURNS = 0.01 * np.random.default_rng(3).standard_normal(600)
EQUITY = 100 * np.cumprod(1 + RETURNS)


def test_drawdowns_cover_every_fall_once():
    falls, curve = drawdowns(EQUITY), drawdown_curve(EQUITY)
    rows = np.zeros(len(EQUITY), bool)
    for fall in falls:
        inside = slice(fall.peak + 1, fall.recovered)
        assert not rows[inside].any()
        rows[inside] = True
        assert curve[fall.peak] == 0 and EQUITY[fall.trough] == EQUITY[inside].min()
        assert fall.recovered is None or EQUITY[fall.recovered] >= EQUITY[fall.peak]
    assert (rows == (curve > 0)).all()
    assert falls[0].depth == pytest.approx(max_drawdown(EQUITY))
    assert [fall.depth for fall in falls] == sorted((fall.depth for fall in falls), reverse=True)
    assert drawdowns(EQUITY, most=2) == falls[:2]


@pytest.mark.parametrize("equity", [[], [1.0], [1.0, 1.0, 2.0]])
def test_what_never_falls_has_no_drawdown(equity):
    assert drawdowns(np.array(equity)) == []


def test_rolling_figures_are_those_of_each_window():
    ratio = rolling_sharpe(RETURNS, window=60, bars_per_year=252)
    spread = rolling_volatility(RETURNS, window=60, bars_per_year=252)
    assert np.isnan(ratio[:59]).all() and np.isnan(spread[:59]).all()
    for row in (59, 60, 333, 599):
        part = RETURNS[row - 59 : row + 1]
        assert ratio[row] == pytest.approx(sharpe(part, bars_per_year=252))
        assert spread[row] == pytest.approx(part.std(ddof=1) * np.sqrt(252))


def test_constant_returns_have_no_sharpe_ratio():
    assert np.isnan(rolling_sharpe(np.full(50, 0.01), window=10, bars_per_year=252)).all()
    assert np.isnan(rolling_sharpe(np.zeros(5), window=10, bars_per_year=252)).all()
    with pytest.raises(ConfigError, match="window is 1"):
        rolling_sharpe(RETURNS, window=1, bars_per_year=252)


def test_months_compound_to_the_whole_record():
    times = np.datetime64("2021-11-20", "us") + np.arange(600) * np.timedelta64(1, "D")
    years, months = monthly_returns(times, EQUITY)
    assert years.tolist() == [2021, 2022, 2023]
    assert np.isnan(months[0, :10]).all() and np.isnan(months[2, 7:]).all()
    assert np.prod(1 + yearly_returns(months)) == pytest.approx(EQUITY[-1] / EQUITY[0])
    first, second = np.searchsorted(times, np.array(["2022-01-01", "2022-02-01"], dtype="datetime64[us]"))
    assert months[1, 0] == pytest.approx(EQUITY[second] / EQUITY[first] - 1)


def test_a_ruined_account_returns_nothing_more():
    times = np.array(["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"], dtype="datetime64[us]")
    _, months = monthly_returns(times, np.array([100.0, 0.0, 0.0, 0.0]))
    assert months[0, :3].tolist() == [-1.0, 0.0, 0.0]
    assert monthly_returns(times[:1], np.array([100.0]))[1].shape == (0, 12)
