"""Sessions, pauses, zones and holidays are found on the market's own clock, in its first bars, and told in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles, TradingClock
from candlecast.candles.clock import local_time
from candlecast.candles.halts import CLOSURES
from candlecast.errors import ConfigError
from candlecast.features import Features, standard_features
from candlecast.sources import sample
from candlecast.targets import NextReturn, Volatility
from trading_hours import NEW_YORK, candles, clock, currencies, days, each, globex, sessions, without

YEAR = ("2024-01-02", "2024-12-31")
SPRING = ["2024-02-09", "2024-02-12", "2024-02-13", "2024-02-14", "2024-02-15", "2024-02-16"]
GOLDEN = ["2019-04-29", "2019-04-30", "2019-05-01", "2019-05-02", "2019-05-03", "2019-05-06"]
SHANGHAI, TOKYO = ("09:30-11:30", "13:00-15:00"), ("09:00-11:30", "12:30-15:00")
TEA = ("09:00-10:15", "10:30-11:30", "13:30-15:00")
MINUTE, HOUR = 60_000_000, 3_600_000_000


def year(zone: str, *hours: str, step: int = 60, closed=(), weekend=(5, 6), dates=YEAR) -> list[datetime]:
    return sessions(zone, days(*dates, closed=closed, weekend=weekend), each(step, *hours))


MARKETS = {
    "futures in Chicago": (globex(*YEAR), "18:00-17:00 America/New_York"),
    "futures, 15 minutes": (globex("2024-01-02", "2024-04-30", 15), "18:00-17:00 America/New_York"),
    "currencies": (currencies(*YEAR), "17:00-17:00 America/New_York"),
    "New York": (year(NEW_YORK, "09:30-16:00", step=30), "09:30-16:00 America/New_York"),
    "New York, by the hour": (year(NEW_YORK, "09:30-16:30"), "09:30-16:30 America/New_York"),
    "extended hours": (year(NEW_YORK, "04:00-20:00"), "04:00-20:00 America/New_York"),
    "London": (year("Europe/London", "08:00-16:30", step=30), "08:00-16:30 Europe/London"),
    "Sydney": (year("Australia/Sydney", "10:00-16:00"), "10:00-16:00 Australia/Sydney"),
    "Auckland": (year("Pacific/Auckland", "10:00-17:00"), "10:00-17:00 Pacific/Auckland"),
    "Tel Aviv": (year("Asia/Jerusalem", "10:00-17:00", weekend=(4, 5)), "10:00-17:00 Asia/Jerusalem"),
    "a server in Athens": (year("Europe/Athens", "00:00-24:00"), "00:00-00:00 Europe/Athens"),
    "Shanghai": (year("Asia/Shanghai", *SHANGHAI, step=30, closed=SPRING), "01:30-03:30, 05:00-07:00 UTC"),
    "Shanghai, by the hour": (year("Asia/Shanghai", *SHANGHAI, closed=SPRING), "01:30-03:30, 05:00-07:00 UTC"),
    "tea in Shanghai": (year("Asia/Shanghai", *TEA, step=15), "01:00-02:15, 02:30-03:30, 05:30-07:00 UTC"),
    "nights in Shanghai": (
        year("Asia/Shanghai", *TEA, "21:00-26:30", step=15),
        "01:00-02:15, 02:30-03:30, 05:30-07:00, 13:00-18:30 UTC",
    ),
    "Tokyo": (
        year("Asia/Tokyo", *TOKYO, step=30, closed=GOLDEN, dates=("2019-01-07", "2019-12-30")),
        "00:00-02:30, 03:30-06:00 UTC",
    ),
    "Hong Kong, by the hour": (year("Asia/Hong_Kong", "09:30-12:00", "13:00-16:00"), "01:30-04:30, 05:00-08:00 UTC"),
    "India": (year("Asia/Kolkata", "09:15-15:30", step=15), "03:45-10:00 UTC"),
    "4 h from 9:30": (year(NEW_YORK, "09:30-17:30", step=240), "09:30-17:30 America/New_York"),
    "2 h from 9:30": (year(NEW_YORK, "09:30-16:00", step=120), "09:30-17:30 America/New_York"),
    "4 h of a server in Athens": (year("Europe/Athens", "00:00-24:00", step=240), "00:00-00:00 Europe/Athens"),
}


@pytest.mark.parametrize("name", MARKETS)
def test_a_whole_year_has_no_gap(name):
    times, expected = MARKETS[name]
    market = candles(times)
    assert str(market.clock) == expected
    assert market.clock.how == "inferred"
    report = market.check()
    assert (report.issues.rows(), report.missing) == ([], 0)
    assert market.segments[-1] == 0


@pytest.mark.parametrize(
    "name", ["futures in Chicago", "currencies", "New York", "Shanghai", "tea in Shanghai", "Sydney"]
)
def test_what_is_missing_inside_a_session_is_a_gap(name):
    market = candles(MARKETS[name][0])
    first = market.local_time[200:].astype("datetime64[D]")
    row = 200 + int(np.flatnonzero(np.diff(first).astype(int))[0]) + 3  # inside the session that follows
    if name == "tea in Shanghai":
        row += 1
    assert without(market, [row]).check().missing == 1


def test_a_night_without_bars_is_a_gap_where_trading_goes_on():
    """From 22:00 to 3:00 by New York's clock, on a Tuesday: at the end of a date, but not of a session."""
    for times in (globex(*YEAR), currencies(*YEAR)):
        market = candles(times)
        local = pl.Series(market.local_time)
        is_night = local.is_between(datetime(2024, 7, 9, 22), datetime(2024, 7, 10, 2))
        gapped = without(market, np.flatnonzero(is_night.to_numpy()))
        assert gapped.check().issues.select("kind", "bars").rows() == [("gap", 5)]
        first, last = gapped.check().issues.select("first", "last").row(0)
        assert (first, last) == (datetime(2024, 7, 10, 2, tzinfo=UTC), datetime(2024, 7, 10, 6, tzinfo=UTC))


def test_bars_missing_on_both_sides_of_a_short_pause_are_a_hole_and_an_early_end_is_none():
    market = candles(globex(*YEAR))
    local = pl.Series(market.local_time)
    both = local.is_between(datetime(2024, 7, 9, 15), datetime(2024, 7, 9, 19))
    assert without(market, np.flatnonzero(both.to_numpy())).check().missing == 4  # 15, 16, 18 and 19 h
    holiday = local.is_between(datetime(2024, 7, 4, 13), datetime(2024, 7, 4, 17))
    early = without(market, np.flatnonzero(holiday.to_numpy()))
    assert early.check().missing == 0
    assert any("1 session ends early (2024-07-04)" in line for line in early.check().hours)


def test_christmas_of_markets_around_the_clock_is_none():
    market = candles(currencies("2024-01-02", "2025-01-31"))
    local = pl.Series(market.local_time)
    closed = local.is_between(datetime(2024, 12, 24, 13), datetime(2024, 12, 25, 17))
    closed |= local.is_between(datetime(2024, 12, 31, 15), datetime(2025, 1, 1, 18))
    assert without(market, np.flatnonzero(closed.to_numpy())).check().missing == 0
    other = local.is_between(datetime(2024, 12, 10, 13), datetime(2024, 12, 11, 12))
    assert without(market, np.flatnonzero(other.to_numpy())).check().missing == 24


DAILY = {
    "midnight in New York": (NEW_YORK, "00:00", NEW_YORK),
    "9:30 in New York": (NEW_YORK, "09:30", NEW_YORK),
    "midnight in Sydney": ("Australia/Sydney", "00:00", "Australia/Sydney"),
    "midnight in Berlin": ("Europe/Berlin", "00:00", "Europe/Berlin"),
    "midnight in Shanghai": ("Asia/Shanghai", "00:00", None),
}


@pytest.mark.parametrize("name", DAILY)
def test_days_stamped_by_another_clock_are_sound(name):
    zone, stamp, expected = DAILY[name]
    market = candles(sessions(zone, days(*YEAR), [clock(stamp)]), interval="1d")
    assert market.zone == expected
    assert market.require_sound().check().missing == 0
    assert "closed on Saturday and Sunday" in market.check().hours[0]
    few = candles(sessions(zone, days("2024-02-12", "2024-04-12"), [clock(stamp)]), interval="1d")
    assert few.require_sound().check().missing == 0


def test_days_of_currencies_begin_on_sunday_evening():
    evenings = [day - timedelta(days=1) for day in days(*YEAR)]
    market = candles(sessions(NEW_YORK, evenings, [clock("17:00")]), interval="1d")
    assert market.require_sound().check().hours == (
        (
            "trades in days of America/New_York, which begin at 17:00, closed on Saturday and Sunday "
            "(inferred from the opening times of the first bars)"
        ),
    )
    assert len(market.resample("1w")) == 51  # the first and the last are not whole


def test_another_hour_once_is_off_the_grid():
    times = sessions(NEW_YORK, days(*YEAR), [clock("09:30")])
    times[100] += timedelta(hours=1)
    assert candles(times, interval="1d").check().issues.select("kind", "bars").rows() == [("off_grid", 1)]


@pytest.mark.parametrize("name", ["Shanghai", "Tokyo"])
def test_a_closing_of_six_weekdays_is_a_holiday(name):
    market = candles(MARKETS[name][0])
    assert market.check().missing == 0
    assert any(
        line.startswith("6 working days without a bar (holidays), in 1 closing") for line in market.check().hours
    )


def test_closings_of_more_than_ten_weekdays_are_holes_unless_they_are_known():
    dates = days("2015-01-05", "2015-12-31")
    athens = [day for day in dates if not "2015-06-29" <= str(day) <= "2015-07-31"]
    other = [day for day in dates if not "2015-06-30" <= str(day) <= "2015-07-31"]
    ten = [day for day in dates if not "2015-06-15" <= str(day) <= "2015-06-26"]
    for kept, missing in ((athens, 0), (other, 24), (ten, 0)):
        report = candles(sessions("UTC", kept, [0]), interval="1d").check()
        assert report.missing == missing
    assert report.hours[2] == (
        "1 of these closings is of more than a week (2015-06-15): long holidays, or missing bars where the exchange has none"
    )
    new_york = sessions(NEW_YORK, ten, each(30, "09:30-16:00"))
    assert candles(new_york).check().issues.select("kind", "bars", "detail").row(0) == (
        "gap",
        10,
        "weekdays without a bar",
    )
    assert list(CLOSURES) == sorted(CLOSURES)


def test_a_pause_that_begins_later_holds_from_the_next_twenty_days_on():
    """From April 2024 on the market closes for lunch."""
    after = [time for time in globex("2024-04-01", "2024-10-01") if (time - timedelta(hours=4)).hour != 12]
    times = globex("2023-06-01", "2024-04-01") + after
    market = candles(times)
    ((first, last, since),) = market.clock.breaks
    assert (first, last) == (12 * HOUR, 13 * HOUR)
    begun = datetime.fromtimestamp(since / 1e6, UTC)
    assert datetime(2024, 4, 22, tzinfo=UTC) <= begun < datetime(2024, 6, 1, tzinfo=UTC)
    gaps = market.check().issues
    assert gaps["first"].max() < begun
    assert 15 <= gaps.height <= 40
    early = without(market, [int(np.flatnonzero(market.local_time == np.datetime64("2023-11-15T12:00"))[0])])
    assert early.check().issues.height == gaps.height + 1  # what is usual later excuses nothing before


@pytest.mark.parametrize("name", ["futures in Chicago", "New York", "Sydney", "Shanghai", "currencies"])
def test_later_bars_change_nothing_before_them(name):
    """Read again without its later bars, a table has the same gaps, features and targets up to there."""
    whole = candles(MARKETS[name][0])
    chosen = Features(*(each for each in standard_features(whole.interval).features if "time_of" not in each.kind))
    values, target = chosen.compute(whole), NextReturn().values(whole)
    for stop in (chosen.warmup + 20, *(int(share * len(whole)) for share in (0.3, 0.5, 0.8))):
        part = Candles.from_frame(whole.frame[:stop].drop("close_time"), symbol=whole.symbol)
        np.testing.assert_array_equal(part.segments, whole.segments[:stop])
        np.testing.assert_array_equal(chosen.compute(part), values[:stop])
        np.testing.assert_array_equal(NextReturn().values(part)[:-1], target[: stop - 1])
        if part.clock == whole.clock:
            np.testing.assert_array_equal(
                standard_features(part.interval).compute(part), standard_features(whole.interval).compute(whole)[:stop]
            )


def test_a_market_that_never_closes_later_on_changes_nothing_before():
    """Stocks become a market of all hours and days: the first weeks keep their nights, weekends and pauses."""
    first = year("Asia/Tokyo", *TOKYO, step=30, dates=("2024-01-08", "2024-06-28"))
    later = [datetime(2024, 7, 1, tzinfo=UTC) + timedelta(minutes=30 * bar) for bar in range(48 * 200)]
    whole, part = candles(first + later), candles(first)
    assert whole.clock == part.clock
    np.testing.assert_array_equal(whole.segments[: len(first)], part.segments)
    for changed in (whole.frame[: len(first) + 500], whole.frame):
        prices = changed.with_columns(pl.col("open", "high", "low", "close") * 2).drop("close_time")
        assert Candles.from_frame(prices).clock == part.clock  # it depends on the opening times alone


def test_a_slice_keeps_the_clock():
    market = candles(MARKETS["futures in Chicago"][0])
    for part in (market[:10], market[3_000:3_100], market[-5:]):
        assert part.clock is market.clock
    np.testing.assert_array_equal(np.diff(market[1_000:2_000].segments), np.diff(market.segments[1_000:2_000]))


@pytest.mark.parametrize(
    ("text", "zone", "session", "breaks"),
    [
        ("09:30-16:00 America/New_York", NEW_YORK, (9.5, 16), ()),
        ("18:00-17:00 America/New_York", NEW_YORK, (18, 17), ()),
        ("09:30-11:30, 13:00-15:00 Asia/Shanghai", "Asia/Shanghai", (9.5, 15), ((11.5, 13),)),
        ("21:00-02:30, 09:00-15:00 Asia/Shanghai", "Asia/Shanghai", (21, 15), ((2.5, 9),)),
        ("09:00-23:30, 00:30-08:00", None, (9, 8), ((0, 0.5), (23.5, 24))),
        ("00:00-24:00 Europe/Athens", "Europe/Athens", (0, 0), ()),
    ],
)
def test_a_clock_is_declared_by_its_text(text, zone, session, breaks):
    declared = TradingClock.parse(text)
    assert declared.zone == zone
    assert declared.session == tuple(int(hour * HOUR) for hour in session)
    assert declared.breaks == tuple(tuple(int(hour * HOUR) for hour in pause) for pause in breaks)
    assert TradingClock.from_dict(declared.to_dict()) == declared
    if len(breaks) < 2:
        assert TradingClock.parse(str(declared)) == declared


@pytest.mark.parametrize(
    "text", ["", "9:30", "09:30-25:00", "09:30-16:00,", "09:70-16:00", "09:30-16:00 Mars/Base", "sometimes"]
)
def test_texts_that_name_no_clock(text):
    with pytest.raises(ConfigError, match=r"a trading clock of|there is no zone 'Mars/Base'"):
        TradingClock.parse(text)


def test_a_declared_clock_is_kept():
    times = year(NEW_YORK, "09:30-16:00", step=30)
    declared = candles(times, clock="09:30-16:00 America/New_York")
    assert declared.clock == TradingClock.parse("09:30-16:00 America/New_York")
    assert declared.check().missing == 0
    always = candles(times, clock="always")
    assert not always.has_sessions
    assert always.segments[-1] > 200
    assert always.on_clock("09:30-16:00 America/New_York").segments[-1] == 0
    assert candles(times, has_sessions=False).segments[-1] > 200
    short = candles(times[:13], clock="09:30-16:00 America/New_York")
    assert short[:13].clock.session == (19 * HOUR // 2, 16 * HOUR)
    for field in ({"has_sessions": False}, {"breaks": ((12 * HOUR, 13 * HOUR),)}, {"zone": "Europe/London"}):
        changed = replace(declared, **field)
        assert {name: getattr(changed.clock, name) for name in field} == field
        assert changed.fingerprint != declared.fingerprint


def test_the_zone_of_the_times_is_the_first_guess():
    winter = sessions("Europe/Berlin", days("2024-01-02", "2024-02-20"), each(30, "09:00-17:30"))
    naive = [time.replace(tzinfo=None) + timedelta(hours=1) for time in winter]
    berlin = candles(naive, zone="Europe/Berlin")
    assert str(berlin.clock) == "09:00-17:30 Europe/Berlin"
    assert str(candles(winter).clock) == "08:00-16:30 UTC"
    summer = sessions(NEW_YORK, days(*YEAR), each(30, "09:30-16:00"))
    paris = [time.replace(tzinfo=None) for time in summer]
    assert candles(paris, zone="UTC").zone == NEW_YORK
    tokyo = sessions("Asia/Tokyo", days(*YEAR), each(30, *TOKYO))
    assert candles([time.replace(tzinfo=None) for time in tokyo], zone="UTC").zone is None
    hours = [datetime(2024, 1, 1) + timedelta(hours=hour) for hour in range(1_000)]
    assert candles(hours, zone="Europe/Berlin").clock == TradingClock(how="default")  # a market that never closes


def test_hours_told_in_words():
    lines = candles(MARKETS["Hong Kong, by the hour"][0]).check().hours
    assert lines == (
        (
            "trades 01:30-04:30, 05:00-08:00 UTC (Hong Kong), closed on Saturday and Sunday "
            "(inferred from the opening times of the first bars)"
        ),
        "of its 1h, the bar of 03:30 holds 30 minutes",
    )
    market = candles(year(NEW_YORK, "09:30-16:00", step=30, closed=["2024-07-04", "2024-12-25"]))
    early = pl.Series(market.local_time).is_between(datetime(2024, 7, 3, 13), datetime(2024, 7, 3, 16))
    report = without(market, np.flatnonzero(early.to_numpy())).check()
    assert report.hours == (
        (
            "trades 09:30-16:00 America/New_York (New York), closed on Saturday and Sunday "
            "(inferred from the opening times of the first bars)"
        ),
        "2 working days without a bar (holidays), in 2 closings, the longest of 1 working day from 2024-07-04",
        "1 session ends early (2024-07-03)",
    )
    assert report.missing == 0
    assert str(report).splitlines()[1] == f"  {report.hours[0]}"
    assert repr(market).endswith("UTC; 09:30-16:00 America/New_York)")
    assert "of its 1h, the bar of 15:30 holds 30 minutes" in market.resample("1h").check().hours
    assert sample("sp500").check().hours[1].endswith("the longest of 4 working days from 2001-09-11")
    crypto = candles([datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(1_000)])
    assert crypto.check().hours == ()


def test_the_session_names_the_data_where_it_says_where_a_day_ends():
    market = candles(MARKETS["currencies"][0])
    other = replace(market, clock=replace(market.clock, session=(18 * HOUR, 18 * HOUR)))
    assert other.fingerprint != market.fingerprint
    stocks = candles(MARKETS["New York"][0])
    same = replace(stocks, clock=replace(stocks.clock, session=None))
    assert same.fingerprint == stocks.fingerprint


def test_a_daily_clock_has_no_hours_and_a_broken_table_no_clock_of_its_own():
    assert sample("sp500").clock == TradingClock(None, True, None, (), "inferred")
    market = candles(MARKETS["New York"][0])
    shuffled = Candles.from_frame(market.frame.drop("close_time").sample(fraction=1.0, shuffle=True, seed=1))
    assert shuffled.clock == market.clock
    assert shuffled.check().issues["kind"].to_list() == ["unsorted"]
    assert market[:0].clock == market.clock
    target = Volatility(2)
    np.testing.assert_array_equal(target.naive(market[:500]), target.naive(market)[:500])


def test_two_weeks_of_a_market_around_the_clock_close_at_the_weekend():
    """Five days of 24 hours are 5 of 6 that such a short table has; an hour of each Saturday may be missing otherwise."""
    trading = days("2024-07-22", "2024-08-02")
    market = candles(sessions("Europe/Athens", trading, each(240, "00:00-24:00")))
    assert market.has_sessions
    assert market.check().missing == 0
    hours = [datetime(2024, 7, 22, tzinfo=UTC) + timedelta(hours=hour) for hour in range(24 * 20)]
    broken = candles([time for time in hours if time.weekday() != 5])
    assert not broken.has_sessions
    assert broken.check().missing == 48


@pytest.mark.parametrize("name", ["New York", "Shanghai", "futures in Chicago", "India"])
def test_a_week_shows_that_a_market_closes(name):
    """As of minutes that a vendor gives for a week: nights are no gaps."""
    hours = {
        "New York": sessions(NEW_YORK, days("2024-03-04", "2024-03-08"), each(1, "09:30-16:00")),
        "Shanghai": sessions("Asia/Shanghai", days("2024-03-04", "2024-03-08"), each(5, *SHANGHAI)),
        "futures in Chicago": globex("2024-03-03", "2024-03-09", 15),
        "India": sessions("Asia/Kolkata", days("2024-03-04", "2024-03-06"), each(15, "09:15-15:30")),
    }[name]
    market = candles(hours)
    assert market.has_sessions
    assert market.check().missing == 0
    assert market.segments[-1] == 0
    assert not candles(hours[: len(hours) // 3]).has_sessions  # a day or two are too few to tell


def test_a_few_outages_do_not_close_a_market():
    hours = [datetime(2024, 3, 4, tzinfo=UTC) + timedelta(hours=hour) for hour in range(24 * 7)]
    broken = candles([time for bar, time in enumerate(hours) if bar not in (30, 31, 54, 55, 100, 101, 102)])
    assert not broken.has_sessions
    assert broken.check().missing == 7


def test_thin_hours_before_and_after_the_session_have_no_pauses():
    """Where 2 of 100 minutes are traded before 9:30 and after 16:00, stretches without a trade are no breaks."""
    times = sessions(NEW_YORK, days("2024-01-02", "2024-05-31"), each(1, "04:00-20:00"))
    local = pl.Series(times).dt.cast_time_unit("us").dt.convert_time_zone(NEW_YORK)
    minute = local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute()
    chance = np.where(minute.is_between(clock("09:30"), clock("16:00") - 1), 0.3, 0.02)
    is_traded = np.random.default_rng(0).random(len(times)) < chance
    market = candles([time for time, kept in zip(times, is_traded, strict=True) if kept], interval="1m")
    assert (market.zone, market.breaks, market.clock.day_start) == (NEW_YORK, (), 0)
    assert len(market.check().hours) == 1


@pytest.mark.parametrize("name", ["futures in Chicago", "currencies", "New York", "Shanghai", "Auckland"])
def test_the_clock_is_rebuilt_from_zone_sessions_and_pauses(name):
    """A stored table comes back as it was: from its clock, and where that is absent from its zone and its pauses."""
    market = candles(MARKETS[name][0])
    for each_market in (market, market[500:900], market.resample("1d")):
        told = {field: getattr(each_market, field) for field in ("has_sessions", "breaks", "zone", "bridge")}
        again = Candles(each_market.frame, each_market.symbol, each_market.interval, **told)
        kept = TradingClock.from_dict(each_market.clock.to_dict())
        stored = Candles(each_market.frame, each_market.symbol, each_market.interval, clock=kept)
        for other in (again, stored):
            assert other.fingerprint == each_market.fingerprint
            np.testing.assert_array_equal(other.segments, each_market.segments)


@pytest.mark.parametrize("zone", [NEW_YORK, "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"])
def test_local_times_are_those_of_the_zone(zone):
    rng = np.random.default_rng(0)
    moments = np.concatenate([rng.integers(0, 2_000_000_000, 3_000), 1_710_054_000 + np.arange(-7_200, 7_200, 45)])
    times = pl.Series(moments * 1_000_000).cast(pl.Datetime("us", "UTC"))
    expected = times.dt.convert_time_zone(zone).dt.replace_time_zone(None).to_numpy().astype(np.int64)
    np.testing.assert_array_equal(local_time(times, zone), expected)
    np.testing.assert_array_equal(local_time(times[:0], zone), expected[:0])
