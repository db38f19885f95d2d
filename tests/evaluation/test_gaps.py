"""A position of one asset that is held into a long gap."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.evaluation.stresses import GAP_BARS, lost_in_gaps
from candlecast.sources import synthetic

FIRST = 200
CANDLES = synthetic.random_walk(400, seed=3, interval="1d").candles


def without(bars, candles=CANDLES):
    rows = np.ones(len(candles), dtype=bool)
    rows[FIRST : FIRST + bars] = False
    return replace(candles, frame=candles.frame.filter(rows))


def filled(bars):
    rows, last = pl.int_range(pl.len()), float(CANDLES.close[FIRST - 1])
    is_flat = (rows >= FIRST) & (rows < FIRST + bars)
    names = ("open", "high", "low", "close")
    prices = [pl.when(is_flat).then(last).otherwise(pl.col(name)).alias(name) for name in names]
    volume = pl.when(is_flat).then(0.0).otherwise(pl.col("volume")).alias("volume")
    return replace(CANDLES, frame=CANDLES.frame.with_columns(*prices, volume))


def account(candles, weight):
    return cc.backtest(candles, cc.Positions.from_array(candles, np.full(len(candles), weight)), costs=cc.Costs.free())


@pytest.mark.parametrize("make", [without, filled])
@pytest.mark.parametrize(("bars", "is_counted"), [(GAP_BARS, False), (GAP_BARS + 1, True), (60, True)])
def test_a_position_in_a_long_gap_is_counted(make, bars, is_counted):
    candles = make(bars)
    found = lost_in_gaps(candles, account(candles, 1.0))
    assert found.positions == found.before_gaps == int(is_counted)
    assert math.isnan(found.growth.annual) is not is_counted


@pytest.mark.parametrize(("weight", "is_short"), [(0.1, False), (-0.1, True)])
def test_the_position_is_lost_and_the_move_across_the_gap_is_not_earned(weight, is_short):
    candles = without(60)
    result = account(candles, weight)
    found = lost_in_gaps(candles, result)
    move = candles.open[FIRST] / candles.close[FIRST - 1] - 1.0
    returns = result.returns.copy()
    row = int(
        np.searchsorted(result.equity["time"].dt.replace_time_zone(None).to_numpy(), candles.close_time[FIRST - 1])
    )
    held = result.equity["position"].to_numpy()[row]
    returns[row - 1] -= abs(held)
    returns[row] -= held * move
    expected = math.expm1(np.log1p(returns).mean() * result.bars_per_year)
    assert found.is_short is is_short and found.growth.annual == pytest.approx(expected, rel=1e-9)


def test_without_a_position_nothing_is_lost():
    candles = without(60)
    positions = np.where(np.abs(np.arange(len(candles)) - FIRST) < 5, 0.0, 1.0)
    result = cc.backtest(candles, cc.Positions.from_array(candles, positions))
    assert lost_in_gaps(candles, result).positions == 0


def test_a_gap_of_hours_is_none():
    hourly = synthetic.random_walk(400, seed=3, interval="1h").candles
    candles = without(60, hourly)
    assert lost_in_gaps(candles, account(candles, 1.0)).positions == 0
