"""Targets by hand, and that nothing but the outcome looks ahead."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.features import MinMax, Robust
from candlecast.sources import sample, synthetic
from candlecast.targets import Direction, NextReturn, Price, Volatility
from candlecast.testing import check_target

TARGETS = [NextReturn, Price, Direction, Volatility]
NAN = np.nan


def candles(close, high=None, low=None) -> Candles:
    close = np.array(close, dtype=float)
    high, low = close if high is None else high, close if low is None else low
    times = [1_704_067_200 + 3_600 * bar for bar in range(len(close))]
    table = {"time": times, "open": close, "high": high, "low": low, "close": close, "volume": np.ones(len(close))}
    return Candles.from_frame(pl.DataFrame(table))


RISING = candles([100, 110, 99, 99, 120])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("horizon", [1, 2, 24])
def test_targets_are_causal(target, horizon):
    for seed in (0, 1):
        check_target(target(horizon), seed=seed)


@pytest.mark.parametrize("target", TARGETS)
def test_targets_are_causal_on_real_days(target):
    check_target(target(5), sample("sp500")[:1_000])


def test_next_return():
    target = NextReturn(horizon=2)
    np.testing.assert_allclose(target.values(RISING), [np.log(0.99), np.log(0.9), np.log(120 / 99), NAN, NAN])
    np.testing.assert_array_equal(target.naive(RISING), np.zeros(5))
    np.testing.assert_array_equal(target.expected_return(np.arange(5.0), RISING), np.arange(5.0))


def test_price():
    target = Price()
    np.testing.assert_array_equal(target.values(RISING), [110, 99, 99, 120, NAN])
    np.testing.assert_array_equal(target.naive(RISING), RISING.close)
    implied = target.expected_return(np.array([100.0, 121.0, 99.0, 0.0, -5.0]), RISING)
    np.testing.assert_allclose(implied, [0, 0.1, 0, -1, -125 / 120], atol=1e-15)
    assert Price(scaling=Robust()).scaling == Robust()
    assert Price().scaling == MinMax()


def test_direction():
    target = Direction()
    np.testing.assert_array_equal(target.values(RISING), [1, 0, 0, 1, NAN])  # an unchanged price did not rise
    np.testing.assert_array_equal(target.naive(RISING), np.full(5, 0.5))
    moves = np.abs(np.log([1.1, 0.9, 1.0, 120 / 99]))
    certain = target.expected_return(np.ones(5), RISING)
    np.testing.assert_allclose(certain, [0, *np.cumsum(moves) / [1, 2, 3, 4]])
    np.testing.assert_allclose(target.expected_return(np.full(5, 0.25), RISING), -0.5 * certain)
    np.testing.assert_array_equal(target.expected_return(np.full(5, 0.5), RISING), np.zeros(5))


@pytest.mark.parametrize("horizon", [1, 7])
def test_the_size_of_a_direction_is_the_mean_of_the_last_hundred_known_returns(horizon):
    market = synthetic.garch(400, seed=0).candles
    size = Direction(horizon).expected_return(np.ones(400), market)
    logs = np.log(market.close)
    for bar in (horizon, 50, 99 + horizon, 100 + horizon, 399):
        first = max(horizon, bar - 99)
        expected = np.mean([abs(logs[end] - logs[end - horizon]) for end in range(first, bar + 1)])
        assert size[bar] == pytest.approx(expected, rel=1e-12)
    assert (size[:horizon] == 0).all()


def test_volatility():
    market = candles([10, 10, 10, 10], high=[11, 12, 10, 13], low=[10, 9, 10, 10])
    ranges = np.log(np.log([11 / 10, 12 / 9, NAN, 13 / 10]))
    np.testing.assert_allclose(Volatility(1).naive(market), ranges)
    np.testing.assert_allclose(Volatility(1).values(market), [*ranges[1:], NAN])
    np.testing.assert_allclose(
        Volatility(2).values(market), np.log(np.log([12 / 9, 13 / 10, NAN, NAN])), equal_nan=True
    )
    assert np.isnan(Volatility().expected_return(np.ones(4), market)).all()


@pytest.mark.parametrize("target", TARGETS)
def test_a_horizon_past_the_candles_is_never_known(target):
    for horizon in (5, 6, 100):
        assert np.isnan(target(horizon).values(RISING)).all()
        assert target(horizon).naive(RISING).shape == (5,)
        assert target(horizon).expected_return(np.ones(5), RISING).shape == (5,)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("horizon", [0, -1, 1.5])
def test_a_horizon_is_at_least_one_bar(target, horizon):
    with pytest.raises(ConfigError) as error:
        target(horizon)
    assert (
        str(error.value)
        == f"horizon is {horizon}; expected a whole number of bars, 1 or more. Use for example horizon=1."
    )


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_target_gives_may_be_written(target):
    first = target(1)
    for array in (first.values(RISING), first.naive(RISING)):
        array[0] = 7.0
    assert RISING.close[0] == 100
