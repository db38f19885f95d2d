"""Forecasts are written in the unit in which people read them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from candlecast import targets
from candlecast.targets import AboveMedian, Direction, NextReturn, Price, RelativeReturn, TripleBarrier, Volatility
from candlecast.targets.units import UNITS, unit_of


@dataclass(frozen=True)
class Mine:
    name: str = "mine"
    horizon: int = 1
    kind: str = "value"


@pytest.mark.parametrize(
    ("target", "value", "words"),
    [
        (NextReturn(), math.log(1.01), "+1.000 %"),
        (NextReturn(5), math.log(0.99), "-1.000 %"),
        (NextReturn(), 1e-9, "0.000 %"),
        (RelativeReturn(), 0.01, "+1.000 %"),
        (Volatility(), math.log(math.log(1.02)), "2.00 %"),
        (Direction(), 0.5312, "53.1 %"),
        (AboveMedian(), 0.5312, "53.1 %"),
        (TripleBarrier(), -0.25, "-0.250"),
        (Price(), 2506.8501, "2,506.85"),
        (Mine(), 0.0123456, "0.012346"),
        (Mine(kind="probability"), 0.25, "25.0 %"),
        (NextReturn(), None, "-"),
        (Price(), math.nan, "-"),
    ],
)
def test_a_forecast_in_a_table(target, value, words):
    assert unit_of(target).words(value) == words


def test_a_sentence_says_what_the_number_is():
    assert unit_of(Direction()).sentence(0.5) == "50.0 % chance of a rise"
    assert unit_of(NextReturn()).sentence(None) == "unknown"


def test_every_unit_is_that_of_a_target():
    kinds = [getattr(targets, name) for name in targets.__all__]
    names = {
        field.default for kind in kinds for field in [getattr(kind, "__dataclass_fields__", {}).get("name")] if field
    }
    assert set(UNITS) <= names
