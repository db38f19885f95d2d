"""Long bars beside holes, by hand: whole ones stay, partial ones go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday


def hourly(hours) -> Candles:
    """Bars of these hours: open h, high h + 0.9, low h - 0.9, close h + 0.5 and volume h, each plus 10."""
    hours = np.array(list(hours))
    values = {
        name: hours + 10 + shift
        for name, shift in (("open", 0.0), ("high", 0.9), ("low", -0.9), ("close", 0.5), ("volume", 0.0))
    }
    times = [START + timedelta(hours=int(hour)) for hour in hours]
    return Candles.from_frame(pl.DataFrame({"open_time": times, **values}), interval="1h", has_sessions=False)


def opened(candles: Candles) -> list[int]:
    return [int((time - START) / timedelta(hours=1)) for time in candles.frame["open_time"]]


@pytest.mark.parametrize(
    ("missing", "whole"),
    [
        ([], [0, 4, 8, 12]),
        ([8], [0, 4, 12]),  # the hole begins with a long bar: the one before is whole
        ([7], [0, 8, 12]),  # it ends with one
        ([8, 9, 10, 11], [0, 4, 12]),
        ([6, 7, 8], [0, 12]),
        ([0], [4, 8, 12]),
        ([15], [0, 4, 8]),
        ([0, 1, 2, 3], [4, 8, 12]),
        ([5, 6], [0, 8, 12]),
    ],
)
def test_long_bars_without_what_is_missing(missing, whole):
    candles = hourly(hour for hour in range(16) if hour not in missing)
    assert opened(candles.resample("4h")) == whole


def test_values_of_a_long_bar():
    row = hourly(range(8)).resample("4h").frame.row(1, named=True)
    expected = {"open": 14.0, "high": 17.9, "low": 13.1, "close": 17.5, "volume": 14.0 + 15 + 16 + 17}
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert row["close_time"] - row["open_time"] == timedelta(hours=4)


def test_bridged_holes_count_as_none():
    candles = hourly(hour for hour in range(16) if hour not in (5, 9, 10))
    assert opened(candles.resample("4h")) == [0, 12]
    assert opened(candles.bridged(1).resample("4h")) == [0, 4, 12]
    assert opened(candles.bridged(2).resample("4h")) == [0, 4, 8, 12]


def test_segments_end_at_holes_longer_than_the_bridge():
    candles = hourly(hour for hour in range(12) if hour not in (3, 6, 7))
    assert candles.segments.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 2]
    assert candles.bridged(1).segments.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert candles.bridged(2).segments.tolist() == [0] * 9


def test_weeks_begin_on_monday():
    frame = pl.DataFrame({"open_time": [START + timedelta(days=day) for day in range(-3, 20)]}).with_columns(
        **{name: pl.lit(1.0) for name in ("open", "high", "low", "close", "volume")}
    )
    weeks = Candles.from_frame(frame, interval="1d", has_sessions=False).resample("1w").frame
    assert weeks["open_time"].to_list() == [START, START + timedelta(days=7)]
