"""Features of other candles and of longer ones: joined when known, never before; streaming equals batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import candlecast as cc
from candlecast.causality import require_causal_features
from candlecast.errors import ConfigError, LookaheadError, RunError
from candlecast.features import Features
from candlecast.recipes import describe, restore
from candlecast.testing import check_feature
from trading_hours import NEW_YORK, candles, days, each, sessions

HOURLY = cc.synthetic.garch(2_100, seed=1, interval="1h").candles
WORLD = cc.synthetic.lead_lag(1_500, seed=2)


@cc.feature(warmup=1)
def tomorrow(c):
    return np.append(np.log(c.close[1:] / c.close[:-1]), np.nan)


def stocks():
    """Half hours of New York over 60 days, three of which end at 13:00."""
    trading = days("2023-10-02", "2023-12-29", closed=["2023-11-23", "2023-12-25"])
    times = sessions(NEW_YORK, trading, each(30, "09:30-16:00"))
    short = {"2023-11-24", "2023-11-03", "2023-12-08"}
    kept = [time for time in times if str(time.date()) not in short or time.hour < 18]
    return candles(kept)


@pytest.mark.parametrize(
    "feature",
    [
        cc.at("1d", cc.log_return()),
        cc.at("4h", cc.macd(3, 8, 3)),
        cc.at("1w", cc.log_range(1)),
        cc.at("8h", cc.calendar()),
    ],
)
def test_longer_candles_are_causal_and_their_warm_up_is_long_enough(feature):
    check_feature(feature.on(HOURLY), HOURLY)


def test_other_candles_are_causal():
    check_feature(cc.of(WORLD.leader, cc.macd()), WORLD.candles)


def test_values_of_a_long_bar_count_from_its_end_on():
    daily = HOURLY.resample("1d")
    expected = dict(zip(daily.close_time, cc.log_return()(daily)[:, 0], strict=True))
    values = cc.at("1d", cc.log_return())(HOURLY)[:, 0]
    for row in (200, 215, 216, 217, 1_999):
        newest = max(time for time in expected if time <= HOURLY.close_time[row])
        assert values[row] == expected[newest]


@pytest.mark.parametrize("interval", ["1d", "2h", "4h", "1w"])
def test_streaming_equals_batch_in_a_market_with_short_sessions(interval):
    market = stocks()
    feature = cc.at(interval, cc.log_range(2)).on(market)
    whole = feature(market)
    assert np.isfinite(whole[feature.warmup :]).all()
    for stop in range(feature.warmup + 1, len(market) + 1, 7 if interval == "1d" else 13):
        np.testing.assert_array_equal(feature(market[:stop]), whole[:stop])
    for start in (1, 5, 40, 77):
        part = feature(market[start:])
        np.testing.assert_array_equal(part[feature.warmup :], whole[start:][feature.warmup :])


def test_a_gap_leaves_long_bars_out_and_values_undefined_where_too_few_are_left():
    holed = replace(HOURLY, frame=HOURLY.frame[[*range(700), *range(705, 2_100)]])
    feature = cc.at("1d", cc.log_return(3)).on(HOURLY)
    whole, part = feature(HOURLY)[:, 0], feature(holed)[:, 0]
    np.testing.assert_array_equal(part[feature.warmup : 700], whole[feature.warmup : 700])
    after = 705 + feature.warmup + 24
    np.testing.assert_array_equal(part[after - 5 :], whole[after:])
    check_feature(feature, holed)


def test_an_asset_that_leads_is_used_as_soon_as_it_is_known():
    features = Features(cc.of(WORLD.leader, cc.log_return()))
    assert features.columns == (f"{WORLD.leader.symbol}_{WORLD.leader.interval}_log_return_1",)
    forecast = cc.walk_forward(cc.LinearRegression(), WORLD.candles, features=features)
    alone = cc.walk_forward(cc.LinearRegression(), WORLD.candles, features=Features(cc.log_return()))
    error = [float(((each.frame["mean"] - each.frame["target"]) ** 2).mean()) for each in (forecast, alone)]
    assert error[0] < 0.98 * error[1]


def test_values_of_other_candles_grow_old():
    daily = HOURLY.resample("1d")[:20]
    assert np.isfinite(cc.of(daily, cc.log_return())(HOURLY)[-1]).all()
    assert np.isnan(cc.of(daily, cc.log_return(), max_age="2d")(HOURLY)[-1]).all()


@pytest.mark.parametrize("make", [lambda f: cc.of(WORLD.leader, f), lambda f: cc.at("1d", f)], ids=["of", "at"])
def test_a_feature_of_your_own_is_checked_on_its_own_candles(make):
    with pytest.raises(LookaheadError, match="feature tomorrow"):
        cc.walk_forward(cc.Naive(), HOURLY, features=Features(cc.log_return(), make(tomorrow)))
    with pytest.raises(LookaheadError, match="feature tomorrow"):
        require_causal_features(Features(make(tomorrow)).on(HOURLY), HOURLY)


def test_they_come_back_from_their_description_with_the_candles():
    features = Features(cc.at("1d", cc.rsi(2)), cc.of(WORLD.leader, cc.log_return(), max_age="3d")).on(HOURLY)
    described = describe(features)
    assert "identity" not in str(described)
    again = restore(described, candles=[WORLD.leader])
    assert again.columns == features.columns and describe(again) == described
    np.testing.assert_array_equal(again.compute(HOURLY), features.compute(HOURLY))
    with pytest.raises(RunError, match="are named, not stored"):
        restore(described)
    other = describe(Features(cc.of(WORLD.candles, cc.log_return(), max_age="3d")))
    assert other["features"][0] != described["features"][1]


def test_a_feature_that_only_looks_like_one_is_described_by_its_code():
    stock = cc.at("1d", cc.log_return()).on(HOURLY)
    changed = replace(stock, compute=lambda c: np.zeros((len(c), 1)))
    assert "identity" in describe(changed) and "identity" not in describe(stock)
    mine = describe(cc.at("1d", tomorrow).on(HOURLY))
    assert "identity" in mine and "identity" in mine["parameters"]["feature"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: cc.at("1d", cc.rsi), "at is given function for a feature"),
        (lambda: cc.of(HOURLY, "rsi"), "of is given str for a feature"),
        (lambda: cc.at("1d", cc.rsi(14), bars=0), "bars is 0"),
        (lambda: cc.at("1d", cc.calendar(), bars=24), "calendar has no columns yet"),
        (lambda: cc.at("90m", cc.rsi(14))(HOURLY), "90m is no multiple of 1h"),
    ],
)
def test_what_cannot_be_computed_is_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_a_result_names_the_other_candles_that_it_depends_on():
    study = cc.Study(cc.LinearRegression(), features=Features(cc.log_return()), baselines=(), seeds=1)
    candles, leader = WORLD.candles[:600], WORLD.leader
    for features, target, expected in (
        (Features(cc.log_return()), cc.NextReturn(), ()),
        (Features(cc.of(leader, cc.log_return()), cc.at("2d", cc.log_return())), cc.NextReturn(), ("LEADER 1d",)),
        (Features(cc.log_return()), cc.ExcessReturn(leader), ("LEADER 1d",)),
    ):
        result = replace(study, features=features, target=target).run(candles, ledger=cc.Ledger.in_memory())
        assert result.verdict.evidence.conditions.outside == expected


def test_an_edge_that_rests_on_other_candles_says_so():
    study = cc.Study(
        cc.LinearRegression(), features=Features(cc.of(WORLD.leader, cc.log_return())), baselines=(), seeds=1
    )
    verdict = study.run(WORLD.candles, ledger=cc.Ledger.in_memory()).verdict
    assert verdict.has_edge
    assert "The forecast uses data from outside (LEADER 1d)" in verdict.text
