"""Bars that folds leave out: between test parts, within one, and at the end; what they may leave out is not counted."""

from __future__ import annotations

import numpy as np
import pytest

from candlecast.dataset.coverage import left_out
from candlecast.dataset.folds import CombinatorialPurged, Holdout, PurgedKFold, WalkForward
from candlecast.dataset.rows import Rows

BARS = 1_000
TIMES = np.datetime64("2020-01-01", "us") + np.arange(1, BARS + 1) * np.timedelta64(1, "D")
ALL = np.ones(BARS, dtype=bool)


@pytest.mark.parametrize("horizon", [1, 20])
@pytest.mark.parametrize(
    "folds",
    [
        WalkForward(),
        WalkForward(folds=7, expanding=True),
        WalkForward(train=300, test=90),
        WalkForward(train="10mo", test="4mo", refit="3w"),
        WalkForward(train=900, test=1, refit=1),
        WalkForward(purge=60),
        Holdout(0.7, valid=0.2, purge=30),
        PurgedKFold(embargo="50d"),
        CombinatorialPurged(6, 2),
    ],
)
def test_our_folds_leave_no_bar_out(folds, horizon):
    divided = folds.split(TIMES, range(37, BARS), horizon=horizon, memory=12)
    assert not left_out([fold.test for fold in divided], ALL, horizon=horizon).any()


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([range(500, 700), range(700, BARS)], [0, 0]),
        ([range(500, 700), range(701, BARS)], [1, 0]),
        ([range(700, BARS), range(500, 650)], [0, 50]),  # in any order
        ([range(500, 700), range(600, 800), range(830, BARS)], [0, 30, 0]),
        ([range(500, 800), range(600, 800), range(830, BARS)], [30, 0, 0]),  # of several the first
        ([range(900, BARS)], [0]),  # a late start is a longer training part
    ],
)
def test_bars_count_for_the_part_before_them(parts, found):
    assert left_out([Rows(part) for part in parts], ALL, horizon=1).tolist() == found


def test_holes_within_a_part_count_unless_another_part_tests_them():
    holed, rest = Rows(range(500, 600), range(700, BARS)), Rows(range(600, 690))
    assert left_out([holed], ALL, horizon=1).tolist() == [100]
    assert left_out([holed, rest], ALL, horizon=1).tolist() == [0, 10]


@pytest.mark.parametrize(
    ("last", "horizon", "found"), [(999, 1, 0), (900, 1, 0), (899, 1, 100), (881, 20, 0), (880, 20, 100)]
)
def test_an_end_shorter_than_a_test_part_with_known_outcomes_does_not_count(last, horizon, found):
    parts = [Rows(range(500, last - 100)), Rows(range(last - 100, last))]
    assert left_out(parts, ALL, horizon=horizon).tolist() == [0, found]


def test_bars_that_cannot_be_forecast_are_not_left_out():
    could = ALL.copy()
    could[600:650] = False
    assert left_out([Rows(range(500, 600)), Rows(range(650, BARS))], could, horizon=1).tolist() == [0, 0]
    assert left_out([Rows(range(500, 600)), Rows(range(655, BARS))], could, horizon=1).tolist() == [5, 0]
