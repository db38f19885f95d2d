"""Positions: what is refused, and with which words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from candlecast.errors import ConfigError
from candlecast.signals import Positions

TIMES = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(3)]


def positions(values, times=TIMES, symbol="A") -> Positions:
    return Positions(pl.DataFrame({"time": times, "symbol": symbol, "position": values}))


def test_the_table_is_typed_and_keeps_its_columns_only():
    frame = pl.DataFrame({"note": "x", "position": [1, 0, -1], "symbol": "A", "time": TIMES})
    made = Positions(frame)
    assert made.frame.columns == ["time", "symbol", "position"]
    assert made.frame["position"].to_list() == [1.0, 0.0, -1.0]
    assert (len(made), made.symbol) == (3, "A")
    assert frame.columns == ["note", "position", "symbol", "time"]


def test_no_positions_are_positions():
    made = positions([], times=[], symbol=[])
    assert (len(made), made.symbol) == (0, "")


@pytest.mark.parametrize("value", [1.01, -2.0, float("nan"), float("inf"), None])
def test_positions_outside_one(value):
    with pytest.raises(ConfigError) as error:
        positions([0.5, value, 0.5])
    assert str(error.value) == (
        f"the position at 2024-01-01 01:00:00+00:00 is {value}; expected a number in [-1, 1]. "
        "Clip or correct the rule that made it."
    )


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 0, 1], [2, 1, 0]])
def test_times_that_do_not_rise(order):
    with pytest.raises(ConfigError) as error:
        positions([0.0] * 3, times=[TIMES[row] for row in order])
    assert str(error.value) == (
        "times of the positions do not rise; expected each later than the one before. Sort them and remove duplicates."
    )


def test_one_asset_only():
    with pytest.raises(ConfigError, match=r"^positions hold 2 symbols; expected one\. Split them by symbol\.$"):
        positions([0.0] * 3, symbol=["A", "B", "B"])


def test_columns_that_are_missing():
    with pytest.raises(ConfigError) as error:
        Positions(pl.DataFrame({"time": TIMES, "position": [0.0] * 3}))
    assert str(error.value) == (
        "positions lack the column symbol; expected time, symbol, position. Rename or add the column."
    )
