"""Columns of volume and activity that were shifted by a bar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles
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


@pytest.mark.parametrize("seed", [0, 47, 145])
def test_a_volume_without_meaning_is_early_in_no_market(seed):
    candles = synthetic.garch(1_500, seed=seed).candles
    volume = np.random.default_rng(seed + 999).lognormal(3.0, 0.5, 1_500)
    assert not volume_timing(replace(candles, frame=candles.frame.with_columns(volume=pl.Series(volume)))).is_early


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


@pytest.mark.parametrize("early", [2, 5, 8, 24, 48])
def test_a_column_that_comes_many_bars_early_is_named(early):
    """As after a merge by the clock of another zone, or of a table that lost rows."""
    for seed in range(3):
        candles, columns = active(seed, early=early, strength=0.03)
        given = candles.with_activity(**{name: columns[name] for name in ("taker_volume", "trades")})
        assert set(early_activity(given)) == {"taker_volume", "trades"}
        assert volume_timing(shifted(candles, early)).is_early
        late, columns = active(seed, early=-early, strength=0.03)
        assert early_activity(late.with_activity(taker_volume=columns["taker_volume"])) == ()
        assert not volume_timing(shifted(candles, -early)).is_early


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


def spread_over(values, own, later):
    """A mean over the bar before, its own and the next, with these weights of the last two."""
    return (1 - own - later) * np.roll(values, 1) + own * values + later * np.roll(values, -1)


@pytest.mark.parametrize(("own", "later"), [(1 / 3, 1 / 3), (0.5, 0.5)])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_column_that_holds_a_part_of_the_next_bar_is_named(own, later, seed):
    """Means over a centred window agree with their own bar, and with the next."""
    candles = synthetic.random_walk(1_500, seed=seed).candles
    generator = np.random.default_rng(seed)
    flow = np.zeros(1_500)
    for bar in range(1, 1_500):
        flow[bar] = 0.8 * flow[bar - 1] + 0.6 * generator.standard_normal()
    returns = np.diff(np.log(candles.close), prepend=np.log(candles.close[0]))
    flow = 0.6 * returns / returns.std() + 0.8 * flow
    ranges = np.log(candles.high / candles.low) * np.exp(0.2 * generator.standard_normal(1_500))
    for part, expected in (((1.0, 0.0), False), ((1 / 3, 0.0), False), ((own, later), True)):
        share = np.clip(0.5 + 0.08 * spread_over(flow, *part), 0.01, 0.99)
        given = candles.with_activity(taker_volume=share * candles.volume)
        assert ("taker_volume" in early_activity(given)) == expected
        smoothed = pl.Series(np.exp(spread_over(np.log(ranges), *part)))
        given = replace(candles, frame=candles.frame.with_columns(volume=smoothed))
        assert volume_timing(given).is_early == expected


def volatile(seed, *, window=1, of_own=False):
    """A market whose log volatility is autoregressive, with a volume by volatility or by the own range, over a centred window."""
    generator = np.random.default_rng(seed)
    shocks, logs = generator.standard_normal((3, 2_000)), np.zeros(2_000)
    for bar in range(1, 2_000):
        logs[bar] = 0.95 * logs[bar - 1] + 0.25 * shocks[0, bar]
    steps = 0.002 * np.exp(logs / 2)[:, None] * generator.standard_normal((2_000, 24))
    paths = 100.0 * np.exp(np.cumsum(steps.ravel()).reshape(2_000, 24))
    high, low = paths.max(axis=1), paths.min(axis=1)
    volume = (np.log(high / low) if of_own else np.exp(logs / 2)) * np.exp(0.2 * shocks[1])
    weights = np.ones(window) / window
    prices = {"open": paths[:, 0], "high": high, "low": low, "close": paths[:, -1]}
    columns = prices | {"volume": np.convolve(volume, weights, "same")}
    frame = synthetic.random_walk(2_000, seed=seed).candles.frame.with_columns(
        pl.Series(name, values) for name, values in columns.items()
    )
    return replace(synthetic.random_walk(2_000, seed=seed).candles, frame=frame)


@pytest.mark.parametrize("seed", range(3))
def test_a_volume_that_goes_by_volatility_is_not_early(seed):
    assert not volume_timing(volatile(seed)).is_early
    assert not volume_timing(volatile(seed, of_own=True)).is_early


@pytest.mark.parametrize(("window", "seed"), [(3, 0), (5, 1), (7, 2)])
def test_a_mean_of_volumes_over_a_centred_window_is_early(window, seed):
    assert volume_timing(volatile(seed, window=window, of_own=True)).is_early


def hourly(seed, *, window=1):
    """Seven bars a day on weekdays: the first has a wide range, the last a large volume, more so before days that begin wide."""
    generator = np.random.default_rng(seed)
    days = np.arange(np.datetime64("2015-01-01"), np.datetime64("2017-01-01"))
    days = days[np.is_busday(days)]
    place = np.tile(np.arange(7), len(days))
    opened = (days.astype("datetime64[us]")[:, None] + np.arange(14, 21) * np.timedelta64(1, "h")).ravel()
    size = np.array([2.5, 1.2, 1.0, 0.9, 0.8, 0.9, 1.1])[place] * np.exp(0.3 * generator.standard_normal(len(place)))
    steps = 0.002 * size[:, None] * generator.standard_normal((len(place), 24))
    paths = 100.0 * np.exp(np.cumsum(steps.ravel()).reshape(len(place), 24))
    gaps = 1.0 + 0.01 * np.repeat(np.cumsum(generator.standard_normal(len(days))) / 10, 7)
    paths *= np.abs(gaps)[:, None]
    volume = np.array([1.5, 1.2, 0.9, 0.8, 0.8, 1.5, 6.0])[place] * np.exp(0.3 * generator.standard_normal(len(place)))
    volume *= (paths.max(axis=1) / paths.min(axis=1) - 1.0) ** 0.3
    frame = pl.DataFrame(
        {
            "time": opened,
            "open": paths[:, 0],
            "high": paths.max(axis=1),
            "low": paths.min(axis=1),
            "close": paths[:, -1],
            "volume": np.convolve(volume, np.ones(window) / window, "same"),
        }
    )
    return Candles.from_frame(frame, symbol="X", zone="UTC")


@pytest.mark.parametrize("seed", range(3))
def test_hours_with_large_volumes_before_wide_openings_are_not_early(seed):
    assert not volume_timing(hourly(seed)).is_early
    assert volume_timing(hourly(seed, window=3)).is_early
