"""Built-in features against their formulas, written with pandas or TA-Lib."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import talib

from candlecast import features
from candlecast.sources import synthetic

CANDLES = synthetic.garch(2_000, seed=5, interval="1h").candles
FRAME = CANDLES.to_pandas()
CLOSE, HIGH, LOW, VOLUME = FRAME["close"], FRAME["high"], FRAME["low"], FRAME["volume"]


def agree(
    feature: features.Feature, expected: pd.Series | np.ndarray, *, column: int = 0, tolerance: float = 1e-9
) -> None:
    """From the warm-up on, the column is as expected."""
    expected = np.asarray(expected)[feature.warmup :]
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(feature(CANDLES)[feature.warmup :, column], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("period", [1, 5])
def test_log_return(period):
    agree(features.log_return(period), np.log(CLOSE / CLOSE.shift(period)))


def test_scaled_close():
    agree(features.scaled_close(), CLOSE)


@pytest.mark.parametrize("period", [2, 20])
def test_sma_ratio(period):
    agree(features.sma_ratio(period), CLOSE / CLOSE.rolling(period).mean() - 1)


@pytest.mark.parametrize("period", [5, 20])
def test_ema_ratio(period):
    agree(features.ema_ratio(period), CLOSE / CLOSE.ewm(span=period, adjust=False).mean() - 1, tolerance=1e-4)
    agree(features.ema_ratio(period), CANDLES.close / talib.EMA(CANDLES.close, period) - 1)


@pytest.mark.parametrize("period", [2, 14])
def test_rsi(period):
    change = CLOSE.diff().fillna(0)
    gain = change.clip(lower=0).ewm(alpha=1 / period, adjust=False).mean()
    loss = (-change).clip(lower=0).ewm(alpha=1 / period, adjust=False).mean()
    agree(features.rsi(period), (gain - loss) / (gain + loss), tolerance=1e-3)
    agree(features.rsi(period), talib.RSI(CANDLES.close, period) / 50 - 1)
    agree(features.trend_strength(period), (gain - loss).abs() / (gain + loss), tolerance=1e-3)


@pytest.mark.parametrize(("period", "bars"), [(2, 2), (14, 13), (60, 160), (500, 64)])
def test_trend_strength_of_recent_moves(period, bars):
    weights = (1 - 1 / period) ** np.arange(bars)[::-1]
    change = CLOSE.diff()
    gain, loss = (
        side.clip(lower=0).rolling(bars).apply(lambda moves: moves @ weights, raw=True) for side in (change, -change)
    )
    agree(features.trend_strength(period, bars=bars), (gain - loss).abs() / (gain + loss), tolerance=1e-9)


def test_macd():
    line = CLOSE.ewm(span=12, adjust=False).mean() - CLOSE.ewm(span=26, adjust=False).mean()
    signal = line.ewm(span=9, adjust=False).mean()
    for column, expected in enumerate((line, signal, line - signal)):
        agree(features.macd(), expected / CLOSE, column=column, tolerance=1e-5)


def test_bollinger():
    mean, deviation = CLOSE.rolling(20).mean(), CLOSE.rolling(20).std(ddof=0)
    agree(features.bollinger(20, 2.0), (CLOSE - (mean - 2 * deviation)) / (4 * deviation), tolerance=1e-6)


def test_atr():
    before = CLOSE.shift(1)
    true_range = pd.concat([HIGH - LOW, (HIGH - before).abs(), (LOW - before).abs()], axis=1).max(axis=1)
    agree(features.atr(14), true_range.ewm(alpha=1 / 14, adjust=False).mean() / CLOSE, tolerance=1e-4)
    agree(features.atr(14), talib.ATR(CANDLES.high, CANDLES.low, CANDLES.close, 14) / CANDLES.close)


@pytest.mark.parametrize("period", [1, 20])
def test_realized_volatility(period):
    squares = np.log(CLOSE / CLOSE.shift(1)) ** 2
    agree(features.realized_volatility(period), np.log(np.sqrt(squares.rolling(period).mean())), tolerance=1e-6)


@pytest.mark.parametrize("period", [1, 22])
def test_log_range(period):
    agree(features.log_range(period), np.log(np.log(HIGH / LOW)).rolling(period).mean())


def test_volume_change():
    agree(features.volume_change(20), np.log(VOLUME / VOLUME.rolling(20).mean()))


def test_a_market_without_volume_has_no_change_of_it():
    volume = CANDLES.volume.copy()
    volume[300:400] = 0
    values = features.volume_change(20)(replace(CANDLES, frame=CANDLES.frame.with_columns(volume=pl.Series(volume))))
    assert (values[300:319] <= np.log(1 / 20) + 1e-9).all()  # below the others, however many there are
    np.testing.assert_array_equal(values[319:400], 0.0)
    silent = replace(CANDLES, frame=CANDLES.frame.with_columns(volume=0.0))
    defined = ~np.isnan(features.standard_features(silent.interval).compute(silent)).any(axis=1)
    assert defined[features.standard_features(silent.interval).warmup :].all()


def test_time_of_day_goes_round_once_a_day():
    values = features.time_of_day()(CANDLES)  # bar 0 closes at 01:00
    hours = np.array([5, 11, 17, 23])  # these bars close at 06:00, 12:00, 18:00 and 24:00
    np.testing.assert_allclose(values[hours], [[1, 0], [0, -1], [-1, 0], [0, 1]], atol=1e-12)
    np.testing.assert_array_equal(values[:24], values[24:48])


def test_time_of_week_begins_on_monday():
    values = features.time_of_week()(CANDLES)
    closes = pd.DatetimeIndex(CANDLES.close_time)
    at_start = (closes.day_of_week == 0) & (closes.hour == 0)
    assert at_start.sum() > 10
    np.testing.assert_allclose(values[at_start], np.tile([0, 1], (at_start.sum(), 1)), atol=1e-12)
    noon = (closes.day_of_week == 3) & (closes.hour == 12)  # half a week later
    np.testing.assert_allclose(values[noon], np.tile([0, -1], (noon.sum(), 1)), atol=1e-12)


def test_bars_that_do_not_move_have_the_smallest_values():
    close = CANDLES.close.copy()
    close[500:560] = close[500]
    still = {name: pl.Series(close) for name in ("open", "high", "low", "close")}
    volume = CANDLES.volume.copy()
    volume[700] = 0
    quiet = replace(CANDLES, frame=CANDLES.frame.with_columns(**still, volume=pl.Series(volume)))
    np.testing.assert_array_equal(features.log_range()(quiet)[:, 0], np.log(1e-5))
    volatility = features.realized_volatility(20)(quiet)[20:, 0]
    assert np.flatnonzero(volatility == np.log(1e-5)).tolist() == list(range(500, 540))
    assert np.isfinite(volatility).all()
    change = features.volume_change(20)(quiet)[19:, 0]
    assert np.isfinite(change).all()
    assert change.argmin() == 700 - 19


def test_leverage_effect():
    change = np.log(CLOSE / CLOSE.shift(1))
    usual = np.exp(np.log(np.log(HIGH / LOW)).rolling(22).mean())
    agree(features.leverage_effect(), change.clip(upper=0) / usual)
    agree(features.leverage_effect(), change.abs() / usual, column=1)
    agree(features.leverage_effect(), change.rolling(5).mean().clip(upper=0) / usual, column=2)
    assert features.leverage_effect(3).warmup == 5
    assert np.isnan(features.leverage_effect()(CANDLES[:4])).all()


@pytest.mark.parametrize(
    ("interval", "periods"),
    [("1m", (66, 288)), ("1h", (24, 168)), ("8h", (3, 21)), ("1d", (66,)), ("1w", ()), ("1mo", ())],
)
def test_standard_features_of_volatility_have_longer_ranges(interval, periods):
    plain, chosen = features.standard_features(interval), features.standard_features(interval, of_volatility=True)
    added = [name for name in chosen.columns if name not in plain.columns]
    assert [name for name in added if name.startswith("log_range")] == [f"log_range_{period}" for period in periods]
    assert [name for name in added if name.startswith("leverage")] == [
        f"leverage_effect_22_{part}" for part in ("fall", "move", "falls")
    ]
