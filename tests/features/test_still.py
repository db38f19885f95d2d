"""Every standard feature is defined on bars without range or volume, and unchanged on all others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast import features
from candlecast.candles import Candles
from candlecast.dataset.samples import make_samples
from candlecast.features import Features, feature, standard_features, undefined_shares, undefined_words
from candlecast.models import LSTM
from candlecast.sources import sample, synthetic
from candlecast.targets import NextReturn, Volatility

CANDLES = synthetic.garch(1_500, seed=2, interval="1h").candles


def still(share: float, *, silent: float = 0.0, seed: int = 0, bars: int = 5_000) -> Candles:
    """Minutes of which a share has no range, and of those another share no volume."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, bars)))
    is_flat = rng.random(bars) < share
    close = close[
        np.maximum.accumulate(np.where(is_flat, 0, np.arange(bars)))
    ]  # a bar that stands still keeps the price
    opened = np.concatenate([close[:1], close[:-1]])
    width = np.where(is_flat, 1.0, 1.0003)
    volume = np.where(is_flat & (rng.random(bars) < silent), 0.0, rng.integers(1, 9, bars).astype(float))
    frame = {
        "time": [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=bar) for bar in range(bars)],
        "open": opened,
        "high": np.maximum(opened, close) * width,
        "low": np.minimum(opened, close) / width,
        "close": close,
        "volume": volume,
    }
    return Candles.from_frame(pl.DataFrame(frame))


def flat(bars: int, *, volume: float = 1.0) -> Candles:
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(bars)]
    prices = dict.fromkeys(("open", "high", "low", "close"), np.full(bars, 1.0))
    return Candles.from_frame(pl.DataFrame({"time": times, **prices, "volume": np.full(bars, volume)}))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.6, 0.97])
@pytest.mark.parametrize("silent", [0.0, 1.0])
def test_no_standard_feature_loses_a_row(share, silent):
    candles = still(share, silent=silent)
    chosen = standard_features(candles.interval)
    samples = make_samples(candles, features=chosen, target=NextReturn(), window=LSTM().window)
    assert samples.is_complete.sum() == len(candles) - chosen.warmup - LSTM().window + 1
    assert undefined_shares(chosen, samples.inputs) == {}


@pytest.mark.parametrize("volume", [1.0, 0.0])
def test_a_price_that_never_moves(volume):
    candles = flat(300, volume=volume)
    chosen = Features(*standard_features(candles.interval).features, features.atr(), features.ema_ratio())
    values = dict(zip(chosen.columns, chosen.compute(candles)[-1], strict=True))
    expected = dict.fromkeys(chosen.columns, 0.0) | {
        "bollinger_20_2p0": 0.5,
        "realized_volatility_20": np.log(1e-5),
        **{f"log_range_{period}": np.log(1e-5) for period in (1, 5, 22)},
    }
    clock = {name for name in values if name.startswith("time_of")}
    assert {name: pytest.approx(expected[name], abs=1e-12) for name in values if name not in clock} == {
        name: value for name, value in values.items() if name not in clock
    }


def test_an_uptick_is_remembered_as_long_as_wilder_has_it():
    candles = flat(400)
    close = np.ones(400)
    close[100:] = 1.0001
    moved = replace(
        candles, frame=candles.frame.with_columns(pl.Series(name, close) for name in ("open", "high", "low", "close"))
    )
    values, memory = features.rsi(14)(moved)[:, 0], features.rsi(14).warmup
    assert (values[100 + 40 : 100 + memory] == 1.0).all()
    assert (values[100 + memory :] == 0.0).all()
    np.testing.assert_array_equal(features.rsi(14)(moved[150:])[memory:, 0], values[150 + memory :])


def test_a_still_bar_lowers_the_mean_range_and_more_of_them_lower_it_more():
    frame = CANDLES.frame
    before = np.inf
    for number in range(1, 6):
        rows = pl.int_range(pl.len()).is_between(1_000, 1_000 + number - 1)
        changed = frame.with_columns(
            pl.when(rows).then("close").otherwise(name).alias(name) for name in ("open", "high", "low")
        )
        values = features.log_range(5)(replace(CANDLES, frame=changed))[:, 0]
        assert np.isfinite(values[4:]).all()
        assert values[1_004] < before
        before = values[1_004]
        outside = np.r_[4:1_000, 1_004 + number : 1_500]
        np.testing.assert_array_equal(values[outside], features.log_range(5)(CANDLES)[outside, 0])
    assert before == pytest.approx(np.log(1e-5))
    one = CANDLES.frame.with_columns(high=pl.when(pl.int_range(pl.len()) == 1_000).then("low").otherwise("high"))
    one = one.with_columns(
        pl.when(pl.int_range(pl.len()) == 1_000).then("low").otherwise(name).alias(name) for name in ("open", "close")
    )
    ranges = np.log(CANDLES.high / CANDLES.low)[979:1_001]
    ranges[21] = 0.5 * ranges[:21].min()
    assert features.log_range(22)(replace(CANDLES, frame=one))[1_000, 0] == pytest.approx(np.log(ranges).mean())


def test_a_bar_without_volume_is_below_every_bar_with_some():
    volume = CANDLES.volume.copy()
    volume[500] = 0.0
    values = features.volume_change(20)(replace(CANDLES, frame=CANDLES.frame.with_columns(volume=pl.Series(volume))))[
        :, 0
    ]
    window = volume[481:501]
    smallest = window[window > 0].min()
    assert values[500] == pytest.approx(np.log(min(0.5 * smallest, window.mean() / 20) / window.mean()))
    assert values[500] < np.log(smallest / window.mean())


def test_ordinary_days_are_as_the_formulas_say_to_the_last_bit():
    candles = sample("sp500")
    ranges = np.log(np.log(candles.high / candles.low))
    for period in (1, 5, 22):
        expected = np.lib.stride_tricks.sliding_window_view(ranges, period).mean(axis=1)
        np.testing.assert_array_equal(features.log_range(period)(candles)[period - 1 :, 0], expected)


def test_the_naive_volatility_is_that_of_the_last_bars_that_moved():
    candles = still(0.3)
    target = Volatility(1)
    naive, outcome = target.naive(candles), target.values(candles)
    is_flat = candles.high == candles.low
    assert np.isfinite(naive[1:]).all()
    np.testing.assert_array_equal(np.isnan(outcome[:-1]), is_flat[1:])
    for row in np.flatnonzero(is_flat[1:])[:50] + 1:
        assert naive[row] == naive[row - 1]
    for stop in (1_000, 2_345):
        np.testing.assert_array_equal(target.naive(candles[:stop]), naive[:stop])
    assert np.isnan(Volatility(1).naive(flat(30))).all()


def test_undefined_columns_are_named_with_their_share():
    @feature(warmup=3, outputs=("one", "two"))
    def gaps(candles):
        row = np.arange(len(candles))
        return np.column_stack([np.where(row % 4, 1.0, np.nan), np.where(row % 10, 1.0, np.nan)])

    chosen = Features(features.log_return(), gaps)
    values = chosen.compute(CANDLES[:103])
    assert undefined_shares(chosen, values) == {"gaps_one": 0.25, "gaps_two": 0.1}
    assert undefined_words(chosen, values) == (
        "gaps_one is undefined in 25.0 % of the rows, gaps_two is undefined in 10.0 % of the rows"
    )
    assert undefined_words(chosen, values, most=1) == (
        "gaps_one is undefined in 25.0 % of the rows and 1 other column in fewer"
    )
    assert undefined_words(Features(features.log_return()), values[:, :1]) == ""
