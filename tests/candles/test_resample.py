"""Longer candles: equal to pandas', whole, and never showing what is not known by their close."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.errors import CandleError, ConfigError
from candlecast.interval import Interval
from candlecast.sources import sample, synthetic
from trading_hours import NEW_YORK, candles, days, each, globex, sessions

RULES = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
HOURLY = synthetic.garch(24 * 60, seed=3, interval="1h").candles


@pytest.mark.parametrize(
    ("interval", "pandas_rule"), [("2h", "2h"), ("4h", "4h"), ("12h", "12h"), ("1d", "1D"), ("1w", "W-MON")]
)
def test_equals_pandas_on_a_market_without_holes(interval, pandas_rule):
    options = {"label": "left", "closed": "left"} if interval == "1w" else {}
    resampler = HOURLY.to_pandas().resample(pandas_rule, **options)
    expected = resampler.agg(RULES)
    whole = resampler["close"].count() == Interval.parse(interval).seconds // 3_600
    expected = expected[whole]
    ours = HOURLY.resample(interval)
    assert ours.frame["open_time"].to_list() == expected.index.to_pydatetime().tolist()
    for name in RULES:
        np.testing.assert_allclose(getattr(ours, name), expected[name].to_numpy(), rtol=1e-12)
    assert ours.close_time.tolist() == (ours.open_time + np.timedelta64(Interval.parse(interval).seconds, "s")).tolist()


def test_a_partial_bar_is_never_made():
    broken = replace(HOURLY, frame=HOURLY.frame[[*range(2, 30), *range(31, 101)]])
    ours = broken.resample("4h")
    full = HOURLY.resample("4h")
    expected = full.frame[[row for row in range(1, 25) if row != 7]]
    assert ours.frame.equals(expected)


def test_the_grid_does_not_depend_on_where_the_candles_begin():
    for interval in ("4h", "1d", "1w", "2w"):
        whole = HOURLY.resample(interval).frame
        later = HOURLY[200:].resample(interval).frame
        assert later.equals(whole.tail(later.height)), interval


def test_weeks_begin_on_monday():
    assert {time.weekday() for time in HOURLY.resample("1w").frame["open_time"]} == {0}


def test_in_steps_as_at_once():
    assert HOURLY.resample("4h").resample("1d").frame.drop("volume").equals(HOURLY.resample("1d").frame.drop("volume"))


def test_the_same_interval_changes_nothing():
    assert HOURLY.resample("1h").frame.equals(HOURLY.frame)


def session(days: int, bars: int = 7) -> Candles:
    """Hourly candles from 14:30 UTC on weekdays, as of New York in winter; close counts up."""
    times = [
        datetime(2024, 1, 1, 14, 30, tzinfo=UTC) + timedelta(days=day, hours=hour)
        for day in range(days)
        for hour in range(bars)
        if day % 7 < 5
    ]
    close = np.arange(1.0, len(times) + 1)
    prices = {"open": close, "high": close, "low": close, "close": close, "volume": np.ones(len(times))}
    return Candles.from_frame(pl.DataFrame({"time": times, **prices}))


def test_long_bars_of_a_market_with_sessions_do_not_depend_on_what_comes_later():
    """New York by the half hour: from March on it opens an hour earlier in UTC."""
    days = [datetime(2024, 2, 26) + timedelta(days=day) for day in range(40)]
    opens = [day.replace(hour=9, minute=30, tzinfo=ZoneInfo("America/New_York")) for day in days if day.weekday() < 5]
    times = [(start + timedelta(minutes=30 * bar)).astimezone(UTC) for start in opens for bar in range(13)]
    close = np.arange(1.0, len(times) + 1)
    short = Candles.from_frame(pl.DataFrame({"time": times, **dict.fromkeys(RULES, close)}))
    for interval, zone in (("1h", None), ("4h", None), ("1d", None), ("1d", "America/New_York")):
        whole = short.resample(interval, zone=zone).frame
        for stop in range(13 * 6, len(short), 31):
            part = short[:stop].resample(interval, zone=zone).frame
            known = whole.filter(pl.col("close_time") <= short.frame["close_time"][stop - 1])
            assert part.equals(whole[: len(part)])
            assert len(part) >= len(known) - 1  # whether the last one is whole may be seen later


def test_no_long_bar_shows_a_short_bar_that_closes_behind_it():
    short = session(26)
    for interval in ("2h", "4h", "1d"):
        long = short.resample(interval)
        last = np.searchsorted(short.close_time, long.close_time, side="right") - 1  # last bar known by the close
        np.testing.assert_array_equal(long.close, short.close[last], err_msg=interval)


def test_days_of_a_session_keep_the_utc_grid():
    days = session(26).resample("1d")
    assert len(days) == 20
    assert {time.hour for time in days.frame["open_time"]} == {0}
    assert set(days.volume) == {7.0}


def test_the_ends_of_a_session_market_are_dropped_when_partial():
    short = session(26)
    assert len(short[3:].resample("1d")) == 19
    assert len(short[:-1].resample("1d")) == 19
    for cut in range(1, 20):  # wherever the candles end, the bars made are bars of the whole
        whole, part = short.resample("2h").frame, short[:-cut].resample("2h").frame
        assert part.equals(whole.head(part.height)), cut


def test_real_days_make_weeks():
    weeks = sample("sp500").resample("1w")
    days = sample("sp500").to_pandas()
    expected = days.resample("W-MON", label="left", closed="left")["close"].last().dropna()
    shared = expected.loc[pd.DatetimeIndex(weeks.frame["open_time"].to_pandas())]
    np.testing.assert_array_equal(weeks.close, shared.to_numpy())
    assert len(expected) - 2 <= len(weeks) <= len(expected)


def test_what_cannot_be_resampled():
    with pytest.raises(
        ConfigError,
        match=r"^90m is no multiple of 1h; expected a longer interval made of whole candles. Use a multiple",
    ):
        HOURLY.resample("90m")
    with pytest.raises(ConfigError, match=r"^30m is no multiple of 1h"):
        HOURLY.resample("30m")
    unsound = replace(HOURLY, frame=HOURLY.frame.with_columns(low=pl.col("high") * 2))
    with pytest.raises(CandleError, match=r"outside of low..high"):
        unsound.resample("4h")


def test_too_few_candles_for_one_long_bar_give_none():
    assert len(HOURLY[:3].resample("1d")) == 0


def test_days_of_an_exchange_with_daylight_saving():
    """New York's days of 2024-03-10 and 2024-11-03 have 23 and 25 hours; all others 24."""
    start = datetime(2024, 3, 1, tzinfo=UTC)
    values = dict.fromkeys(("open", "high", "low", "close"), np.arange(1.0, 24 * 270 + 1))
    times = [start + timedelta(hours=hour) for hour in range(24 * 270)]
    hours = Candles.from_frame(pl.DataFrame({"time": times, **values, "volume": np.ones(24 * 270)}))
    days = hours.resample("1d", zone="America/New_York")
    assert days.check().issues.is_empty()
    assert set(days.segments) == {0}
    lengths = dict(
        zip(days.frame["open_time"].dt.convert_time_zone("America/New_York").dt.date(), days.volume, strict=True)
    )
    assert {str(day): bars for day, bars in lengths.items() if bars != 24} == {"2024-03-10": 23, "2024-11-03": 25}
    expected = hours.to_pandas().tz_convert("America/New_York").resample("1D").agg(RULES).iloc[1:-1]
    assert days.frame["open_time"].to_list() == expected.index.tz_convert("UTC").to_pydatetime().tolist()
    for name in RULES:
        np.testing.assert_array_equal(getattr(days, name), expected[name].to_numpy())
    last = np.searchsorted(hours.close_time, days.close_time, side="right") - 1
    np.testing.assert_array_equal(days.close, hours.close[last])  # nothing that is known only later
    assert days[10:50].zone == "America/New_York"
    weeks = days.resample("1w")
    assert weeks.frame.equals(hours.resample("1w", zone="America/New_York").frame)
    assert {time.weekday() for time in weeks.frame["open_time"].dt.convert_time_zone("America/New_York")} == {0}
    gapped = replace(days, frame=days.frame[[*range(20), *range(21, len(days))]])
    assert gapped.check().missing == 1
    assert len(gapped.resample("1w")) == len(weeks) - 1


def test_a_day_without_midnight_begins_at_one():
    """Clocks of Beirut went from midnight to one o'clock on 2024-03-31."""
    start = datetime(2024, 3, 25, tzinfo=UTC)
    values = dict.fromkeys(("open", "high", "low", "close", "volume"), [1.0] * 240)
    hours = Candles.from_frame(pl.DataFrame({"time": [start + timedelta(hours=hour) for hour in range(240)], **values}))
    days = hours.resample("1d", zone="Asia/Beirut")
    assert days.volume.tolist() == [24.0] * 5 + [23.0] + [24.0] * 3
    assert days.frame["open_time"][1:].to_list() == days.frame["close_time"][:-1].to_list()


def test_a_hole_inside_a_session_makes_no_long_bar():
    short = session(26)
    rows = [row for row in range(len(short)) if row not in (38, 39)]  # in the middle of the sixth day
    gapped = replace(short, frame=short.frame[rows])
    whole = short.resample("1d").frame
    assert gapped.resample("1d").frame.equals(pl.concat([whole[:5], whole[6:]]))
    assert len(gapped.with_max_gap(2).resample("1d")) == 20
    assert len(short[3:7].resample("1d")) == 0  # one part of a day, and no other to measure it by


def test_zones_that_make_no_bars():
    with pytest.raises(
        ConfigError, match=r"^4h candles in the days of Asia/Tokyo; expected whole days, weeks or months, the"
    ):
        HOURLY.resample("4h", zone="Asia/Tokyo")
    with pytest.raises(ConfigError, match=r"^there is no zone 'Mars/Base'; expected a zone of the IANA database"):
        HOURLY.resample("1d", zone="Mars/Base")
    with pytest.raises(
        ConfigError, match=r"^a 1d candle of GARCH\(1,1\) ends at 2015-01-02 00:00 UTC, after the end of the 1d bar"
    ):
        HOURLY.resample("1d").resample("1d", zone="America/New_York")


YEAR = ("2024-01-02", "2024-12-31")


def test_long_bars_of_futures_begin_with_their_session():
    """Weeks of Chicago's futures begin on Sunday at 18:00 by New York's clock, days at 18:00, and 4 h with them."""
    hours = candles(globex(*YEAR))
    for interval, opening in (
        ("4h", {"18:00", "22:00", "02:00", "06:00", "10:00", "14:00"}),
        ("1d", {"18:00"}),
        ("1w", {"18:00"}),
    ):
        long = hours.resample(interval)
        assert {str(time)[11:16] for time in long.local_time} == opening
        assert long.require_sound().check().missing == 0
        assert long.segments[-1] == 0
        last = np.searchsorted(hours.close_time, long.close_time, side="right") - 1
        np.testing.assert_array_equal(long.close, hours.close[last])
    days = hours.resample("1d")
    assert set(days.volume[1:-1]) == {23.0}
    assert {pd.Timestamp(time).day_name() for time in days.local_time} == {
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
    }
    assert set(hours.resample("1w").volume) == {5 * 23.0}
    assert "which begin at 18:00" in days.check().hours[0]
    assert "of its 4h, the bar of 14:00 holds 180 minutes" in hours.resample("4h").check().hours
    assert hours.resample("4h").resample("1d").frame.drop("volume").equals(days.frame.drop("volume"))


def test_long_bars_of_stocks_begin_with_the_session_through_daylight_saving():
    short = candles(sessions(NEW_YORK, days(*YEAR), each(30, "09:30-16:00")))
    two = short.resample("2h")
    assert {str(time)[11:16] for time in two.local_time} == {"09:30", "11:30", "13:30", "15:30"}
    assert len(two) == 4 * 261
    assert set(two.volume) == {4.0, 1.0}
    assert two.check().missing == 0
    assert "of its 2h, the bar of 15:30 holds 30 minutes" in two.check().hours
    hour = short.resample("1h")
    assert {str(time)[11:16] for time in hour.local_time} == {f"{hour:02}:30" for hour in range(9, 16)}
    day = short.resample("1d")
    assert {str(time)[11:16] for time in day.local_time} == {"00:00"}
    assert set(day.volume) == {13.0}
    assert (day.zone, day.clock.session) == (NEW_YORK, None)
    utc = short.resample("1d", zone="UTC")
    assert {str(time)[11:16] for time in utc.open_time} == {"00:00"}
    for stop in range(13 * 40, 13 * 60, 7):  # around the change of clocks: what comes later changes nothing
        part = short[:stop].resample("2h").frame
        assert part.equals(two.frame[: part.height])


def test_long_bars_begin_anew_behind_a_pause_that_they_would_cross():
    hours = candles(sessions("Asia/Shanghai", days(*YEAR), each(60, "09:30-11:30", "13:00-15:00")))
    two = hours.resample("2h")
    assert {str(time)[11:16] for time in two.open_time} == {"01:30", "05:00"}
    assert set(two.volume) == {2.0}
    assert two.check().missing == 0
    hong_kong = candles(sessions("Asia/Hong_Kong", days(*YEAR), each(60, "09:30-12:00", "13:00-16:00"))).resample("2h")
    assert {str(time)[11:16] for time in hong_kong.open_time} == {"01:30", "03:30", "05:00", "07:00"}
    assert (hong_kong.open_time[1:] >= hong_kong.close_time[:-1]).all()
    assert hong_kong.check().missing == 0


def test_half_hours_of_a_clock_with_daylight_saving_keep_every_hour():
    """In an hour that occurs twice, half hours make two bars of an hour."""
    times = [datetime(2024, 10, 20, tzinfo=UTC) + timedelta(minutes=30 * bar) for bar in range(48 * 20)]
    market = candles(times, clock="always America/New_York")
    assert market.resample("1h").frame.equals(candles(times).resample("1h").frame)
    four = market.resample("4h")
    assert {str(time)[11:16] for time in four.local_time} == {"00:00", "04:00", "08:00", "12:00", "16:00", "20:00"}
    assert sorted(set(four.volume)) == [8.0, 10.0]
    assert four.check().missing == 0
