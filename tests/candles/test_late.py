"""Bars of a source that lags for some bars, and prices on grids that repeat by chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.candles import Candles
from candlecast.candles.late import are_late, late_share
from candlecast.evaluation.tradability import tradability
from candlecast.sources import sample, synthetic
from untradable_prices import refused_prices

BARS, STEPS = 2_500, 10


def lagging(seed: int, *, chance: float = 0.2, is_lagging: bool = True, step: float = 0.0) -> Candles:
    """A random walk of 0.2 % a bar whose source is 2.8 to 4.4 bars old for some bars, by a chance of change each bar.

    `step`: of the prices, which begin at 100; 0.0 is none.
    """
    generator = np.random.default_rng(seed)
    walk = np.cumsum(0.002 / np.sqrt(STEPS) * generator.standard_normal(BARS * STEPS + 51))
    changes = np.cumsum(generator.random(BARS * STEPS + 1) < chance / STEPS)
    ages = np.where(changes % 2, generator.integers(28, 45, changes[-1] + 1)[changes], 0)
    path = walk[np.arange(BARS * STEPS + 1) + 50 - is_lagging * ages]
    prices = 100 * np.exp(path[np.arange(BARS)[:, None] * STEPS + np.arange(STEPS + 1)])  # (bar, step)
    prices = np.round(prices / step) * step if step else prices
    candles = synthetic.random_walk(BARS, seed=0, interval="5m").candles
    columns = {"open": prices[:, 0], "high": prices.max(axis=1), "low": prices.min(axis=1), "close": prices[:, -1]}
    return replace(candles, frame=candles.frame.with_columns(pl.Series(name, each) for name, each in columns.items()))


@pytest.mark.parametrize("step", [0.0, 0.01])
@pytest.mark.parametrize("chance", [0.1, 0.3])
def test_late_bars_are_found(chance, step):
    for seed in range(3):
        found = tradability(lagging(seed, chance=chance, step=step))
        assert found.has_late_bars and found.late_share > 0.03
        assert found.faults == ("late bars",)


@pytest.mark.parametrize("step", [0.0, 0.01, 0.1, 0.5])
def test_prices_on_a_grid_repeat_by_chance_alone(step):
    for seed in range(3):
        candles = lagging(seed, is_lagging=False, step=step)
        share = late_share(candles)
        assert abs(share) < 0.01 and not are_late(candles, share)


def test_real_candles_and_short_ones_have_none():
    for name in ("sp500", "nasdaq"):
        assert late_share(sample(name)) == pytest.approx(0.0, abs=0.001)
    for bars in (0, 1, 24):
        candles = sample("sp500")[:bars]
        assert late_share(candles) == 0.0 and not are_late(candles, 0.0)


def test_extremes_that_always_come_back_are_chance():
    """Three of five bars have the same extremes all the time, at short lags and at long ones."""
    candles = lagging(0, is_lagging=False)
    bars = np.arange(BARS)
    middle, half = 100 + 0.1 * (bars % 5), 0.3 + 0.07 * (bars % 5)
    is_other = bars % 5 >= 3
    middle[is_other] += np.random.default_rng(0).uniform(-0.3, 0.3, is_other.sum())
    columns = {"open": middle, "high": middle + half, "low": middle - half, "close": middle}
    candles = replace(candles, frame=candles.frame.with_columns(pl.Series(name, x) for name, x in columns.items()))
    assert abs(late_share(candles)) < 0.01


def test_few_late_bars_may_be_chance():
    candles = lagging(0)
    assert are_late(candles, 0.02) and not are_late(candles, 0.019) and not are_late(candles[:200], 0.03)


def test_no_edge_from_a_source_that_lags():
    verdict = refused_prices(lagging(1), cc.log_return(1), cc.log_return(3), cc.log_return(5), cost_bps=1.5)
    assert "of the bars repeat highs and lows of some bars before, more than chance does" in verdict.text
