"""When a market trades is settled once; gaps are distinguished from nights, lunch and known halts of an exchange."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast import Candles, Origin
from candlecast.candles.halts import BINANCE
from candlecast.errors import ConfigError
from candlecast.sources import sample, synthetic

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
SUNDAY = MONDAY - timedelta(days=1)
HOUR = 3_600_000_000


def at(times: list[datetime], **options) -> Candles:
    values = dict.fromkeys(("open", "high", "low", "close", "volume"), [1.0] * len(times))
    return Candles.from_frame(pl.DataFrame({"time": times, **values}), **options)


def weekdays(days: int, minutes) -> list[datetime]:
    return [MONDAY + timedelta(days=day, minutes=minute) for day in range(days) if day % 7 < 5 for minute in minutes]


NEW_YORK = range(14 * 60 + 30, 21 * 60, 30)
TOKYO = (*range(0, 150, 30), *range(210, 360, 30))


def test_short_slices_of_a_market_with_sessions_keep_its_nights():
    """Two days alone would look like a market that never closes, with a gap in the night."""
    candles = at(weekdays(28, NEW_YORK))
    assert candles.has_sessions
    for first in range(0, len(candles) - 26, 13):
        assert set(candles[first : first + 26].segments) == {0}
    short = at(weekdays(2, NEW_YORK))
    assert short.segments[-1] == 1
    assert set(at(weekdays(2, NEW_YORK), has_sessions=True).segments) == {0}


def test_a_market_that_opens_on_sunday_closes_all_the_same():
    """Days of currencies begin on Sunday in UTC, so that 6 of 7 have a bar, and only Saturday has none; Tel Aviv's week
    is Sunday to Thursday."""
    hours = [SUNDAY + timedelta(days=day, hours=hour) for day in range(28) if day % 7 < 5 for hour in range(7, 15)]
    assert at(hours).has_sessions
    assert set(at(hours).segments) == {0}
    days = [MONDAY + timedelta(days=day) for day in range(28) if day % 7 != 5]
    assert at(days).has_sessions
    assert set(at(days).segments) == {0}
    assert len(at(days).resample("1w")) == 4
    assert not at(days[:8]).has_sessions  # too few to tell
    assert not at([MONDAY + timedelta(days=3 * day) for day in range(5)]).has_sessions  # none of them happens to be one


def test_bars_at_later_weekends_change_no_earlier_segment():
    days = [MONDAY + timedelta(days=day) for day in range(40) if day % 7 < 5 or day > 30]
    candles = at(days, has_sessions=True)
    for stop in range(12, len(days)):
        np.testing.assert_array_equal(candles[:stop].segments, candles.segments[:stop])


def test_a_market_that_never_closes_can_be_declared_from_the_first_bar():
    candles = at([MONDAY + timedelta(hours=hour) for hour in (0, 1, 2, 20, 21, 22, 23)], has_sessions=False)
    assert candles.segments.tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_lunch_is_no_hole_and_what_is_missing_beside_it_is():
    candles = at(weekdays(28, TOKYO))
    assert candles.breaks == ((5 * HOUR // 2, 7 * HOUR // 2),)
    assert set(candles.segments) == {0}
    rows = np.arange(len(candles))
    for absent, missing in ({44}, 1), ({45}, 1), ({44, 45, 46}, 3):  # the last before lunch, the first behind it, both
        gapped = replace(candles, frame=candles.frame.filter(pl.Series(~np.isin(rows, list(absent)))))
        assert gapped.check().missing == missing
        assert gapped.segments[-1] == 1
    assert candles[:10].breaks == candles.breaks


def test_hours_that_begin_anew_behind_lunch_are_on_the_grid():
    candles = at(weekdays(28, (0, 60, 120, 210, 270, 330)))
    assert candles.breaks == ((3 * HOUR, 7 * HOUR // 2),)
    assert candles.check().issues.is_empty()


def test_a_pause_on_a_few_days_is_a_gap():
    late = [time for time in weekdays(28, NEW_YORK) if not (time.day < 5 and 16 <= time.hour < 18)]
    candles = at(late)
    assert candles.breaks == ()
    assert candles.check().issues.select("kind", "bars").rows() == [("gap", 4)] * 4


def test_months_without_a_bar_are_whole_days():
    candles = at([*weekdays(28, NEW_YORK), *(time + timedelta(days=56) for time in weekdays(28, NEW_YORK))])
    (gap,) = candles.check().issues.to_dicts()
    assert (gap["bars"], gap["detail"]) == (20, "weekdays without a bar")
    assert (gap["first"], gap["last"]) == (
        datetime(2024, 1, 27, tzinfo=UTC),
        datetime(2024, 2, 25, 23, 30, tzinfo=UTC),
    )


def hourly(origin: str | None) -> Candles:
    """Hours around Binance's halt of 2018-02-08 without its 33 hours, and without three others."""
    candles = synthetic.random_walk(200, seed=0, interval="1h").candles
    times = pl.Series([datetime(2018, 2, 5, tzinfo=UTC) + timedelta(hours=hour) for hour in range(200)])
    frame = candles.frame.with_columns(open_time=times.dt.cast_time_unit("us"))
    frame = frame.with_columns(close_time=pl.col("open_time") + pl.duration(hours=1))
    halted = range(73, 106)
    kept = [row for row in range(200) if row not in halted and row not in (150, 151, 152)]
    return replace(candles, frame=frame[kept], origin=origin and Origin(origin))


def test_known_halts_are_told_from_holes_in_the_download():
    report = hourly("binance").check()
    assert report.issues.select("kind", "bars").rows() == [("halt", 33), ("gap", 3)]
    assert (report.missing, report.halted) == (36, 33)
    assert str(report).splitlines()[1:] == [
        "  3 bars are missing in 1 gap, the longest 3 bars from 2018-02-11 06:00",
        "  33 bars are missing in 1 known halt, the longest 33 bars from 2018-02-08 01:00",
    ]
    assert hourly("kraken").check().issues["kind"].to_list() == ["gap", "gap"]
    assert hourly(None).check().issues["kind"].to_list() == ["gap", "gap"]
    assert hourly("binance").segments[-1] == 2  # no window straddles a halt either


def test_the_table_of_halts_is_in_order_of_time():
    starts = [datetime.strptime(text, "%Y-%m-%d %H") for text, _ in BINANCE]
    assert starts == sorted(set(starts))
    assert sum(hours for _, hours in BINANCE) == 128


def jumping(ratio: float, *, split: bool) -> Candles:
    """Daily bars whose price changes by `ratio` from one day on: between two bars, or within one."""
    candles = synthetic.random_walk(60, seed=3, interval="1d").candles
    prices = ("open", "high", "low", "close")
    factor = np.where(np.arange(60) >= 30, ratio, 1.0)
    frame = candles.frame.with_columns(pl.col(prices) * pl.Series(factor))
    if not split:  # the bar opens where the one before closed, and falls or rises within the day
        row, before = pl.int_range(pl.len()) == 30, candles.close[29]
        frame = frame.with_columns(open=pl.when(row).then(before).otherwise("open")).with_columns(
            high=pl.max_horizontal("open", "high"), low=pl.min_horizontal("open", "low")
        )
    return replace(candles, frame=frame)


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(0.25, "a split 4 for 1"), (0.5, "a split 2 for 1"), (2 / 3, "a split 3 for 2"), (10.0, "a split 1 for 10")],
)
def test_jumps_like_splits_are_listed_and_left_alone(ratio, words):
    candles = jumping(ratio, split=True)
    (fault,) = candles.check().issues.to_dicts()
    assert (fault["kind"], fault["is_fatal"], fault["first"]) == ("split", False, candles.frame["open_time"][30])
    assert f"{words} that was not adjusted, or a real move" in fault["detail"]
    assert candles.require_sound() is candles


@pytest.mark.parametrize("ratio", [0.48, 1.87])
def test_real_moves_within_a_day_are_no_splits(ratio):
    assert jumping(ratio, split=False).check().issues.is_empty()


def test_another_asset_under_the_same_symbol_behind_a_long_gap():
    candles = jumping(3.7, split=True)
    days = pl.int_range(pl.len())
    moved = pl.col("open_time", "close_time") + pl.when(days >= 30).then(pl.duration(days=18)).otherwise(
        pl.duration(days=0)
    )
    reused = replace(candles, frame=candles.frame.with_columns(moved), has_sessions=False)
    gap, reuse = reused.check().issues.to_dicts()
    assert (gap["kind"], gap["bars"], reuse["kind"]) == ("gap", 18, "reuse")
    assert reuse["detail"].startswith("the first price after 18 missing bars is 3.")
    same = replace(reused, frame=jumping(1.0, split=True).frame.with_columns(moved))
    assert same.check().issues["kind"].to_list() == ["gap"]


def test_runs_of_bars_without_volume_are_counted():
    candles = synthetic.random_walk(100, seed=0, interval="1h").candles
    volume = candles.volume.copy()
    volume[[3, 10, 11, 12, 50]] = 0.0
    report = replace(candles, frame=candles.frame.with_columns(volume=pl.Series(volume))).check()
    assert "  5 bars without volume, first 2015-01-01 03:00 (quiet market or halt; 3 runs, the longest 3 bars)" in str(
        report
    )


def test_what_is_settled_is_kept_and_names_the_data():
    candles = sample("sp500")
    assert candles[:3].has_sessions
    weeks = candles.resample("1w")
    assert weeks.has_sessions
    assert candles.with_max_gap(2).bridge == 2
    others = [replace(candles, has_sessions=False), candles.with_max_gap(1), replace(candles, breaks=((0, 1),))]
    assert len({each.fingerprint for each in [candles, *others]}) == 4
    assert replace(candles, origin=Origin("yahoo", "data", 3)).fingerprint == candles.fingerprint
    with pytest.raises(ConfigError, match=r"^bars is -1; expected a whole number of 0 or more"):
        candles.with_max_gap(-1)


def test_a_table_too_short_for_trading_hours_says_so():
    """Two days of a market that closes are no proof of it; a Saturday shows that there is no weekend."""
    two_days, day_and_night = [*range(9, 16), *range(33, 40)], range(30)

    def hours(first: datetime, numbers) -> Candles:
        return at([first + timedelta(hours=number) for number in numbers], interval="1h")

    def says_so(candles: Candles) -> bool:
        return any("too short to show trading hours" in line for line in candles.check().hours)

    assert says_so(hours(MONDAY, two_days))
    assert not says_so(hours(MONDAY, day_and_night))
    assert not says_so(hours(MONDAY + timedelta(days=4), two_days))
    declared = hours(MONDAY, two_days).on_clock("09:00-16:00 UTC")
    assert declared.check().missing == 0
    assert not says_so(declared)
