"""Bars of calendar months: from files of every usual dating, from shorter candles, and through folds, store and checks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.candles import Candles
from candlecast.dataset.folds import WalkForward
from candlecast.errors import CandleError, ConfigError
from candlecast.interval import Interval
from candlecast.sources import synthetic

MONTHS = cc.sample("sp500").resample("1mo")
PRICES = ("open", "high", "low", "close")


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def test_an_interval_of_months():
    month = Interval.parse("1mo")
    assert (month.months, month.seconds, str(month)) == (1, 2_629_746, "1mo")
    assert Interval.parse("4w") < month < Interval.parse("31d")
    days = pl.Series([at(2024, 1, 1), at(2024, 2, 1), at(2023, 12, 1)])
    assert month.after(days).to_list() == [at(2024, 2, 1), at(2024, 3, 1), at(2024, 1, 1)]
    assert month.before(month.after(days)).to_list() == days.to_list()
    assert month.next(at(2024, 2, 1)) == at(2024, 3, 1)
    with pytest.raises(ConfigError, match=r"an interval of 1 months has 5 seconds; .* Use Interval.parse\(\"1mo\"\)"):
        Interval(5, 1)


def test_months_of_days_equal_pandas():
    days = cc.sample("sp500")
    expected = (
        days.to_pandas()
        .resample("MS")
        .agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})
    )
    assert len(MONTHS) == 240 and MONTHS.bars_per_year == pytest.approx(12, abs=0.01)
    for name in (*PRICES, "volume"):
        np.testing.assert_allclose(getattr(MONTHS, name), expected[name].to_numpy()[:240])
    assert MONTHS.frame["open_time"].to_list() == [time.to_pydatetime() for time in expected.index[:240]]
    assert MONTHS.frame["close_time"][:-1].equals(MONTHS.frame["open_time"][1:], check_dtypes=True)
    assert (MONTHS.check().is_sound, MONTHS.check().missing, MONTHS.segments[-1]) == (True, 0, 0)
    assert MONTHS.resample("12mo").frame["close"].to_list() == MONTHS.frame["close"][11::12].to_list()
    assert len(MONTHS.resample("3mo")) == 80


def test_a_month_that_is_not_whole_is_not_made():
    days = cc.sample("sp500")
    opened = days.frame["open_time"]
    late = days[int(opened.search_sorted(at(1999, 1, 12))) : int(opened.search_sorted(at(1999, 6, 18)))]
    assert late.resample("1mo").frame["open_time"].dt.month().to_list() == [2, 3, 4, 5]
    hours = synthetic.random_walk(24 * 70, seed=1, interval="1h").candles  # 1 January to 12 March 2015
    assert hours.resample("1mo").frame["open_time"].to_list() == [at(2015, 1, 1), at(2015, 2, 1)]
    gapped = replace(hours, frame=hours.frame[[*range(100), *range(103, len(hours))]])
    assert gapped.resample("1mo").frame["open_time"].to_list() == [at(2015, 2, 1)]
    for stop in range(24 * 59, len(hours), 50):  # wherever the candles end, months that are over are the same
        part = hours[:stop].resample("1mo").frame
        assert part.equals(hours.resample("1mo").frame.head(len(part)))


def test_months_begin_with_the_trading_day():
    """Of currencies, at 17:00 in New York on the last day of the month before."""
    opened = pl.datetime_range(at(2024, 1, 1), at(2024, 7, 1), "1h", eager=True)
    local = opened.dt.convert_time_zone("America/New_York")
    minutes = local.dt.weekday().cast(int) * 1_440 + local.dt.hour().cast(int) * 60
    opened = opened.filter((minutes < 5 * 1_440 + 1_020) | (minutes >= 7 * 1_440 + 1_020))
    prices = {name: np.arange(1.0, len(opened) + 1) for name in (*PRICES, "volume")}
    hours = Candles.from_frame(pl.DataFrame({"time": opened, **prices}), symbol="EURUSD")
    assert str(hours.clock) == "17:00-17:00 America/New_York"
    months = hours.resample("1mo")
    assert months.frame["open_time"].to_list() == [
        at(2024, month - 1, day, hour)
        for month, day, hour in ((2, 31, 22), (3, 29, 22), (4, 31, 21), (5, 30, 21), (6, 31, 21))
    ]
    assert months.frame["close_time"][:-1].equals(months.frame["open_time"][1:])
    assert (months.check().missing, months.check().is_sound, months.segments[-1]) == (0, True, 0)
    first = int(np.searchsorted(hours.open_time, months.open_time[0]))
    assert months.open[0] == hours.open[first]
    zoned = hours.resample("1mo", zone="Europe/Berlin").frame["open_time"]
    assert zoned[0] == at(2024, 1, 31, 23)  # the first hour of January in Berlin is absent
    with pytest.raises(ConfigError, match=r"1mo is no multiple of 1w"):
        hours.resample("1w").resample("1mo")


def last_day(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


DATES = {
    "first of the month": lambda day: day.isoformat(),
    "last of the month": lambda day: last_day(day).isoformat(),
    "last weekday": lambda day: np.busday_offset(last_day(day), 0, "backward").item().isoformat(),
    "first weekday": lambda day: np.busday_offset(day, 0, "forward").item().strftime("%m/%d/%Y"),
    "names": lambda day: day.strftime("%b %Y"),
    "year and month": lambda day: day.strftime("%Y-%m"),
    "epochs": lambda day: str(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())),
}


@pytest.mark.parametrize("form", DATES)
@pytest.mark.parametrize("newest_first", [False, True])
def test_files_of_months(tmp_path, form, newest_first):
    bars = MONTHS.frame.select(*PRICES, "volume").head(50)
    dates = [DATES[form](time.date()) for time in MONTHS.frame["open_time"][:50]]
    table = bars.insert_column(0, pl.Series("Date", dates))
    path = tmp_path / "spx.csv"
    (table.reverse() if newest_first else table).write_csv(path)
    candles = cc.read_candles(path)
    assert candles.interval == Interval.parse("1mo")
    assert candles.frame.equals(MONTHS.frame.head(50))
    assert "bars of 1mo, dated by their first day" in str(candles.origin)
    with pytest.raises(CandleError, match=r"open 1mo apart; expected 1d"):
        cc.read_candles(path, interval="1d")


def test_quarters_and_years_by_their_last_day(tmp_path):
    for months, size in ((3, 30), (12, 15)):
        long = MONTHS.resample(f"{months}mo").frame.head(size)
        dates = long["close_time"].dt.offset_by("-1d").dt.strftime("%Y-%m-%d")
        long.select(dates.alias("Date"), *PRICES, "volume").write_csv(tmp_path / "spx.csv")
        assert cc.read_candles(tmp_path / "spx.csv").frame.equals(long)


def test_missing_and_misdated_months():
    gapped = replace(MONTHS, frame=MONTHS.frame[[*range(10), *range(12, 40)]])
    assert gapped.check().issues.select("kind", "bars", "first", "last").row(0) == (
        "gap", 2, at(1999, 11, 1), at(1999, 12, 1),
    )  # fmt: skip
    assert gapped.segments.tolist() == [0] * 10 + [1] * 28
    moved = replace(MONTHS, frame=MONTHS.frame.with_columns(pl.col("open_time").dt.offset_by("3d")))
    assert moved.check().issues["kind"][0] == "off_grid"
    frame = MONTHS.frame.head(30).drop("close_time").with_columns(pl.col("open_time").dt.offset_by("14d"))
    with pytest.raises(
        CandleError, match=r"as long as months and have dates within them, such as 1999-01-15 00:00; .*"
    ):
        Candles.from_frame(frame)


def test_folds_of_years_on_months():
    folds = WalkForward(train="8y", test="2y").split(MONTHS.close_time, range(len(MONTHS)), horizon=1)
    assert len(folds) == 6 and all(24 <= len(fold.test) <= 25 for fold in folds[:-1])
    assert all(93 <= len(fold.train) + len(fold.valid) <= 97 for fold in folds)


def test_a_day_is_not_taken_for_a_month(tmp_path):
    days = [date(2024, 1, 1) + timedelta(days=28 * row) for row in range(30)]
    frame = MONTHS.frame.head(30).select(pl.Series("Date", days), *PRICES)
    assert str(Candles.from_frame(frame).interval) == "4w"


def test_months_of_sessions_within_the_day():
    days = pl.datetime_range(at(2024, 1, 1), at(2024, 4, 30), "1d", eager=True)
    days = days.filter((days.dt.weekday() <= 5) & (days.dt.ordinal_day() > 1))
    minutes = pl.Series([9 * 60 + 30 + 30 * slot for slot in range(13)])
    local = pl.Series([day.replace(tzinfo=None) + timedelta(minutes=minute) for day in days for minute in minutes])
    opened = local.dt.replace_time_zone("America/New_York").dt.convert_time_zone("UTC")
    halves = Candles.from_frame(
        pl.DataFrame({"time": opened, **{name: np.arange(1.0, len(opened) + 1) for name in (*PRICES, "volume")}})
    )
    assert str(halves.clock) == "09:30-16:00 America/New_York"
    made = [bar.month for bar in halves.resample("1mo").frame["open_time"]]
    assert made == [1, 2, 3, 4]
    for cut, left in ((halves[1:], [2, 3, 4]), (halves[:-1], [1, 2, 3]), (halves[13:], [2, 3, 4])):
        assert [bar.month for bar in cut.resample("1mo").frame["open_time"]] == left
