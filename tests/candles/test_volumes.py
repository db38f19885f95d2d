"""Columns of volume and activity that were shifted by a bar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.candles.volumes import early_activity, volume_timing
from candlecast.evaluation.tradability import tradability
from candlecast.sources import sample, synthetic


def shifted(candles, bars):
    volume = np.roll(candles.volume, -bars)
    return replace(candles, frame=candles.frame.with_columns(volume=pl.Series(volume)))


@pytest.mark.parametrize("candles", [synthetic.garch(1_500, seed=1).candles, sample("nasdaq")[-1_500:]])
def test_volume_follows_the_range_of_its_own_bar(candles):
    own, later, is_early = volume_timing(candles)
    assert own > 0.2 > later and not is_early and not tradability(candles).has_early_volume
    early = shifted(candles, 1)
    assert volume_timing(early).is_early and tradability(early).has_early_volume
    assert "early_volume" in early.check().issues["kind"].to_list() and early.check().is_sound
    assert not volume_timing(shifted(candles, -1)).is_early  # late, which reveals nothing


def test_volume_that_says_nothing_is_not_early():
    candles = synthetic.random_walk(1_000, seed=1).candles
    for volume in (np.full(1_000, 5.0), np.zeros(1_000), np.random.default_rng(1).lognormal(3.0, 0.5, 1_000)):
        quiet = replace(candles, frame=candles.frame.with_columns(volume=pl.Series(volume)))
        assert not volume_timing(quiet).is_early
    assert not volume_timing(candles[:0]).is_early


def active(seed, *, early=0, strength=0.02):
    """A random walk whose takers move the price a little, with `early` bars by which the columns come too early."""
    candles = synthetic.garch(1_500, seed=seed).candles
    generator = np.random.default_rng(seed)
    returns = np.log(candles.close / candles.open)
    share = np.clip(0.5 + strength * returns / returns.std() + 0.1 * generator.standard_normal(1_500), 0.01, 0.99)
    mean = (candles.open + candles.high + candles.low + candles.close) / 4
    columns = {
        "taker_volume": candles.volume * np.roll(share, -early),
        "quote_volume": candles.volume * np.roll(mean, -early),
        "trades": np.roll(np.round(1e3 * candles.volume / candles.volume.mean()), -early),
    }
    return candles, columns


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", ["taker_volume", "quote_volume", "trades"])
def test_a_column_of_activity_that_comes_a_bar_early_is_named(seed, name):
    for early, expected in ((0, ()), (-1, ()), (1, (name,))):
        candles, columns = active(seed, early=early, strength=0.03)
        given = candles.with_activity(**{name: columns[name]})
        assert early_activity(given) == tradability(given).early_activity == expected
        assert ("early_activity" in given.check().issues["kind"].to_list()) == bool(expected)


def test_activity_of_another_unit_or_of_no_meaning_is_not_early():
    candles, columns = active(1)
    for changed in (
        {"quote_volume": 7.3 * columns["quote_volume"]},
        {"taker_volume": np.full(1_500, np.nan)},
        {"taker_volume": candles.volume * np.random.default_rng(1).uniform(0.2, 0.8, 1_500)},
        {"trades": np.where(np.arange(1_500) % 3, columns["trades"], np.nan)},
    ):
        assert early_activity(candles.with_activity(**changed)) == ()
    assert early_activity(candles.with_activity(**columns)[:100]) == early_activity(candles[:0]) == ()
