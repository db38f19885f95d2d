"""Features and rules of the clock: a plain time passes, a table of hours or dates is named, a rule of the clock refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.causality import clock_features, require_causal_rule
from candlecast.causality.rules import _require_forecasts_used
from candlecast.sources.synthetic import random_walk

HOURS = cc.synthetic.random_walk(3_000, seed=3, interval="1h").candles
DAYS = cc.synthetic.random_walk(3_000, seed=3).candles


def hour(candles):
    return candles.open_time.astype("datetime64[h]").astype(np.int64) % 24


def weekday(candles):
    return (candles.open_time.astype("datetime64[D]").astype(np.int64) + 3) % 7


def month(candles):
    return candles.open_time.astype("datetime64[M]").astype(np.int64) % 12


def own_feature(compute):
    def own(candles):
        return compute(candles).astype(float)

    return cc.feature(warmup=0)(own)


def of(compute):
    return cc.Features(cc.log_return(), own_feature(compute))


def table(key, size):
    """A table with an entry by key, drawn at random, as one made from what happened would look."""
    entries = np.random.default_rng(0).standard_normal(size)
    return lambda candles: entries[key(candles)]


PLAIN = {
    "number of the hour": (hour, HOURS),
    "sine of the hour": (lambda candles: np.sin(2 * np.pi * hour(candles) / 24), HOURS),
    "hour of New York": (lambda candles: (hour(candles) - 5) % 24, HOURS),
    "flag of an hour": (lambda candles: hour(candles) == 14, HOURS),
    "flag of a session": (lambda candles: (hour(candles) >= 22) | (hour(candles) < 5), HOURS),
    "number of the weekday": (weekday, DAYS),
    "weekend": (lambda candles: weekday(candles) >= 5, DAYS),
    "cosine of the weekday": (lambda candles: np.cos(2 * np.pi * weekday(candles) / 7), HOURS),
    "month": (month, DAYS),
    "sine of the month": (lambda candles: np.sin(2 * np.pi * month(candles) / 12), DAYS),
    "January": (lambda candles: month(candles) == 0, DAYS),
    "price": (lambda candles: candles.close / candles.open, DAYS),
    "range by hour": (lambda candles: (candles.high / candles.low - 1) * (1 + hour(candles)), HOURS),
}
TABLES = {
    "of the hours": (table(hour, 24), HOURS),
    "of the hours of the week": (table(lambda candles: 24 * weekday(candles) + hour(candles), 168), HOURS),
    "of weekdays": (table(weekday, 7), DAYS),
    "of months": (table(month, 12), DAYS),
    "with a trace of the price": (
        lambda candles: table(hour, 24)(candles) + 1e-3 * (candles.close > candles.open),
        HOURS,
    ),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_time_and_a_price_are_no_table(name):
    compute, candles = PLAIN[name]
    assert clock_features(of(compute), candles) == ()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_clock_is_named(name):
    compute, candles = TABLES[name]
    assert clock_features(of(compute), candles) == ("own",)


def test_one_within_a_longer_interval_is_named():
    assert clock_features(cc.Features(cc.at("1d", own_feature(table(weekday, 7)))), HOURS) == ("own_1d",)


def test_candlecasts_own_calendar_and_outside_data_are_none():
    frame = DAYS.frame.select(time="close_time", value=pl.lit(1.0) + pl.int_range(pl.len()) % 5)
    features = cc.Features(cc.calendar(), cc.outside("macro", frame, known_at="time"))
    assert clock_features(features, DAYS) == ()


def test_an_edge_of_a_table_made_of_what_happened_is_not_claimed():
    """The mean move of each hour of the week of these very candles: known beforehand, and an answer all the same."""
    moves = np.append(np.diff(np.log(HOURS.close)), 0.0)
    key = (24 * weekday(HOURS) + (hour(HOURS) + 1) % 24) % 168
    means = np.bincount(key, moves, 168) / np.bincount(key, minlength=168)

    @cc.feature(warmup=0)
    def almanac(candles):
        return means[(24 * weekday(candles) + (hour(candles) + 1) % 24) % 168]

    study = cc.Study(
        cc.LinearRegression(),
        features=cc.Features(almanac),
        rule=cc.FollowDirection(),
        costs=cc.Costs(fee_bps=0.5, slippage_bps=0.5),
        baselines=(),
        seeds=1,
    )
    result = study.run(HOURS, ledger=cc.Ledger.in_memory())
    assert "features of the time alone" in result.audit.line
    assert result.verdict.evidence.forecast_p_adjusted < 0.05  # it would be claimed
    assert not result.verdict.is_forecastable
    assert not result.verdict.has_edge
    assert result.verdict.headline == "No edge found: the forecast rests on a table of the clock."
    assert "lmanac depends on the time alone" in result.verdict.text


def rule_of(decide):
    def rule(forecast, candles):
        frame = forecast.frame.filter(pl.col("seed") == pl.col("seed").min()).sort("time")
        return cc.Positions(frame.select("time", "symbol", position=decide(frame)))

    return rule


HOUR, SIGN = pl.col("time").dt.hour(), pl.col("mean").sign()
RULES = {
    "a table of hours": (HOUR.is_in([1, 4, 7, 13]).cast(pl.Float64) * 2 - 1, True),
    "with a trace of the forecast": (HOUR.is_in([1, 4, 7, 13]).cast(pl.Float64) * 2 - 1 + 0.1 * SIGN, True),
    "the sign of the forecast": (SIGN, False),
    "the sign within a session": (SIGN * HOUR.is_between(8, 16).cast(pl.Float64), False),
    "long within a session where it rises": ((HOUR.is_between(8, 16) & (SIGN > 0)).cast(pl.Float64), False),
    "always long": (SIGN.is_finite().cast(pl.Float64), False),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_goes_by_the_clock_is_refused(name):
    expression, is_refused = RULES[name]
    study = cc.Study(
        cc.LinearRegression(),
        features=cc.Features(cc.log_return()),
        rule=rule_of(lambda frame: frame.select(expression.clip(-1, 1).alias("x"))["x"]),
        baselines=(),
        seeds=1,
    )
    if is_refused:
        with pytest.raises(cc.LookaheadError, match="go by the clock"):
            study.run(HOURS, ledger=cc.Ledger.in_memory())
    else:
        assert study.run(HOURS, ledger=cc.Ledger.in_memory()).verdict


def test_a_trace_of_the_forecast_does_not_hide_the_clock():
    study = cc.Study(cc.LinearRegression(), features=cc.Features(cc.log_return()), baselines=(), seeds=1)
    forecast = study.run(HOURS, ledger=cc.Ledger.in_memory()).forecast
    expression, _ = RULES["with a trace of the forecast"]
    rule = rule_of(lambda frame: frame.select(expression.clip(-1, 1).alias("x"))["x"])
    with pytest.raises(cc.LookaheadError, match="go by the clock"):
        require_causal_rule(rule, forecast, HOURS)


def test_a_rule_of_slow_moves_of_the_price_does_not_go_by_the_clock():
    """On paths that happen to go the same way it holds the same: on their reverse it does not."""

    def against(forecast, candles):
        times = forecast.frame["time"].unique().sort()
        log, bars = np.log(candles.close), np.arange(len(candles))
        first = int(np.searchsorted(candles.close_time, times[0].replace(tzinfo=None)))
        beyond = log - log[first] - (log[first] - log[0]) / first * (bars - first)
        held = np.round(np.clip(-0.5 - 0.5 * beyond, -1.0, 0.0) / 0.05) * 0.05
        table = pl.DataFrame({"time": candles.frame["close_time"], "position": held})
        return cc.Positions(forecast.averaged().frame.select("time", "symbol").join(table, on="time", how="left"))

    study = cc.Study(cc.LinearRegression(window=1), features=cc.Features(cc.log_return()), baselines=(), seeds=1)
    study = replace(study, folds=cc.WalkForward(folds=2))
    given = random_walk(1_000, seed=0, volatility=0.012, drift=-0.0015).candles
    forecast = study.run(given, ledger=cc.Ledger.in_memory()).forecast
    for seed in range(20):
        candles = random_walk(1_000, seed=seed, volatility=0.012, drift=-0.0015).candles
        held = against(forecast, candles).frame
        _require_forecasts_used(against, None, forecast, candles, held)
