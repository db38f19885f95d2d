"""An account under other terms: without payments, against the volume of its bars, with a carry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Costs, backtest
from candlecast.candles import Origin
from candlecast.evaluation.stresses import stresses, without_payments
from candlecast.signals import Positions
from candlecast.sources import synthetic

WORLD = synthetic.random_walk(1_000, seed=1, volatility=0.004, interval="1h")


def positions_of(candles, values):
    frame = candles.frame[:-1].select(time="close_time", symbol=pl.lit(candles.symbol), position=pl.Series(values[:-1]))
    return Positions(frame)


def stressed(candles, values, costs, cash=10_000.0):
    decided = positions_of(candles, values)
    return stresses(candles, decided, backtest(candles, decided, costs=costs, cash=cash))


def rebate(units, price, volume):
    return -0.005 * abs(units) * price


def test_a_gain_that_the_costs_pay_is_gone_without_them():
    turns = np.where(np.arange(1_000) % 2, 1.0, -1.0)
    found = stressed(WORLD.candles, turns, Costs(fee_bps=0, slippage_bps=0, extra=rebate))
    assert found.unpaid_p > 0.05 and found.unpaid_return < 0.5
    hours = WORLD.candles.frame["close_time"].dt.hour().to_numpy()
    short = np.where(hours % 8 == 0, 0.0, np.where(hours % 8 == 7, -1.0, 0.0))
    found = stressed(WORLD.candles, short, Costs(fee_bps=1, slippage_bps=1, funding_bps=30))
    assert found.unpaid_p > 0.05 and found.unpaid_return < 0


def test_costs_that_pay_nothing_are_not_stressed():
    found = stressed(WORLD.candles, np.ones(1_000), Costs(borrow_percent=2, loan_percent=5))
    assert np.isnan(found.unpaid_return) and found.unpaid_p == 0.0
    assert without_payments(Costs(interest_percent=3, fee_bps=4)) == Costs(fee_bps=4)
    charged = without_payments(Costs(extra=rebate))
    assert charged is not None and charged.extra is not None and charged.extra(5.0, 100.0, 1.0) == 0.0


def with_volume(volume, origin=None):
    return replace(WORLD.candles, frame=WORLD.candles.frame.with_columns(volume=pl.lit(volume)), origin=origin)


@pytest.mark.parametrize(
    ("volume", "origin", "is_too_large"),
    [
        (0.001, None, True),  # an order of 100 units is too large even in lots of 100,000
        (50.0, None, False),  # in thousands of units it would be small
        (50.0, Origin("binance"), True),
        (50.0, Origin("table"), False),
        (50_000.0, Origin("binance"), False),
    ],
)
def test_orders_are_compared_with_the_volume_of_their_bar(volume, origin, is_too_large):
    signs = np.where(np.arange(1_000) % 10 < 5, 1.0, 0.0)
    found = stressed(with_volume(volume, origin), signs, Costs.free())
    assert found.participation == pytest.approx(100 / volume, rel=0.2)
    assert found.is_too_large is is_too_large
    assert found.largest_cash == pytest.approx(10_000 * 0.1 / found.participation)


def test_no_volume_is_no_reason():
    found = stressed(with_volume(0.0), np.where(np.arange(1_000) % 10 < 5, 1.0, 0.0), Costs.free())
    assert np.isnan(found.participation) and not found.is_too_large and found.largest_cash == np.inf


def test_the_carry_that_takes_all_growth():
    """20 % a year of growth, held half of the time: 40 % a year on what is held would take it."""
    rising = synthetic.random_walk(1_001, seed=1, volatility=1e-6, drift=0.2 / 365).candles
    half = np.where(np.arange(1_001) % 100 < 50, 1.0, 0.0)
    found = stressed(rising, half, Costs.free())
    assert found.carry_percent == pytest.approx(20, rel=0.05)
    falling = synthetic.random_walk(1_001, seed=1, volatility=1e-6, drift=-0.2 / 365).candles
    assert np.isnan(stressed(falling, half, Costs.free()).carry_percent)
    turning = np.where(np.arange(1_001) % 4 < 2, 1.0, 0.0)
    assert stressed(rising, turning, Costs.free()).carry_percent == pytest.approx(20, rel=0.05), "of any length"
    assert np.isnan(stressed(rising, half, Costs(fee_bps=0, slippage_bps=0, interest_percent=1)).carry_percent)
