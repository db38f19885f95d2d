"""Sketches: an asset is known again under another name, in another unit, from another source and in part; others are not."""

from __future__ import annotations

import numpy as np
import pytest

from candlecast.ledger.sketch import are_alike, sketch_of

DAY = np.timedelta64(86_400_000_000, "us")


def prices(bars=3_000, *, seed=0, market=0.0) -> tuple[np.ndarray, np.ndarray]:
    """Closes and prices; `market`: share of the variance that all assets have in common."""
    shared, own = (np.random.default_rng(each).standard_t(3, bars) for each in (1_000, seed))
    moves = 0.01 * (np.sqrt(market) * shared + np.sqrt(1 - market) * own)
    return np.datetime64("2010-01-01", "us") + np.arange(bars) * DAY, 50 * np.exp(np.cumsum(moves))


@pytest.mark.parametrize("part", [slice(None), slice(2_200, None), slice(0, 900), slice(1_000, 1_900)])
def test_an_asset_is_known_by_a_part_of_it_in_another_unit_from_another_source(part):
    times, own = prices()
    noisy = 7.0 * own * np.exp(0.001 * np.random.default_rng(5).standard_normal(len(own)))
    assert are_alike([sketch_of(times, own)], [sketch_of(times[part], noisy[part])])[0, 0]


@pytest.mark.parametrize("hours", [1, 4, 12])
def test_an_asset_is_known_in_bars_of_another_length(hours):
    hourly = np.datetime64("2020-01-01T01", "us") + np.arange(100 * 24) * np.timedelta64(1, "h")
    own = np.exp(np.cumsum(0.01 * np.random.default_rng(1).standard_normal(len(hourly))))
    days, bars = (slice(each - 1, None, each) for each in (24, hours))
    daily, shorter, other = (sketch_of(hourly[each], own[each]) for each in (days, bars, slice(5, None, 24)))
    assert are_alike([daily], [shorter])[0, 0] and not are_alike([daily], [other])[0, 0]
    few = sketch_of(hourly[: 40 * 24 : hours], own[: 40 * 24 : hours])
    assert len(few.times) == min(128, 40 * 24 // hours - 1), "too few days"


def test_rounded_and_gappy_records_are_known():
    times, own = prices()
    kept = np.random.default_rng(2).random(len(own)) < 0.98
    assert are_alike([sketch_of(times, own)], [sketch_of(times[kept], np.round(own[kept], 2))])[0, 0]


def test_assets_of_one_market_are_not_alike():
    sketches = [sketch_of(*prices(seed=seed, market=0.8)) for seed in range(60)]
    assert np.array_equal(are_alike(sketches, sketches), np.eye(60, dtype=bool))


def test_a_common_crash_makes_no_two_assets_alike():
    sketches = []
    for seed in range(20):
        times, own = prices(300, seed=seed)
        sketches.append(sketch_of(times, own * np.where(np.arange(300) < 150, 1.0, 0.4)))
    assert np.array_equal(are_alike(sketches, sketches), np.eye(20, dtype=bool))


def test_what_has_too_little_in_common_is_not_compared():
    times, own = prices(200)
    flat = sketch_of(times, np.ones(200))
    early, late, none = (
        sketch_of(times[:100], own[:100]),
        sketch_of(times[90:], own[90:]),
        sketch_of(times[:1], own[:1]),
    )
    for one, other in ((early, late), (none, early), (flat, flat), (flat, early)):
        assert not are_alike([one], [other])[0, 0]
    assert are_alike([], [early]).shape == (0, 1) and are_alike([early], []).shape == (1, 0)


def test_many_are_compared_a_part_at_a_time():
    sketches = [sketch_of(*prices(400, seed=seed)) for seed in range(300)]
    found = are_alike(sketches[:3], sketches)
    assert found.sum() == 3 and found[0, 0] and found[2, 2]
