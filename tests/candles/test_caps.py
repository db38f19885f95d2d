"""Moves that pile up at one largest size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.candles import Candles
from candlecast.candles.caps import is_at_cap
from candlecast.sources import sample, synthetic


def filtered(candles: Candles, largest: float, *, fall: float | None = None, digits: int = 12) -> Candles:
    """A table whose vendor cuts each move of the close to the largest that it allows; the price catches up later."""
    value = candles.close
    close = value.copy()
    for bar in range(1, len(value)):
        move = np.clip(value[bar] / close[bar - 1] - 1, -(fall or largest), largest)
        close[bar] = np.round(close[bar - 1] * (1 + move), digits)
    opened = np.append(close[0], close[:-1])
    high, low = np.round(np.maximum(opened, close) * 1.002, digits), np.round(np.minimum(opened, close) * 0.998, digits)
    columns = {"open": opened, "high": high, "low": low, "close": close}
    return replace(candles, frame=candles.frame.with_columns(pl.Series(name, each) for name, each in columns.items()))


@pytest.mark.parametrize("largest", [0.015, 0.02, 0.028])
@pytest.mark.parametrize("seed", [1, 2])
def test_moves_that_a_vendor_cuts_pile_up(largest, seed):
    world = synthetic.garch(3_000, seed=seed, alpha=0.1, beta=0.88).candles
    candles = filtered(world, largest)
    move = np.diff(candles.close, prepend=np.nan) / np.append(np.nan, candles.close[:-1])
    expected = np.isclose(np.abs(move), largest, rtol=1e-6)
    found = is_at_cap(candles)
    assert expected.sum() > 10 and (found == expected).mean() > 0.995
    assert found[expected].mean() > 0.99


def test_rises_and_falls_may_have_caps_of_their_own_and_prices_may_be_rounded():
    world = synthetic.garch(3_000, seed=1, alpha=0.1, beta=0.88).candles
    candles = filtered(world, 0.02, fall=0.015, digits=2)
    found, move = is_at_cap(candles)[1:], np.diff(candles.close) / candles.close[:-1]
    for expected in (np.abs(move - 0.02) < 2e-4, np.abs(move + 0.015) < 2e-4):
        assert expected.sum() >= 20 and found[expected].mean() > 0.9
    assert found[(move < 0.0195) & (move > -0.0145)].sum() == 0


def test_real_tails_do_not_pile_up():
    for seed in range(3):
        for world in (
            synthetic.random_walk(2_000, seed=seed),
            synthetic.ar1(2_000, seed=seed, phi=0.3),
            synthetic.garch(2_000, seed=seed),
            synthetic.mean_reversion(2_000, seed=seed),
            synthetic.lead_lag(2_000, seed=seed),
            synthetic.regime_volatility(2_000, seed=seed),
        ):
            assert not is_at_cap(world.candles).any()
    for name in ("sp500", "nasdaq"):
        candles = sample(name)
        assert not any(is_at_cap(part).any() for part in (candles, candles[:1_500], candles[-1_500:]))
    assert not is_at_cap(sample("sp500")[:0]).any() and not is_at_cap(sample("sp500")[:5]).any()


@cc.feature(warmup=1)
def at_cap(candles: Candles) -> np.ndarray:
    moves = np.diff(np.log(candles.close), prepend=np.nan)
    return np.where(np.abs(moves) > 0.0195, np.sign(moves), 0.0)


def test_no_edge_is_claimed_that_needs_fills_after_moves_that_were_cut():
    candles = filtered(synthetic.random_walk(2_500, seed=1, volatility=0.015).candles, 0.02)
    study = cc.Study(
        model=cc.LinearRegression(),
        features=cc.Features(at_cap),
        costs=cc.Costs(fee_bps=1, slippage_bps=1),
        baselines=(),
        seeds=1,
    )
    verdict = study.run(candles, ledger=cc.Ledger.in_memory()).verdict
    assert verdict.is_forecastable and not verdict.pays and verdict.evidence.return_p < 0.01
    assert verdict.evidence.conditions.stresses.capped_share > 0.2
    assert verdict.headline == "No edge found: the gain needs fills after moves that were cut."
