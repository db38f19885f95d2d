"""Issues are listed without raising, raised in one sentence, and never repaired."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.errors import CandleError, ConfigError
from candlecast.sources import sample, synthetic

CLEAN = synthetic.random_walk(100, seed=1, interval="1h").candles
REMEDY = 'List them with candles.check(), and correct them at the source or leave them out with candles.mended("drop").'


def with_value(name: str, value: float, row: int = 10) -> Candles:
    column = getattr(CLEAN, name).copy()
    column[row] = value
    return replace(CLEAN, frame=CLEAN.frame.with_columns(pl.Series(name, column)))


def with_rows(rows) -> Candles:
    return replace(CLEAN, frame=CLEAN.frame[rows])


def kinds(candles: Candles) -> list[str]:
    return candles.check().issues["kind"].to_list()


def test_clean_candles_have_no_fault():
    report = CLEAN.check()
    assert report.is_sound
    assert report.issues.is_empty()
    assert CLEAN.require_sound() is CLEAN
    assert str(report) == "RANDOM_WALK 1h: 100 bars, sound"


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (np.nan, "not_finite", "holds a price or volume that is absent, NaN or infinite"),
        (np.inf, "not_finite", "holds a price or volume that is absent, NaN or infinite"),
        (0.0, "not_positive", "holds a price of zero or below"),
        (-5.0, "not_positive", "holds a price of zero or below"),
    ],
)
def test_values_that_are_no_prices(name, value, kind, words):
    candles = with_value(name, value)
    assert kind in kinds(candles)
    with pytest.raises(CandleError) as error:
        candles.require_sound()
    sentence = f"1 of 100 candles of RANDOM_WALK {words}, the first at 2015-01-01 10:00:00 UTC: "
    assert str(error.value).startswith(sentence)
    assert f"{name} {value:g}" in str(error.value)
    assert str(error.value).endswith(
        "; expected sorted, unique, on-grid candles with positive prices inside low..high. " + REMEDY
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("high", 1.0), ("low", 1e6), ("open", 1e6), ("close", 1e-3)],
    ids=["high", "low", "open", "close"],
)
def test_prices_outside_low_and_high(name, value):
    candles = with_value(name, value)
    assert kinds(candles) == ["impossible"]
    with pytest.raises(CandleError, match=r"1 of 100 candles .* has its open, high or close outside of low\.\.high"):
        candles.require_sound()


def test_rounding_of_adjusted_prices_is_no_fault():
    candles = with_value("high", max(CLEAN.open[10], CLEAN.close[10]) * (1 - 1e-12))
    assert kinds(candles) == []


def test_bars_that_are_infinite_in_every_price():
    every = CLEAN.frame.with_columns(pl.lit(np.inf).alias(name) for name in ("open", "high", "low", "close"))
    assert "not_finite" in kinds(replace(CLEAN, frame=every))


def test_negative_volume_is_a_fault_and_no_volume_a_notice():
    with pytest.raises(
        CandleError, match="1 of 100 candles of RANDOM_WALK has a negative volume, the first at 2015-01-01 10"
    ):
        with_value("volume", -1.0).require_sound()
    assert with_value("volume", 0.0).require_sound().check().issues.row(0)[:3] == ("zero_volume", False, 1)


def test_unsorted_candles_are_told_to_be_sorted():
    candles = with_rows(list(range(99, -1, -1)))
    assert kinds(candles) == ["unsorted"]
    with pytest.raises(CandleError) as error:
        candles.require_sound()
    assert "99 of 100 candles of RANDOM_WALK open before the previous bar" in str(error.value)
    assert str(error.value).endswith("Put them in order of time with candles.mended(sort=True).")


def test_a_page_repeated_is_told_from_bars_that_disagree():
    repeated = with_rows([*range(50), 49, *range(50, 100)])
    with pytest.raises(
        CandleError, match=r"1 of 101 candles of RANDOM_WALK repeats the open time of another bar.*same values"
    ):
        repeated.require_sound()
    close = repeated.close.copy()
    close[50] *= 1.0001
    other = replace(repeated, frame=repeated.frame.with_columns(close=pl.Series(close), high=repeated.high * 2))
    with pytest.raises(CandleError, match=r"repeats the open time of another bar.*with different values"):
        other.require_sound()


def test_off_the_grid():
    shifted = CLEAN.frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 7).then(pl.col("open_time") + timedelta(minutes=1)).otherwise("open_time")
    )
    candles = replace(CLEAN, frame=shifted)
    assert kinds(candles) == ["off_grid"]
    with pytest.raises(
        CandleError, match=r"1 of 100 candles .* opens off the grid .*2015-01-01 07:01:00 UTC: bars of 1h share"
    ):
        candles.require_sound()


def test_other_faults_are_counted():
    candles = with_value("close", np.nan)
    frame = candles.frame[[*range(50), 49, *range(50, 100)]]
    both = replace(candles, frame=frame)
    with pytest.raises(CandleError, match=r"\(and 1 other kind of issue\)"):
        both.require_sound()
    with pytest.raises(CandleError, match=r"\(and 2 other kinds of issue\)"):
        replace(both, frame=frame.with_columns(volume=-pl.col("volume"))).require_sound()


def test_check_changes_nothing():
    candles = with_value("close", np.nan)
    before = candles.frame.clone()
    candles.check()
    assert candles.frame.equals(before, null_equal=True)


def test_empty_candles_have_no_fault():
    assert CLEAN[5:5].check().is_sound
    assert CLEAN[5:5].segments.shape == (0,)


def test_gaps_are_facts_with_their_place_and_length():
    candles = with_rows([*range(20), *range(25, 60), *range(61, 100)])
    report = candles.check()
    assert report.is_sound
    assert report.missing == 6
    start = datetime(2015, 1, 1, tzinfo=UTC)
    assert report.issues.select("kind", "bars", "first", "last").rows() == [
        ("gap", 5, start + timedelta(hours=20), start + timedelta(hours=24)),
        ("gap", 1, start + timedelta(hours=60), start + timedelta(hours=60)),
    ]
    assert "6 bars are missing in 2 gaps, the longest 5 bars from 2015-01-01 20:00" in str(report)
    assert candles.segments.tolist() == [0] * 20 + [1] * 35 + [2] * 39


def test_nights_weekends_and_holidays_of_sessions_are_no_gap():
    assert sample("sp500").check().issues.filter(pl.col("kind") == "gap").is_empty()
    assert set(sample("sp500").segments) == {0}
    hours = [
        datetime(2024, 1, 1, 14, 30, tzinfo=UTC) + timedelta(days=day, hours=hour)
        for day in range(28)
        for hour in range(7)
        if day % 7 < 5
    ]
    values = dict.fromkeys(("open", "high", "low", "close", "volume"), [1.0] * len(hours))
    session = Candles.from_frame(pl.DataFrame({"time": hours, **values}))
    assert set(session.segments) == {0}
    lunch = replace(session, frame=session.frame.filter(pl.int_range(pl.len()) != 10))
    assert lunch.check().missing == 1


def sessions(hours) -> Candles:
    values = dict.fromkeys(("open", "high", "low", "close", "volume"), [1.0] * len(hours))
    return Candles.from_frame(pl.DataFrame({"time": hours, **values}))


def test_a_week_that_begins_on_sunday_evening_has_no_gap():
    every = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(24 * 56)]
    closed = {(4, hour) for hour in (22, 23)} | {(5, hour) for hour in range(24)} | {(6, hour) for hour in range(22)}
    currencies = sessions([time for time in every if (time.weekday(), time.hour) not in closed])
    assert set(currencies.segments) == {0}
    assert sessions([time for time in every if time.weekday() != 5]).check().missing == 8 * 24


def test_a_special_saturday_later_on_makes_no_gap():
    days = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(90) if day % 7 < 5]
    assert set(sessions([*days, datetime(2024, 4, 6, tzinfo=UTC)]).segments) == {0}


def test_weeks_without_a_bar_are_a_hole_of_a_session_market():
    candles = sample("sp500")
    broken = replace(candles, frame=candles.frame[[*range(500), *range(520, 1_000)]])
    assert broken.segments[499:501].tolist() == [0, 1]


def test_one_bar_is_spoken_of_as_one():
    candles = with_value("close", np.nan)[10:11]
    assert repr(candles).startswith("Candles(RANDOM_WALK 1h, 1 bar, ")
    assert str(candles.check()).splitlines()[:1] == ["RANDOM_WALK 1h: 1 bar, NOT SOUND"]
    assert "\n  1 bar holds a price or volume that is absent" in str(candles.check())
    with pytest.raises(ConfigError, match=r"^bars is 0\.5; expected a whole number of 0 or more"):
        candles.with_max_gap(0.5)  # type: ignore[arg-type]


def test_a_market_that_never_closes_has_a_hole_where_its_weekend_is_missing():
    days = synthetic.random_walk(60, seed=0, interval="1d").candles
    gap = replace(days, frame=days.frame[[*range(9), *range(11, 60)]])
    assert gap.check().missing == 2


def test_candles_of_which_many_are_wrong_are_not_to_be_left_out():
    times = pl.datetime_range(datetime(2024, 1, 1), datetime(2024, 1, 10), "1d", eager=True)
    frame = pl.DataFrame(
        {
            "open_time": times,
            **dict.fromkeys(("open", "high", "low", "close"), [-1.0] * 4 + [1.0] * 6),
            "volume": [1.0] * 10,
        }
    )
    with pytest.raises(CandleError, match="so many are no faults of single bars"):
        Candles.from_frame(frame, interval="1d", symbol="A").require_sound()
