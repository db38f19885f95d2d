"""Prices that are averages over several bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.candles import Candles
from candlecast.candles.smoothing import smoothing
from candlecast.evaluation.tradability import tradability
from candlecast.sources import sample, synthetic

NAMES = ("open", "high", "low", "close")


def averaged(candles: Candles, weights: list[float]) -> Candles:
    """Each column as a moving average with these weights, the newest bar first."""
    columns = {}
    for name in NAMES:
        values = getattr(candles, name)
        padded = np.concatenate([np.full(len(weights) - 1, values[0]), values])
        columns[name] = np.convolve(padded, weights, mode="valid")
    columns["high"] = np.maximum.reduce(list(columns.values()))
    columns["low"] = np.minimum.reduce(list(columns.values()))
    return replace(candles, frame=candles.frame.with_columns(pl.Series(name, each) for name, each in columns.items()))


def exponential(share: float) -> list[float]:
    return [share * (1 - share) ** age for age in range(25)]


@pytest.mark.parametrize(
    "candles", [synthetic.garch(2_000, seed=2).candles, synthetic.random_walk(2_000, seed=2).candles]
)
@pytest.mark.parametrize("weights", [exponential(0.4), exponential(0.6), exponential(0.7), [0.5, 0.5], [0.25] * 4])
def test_moving_averages_of_prices_are_found(candles, weights):
    smooth = averaged(candles, weights)
    found = tradability(smooth)
    assert smoothing(smooth).is_smoothed and found.has_smoothed_prices and found.range_ratio > 1.2
    assert "smoothed prices" in found.faults
    assert "smoothed" in smooth.check().issues["kind"].to_list() and smooth.check().is_sound


def test_moves_that_truly_go_on_are_not_smoothed():
    for seed in range(3):
        for world in (
            synthetic.random_walk(2_000, seed=seed),
            *(synthetic.ar1(2_000, seed=seed, phi=phi) for phi in (-0.2, 0.1, 0.2, 0.3, 0.5)),
            synthetic.regime_switch(2_000, seed=seed),
            synthetic.garch(2_000, seed=seed),
            synthetic.mean_reversion(2_000, seed=seed),
            synthetic.lead_lag(2_000, seed=seed),
            synthetic.squeezes(2_000, seed=seed),
        ):
            assert not smoothing(world.candles).is_smoothed
    for name in ("sp500", "nasdaq"):
        candles = sample(name)
        assert not any(smoothing(candles[first : first + 1_000]).is_smoothed for first in range(0, len(candles), 500))


def test_few_bars_and_bars_of_one_price_show_nothing():
    candles = synthetic.random_walk(400, seed=1).candles
    flat = replace(candles, frame=candles.frame.with_columns(pl.lit(100.0).alias(name) for name in NAMES))
    for each in (candles[:0], candles[:200], flat):
        assert not smoothing(each).is_smoothed and np.isnan(smoothing(each).ratio)


def test_no_edge_is_claimed_on_smoothed_prices():
    candles = averaged(synthetic.random_walk(1_500, seed=2).candles, exponential(0.6))
    study = cc.Study(cc.LinearRegression(window=3), features=cc.Features(cc.log_return()), baselines=(), seeds=1)
    verdict = study.run(candles, ledger=cc.Ledger.in_memory()).verdict
    assert verdict.is_forecastable and not verdict.pays
    assert any("averages over several bars" in reason for reason in verdict.reasons)
