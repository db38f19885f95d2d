"""Every feature is causal, settles within its warm-up and does not depend on the price level; sets of features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast import features
from candlecast.errors import CandleError, ConfigError, NotEnoughDataError
from candlecast.features import Feature, Features, MinMax, Robust, Standard, standard_features
from candlecast.interval import Interval
from candlecast.sources import sample, synthetic
from candlecast.testing import check_feature
from trading_hours import NEW_YORK, candles, days, each, sessions

CANDLES = synthetic.garch(1_000, seed=0, interval="1h").candles

BUILT_IN = [
    *[features.log_return(period) for period in (1, 7, 100)],
    features.scaled_close(),
    *[features.sma_ratio(period) for period in (2, 20, 200)],
    *[features.ema_ratio(period) for period in (2, 20, 100)],
    *[features.rsi(period) for period in (2, 14, 50)],
    *[features.trend_strength(period) for period in (3, 14)],
    *[features.trend_strength(period, bars=bars) for period, bars in ((3, 5), (60, 160))],
    features.macd(),
    features.macd(3, 10, 16),
    features.macd(5, 35, 5),
    features.bollinger(),
    features.bollinger(5, 1.5),
    *[features.atr(period) for period in (1, 14, 50)],
    *[features.realized_volatility(period) for period in (1, 20)],
    *[features.log_range(period) for period in (1, 5, 22)],
    *[features.leverage_effect(period) for period in (2, 22)],
    *[features.volume_change(period) for period in (2, 20, 100)],
    features.time_of_day(),
    features.time_of_week(),
    features.calendar("1h"),
    features.calendar("4h"),
    features.intraday_calendar("1h"),
    features.session_time(),
]
LEVEL_FREE = [feature for feature in BUILT_IN if feature.kind not in {"scaled_close", "volume_change"}]


def test_no_built_in_feature_is_left_out():
    makers = {name for name in features.__all__ if name[0].islower()} - {
        "at",  # these two in test_elsewhere.py
        "of",
        *features.ACROSS,  # these in tests/panel/test_across.py
        "across_of",
        "taker_imbalance",  # these three in test_activity.py
        "trade_size_change",
        "trades_change",
        "feature",
        "fit_scaling",
        "outside",
        "standard_features",
        "undefined_shares",
        "undefined_words",
    }
    assert {feature.kind for feature in BUILT_IN} == makers


@pytest.mark.parametrize("feature", BUILT_IN, ids=lambda feature: feature.name)
def test_built_in_features_are_causal_and_settle(feature):
    for seed in (0, 1):
        check_feature(feature, seed=seed)


def test_built_in_features_are_causal_on_real_days():
    for feature in standard_features(Interval.parse("1d")).features:
        check_feature(feature, sample("sp500")[:1_500])


@pytest.mark.parametrize("feature", LEVEL_FREE, ids=lambda feature: feature.name)
@pytest.mark.parametrize("factor", [1e-7, 1e6])
def test_the_price_level_does_not_matter(feature, factor):
    other = replace(CANDLES, frame=CANDLES.frame.with_columns(pl.col("open", "high", "low", "close") * factor))
    np.testing.assert_allclose(feature(other), feature(CANDLES), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("feature", BUILT_IN, ids=lambda feature: feature.name)
def test_candles_shorter_than_a_feature_give_no_value(feature):
    for bars in (1, 2, 5):
        values = feature(CANDLES[:bars])
        assert values.shape == (bars, len(feature.columns))
        assert np.isnan(values[: feature.warmup]).all()


def test_a_set_computes_its_columns_in_order():
    chosen = Features(features.log_return(), features.macd(), features.time_of_day())
    values = chosen.compute(CANDLES)
    assert chosen.columns == (
        "log_return_1",
        "macd_12_26_9_line",
        "macd_12_26_9_signal",
        "macd_12_26_9_histogram",
        "time_of_day_sin",
        "time_of_day_cos",
    )
    assert (values.dtype, values.shape, values.flags.c_contiguous) == (np.float64, (1_000, 6), True)
    np.testing.assert_array_equal(values[:, 1:4], features.macd()(CANDLES))
    assert np.isfinite(values[chosen.warmup :]).all()
    assert chosen.warmup == features.macd().warmup


def test_the_scaling_of_a_feature_goes_before_that_of_its_set():
    chosen = Features(features.log_return(), features.scaled_close(), features.rsi().scaled(Robust()))
    assert chosen.scalers == (Standard(), MinMax(), Robust())
    assert Features(features.log_return(), scaling=Robust()).scalers == (Robust(),)


def test_standard_features_have_a_clock_only_within_the_day():
    assert "time_of_week_sin" in standard_features(Interval.parse("1h")).columns
    assert not any("time" in column for column in standard_features(Interval.parse("1d")).columns)


def test_features_are_values():
    assert features.rsi(14) == features.rsi(14)
    assert features.rsi(14) != features.rsi(15)
    assert hash(features.rsi(14)) == hash(features.rsi(14))
    assert features.bollinger(20, 2.5).name == "bollinger_20_2p5"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: features.log_return(0),
            "period of log_return is 0; expected 1 bar or more. Use for example log_return(20).",
        ),
        (lambda: features.rsi(1), "period of rsi is 1; expected 2 bars or more. Use for example rsi(20)."),
        (lambda: features.atr(-3), "period of atr is -3; expected 1 bar or more."),
        (lambda: features.bollinger(1), "period of bollinger is 1; expected 2 bars or more."),
        (lambda: features.bollinger(20, 0.0), "width of bollinger is 0.0; expected a number above 0."),
        (
            lambda: features.macd(26, 12, 9),
            "macd(26, 12, 9); expected whole numbers of bars, 2 <= fast < slow and a signal of 1 bar or more.",
        ),
        (lambda: Feature("mine", lambda c: c.close, -1), "warmup of mine is -1; expected 0 or more bars."),
        (Features, "Features() is empty; expected at least one feature. Add cc.log_return()."),
        (lambda: Features(features.rsi(), features.rsi()), "column rsi_14 is given twice; expected distinct features."),
        (lambda: MinMax(1.0, 0.0), "MinMax range is 1.0..0.0; expected low below high."),
    ],
)
def test_parameters_that_cannot_mean_anything(make, message):
    with pytest.raises(ConfigError) as error:
        make()
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("kind", ["sma_ratio", "ema_ratio", "realized_volatility", "log_range"])
def test_a_period_of_nothing(kind):
    with pytest.raises(ConfigError, match=f"period of {kind} is 0; expected 1 bar or more"):
        getattr(features, kind)(0)
    assert len(getattr(features, kind)(1).compute(CANDLES)) == len(CANDLES)


@pytest.mark.parametrize("kind", ["volume_change", "trades_change", "trade_size_change"])
def test_the_average_of_one_bar_is_the_bar(kind):
    with pytest.raises(ConfigError, match=f"period of {kind} is 1; expected 2 bars or more"):
        getattr(features, kind)(1)


def test_a_warm_up_longer_than_the_candles():
    with pytest.raises(NotEnoughDataError) as error:
        Features(features.log_return(), features.sma_ratio(200)).compute(CANDLES[:199])
    assert str(error.value) == (
        "GARCH(1,1) has 199 candles, and sma_ratio_200 settles after 199; expected more than 199 candles. "
        "Give more candles or features with a shorter memory."
    )
    assert np.isfinite(Features(features.sma_ratio(200)).compute(CANDLES[:200])[-1]).all()


def test_nothing_is_computed_on_unsound_candles():
    unsound = replace(CANDLES, frame=CANDLES.frame.with_columns(close=-pl.col("close")))
    with pytest.raises(CandleError, match="price of zero or below"):
        Features(features.log_return()).compute(unsound)


def test_a_feature_of_a_wrong_shape():
    with pytest.raises(ConfigError) as error:
        Feature("mine", lambda candles: candles.close[1:], 0)(CANDLES)
    assert str(error.value).startswith(
        "feature mine gave shape (999, 1) for 1000 candles; expected (1000,) or (1000, 1). Return one value per candle"
    )


def test_what_a_feature_gives_may_be_read_only_and_stays_untouched():
    values = Feature("mine", lambda candles: candles.close, 3)(CANDLES)
    assert np.isnan(values[:3]).all()
    assert np.isfinite(CANDLES.close).all()


def test_infinite_values_are_undefined():
    with np.errstate(divide="ignore"):
        values = Feature("mine", lambda candles: 1 / (candles.close - candles.close[5]), 0)(CANDLES)
    assert np.isnan(values[5, 0])
    assert np.isfinite(np.delete(values[:, 0], 5)).all()


def test_the_clock_of_a_session_is_the_same_in_summer_and_winter():
    market = candles(sessions(NEW_YORK, days("2024-01-02", "2024-12-31"), each(30, "09:30-16:00")))
    closes = features.time_of_day()(market)
    closes_at_ten = market.local_time == market.local_time.astype("datetime64[D]") + np.timedelta64(570, "m")
    assert len(np.unique(closes[closes_at_ten], axis=0)) == 1
    week = features.time_of_week()(market)
    assert len(np.unique(week, axis=0)) == 5 * 13
    utc = market.on_clock("always")
    assert len(np.unique(features.time_of_day()(utc)[closes_at_ten], axis=0)) == 2
    check_feature(features.time_of_week(), market)


@pytest.mark.parametrize("scaling", [20, "minmax", MinMax])
def test_a_scaling_is_a_recipe(scaling):
    said = "expected a scaling recipe, such as MinMax.*pass an instance"
    with pytest.raises(ConfigError, match=f"scaling of scaled_close is .*; {said}"):
        features.scaled_close(scaling)
    with pytest.raises(ConfigError, match=f"scaling of rsi is .*; {said}"):
        features.rsi(14).scaled(scaling)
    with pytest.raises(ConfigError, match=f"scaling of Features is .*; {said}"):
        Features(features.rsi(14), scaling=scaling)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (features.log_return, "feature 2 is the function log_return"),
        (np.zeros(3), "feature 2 is of type ndarray"),
        (14, "feature 2 is 14"),
    ],
)
def test_a_set_takes_features_alone(given, said):
    with pytest.raises(ConfigError, match=f"{said}; expected a feature, such as .*Call functions that make features"):
        Features(features.rsi(14), given)
