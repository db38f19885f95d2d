"""Bars that were generated from the open, high, low and close of longer ones."""

from __future__ import annotations

import numpy as np
import pytest

from bar_paths import STEPS, of
from candlecast.candles.block_paths import block_paths
from candlecast.evaluation.tradability import tradability
from candlecast.sources import sample, synthetic


def generated(seed: int, *, noise: float, size: int = 24, days: int = 400, is_reversed: bool = False):
    """Days of a random walk as hours along open, low, high, close, or open, high, low, close where they fall."""
    generator = np.random.default_rng(seed)
    paths = []
    for _ in range(days):
        walk = np.append(0.0, np.cumsum(0.02 / 10 * generator.standard_normal(100)))
        turns = [walk.min(), walk.max()] if (walk[-1] > 0) != is_reversed else [walk.max(), walk.min()]
        places = [0, generator.uniform(0.15, 0.4), generator.uniform(0.6, 0.85), 1]
        line = np.interp(np.linspace(0, 1, size * STEPS + 1), places, [0.0, *turns, walk[-1]])
        steps = noise * 0.02 / np.sqrt(size * STEPS) * generator.standard_normal(size * STEPS)
        paths.append(np.diff(line) + steps - steps.mean())
    return of(np.concatenate(paths).reshape(-1, STEPS), "1h")


@pytest.mark.parametrize("noise", [0.3, 0.6])
def test_hours_that_were_generated_from_days_are_found(noise):
    for seed in range(2):
        found = block_paths(generated(seed, noise=noise))
        assert (found.is_found, found.block) == (True, "day") and found.share > 0.9
    assert "bars computed from the ends of longer ones" in tradability(generated(0, noise=noise)).faults


@pytest.mark.parametrize("phi", [-0.3, 0.0, 0.3])
@pytest.mark.parametrize("interval", ["5m", "1h", "1d"])
def test_markets_are_not_accused(phi, interval):
    for seed in range(3):
        found = block_paths(synthetic.ar1(4_000, seed=seed, phi=phi, interval=interval).candles)
        assert not found.is_found


def test_real_indices_are_not_accused():
    for name in ("sp500", "nasdaq"):
        found = block_paths(sample(name))
        assert not found.is_found and 0.55 < found.share < 0.76


def test_bars_without_a_path_show_nothing():
    candles = generated(0, noise=0.0)
    flat = candles.frame["close"]
    frame = candles.frame.with_columns(open=flat, high=flat, low=flat)
    assert np.isnan(block_paths(type(candles)(frame, candles.symbol, candles.interval)).share)
    assert np.isnan(block_paths(candles[:0]).share) and np.isnan(block_paths(candles[:50]).share)
