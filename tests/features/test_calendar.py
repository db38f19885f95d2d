"""Indicators of the calendar and session times: what is scheduled for the next bar, and nothing that was not."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.dataset.usual_features import features_for
from candlecast.errors import ConfigError
from candlecast.features import Features
from candlecast.interval import Interval
from candlecast.recipes import describe, restore
from candlecast.testing import check_feature

HOURLY = cc.synthetic.garch(600, seed=3, interval="1h").candles  # always open, UTC
SP500 = cc.sample("sp500")


def named(feature, candles):
    feature = feature.on(candles)
    return dict(zip(feature.columns, feature(candles).T, strict=True))


@pytest.mark.parametrize(
    ("interval", "columns"),
    [("5m", 32), ("1h", 32), ("4h", 14), ("8h", 11), ("1d", 8), ("3d", 1), ("1w", 1), ("1mo", 12), ("3mo", 4)],
)
def test_there_are_as_many_indicators_as_the_interval_warrants(interval, columns):
    assert len(cc.calendar(interval).columns) == columns


@pytest.mark.parametrize(
    ("interval", "columns"), [("1m", 12), ("5m", 12), ("7m", 9), ("30m", 2), ("1h", 24), ("4h", 6), ("12h", 2)]
)
def test_there_are_as_many_indicators_within_a_day_as_the_interval_warrants(interval, columns):
    assert len(cc.intraday_calendar(interval).columns) == columns


@pytest.mark.parametrize("interval", ["1d", "1w", "1mo"])
def test_days_have_no_calendar_within_a_day(interval):
    with pytest.raises(ConfigError, match=f"an intraday calendar of {interval} candles"):
        cc.intraday_calendar(interval)
    names = cc.standard_features(interval, of_volatility=True).columns
    assert not any("intraday" in name for name in names)


def test_indicators_within_a_day_are_those_of_the_next_bar():
    found = cc.intraday_calendar()(HOURLY)
    opens = HOURLY.frame["open_time"][1:]
    is_weekend = (opens.dt.weekday() >= 6).to_numpy()
    np.testing.assert_array_equal(found[:-1].sum(axis=1), is_weekend)
    np.testing.assert_array_equal(found[:-1].argmax(axis=1)[is_weekend], opens.dt.hour().to_numpy()[is_weekend])
    minutes = cc.synthetic.garch(600, seed=3, interval="5m").candles
    parts = cc.intraday_calendar()(minutes)[:-1].argmax(axis=1)
    np.testing.assert_array_equal(5 * parts, minutes.frame["open_time"][1:].dt.minute().to_numpy())


def test_a_calendar_of_years_is_refused():
    with pytest.raises(ConfigError, match="a calendar of 12mo candles"):
        cc.calendar("12mo")
    assert not any(
        "calendar" in name for name in cc.standard_features(Interval.parse("12mo"), has_calendar=True).columns
    )


def test_indicators_are_those_of_the_next_bar():
    found = named(cc.calendar(), HOURLY)
    following = HOURLY.frame["open_time"][1:]
    hours = np.column_stack([found[f"calendar_hour_{hour:02}"] for hour in range(24)])[:-1]
    np.testing.assert_array_equal(hours.argmax(axis=1), following.dt.hour().to_numpy())
    np.testing.assert_array_equal(found["calendar_monday"][:-1] == 1, (following.dt.weekday() == 1).to_numpy())
    np.testing.assert_array_equal(
        found["calendar_month_end"][:-1] == 1, (following.dt.month_end().dt.date() == following.dt.date()).to_numpy()
    )
    assert (hours.sum(axis=1) == 1).all()


def test_weekends_are_left_out_where_the_market_closes():
    found = named(cc.calendar(), SP500)
    assert not found["calendar_saturday"].any() and not found["calendar_sunday"].any()
    fridays = (SP500.frame["open_time"].dt.weekday() == 5).to_numpy()
    assert (found["calendar_monday"][fridays] == 1).all()
    last = SP500.frame["open_time"].dt.date().to_list().index(dt.date(1999, 1, 28))
    assert found["calendar_month_end"][last] == 1 and found["calendar_month_end"][last + 1] == 0  # Friday, 29 January


def test_months_are_those_that_the_next_bar_begins_in():
    frame = pl.DataFrame(
        {
            "open_time": pl.datetime_range(
                pl.datetime(2020, 1, 1), pl.datetime(2024, 12, 1), "1mo", eager=True, time_zone="UTC"
            )
        }
    ).with_columns(open=1.0, high=2.0, low=0.5, close=1.0, volume=1.0)
    monthly = cc.Candles.from_frame(frame, interval="1mo")
    np.testing.assert_array_equal(cc.calendar()(monthly).argmax(axis=1), np.arange(1, 61) % 12)


@pytest.mark.parametrize(
    ("make", "candles"),
    [
        (cc.calendar, HOURLY),
        (cc.calendar, SP500[:1_500]),
        (cc.session_time, HOURLY),
        (cc.session_time, SP500[:1_500]),
        (cc.intraday_calendar, HOURLY),
        (cc.intraday_calendar, cc.synthetic.garch(600, seed=3, interval="5m").candles),
    ],
    ids=[
        "calendar, hours",
        "calendar, days",
        "session, hours",
        "session, days",
        "intraday, hours",
        "intraday, 5 minutes",
    ],
)
def test_they_are_causal_and_the_same_when_candles_come_one_by_one(make, candles):
    feature = make().on(candles)
    check_feature(feature, candles)
    whole = feature(candles)
    for stop in (1, 2, 50, 333, len(candles)):
        np.testing.assert_array_equal(feature(candles[:stop]), whole[:stop])


def test_session_times_of_a_market_that_never_closes_are_zero():
    assert not cc.session_time()(HOURLY).any()


def test_hours_until_the_session_opens_again():
    clock = cc.candles.TradingClock.parse("09:30-16:00 America/New_York")
    times = pl.datetime_range(
        pl.datetime(2024, 2, 26, 14, 30), pl.datetime(2024, 3, 1, 20, 30), "30m", eager=True, time_zone="UTC"
    )
    local = times.dt.convert_time_zone("America/New_York")
    minutes = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute()
    times = times.filter((minutes >= 9 * 60 + 30) & (minutes < 16 * 60))
    frame = pl.DataFrame({"open_time": times}).with_columns(open=1.0, high=2.0, low=0.5, close=1.0, volume=1.0)
    candles = cc.Candles.from_frame(frame, interval="30m", clock=clock)
    since, until = np.expm1(cc.session_time()(candles)).T
    np.testing.assert_allclose(since[:13], np.arange(1, 14) / 2)
    assert not until[:12].any()
    assert until[12] == pytest.approx(17.5) and until[-1] == pytest.approx(65.5)


def test_holidays_by_rule_are_known_and_closings_that_nobody_planned_are_not():
    pytest.importorskip("exchange_calendars")
    _, until, holiday = cc.session_time("XNYS")(SP500).T
    days = SP500.frame["open_time"].dt.date().to_list()
    before = days.index(dt.date(1999, 1, 15))  # the Friday before Martin Luther King's day
    assert holiday[before] == 1 and np.expm1(until[before]) == pytest.approx(72)
    assert holiday[days.index(dt.date(2001, 9, 10))] == 0 and until[days.index(dt.date(2001, 9, 10))] == 0
    with pytest.raises(ConfigError, match="exchange is 'XNYX'"):
        cc.session_time("XNYX")


def test_volatility_has_the_calendar_among_its_standard_features_and_returns_have_not():
    assert "calendar_monday" in features_for(None, SP500, cc.Volatility()).columns
    assert "intraday_calendar_weekend_00" in features_for(None, HOURLY, cc.Volatility()).columns
    assert "calendar_monday" in features_for(None, SP500, cc.Several(cc.NextReturn(), cc.Volatility())).columns
    assert not any("calendar" in name for name in features_for(None, SP500, cc.NextReturn()).columns)
    chosen = Features(cc.log_return())
    assert features_for(chosen, SP500, cc.Volatility()) is chosen


def test_open_features_are_settled_by_each_walk_and_come_back_from_their_description():
    features = Features(cc.log_return(), cc.calendar().scaled(cc.Unscaled()))
    with pytest.raises(ConfigError, match="the columns of calendar depend on the candles"):
        _ = features.columns
    study = cc.Study(model=cc.LinearRegression(), features=features, target=cc.Volatility(), folds=cc.Holdout(0.8))
    settled = features.on(SP500)
    assert settled.columns[1] == "calendar_monday" and settled.features[1].scaling == cc.Unscaled()
    assert restore(describe(settled)).columns == settled.columns
    assert study.recipe(SP500)["features"] == describe(settled)
    np.testing.assert_array_equal(features.compute(SP500), settled.compute(SP500))
    forecast = cc.walk_forward(study.model, SP500[:900], features=features, target=study.target, folds=cc.Holdout(0.8))
    assert len(forecast.frame) > 100


def test_a_rhythm_of_the_week_is_learnt():
    generator = np.random.default_rng(0)
    opened = pl.datetime_range(pl.datetime(2015, 1, 1), pl.datetime(2019, 1, 1), "1d", eager=True, time_zone="UTC")
    calm = (opened.dt.weekday() > 5).to_numpy()
    size = 0.02 * np.where(calm, 0.5, 1.0) * np.exp(0.1 * generator.standard_normal(len(opened)))
    frame = pl.DataFrame(
        {"open_time": opened, "open": 1.0, "high": np.exp(size), "low": 1.0, "close": 1.0, "volume": 1.0}
    )
    candles = cc.Candles.from_frame(frame, interval="1d")
    errors = {}
    for name, features in {
        "without": Features(cc.log_range(1)),
        "with": Features(cc.log_range(1), cc.calendar()),
    }.items():
        walked = cc.walk_forward(cc.LinearRegression(), candles, features=features, target=cc.Volatility()).frame
        errors[name] = float(((walked["mean"] - walked["target"]) ** 2).mean())
    assert errors["with"] < 0.2 * errors["without"]
