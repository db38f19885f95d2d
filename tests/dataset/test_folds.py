"""Folds: parts never overlap, no label reaches into what it is judged on, every row is tested once."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from candlecast.dataset.folds import CombinatorialPurged, Fold, Holdout, PurgedKFold, WalkForward, check_folds
from candlecast.dataset.rows import Rows
from candlecast.errors import ConfigError, LookaheadError, NotEnoughDataError
from candlecast.sources import sample

HOUR = np.timedelta64(1, "h")


def hours(bars: int) -> np.ndarray:
    """Closes of hourly bars."""
    return np.datetime64("2023-01-01T00:00", "us") + HOUR * np.arange(1, bars + 1)


DAYS = sample("sp500").close_time


@st.composite
def divisions(draw):
    bars = draw(st.integers(50, 2_000))
    start = draw(st.integers(0, bars // 4))
    horizon = draw(st.integers(1, 20))
    common = {
        "expanding": draw(st.booleans()),
        "valid": draw(st.sampled_from([0.0, 0.1, 0.2, 0.5])),
        "purge": draw(st.sampled_from([None, horizon, horizon + 5])),
    }
    if draw(st.booleans()):
        folds = WalkForward(folds=draw(st.integers(1, 8)), **common)
    else:
        length = st.integers(10, bars) | st.integers(10, bars).map(lambda count: f"{count}h")
        folds = WalkForward(train=draw(length), test=draw(length), **common)
    try:
        return bars, start, horizon, folds, folds.split(hours(bars), range(start, bars), horizon=horizon)
    except NotEnoughDataError:
        assume(False)


@given(divisions())
def test_no_training_label_is_known_later_than_the_part_it_is_judged_on_begins(case):
    _, start, horizon, folds, parts = case
    for fold in parts:
        last_label = fold.train.last + horizon
        assert start <= fold.train.first <= fold.train.last
        assert last_label < fold.test.first
        if len(fold.valid):
            assert last_label < fold.valid.first
            assert fold.train.last < fold.valid.first <= fold.valid.last
            assert fold.valid.last + horizon < fold.test.first
        assert fold.fit.first == fold.train.first
        assert fold.fit.last + horizon < fold.test.first
        gap = horizon if folds.purge is None else folds.purge
        assert fold.fit.last == fold.test.first - gap - 1


@given(divisions())
def test_every_row_behind_the_first_training_part_is_tested_exactly_once(case):
    bars, _, _, folds, parts = case
    tested = np.concatenate([fold.test.array for fold in parts])
    np.testing.assert_array_equal(tested, np.arange(parts[0].test.first, bars))
    assert [fold.index for fold in parts] == list(range(len(parts)))
    if folds.train is None:
        assert len(parts) == folds.folds


@given(divisions())
def test_the_training_part_rolls_or_expands(case):
    _, start, _, folds, parts = case
    lengths = [len(fold.fit) for fold in parts]
    if folds.expanding:
        assert {fold.train.first for fold in parts} == {start}
        assert lengths == sorted(lengths)
    else:
        assert len(set(lengths)) == 1
        assert parts[0].train.first == start
        for fold, later in pairwise(parts):
            assert later.train.first - fold.train.first == later.test.first - fold.test.first


@given(divisions(), st.data())
def test_what_comes_later_changes_no_earlier_fold(case, data):
    """More candles at the end leave the folds that were already over as they were."""
    bars, start, horizon, folds, parts = case
    assume(folds.train is not None)
    more = data.draw(st.integers(0, 300))
    later = folds.split(hours(bars + more), range(start, bars + more), horizon=horizon)
    assert later[: len(parts) - 1] == parts[:-1]
    assert (later[len(parts) - 1].train, later[len(parts) - 1].valid) == (parts[-1].train, parts[-1].valid)


def test_a_division_by_hand():
    folds = WalkForward(train=100, test=50, valid=0.2).split(hours(210), range(10, 210), horizon=5)
    assert folds == (
        Fold(0, range(10, 81), range(86, 105), range(110, 160)),
        Fold(1, range(60, 131), range(136, 155), range(160, 210)),
    )


def test_halves_by_hand():
    folds = WalkForward(folds=2, valid=0.0).split(hours(101), range(1, 101), horizon=1)
    assert folds == (
        Fold(0, range(1, 50), range(50, 50), range(51, 76)),
        Fold(1, range(26, 75), range(75, 75), range(76, 101)),
    )


@pytest.mark.parametrize(("rest", "tests"), [(24, [50, 74]), (25, [50, 50, 25]), (0, [50, 50])])
def test_a_short_last_part_joins_the_one_before(rest, tests):
    folds = WalkForward(train=100, test=50).split(hours(200 + rest), range(200 + rest), horizon=1)
    assert [len(fold.test) for fold in folds] == tests


def test_spans_are_measured_by_the_calendar():
    folds = WalkForward(train="4y", test="1y", valid=0.0).split(DAYS, range(100, len(DAYS)), horizon=5)
    year = np.timedelta64(31_556_952, "s")
    for fold in folds:
        assert abs(DAYS[fold.test.first] - DAYS[fold.train.first] - 4 * year) < np.timedelta64(5, "D")
    for fold, later in pairwise(folds):
        assert abs(DAYS[later.test.first] - DAYS[fold.test.first] - year) < np.timedelta64(5, "D")
    assert len(folds) == 16


def test_spans_equal_bars_where_no_bar_is_missing():
    usable = range(7, 500)
    assert WalkForward(train="100h", test="40h").split(hours(500), usable, horizon=3) == WalkForward(
        train=100, test=40
    ).split(hours(500), usable, horizon=3)


def test_holdout_by_hand():
    (fold,) = Holdout(0.8).split(hours(110), range(10, 110), horizon=4)
    assert fold == Fold(0, range(10, 86), range(86, 86), range(90, 110))
    (fold,) = Holdout(0.8, valid=0.25).split(hours(110), range(10, 110), horizon=4)
    assert fold == Fold(0, range(10, 63), range(67, 86), range(90, 110))


@given(st.integers(20, 500), st.floats(0.1, 0.9), st.sampled_from([0.0, 0.3]), st.integers(1, 20))
def test_holdout_never_leaks(bars, train, valid, horizon):
    try:
        (fold,) = Holdout(train, valid=valid).split(hours(bars), range(bars), horizon=horizon)
    except NotEnoughDataError:
        return
    assert fold.fit.last + horizon < fold.test.first
    assert fold.test.last == bars - 1
    assert not len(fold.valid) or fold.train.last + horizon < fold.valid.first


def test_a_purge_shorter_than_the_horizon_is_refused():
    with pytest.raises(LookaheadError) as error:
        WalkForward(train=1_000, test=500, purge=0, valid=0.0).split(hours(2_000), range(2_000), horizon=24)
    assert str(error.value) == (
        "fold 0 trains on rows up to 2023-02-11 16:00, but their target (horizon 24 bars) is known only at "
        "2023-02-12 16:00, inside the test range; expected at least 24 purged bars before 2023-02-11 17:00. "
        "Use purge=24 or leave purge unset to take it from the target."
    )


@pytest.mark.parametrize(
    "folds", [WalkForward(purge=4, valid=0.0), Holdout(purge=4), WalkForward(train=100, test=50, purge=-1)]
)
def test_one_bar_of_purge_too_few(folds):
    with pytest.raises(LookaheadError, match=r"\(horizon 5 bars\) is known only at"):
        folds.split(hours(400), range(400), horizon=5)
    assert folds.split(hours(400), range(400), horizon=4) if folds.purge == 4 else True


@pytest.mark.parametrize(
    ("fold", "where"),
    [
        (Fold(0, range(90), range(95, 110), range(120, 150)), "validation"),
        (Fold(0, range(90), range(110, 115), range(120, 150)), "test"),
        (Fold(0, range(115), range(115, 115), range(120, 150)), "test"),
    ],
)
def test_check_folds_looks_at_every_boundary(fold, where):
    with pytest.raises(LookaheadError, match=f"inside the {where} range"):
        check_folds((fold,), hours(200), horizon=10)


def test_check_folds_passes_what_is_honest():
    honest = (Fold(0, range(90), range(100, 110), range(120, 150)),)
    assert check_folds(honest, hours(200), horizon=10) == honest
    with pytest.raises(LookaheadError):
        check_folds(honest, hours(200), horizon=11)


@pytest.mark.parametrize(
    ("folds", "bars", "message"),
    [
        (
            WalkForward(),
            8,
            "8 usable rows cannot be divided into a training half and 5 test parts; expected at least 10 rows.",
        ),
        (
            WalkForward(train="4y", test="1y"),
            100,
            "train='4y' takes all 100 usable rows (2023-01-01 01:00 to 2023-01-05 04:00); expected rows left",
        ),
        (WalkForward(train=100, test=5), 100, "train=100 takes all 100 usable rows"),
        (
            WalkForward(train=10, test=10),
            100,
            "fold 0 has 0 rows to train on and 10 to test on; expected at least one of each.",
        ),
        (Holdout(0.8), 12, "fold 0 has 0 rows to train on and 3 to test on"),
    ],
)
def test_too_few_rows(folds, bars, message):
    with pytest.raises(NotEnoughDataError) as error:
        folds.split(hours(bars), range(bars), horizon=12)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WalkForward(train="4y"), "train is '4y' and test is None; expected both lengths, or neither."),
        (lambda: WalkForward(test=10), "train is None and test is 10; expected both lengths, or neither."),
        (lambda: WalkForward(folds=0), "folds is 0; expected 1 or more. Use WalkForward(folds=5)."),
        (lambda: WalkForward(train=0, test=10), "a part of 0 bars; expected a whole number of bars, 1 or more."),
        (lambda: WalkForward(train=0.8, test=0.2), "train is 0.8; expected a whole number"),
        (
            lambda: WalkForward(train=100.0, test=10),
            "train is 100.0; expected a whole number",
        ),
        (lambda: WalkForward(train="4 years", test="1y"), "span '4 years' is not a length of time"),
        (lambda: WalkForward(valid=1.0), "valid is 1.0; expected a share between 0 and 1."),
        (lambda: WalkForward(valid=-0.1), "valid is -0.1; expected a share between 0 and 1."),
        (lambda: Holdout(0.0), "train is 0.0; expected a share between 0 and 1. 0.8 stands for 80 %."),
        (lambda: Holdout(80), "train is 80; expected a share between 0 and 1."),
    ],
)
def test_parameters_that_cannot_mean_anything(make, message):
    with pytest.raises(ConfigError) as error:
        make()
    assert str(error.value).startswith(message)


@st.composite
def purged(draw):
    bars, start = draw(st.integers(60, 1_500)), draw(st.integers(0, 15))
    horizon, memory = draw(st.integers(1, 20)), draw(st.integers(0, 40))
    options = {
        "valid": draw(st.sampled_from([0.0, 0.2, 0.5])),
        "purge": draw(st.sampled_from([None, horizon, horizon + 3])),
        "embargo": draw(st.sampled_from([None, 0, 7, "9h"])),
    }
    groups = draw(st.integers(2, 7))
    tested = draw(st.integers(1, groups - 1))
    recipe = PurgedKFold(groups, **options) if tested == 1 else CombinatorialPurged(groups, tested, **options)
    try:
        return (
            bars,
            start,
            horizon,
            memory,
            recipe,
            recipe.split(hours(bars), range(start, bars), horizon=horizon, memory=memory),
        )
    except NotEnoughDataError:
        assume(False)


@settings(deadline=None)
@given(purged())
def test_no_label_is_shared_and_no_training_row_has_seen_a_test_bar(case):
    bars, start, horizon, memory, recipe, parts = case
    gap = horizon if recipe.purge is None else recipe.purge
    embargo = {None: memory, "9h": 9}.get(recipe.embargo, recipe.embargo)
    for fold in parts:
        rows = np.arange(bars)
        tested = np.isin(rows, fold.test.array)
        count = np.concatenate([[0], np.cumsum(tested)])
        before = count[rows + 1] > count[np.maximum(rows - gap - embargo, 0)]  # tested, or just behind
        after = count[np.minimum(rows + gap + 1, bars)] > count[rows]
        allowed = rows[~before & ~after & (rows >= start)]
        judged = fold.test.array
        for learnt in (fold.train.array, fold.valid.array):
            assert np.isin(learnt, allowed).all()
            for row in learnt[:: max(len(learnt) // 7, 1)].tolist() + learnt[-1:].tolist():
                assert (np.abs(row - judged) > horizon).all()
                if recipe.embargo is None:  # the earliest bar it looks back on is behind every label known before it
                    assert (row - memory > judged[judged < row] + horizon).all()
        assert len(fold.valid) == int(len(allowed) * recipe.valid)
        if len(fold.valid):
            assert fold.train.last + horizon < fold.valid.first
            assert fold.valid.last == allowed[-1]
        assert fold.train.array.tolist() == allowed[: len(fold.train)].tolist()
        assert np.isin(fold.fit.array, allowed).all()
        assert np.isin(np.append(fold.train.array, fold.valid.array), fold.fit.array).all()


@settings(deadline=None)
@given(purged())
def test_combinations_assemble_into_whole_paths(case):
    bars, start, _, _, recipe, parts = case
    groups, tested, paths = (
        (recipe.folds, 1, 1) if isinstance(recipe, PurgedKFold) else (recipe.groups, recipe.test_groups, recipe.paths)
    )
    assert len(parts) == math.comb(groups, tested)
    assert len(set(parts)) == len(parts)
    assert [fold.index for fold in parts] == list(range(len(parts)))
    counts = np.bincount(np.concatenate([fold.test.array for fold in parts]), minlength=bars)
    assert (counts[start:] == paths).all()
    assert not counts[:start].any()
    assert paths * groups == len(parts) * tested


def test_a_purged_division_by_hand():
    folds = PurgedKFold(3, valid=0.25).split(hours(100), range(10, 100), horizon=2, memory=5)
    assert folds == (
        Fold(0, range(47, 85), range(87, 100), range(10, 40)),  # 40 + 2 + 5; a quarter of 53 is 13; 87 - 2
        Fold(1, Rows(range(10, 38), range(77, 86)), range(88, 100), range(40, 70)),
        Fold(2, range(10, 52), range(54, 68), range(70, 100)),  # a quarter of 58 is 14
    )
    assert folds[0].fit == Rows(range(47, 100))
    assert folds[1].fit == Rows(range(10, 38), range(77, 100))


def test_a_fold_is_in_the_order_of_time_if_nothing_that_it_learns_from_comes_later():
    early, middle, late = range(50), range(50, 60), range(60, 99)
    assert (
        Fold(0, early, range(0), middle).is_in_time_order and Fold(0, range(40), range(40, 50), middle).is_in_time_order
    )
    assert not Fold(0, Rows(early, late), range(0), middle).is_in_time_order  # although it begins before
    assert not Fold(0, early, late, middle).is_in_time_order
    assert not Fold(0, range(51), range(0), middle).is_in_time_order


def test_fit_does_not_bridge_a_test_part():
    fold = Fold(0, range(10, 38), range(80, 100), range(40, 70))
    assert fold.fit == Rows(range(10, 38), range(80, 100))


def test_combinations_by_hand():
    folds = CombinatorialPurged(4, 2, valid=0.0).split(hours(40), range(40), horizon=1)
    tests = [(0, 20), (0, 10, 20, 30), (0, 10, 30, 40), (10, 30), (10, 20, 30, 40), (20, 40)]
    for fold, bounds in zip(folds, tests, strict=True):
        assert fold.test == Rows(*(range(*pair) for pair in zip(bounds[::2], bounds[1::2], strict=True)))
    assert folds[1].train == Rows(range(11, 19), range(31, 40))
    assert folds[2].train == Rows(range(11, 29))


def test_an_embargo_may_be_a_span():
    bars = CombinatorialPurged(embargo=12).split(hours(600), range(600), horizon=2, memory=99)
    assert CombinatorialPurged(embargo="12h").split(hours(600), range(600), horizon=2) == bars


@pytest.mark.parametrize("folds", [PurgedKFold(purge=4, valid=0.0), CombinatorialPurged(purge=4, embargo=0)])
def test_a_purge_too_short_on_either_side_is_refused(folds):
    with pytest.raises(LookaheadError, match=r"\(horizon 5 bars\).* known only at"):
        folds.split(hours(400), range(400), horizon=5)
    behind = Fold(3, range(64, 90), range(0), range(40, 60))
    with pytest.raises(LookaheadError) as error:
        check_folds((behind,), hours(100), horizon=5)
    assert str(error.value) == (
        "fold 3 trains on rows from 2023-01-03 17:00 on, but the target (horizon 5 bars) of the test range before them is "
        "known only at 2023-01-03 17:00; expected at least 5 purged bars after 2023-01-03 12:00. Use purge=5 or leave "
        "purge unset to take it from the target."
    )
    assert check_folds((behind,), hours(100), horizon=4) == (behind,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PurgedKFold(1), "folds is 1; expected 2 or more. Use PurgedKFold(folds=5)."),
        (lambda: PurgedKFold(embargo=-1), "a part of -1 bars; expected a whole number of bars"),
        (lambda: CombinatorialPurged(3, 3), "3 of 3 groups to test on; expected at least 1, and at least 1 left to"),
        (lambda: CombinatorialPurged(3, 0), "0 of 3 groups to test on"),
        (lambda: CombinatorialPurged(valid=1.0), "valid is 1.0; expected a share between 0 and 1."),
        (lambda: Rows(range(0, 9, 2)), "a part of the rows is range(0, 9, 2); expected every row of a part."),
    ],
)
def test_purged_parameters_that_cannot_mean_anything(make, message):
    with pytest.raises(ConfigError) as error:
        make()
    assert str(error.value).startswith(message)


def test_an_embargo_that_leaves_nothing():
    with pytest.raises(NotEnoughDataError, match="fold 0 has 0 rows to train on.*a shorter horizon, window or embargo"):
        PurgedKFold(3).split(hours(90), range(90), horizon=1, memory=60)


@given(st.lists(st.integers(0, 60), unique=True))
def test_rows_are_the_numbers_they_are_made_of(numbers):
    numbers = sorted(numbers)
    rows = Rows.of(np.array(numbers, dtype=np.int64))
    assert list(rows) == rows.array.tolist() == numbers
    assert len(rows) == len(numbers)
    assert all(part.stop < later.start for part, later in pairwise(rows.parts))
    assert rows == Rows(*(range(number, number + 1) for number in reversed(numbers)))
    assert rows == eval(repr(rows))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "gave no fold; expected at least one Fold"),
        (None, "gave None; expected a tuple of Fold"),
        (3, "gave 3; expected a tuple of Fold"),
        ([range(3)], r"gave range\(0, 3\); expected a tuple of Fold"),
    ],
)
def test_folds_of_users_are_folds(given, said):
    with pytest.raises(ConfigError, match=said):
        check_folds(given, hours(10), horizon=1)


def test_folds_of_users_may_come_from_a_generator():
    fold = Fold(0, range(5), range(0), range(6, 10))
    assert check_folds((each for each in [fold]), hours(10), horizon=1) == (fold,)
