"""Prices that return to a level, which nobody can hold, and prices that do not."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from statsmodels.tsa.stattools import adfuller

import candlecast as cc
from candlecast.candles import Candles
from candlecast.evaluation.price_level import PriceLevel, dickey_fuller, price_level
from candlecast.ledger import Ledger
from candlecast.sources import synthetic


def over(candles: Candles, level: np.ndarray) -> Candles:
    """The candles with all prices over a level, (time,)."""
    prices = [pl.col(name) / pl.Series(level) for name in ("open", "high", "low", "close")]
    return replace(candles, frame=candles.frame.with_columns(prices))


def over_its_mean(seed: int, *, bars: int = 2_000, period: int = 20) -> Candles:
    """A random walk over its mean of the bars before: no value looks ahead."""
    candles = synthetic.random_walk(bars + period, seed=seed).candles
    means = np.convolve(candles.close, np.full(period, 1 / period), mode="valid")[:bars]
    return over(candles[period:], means)


def spread(seed: int, *, bars: int = 2_000) -> Candles:
    """A random walk less its regression on twelve others over the whole sample, as a price."""
    generator = np.random.default_rng(seed)
    walks = np.cumsum(0.01 * generator.standard_normal((bars, 13)), axis=0)
    design = np.column_stack([np.ones(bars), walks[:, 1:]])
    hedge = design @ np.linalg.lstsq(design, walks[:, 0], rcond=None)[0]
    candles = synthetic.random_walk(bars, seed=seed).candles
    return over(candles, candles.close / np.exp(walks[:, 0] - hedge))


def test_the_statistic_is_that_of_statsmodels():
    x = np.log(synthetic.garch(600, seed=3).candles.close)
    steps = np.diff(x)
    design = np.column_stack([np.ones(594), x[5:-1], *(steps[5 - lag : -lag] for lag in range(1, 6))])
    fitted = sm.OLS(steps[5:], design).fit(cov_type="HC0")
    assert dickey_fuller(x, lags=5) == pytest.approx(fitted.tvalues[1], rel=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions will give an object in place of a tuple
        usual = adfuller(x, maxlag=5, regression="c", autolag=None)
    assert fitted.params[1] / sm.OLS(steps[5:], design).fit().bse[1] == pytest.approx(usual[0], rel=1e-6)


def test_a_price_over_its_moving_average_is_no_edge():
    study = cc.Study(
        model=cc.LinearRegression(window=1),
        features=cc.Features(cc.sma_ratio(20), cc.log_return()),
        folds=cc.WalkForward(folds=2),
        baselines=(),
        seeds=1,
        costs=cc.Costs(fee_bps=1, slippage_bps=0),
    )
    verdict = study.run(over_its_mean(2), ledger=Ledger.in_memory()).verdict
    assert verdict.evidence.is_significant and verdict.is_forecastable and not verdict.has_edge
    assert verdict.headline == "No edge found: the price returns to a level, as that of no asset does."
    assert "Half of a deviation from it is gone after about" in verdict.text


@pytest.mark.parametrize("period", [10, 20, 50])
def test_ratios_to_a_mean_return_to_their_level(period):
    for seed in range(4):
        found = price_level(over_its_mean(seed, period=period))
        assert found.is_stationary and 2 < found.half_life < 2 * period


def test_some_spreads_that_were_hedged_with_hindsight_return_to_their_level():
    assert sum(price_level(spread(seed)).is_stationary for seed in range(10)) >= 4


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: synthetic.garch(3_000, seed=seed, alpha=0.06, beta=0.92, degrees=5),
        lambda seed: synthetic.mean_reversion(5_000, seed=seed, share=0.9),
        lambda seed: synthetic.mean_reversion(5_000, seed=seed, share=0.4),
        lambda seed: synthetic.ar1(3_000, seed=seed, phi=-0.2),
        lambda seed: synthetic.regime_switch(3_000, seed=seed),
        lambda seed: synthetic.ticks(3_000, seed=seed),
    ],
)
def test_prices_of_assets_return_to_no_level(make):
    assert not any(price_level(make(seed).candles).is_stationary for seed in range(4))


def test_real_prices_and_few_or_flat_ones_return_to_no_level():
    assert not any(price_level(cc.sample(name)).is_stationary for name in ("sp500", "nasdaq"))
    candles = synthetic.random_walk(400, seed=1).candles
    assert not price_level(candles[:100]).is_stationary
    assert not price_level(over(candles, candles.close)).is_stationary  # closes of 1.0 throughout


def test_a_price_that_returns_slowly_may_be_that_of_an_asset():
    assert PriceLevel(statistic=-5.0, half_life=20.0, bars=1_000).is_stationary
    assert not PriceLevel(statistic=-5.0, half_life=21.0, bars=1_000).is_stationary
    assert not PriceLevel(statistic=-3.7, half_life=20.0, bars=1_000).is_stationary
    assert not PriceLevel().is_stationary
