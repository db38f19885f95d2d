"""Prices that are offset for some bars at a time, and honest ones whose moves are undone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.candles import Candles
from candlecast.candles.offsets import offsets
from candlecast.evaluation.tradability import tradability
from candlecast.sources import sample, synthetic
from untradable_prices import refused_prices

BARS, STEPS = 2_500, 12


def switched(seed: int, *, premium: float = 0.015, chance: float = 0.25, by_day: bool = False) -> Candles:
    """A random walk of 0.5 % a bar and a premium that comes or goes with a chance each bar: within it, or at its open."""
    generator = np.random.default_rng(seed)
    walk = np.cumsum(0.005 / np.sqrt(STEPS) * generator.standard_normal(BARS * STEPS + 1))
    if by_day:
        is_away = np.repeat(np.cumsum(generator.random(BARS) < chance) % 2, STEPS + 1).reshape(BARS, STEPS + 1)
    else:
        state = np.cumsum(generator.random(BARS * STEPS + 1) < chance / STEPS) % 2
        is_away = state[np.arange(BARS)[:, None] * STEPS + np.arange(STEPS + 1)]
    path = walk[np.arange(BARS)[:, None] * STEPS + np.arange(STEPS + 1)] + premium * is_away  # (bar, step)
    return of(path)


def of(path: np.ndarray) -> Candles:
    """Hours with these log prices, shape (bar, step)."""
    candles = synthetic.random_walk(len(path), seed=0, interval="1h").candles
    prices = 100 * np.exp(path)
    columns = {"open": prices[:, 0], "high": prices.max(axis=1), "low": prices.min(axis=1), "close": prices[:, -1]}
    return replace(candles, frame=candles.frame.with_columns(pl.Series(name, each) for name, each in columns.items()))


def reversing(seed: int, *, lag: int, phi: float) -> Candles:
    """Moves of fat tails of which a share comes back after so many bars, at once."""
    moves = 0.005 * np.random.default_rng(seed).standard_t(5, BARS)
    for bar in range(lag, BARS):
        moves[bar] += phi * moves[bar - lag]
    close = np.cumsum(moves)
    return of(np.stack([np.append(0.0, close[:-1]), close], axis=1))


@pytest.mark.parametrize("by_day", [False, True])
def test_offsets_are_found_in_moves_and_in_gaps(by_day):
    for seed in range(5):
        found = tradability(switched(seed, by_day=by_day), first=BARS // 2)
        assert found.has_offsets and found.undone_share > 0.63
        assert found.faults == ("offsets that come and go",)


def test_offsets_that_ended_before_the_range_are_none_of_it():
    mixed, honest = switched(1, by_day=True), switched(2, premium=0.0)
    later = honest.frame.select(pl.col("open", "high", "low", "close") * (mixed.close[-1] / honest.open[0]))
    columns = {name: np.append(getattr(mixed, name), later[name]) for name in later.columns}
    candles = synthetic.random_walk(2 * BARS, seed=0, interval="1h").candles
    joined = replace(candles, frame=candles.frame.with_columns(pl.Series(name, each) for name, each in columns.items()))
    assert offsets(joined).are_found and offsets(joined, first=BARS // 5).are_found
    assert not offsets(joined, first=BARS).are_found


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: synthetic.random_walk(BARS, seed=seed).candles,
        lambda seed: synthetic.ar1(BARS, seed=seed, phi=-0.3).candles,
        lambda seed: synthetic.mean_reversion(BARS, seed=seed, share=0.9).candles,
        lambda seed: synthetic.garch(BARS, seed=seed, alpha=0.12, beta=0.86, degrees=5).candles,
        lambda seed: reversing(seed, lag=2, phi=-0.3),
        lambda seed: reversing(seed, lag=3, phi=-0.5),
    ],
)
def test_honest_prices_are_spared(make):
    for seed in range(10):
        assert not offsets(make(seed)).are_found


def test_a_reversal_at_one_lag_is_explained_by_small_moves():
    """Without the moves that are not large, this honest edge would look like an offset."""
    found = offsets(reversing(0, lag=2, phi=-0.7))
    assert found.share < 0.63 and not found.are_found


@pytest.mark.parametrize("ratio", [1.0, 2.0, 4.0])
def test_a_bounce_is_a_spread(ratio):
    for seed in range(3):
        world = synthetic.bid_ask_bounce(BARS, seed=seed, volatility=0.005, half_spread=0.005 * ratio)
        found = tradability(world.candles)
        assert not found.has_offsets and found.half_spread_bps > 30


def test_real_candles_and_short_ones_have_none():
    assert not any(offsets(sample(name)).are_found for name in ("sp500", "nasdaq"))
    for bars in (0, 1, 5, 150):
        found = offsets(sample("sp500")[:bars])
        assert np.isnan(found.share) and not found.are_found
    still = of(np.zeros((400, 2)))
    assert not offsets(still).are_found and np.isnan(offsets(still).share)


@cc.feature(warmup=20)
def jumps(candles):
    """The sum of large moves, each weighted by 0.8 to the power of its age."""
    moves = np.append(0.0, np.diff(np.log(candles.close)))
    large = np.where(np.abs(moves) > 0.011, moves, 0.0)
    windows = np.lib.stride_tricks.sliding_window_view(large, 20)
    return np.append(np.full(19, np.nan), windows @ 0.8 ** np.arange(20)[::-1])


def test_no_edge_from_a_venue_that_takes_over_for_some_bars():
    verdict = refused_prices(switched(1), jumps, cc.log_return(1), cost_bps=3)
    assert "of the large moves are undone by the next one of about the same size, some bars later" in verdict.text
