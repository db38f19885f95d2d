"""A volume column that was shifted by a bar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.candles.volumes import volume_timing
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
