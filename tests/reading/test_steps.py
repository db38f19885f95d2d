"""The interval, the unit and the side of the times in a file, by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from candlecast.errors import CandleError
from candlecast.reading.timing import UNITS, unit_of
from candlecast.sources.files import read_csv

START = datetime(2024, 1, 1, tzinfo=UTC)


def written(path, times, *, name="time", values=None):
    rows = [
        f"{time},{','.join(map(str, values or (1, 4, 0.5, 2 + place / 100, 7)))}" for place, time in enumerate(times)
    ]
    path.write_text("\n".join([f"{name},open,high,low,close,volume", *rows]) + "\n")
    return path


def iso(minutes):
    return [(START + timedelta(minutes=minute)).isoformat() for minute in minutes]


def test_the_interval_is_the_commonest_step_and_neither_the_smallest_nor_the_first(tmp_path):
    """Steps of 7 minutes, then hours, a single minute, and a gap."""
    minutes = [0, 7, 60, 120, 180, 240, 241, 300, 360, 600, 660]
    assert str(read_csv(written(tmp_path / "a.csv", iso(minutes))).interval) == "1h"


def test_an_interval_that_most_bars_contradict_is_refused(tmp_path):
    path = written(tmp_path / "a.csv", iso(range(0, 600, 60)))
    assert str(read_csv(path, interval="1h").interval) == "1h"
    for wrong in ("1m", "2h"):
        with pytest.raises(CandleError, match=f"open 1h apart; expected {wrong}"):
            read_csv(path, interval=wrong)


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_counts_since_1970_in_any_unit(tmp_path, unit):
    times = [int((START + timedelta(hours=hour)).timestamp()) * unit for hour in range(12)]
    candles = read_csv(written(tmp_path / "a.csv", times))
    assert candles.frame["open_time"].to_list() == [START + timedelta(hours=hour) for hour in range(12)]


@pytest.mark.parametrize(
    ("count", "unit"), [(1.7e9, "s"), (-2e9, "s"), (1.7e12, "ms"), (1.7e15, "us"), (1.7e18, "ns"), (1e25, None)]
)
def test_the_longest_unit_in_which_a_count_is_a_time_is_its_unit(count, unit):
    place = unit_of(count)
    assert (place if place is None else UNITS[place][0]) == unit


def test_times_of_closing_are_moved_to_the_opening(tmp_path):
    candles = read_csv(written(tmp_path / "a.csv", iso(range(60, 780, 60)), name="close_time"))
    assert candles.frame["open_time"][0] == START
    assert candles.frame["close_time"][0] == START + timedelta(hours=1)


def test_columns_that_are_not_what_they_are_called_are_refused(tmp_path):
    path = written(tmp_path / "a.csv", iso(range(0, 1_200, 60)), values=(1, 0.5, 4, 2, 7))
    with pytest.raises(CandleError, match="in 20 of 20 rows .* the high lies below another price"):
        read_csv(path)


def test_rows_of_one_time_are_no_candles(tmp_path):
    times = [time for time in iso(range(0, 300, 60)) for _ in range(4)]
    with pytest.raises(CandleError, match="most of the 20 rows .* open at the time of the row before them"):
        read_csv(written(tmp_path / "a.csv", times))
