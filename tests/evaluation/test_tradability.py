"""What candles say about trading at their prices, for the bars that are judged."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.errors import CandleError
from candlecast.evaluation.tradability import tradability
from candlecast.sources import sample, synthetic


def of(opened, high, low, close, volume=1.0) -> Candles:
    """The prices as hours of a market that never closes."""
    candles = synthetic.random_walk(len(close), seed=0, interval="1h").candles
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": np.full(len(close), volume)}
    return replace(candles, frame=candles.frame.with_columns(pl.Series(name, each) for name, each in columns.items()))


def bouncing(seed: int, half: float) -> Candles:
    generator = np.random.default_rng(seed)
    value = 100 * np.exp(np.cumsum(0.005 * generator.standard_normal(2_000)))
    close = value * (1 + half * generator.choice([-1, 1], 2_000))
    opened = np.append(close[0], close[:-1])
    return of(opened, np.maximum(opened, close), np.minimum(opened, close), close)


def ticking(seed: int, size: float) -> Candles:
    generator = np.random.default_rng(seed)
    steps = 0.01 / np.sqrt(12) * generator.standard_normal(24_000)
    prices = np.maximum(np.round(size * np.exp(np.cumsum(steps))), 1.0).reshape(-1, 12)
    opened = np.append(prices[0, 0], prices[:-1, -1])
    high, low = np.maximum(prices.max(axis=1), opened), np.minimum(prices.min(axis=1), opened)
    return of(opened, high, low, prices[:, -1])


@pytest.mark.parametrize("half", [0.002, 0.005, 0.01])
def test_bounce_costs_half_a_spread(half):
    for seed in range(3):
        found = tradability(bouncing(seed, half))
        assert found.half_spread_bps == pytest.approx(1e4 * half, rel=0.2)
        assert found.least_cost_bps == found.half_spread_bps
        assert (found.is_tradable, found.tick_bps) == (True, 0.0)


@pytest.mark.parametrize("size", [10, 30, 100])
def test_ticks_cost_a_tick(size):
    for seed in range(3):
        found = tradability(ticking(seed, size))
        assert found.tick == 1.0
        assert found.tick_bps == pytest.approx(1e4 * np.mean(1 / ticking(seed, size).close), rel=0.2)
        assert found.least_cost_bps == max(found.tick_bps, found.half_spread_bps)


@pytest.mark.parametrize("phi", [-0.2, 0.1])
@pytest.mark.parametrize("interval", ["1h", "1d"])
def test_an_honest_market_costs_nothing(phi, interval):
    found = tradability(synthetic.ar1(4_000, seed=1, phi=phi, interval=interval).candles)
    assert (found.is_tradable, found.least_cost_bps, found.invented_share, found.flat_share) == (True, 0.0, 0.0, 0.0)
    assert np.isnan(found.stale_open_share)
    assert (found.roll_bps > 25) == (phi < 0)


def test_it_is_of_the_bars_that_are_judged():
    candles = sample("sp500")
    whole, stale, later = (tradability(part) for part in (candles, candles[:1_700], candles[4_500:]))
    assert (whole.has_stale_opens, stale.has_stale_opens, later.has_stale_opens) == (True, True, False)
    assert stale.stale_open_share > 0.9 and stale.stale_bar_share > 0.9
    assert later.stale_bar_share < 0.05 < 0.8 < whole.stale_bar_share < 0.9  # until 2016
    assert not tradability(candles[1_500:2_500]).is_tradable
    assert tradability(candles[-500:]).is_tradable
    assert (whole.bars, later.bars) == (5_031, 531)


def test_averages_and_invented_bars():
    true = synthetic.random_walk(400, seed=3, interval="1h").candles
    close = (true.open + true.close) / 2
    opened = close.copy()
    for row in range(1, 400):
        opened[row] = (opened[row - 1] + close[row - 1]) / 2
    averages = of(opened, np.maximum(opened, true.high), np.minimum(opened, true.low), close)
    assert tradability(averages).has_averaged_opens and not tradability(averages).is_tradable
    half = {name: np.repeat(getattr(true, name)[:200], 2) for name in ("open", "high", "low", "close")}
    for each in half.values():
        each[1::2] = true.close[:200]
    filled = of(**{"opened" if name == "open" else name: each for name, each in half.items()})
    volume = np.where(np.arange(400) % 2, 0.0, 5.0)
    filled = replace(filled, frame=filled.frame.with_columns(volume=pl.Series(volume)))
    found = tradability(filled)
    assert (found.invented_share, found.flat_share, found.half_spread_bps) == (0.5, 0.5, 0.0)


def test_copied_bars_fill_at_a_price_that_had_gone():
    true = synthetic.random_walk(2_000, seed=3, interval="1h").candles
    columns = {name: getattr(true, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for values in columns.values():
        values[100::200] = values[99:-1:200]
    copied = replace(true, frame=true.frame.with_columns(pl.Series(name, each) for name, each in columns.items()))
    found = tradability(copied)
    assert (found.copied_share, found.has_copied_bars, found.is_tradable) == (0.005, True, False)
    columns["volume"][100::200] = 0.0
    without = replace(true, frame=true.frame.with_columns(pl.Series(name, each) for name, each in columns.items()))
    found = tradability(without)
    assert (found.copied_share, found.invented_share, found.is_tradable) == (0.0, 0.005, True)


def test_what_is_undefined_is_none_in_json():
    found = tradability(synthetic.random_walk(10, seed=0).candles)
    assert np.isnan(found.half_spread_bps) and found.least_cost_bps == 0.0
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["half_spread_bps"] is None and values["stale_open_share"] is None
    assert (values["bars"], values["has_stale_opens"], values["least_cost_bps"]) == (10, False, 0.0)
    assert tradability(synthetic.random_walk(10, seed=0).candles[:0]).bars == 0


def test_unsound_candles_are_refused():
    candles = synthetic.random_walk(10, seed=0).candles
    with pytest.raises(CandleError, match="holds a price of zero or below"):
        tradability(replace(candles, frame=candles.frame.with_columns(low=pl.lit(0.0))[:1]))


@pytest.mark.parametrize("bars", [300, 1_500])  # the second has so many spikes that chance is considered
def test_every_field_is_a_plain_value(bars):
    found = tradability(sample("sp500")[-bars:])
    assert {type(value) for value in vars(found).values()} <= {int, float, bool, str, tuple}  # a tuple of names
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
