"""Bar by bar equals all at once, to the last bit, however the bars are divided: features, forecasts, positions, account."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Costs
from candlecast.candles.growing import GrowingCandles
from candlecast.dataset.folds import PurgedKFold, WalkForward
from candlecast.errors import ConfigError
from candlecast.features import (
    Features,
    atr,
    bollinger,
    calendar,
    ema_ratio,
    feature,
    intraday_calendar,
    log_range,
    log_return,
    macd,
    outside,
    rsi,
    scaled_close,
    sma_ratio,
    standard_features,
    trend_strength,
    volume_change,
)
from candlecast.features.streaming import newest_values, require_streaming
from candlecast.fleet.settings import Fit
from candlecast.ledger import Ledger
from candlecast.live.forecasting import Forecaster
from candlecast.live.generations import generations_of
from candlecast.live.trading import Trader
from candlecast.models import GRU, LSTM, RNN, Conformal, LinearRegression
from candlecast.signals import HoldPosition, InverseVolatility, Kelly, Threshold, VolatilityTarget
from candlecast.sources import sample, synthetic
from candlecast.study import Study
from candlecast.study.fitted import parts_of
from candlecast.targets import NextReturn, Price, Several, Volatility

SIZES = (1, 7, 1_000)


@feature(warmup=3)
def of_the_user(candles):
    return np.concatenate([[np.nan] * 3, candles.close[3:] / candles.open[:-3] - 1])


@feature(warmup=1)
def log_return_of_the_user(candles):
    return np.concatenate([[np.nan], np.diff(candles.frame["open"].log().to_numpy())])


def silent(candles):
    """The same with bars without volume among them, and a price that stands still for a while."""
    volume = candles.volume.copy()
    volume[[405, 420, 421, 560]] = 0.0
    volume[600:650] = 0.0
    still = np.arange(len(volume)) // 25 == 20
    columns = {name: pl.when(still).then(100.0).otherwise(pl.col(name)) for name in ("open", "high", "low", "close")}
    return replace(candles, frame=candles.frame.with_columns(volume=pl.Series(volume), **columns))


@pytest.mark.parametrize(
    "candles",
    [
        sample("sp500")[:700],
        synthetic.random_walk(700, seed=2, interval="1h").candles,
        silent(synthetic.random_walk(700, seed=4, interval="1h").candles),
    ],
)
def test_features_bar_by_bar_are_those_of_all_at_once(candles):
    standard = standard_features(candles.interval).features
    own = replace(
        log_return_of_the_user, kind="log_return", parameters={"of": "mine"}
    )  # a function of the same name as one of ours
    more = (
        sma_ratio(9),
        rsi(5),
        macd(5, 9, 3),
        bollinger(10),
        volume_change(5),
        trend_strength(5),
        trend_strength(9, bars=37),
        calendar().on(candles),
        own,
    )
    if candles.interval.seconds < 86_400:
        more = (*more, intraday_calendar().on(candles))
    features = Features(*standard, atr(14), ema_ratio(7), scaled_close(), of_the_user, *more)
    whole, growing, found, row = features.compute(candles), GrowingCandles(candles[:400]), [], 400
    for size in (1, 1, 2, 50, 1, 120, 125):
        growing.append(candles[row : row + size])
        found.append(newest_values(features, growing, size))
        row += size
    assert row == 700
    np.testing.assert_array_equal(np.concatenate(found), whole[400:])


def test_what_is_kept_depends_on_the_number_of_bars_alone():
    candles = synthetic.random_walk(100, seed=2).candles
    one = GrowingCandles(candles[:1], most=32)
    for row in range(1, 100):
        one.append(candles[row : row + 1])
    for first in (1, 10, 31, 32, 64, 99):
        other = GrowingCandles(candles[:first], most=32)
        other.append(candles[first:])
        assert (other.first, len(other), other.end) == (one.first, len(one), one.end)
        assert other.candles(len(other)).frame.equals(one.candles(len(one)).frame)
    assert one.candles(3).frame.equals(candles[97:].frame)


def test_data_from_elsewhere_is_refused():
    table = pl.DataFrame({"known_at": [1], "value": [1.0]})
    table = table.with_columns(pl.col("known_at").cast(pl.Datetime("us", "UTC")))
    with pytest.raises(ConfigError, match="data from elsewhere, which a feed of candles does not bring"):
        require_streaming(Features(log_return(), outside("other", table)))


def walked(result, size, *, first=None):
    """Forecasts and account of a run's bars, from its first test bar on, in parts of a size."""
    candles, parts = result.candles, parts_of(result)
    times = candles.close_time
    row = int(
        np.searchsorted(times, result.positions[result.model].frame["time"].dt.replace_time_zone(None).to_numpy()[0])
    )
    generations = generations_of(result, parts, after=times[row])
    forecaster = Forecaster(
        candles[:row],
        features=parts.features,
        target=result.target,
        window=result.recipe["window"],
        generations=generations,
        model=result.model,
    )
    trader = Trader(parts.rule, result.costs, result.cash)
    trader.remember(candles[:row], None, forecaster.growing)
    frames, steps = [], []
    for start in range(row, len(candles), size):
        bars = candles[start : start + size]
        forecast = forecaster.step(bars)
        frames += [] if forecast is None else [forecast.frame]
        steps += trader.trade(bars, trader.decide(forecast, bars, forecaster.growing))
    return pl.concat(frames).sort("seed", "time"), steps, trader


def assert_same(result, size):
    frame, steps, trader = walked(result, size)
    expected = result.forecast.frame.sort("seed", "time")
    for name in ("time", "fold", "seed", "mean", "naive", "expected_return", *result.forecast.further):
        if not name.startswith(("known_at", "target", "naive_error", "train_mean")):
            np.testing.assert_array_equal(frame[name].to_numpy(), expected[name].to_numpy(), err_msg=name)
    table = result.backtest.equity
    np.testing.assert_array_equal([step.equity for step in steps], table["equity"].to_numpy())
    np.testing.assert_array_equal([step.account.units for step in steps], table["units"].to_numpy())
    fills = [fill for step in steps for fill in step.fills]
    assert [fill[4] for fill in fills] == result.backtest.fills["price"].to_list()
    assert [fill[5] for fill in fills] == result.backtest.fills["fee"].to_list()
    waits = result.backtest.pending
    assert waits is None or trader.pending == waits


CARRIED = Fit(epochs=1, batch=8, sampling="sequence")
WINDOWS = Fit(epochs=1, batch=32, sampling="windows")
STUDIES = {
    "lstm": Study(model=LSTM(hidden=6, window=8, training=CARRIED), folds=WalkForward(folds=3), seeds=2),
    "gru": Study(
        model=GRU(hidden=6, window=12, training=CARRIED), folds=WalkForward(folds=2), seeds=1, rule=Threshold(0.0005)
    ),
    "rnn": Study(
        model=RNN(hidden=6, window=8, training=WINDOWS), folds=WalkForward(folds=2), seeds=2, rule=HoldPosition()
    ),
    "price": Study(
        model=LSTM(hidden=4, window=8, training=CARRIED), target=Price(2), folds=WalkForward(folds=2), seeds=1
    ),
    "range": Study(
        model=LSTM(hidden=4, window=8, training=CARRIED),
        target=Volatility(),
        rule=InverseVolatility(),
        folds=WalkForward(folds=2),
        seeds=2,
        costs=Costs.binance_perpetual(),
    ),
    "several": Study(
        model=LSTM(hidden=4, window=8, training=CARRIED),
        target=Several(NextReturn(1), NextReturn(5)),
        folds=WalkForward(folds=2),
        seeds=1,
        rule=Kelly(halflife=20),
    ),
    "conformal": Study(
        model=Conformal(LSTM(hidden=4, window=8, training=CARRIED)),
        folds=WalkForward(folds=2),
        seeds=1,
        rule=VolatilityTarget(leverage=2.0),
    ),
}


@pytest.fixture(scope="module")
def gapped():
    """Hourly bars with gaps, one of them in a test part, and bars without trades."""
    candles = synthetic.ar1(460, seed=3, phi=0.2, interval="1h").candles
    rows = [row for row in range(460) if row not in (100, 101, 300, 301, 302, 351)]
    volume = pl.Series([0.0 if row % 37 == 5 else 1.0 + row % 7 for row in rows])
    return replace(candles, frame=candles.frame[rows].with_columns(volume=volume))


@pytest.mark.parametrize("name", STUDIES)
def test_bar_by_bar_is_the_run_and_its_backtest(name, gapped):
    features = Features(log_return(), log_range(), ema_ratio(5))
    study = replace(STUDIES[name], features=features, baselines=())
    result = study.run(gapped, ledger=Ledger.in_memory())
    for size in SIZES if name in ("lstm", "gru") else (40,):
        assert_same(result, size)


def test_a_longer_window_of_the_study_begins_the_memory_where_the_walk_does(gapped):
    """Another model of the study reads 20 bars: the net's memory begins 8 bars before the first that counts."""
    study = replace(STUDIES["lstm"], features=Features(log_return()), baselines=(LinearRegression(window=20),))
    assert_same(study.run(gapped, ledger=Ledger.in_memory()), 9)


def test_folds_that_know_later_bars_are_refused(gapped):
    study = replace(STUDIES["lstm"], folds=PurgedKFold(3), features=Features(log_return()), baselines=())
    result = study.run(gapped, ledger=Ledger.in_memory())
    with pytest.raises(ConfigError, match="whose models know bars after those that they forecast"):
        generations_of(result, parts_of(result), after=gapped.close_time[200])
