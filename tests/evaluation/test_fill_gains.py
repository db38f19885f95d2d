"""Gains that are made at the fill, and none where a forecast earns over the whole bar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Costs, backtest
from candlecast.candles import Candles
from candlecast.evaluation.fill_gains import fill_gains, gain_at_fill
from candlecast.signals import Positions
from candlecast.sources import synthetic

COSTS = Costs(fee_bps=1, slippage_bps=1)


def priced(candles: Candles, opened, high, low, close) -> Candles:
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    prices = {"open": opened, "high": np.maximum(high, top), "low": np.minimum(low, bottom), "close": close}
    return replace(candles, frame=candles.frame.with_columns(pl.Series(name, each) for name, each in prices.items()))


def held(candles: Candles, positions: np.ndarray) -> Positions:
    """Positions decided at the closes of all bars but the last."""
    frame = candles.frame[:-1].select(
        time="close_time", symbol=pl.lit(candles.symbol), position=pl.Series(positions[:-1])
    )
    return Positions(frame)


def gains_of(candles: Candles, positions: np.ndarray):
    decided = held(candles, positions)
    return fill_gains(candles, decided, backtest(candles, decided, costs=COSTS))


def test_by_hand():
    """Thirty purchases at the low of a bar that ends in its middle: all of the way from open to close is made at once."""
    candles = synthetic.random_walk(30, seed=0).candles
    one = np.ones(30)
    bars = priced(candles, 100 * one, 102.01 * one, 100 * one, 101 * one)
    rows = np.arange(30)
    bps, p_value = gain_at_fill(bars, rows, one)
    assert bps == pytest.approx(1e4 * np.log(1.01)) and p_value < 0.05
    bps, p_value = gain_at_fill(bars, rows, -one)
    assert bps == pytest.approx(-1e4 * np.log(1.01)) and p_value == 1.0
    assert np.isnan(gain_at_fill(bars, rows[:29], one[:29])[0])
    closes = priced(candles, candles.open, candles.open, candles.open, candles.close)
    assert np.isnan(gain_at_fill(closes, rows, one)[0])  # no prices beyond open and close


@pytest.mark.parametrize("phi", [-0.3, 0.15, 0.5])
def test_a_forecast_earns_nothing_at_the_fill(phi):
    p_values = []
    for seed in range(8):
        world = synthetic.ar1(2_000, seed=seed, phi=phi)
        found = gains_of(world.candles, np.sign(world.mean))
        assert abs(found.at_fill_bps) < 8
        p_values.append(found.at_fill_p)
    assert min(p_values) > 0.005 and max(p_values) > 0.3


def test_a_print_off_the_market_is_gained_at_the_fill():
    """Half a percent off at a fifth of the closes, and each next bar opens there."""
    world = synthetic.random_walk(2_000, seed=4, interval="1h").candles
    generator = np.random.default_rng(4)
    side = np.where(generator.random(2_000) < 0.2, generator.choice([-1.0, 1.0], 2_000), 0.0)
    close = world.close * np.exp(0.005 * side)
    opened = np.append(world.open[0], close[:-1])
    candles = priced(world, opened, world.high, world.low, close)
    found = gains_of(candles, -side)
    assert found.at_fill_p < 0.005 and found.at_fill_bps > 10


def some_days(days: tuple[int, ...]) -> tuple[Candles, np.ndarray]:
    """Weekdays, some of which open at the close before; the others open after the news, and have no forecast left.

    The forecast: of the days that open so, the return of the day before.
    """
    candles = synthetic.stale_index(2_500, seed=1).candles
    generator = np.random.default_rng(2)
    shocks = 0.01 * generator.standard_normal(len(candles))
    is_copied = np.isin(candles.frame["open_time"].dt.weekday().to_numpy(), days)
    close, opened, forecast = np.zeros(2_500), np.zeros(2_500), np.zeros(2_500)
    for row in range(1, 2_500):
        opened[row] = close[row - 1] + (
            0.0 if is_copied[row] else 0.5 * shocks[row - 1] + 0.002 * generator.standard_normal()
        )
        close[row] = close[row - 1] + shocks[row] + 0.5 * shocks[row - 1]
        forecast[row - 1] = np.sign(shocks[row - 1]) if is_copied[row] else 0.0
    opened, close = 100 * np.exp(opened), 100 * np.exp(close)
    wicks = np.exp(np.abs(0.003 * generator.standard_normal((2, 2_500))))
    high, low = np.maximum(opened, close) * wicks[0], np.minimum(opened, close) / wicks[1]
    return priced(candles, opened, high, low, close), forecast


@pytest.mark.parametrize("days", [(1,), (1, 4), (2, 3, 4)])
def test_fills_at_opens_that_repeat_the_close_on_some_weekdays_are_put_off(days):
    candles, forecast = some_days(days)
    decided = held(candles, forecast)
    result = backtest(candles, decided, costs=COSTS)
    assert result.equity["equity"][-1] > 1.5 * result.cash
    found = fill_gains(candles, decided, result)
    assert found.repeated_share > 0.3
    assert found.put_off_p > 0.05 and found.put_off_return < 0.05


def test_opens_that_are_equal_by_chance_or_in_a_market_that_never_closes_are_not_put_off():
    world = synthetic.ar1(1_500, seed=1, phi=0.25)
    found = gains_of(world.candles, np.sign(world.mean))  # all days of the week, each opens at the close before
    assert (found.repeated_share, found.put_off_p) == (0.0, 0.0) and np.isnan(found.put_off_return)
    days, _ = some_days(())
    found = gains_of(days, np.sign(np.random.default_rng(1).standard_normal(len(days))))
    assert found.repeated_share < 0.1 and np.isnan(found.put_off_return)
