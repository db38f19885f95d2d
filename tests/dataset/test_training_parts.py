"""Training parts follow from their place alone: one rule for all folds."""

from __future__ import annotations

import numpy as np
import pytest

import candlecast as cc
from candlecast.dataset.folds import CombinatorialPurged, Fold, Holdout, PurgedKFold, WalkForward
from candlecast.dataset.rows import Rows
from candlecast.dataset.training_parts import train_by_place
from candlecast.ledger import Ledger
from candlecast.sources import synthetic
from candlecast.study.loading import load_run
from panel_studies import quick_study

TIMES = np.datetime64("2015-01-01", "us") + np.arange(1, 1_501) * np.timedelta64(1, "D")
HEADLINE = "No edge found: the folds pick bars to train on, which may have been chosen by what they are tested on."


class Phases:
    """Each test part of 50 rows is forecast by a model that learnt from the earlier parts that went the same way."""

    def __init__(self, ways: tuple[int, ...], size: int = 50) -> None:
        self.ways, self.size = ways, size

    def split(self, times: np.ndarray, usable: range, *, horizon: int, memory: int = 0) -> tuple[Fold, ...]:
        parts = [range(first, min(first + self.size, len(times))) for first in range(0, len(times), self.size)]
        begin, folds = len(parts) // 2, []
        for place in range(begin, len(parts)):
            alike = [
                range(max(part.start, usable.start), part.stop - horizon)
                for part, way in zip(parts[:place], self.ways, strict=False)
                if way == self.ways[place]
            ]
            if len(parts[place]):
                folds.append(Fold(len(folds), Rows(*alike), Rows(), Rows(parts[place])))
        return tuple(folds)


@pytest.mark.parametrize(
    "folds",
    [
        WalkForward(),
        WalkForward(folds=3, expanding=True, refit=20),
        WalkForward(train="2y", test="1mo"),
        WalkForward(train=300, test=100, valid=0.0, purge=25),
        Holdout(0.7, valid=0.1),
    ],
)
@pytest.mark.parametrize(("horizon", "memory"), [(1, 0), (20, 60)])
def test_folds_of_candlecast_that_walk_forward_train_by_place(folds, horizon, memory):
    assert train_by_place(folds.split(TIMES, range(memory, 1_500), horizon=horizon, memory=memory))


@pytest.mark.parametrize("folds", [PurgedKFold(5), CombinatorialPurged(6, 2)])
def test_folds_that_train_on_later_rows_do_not(folds):
    assert not train_by_place(folds.split(TIMES, range(1_500), horizon=1))


def fold(index, train, valid=range(0), test=None):
    return Fold(index, train, valid, test or range(500 + 100 * index, 600 + 100 * index))


@pytest.mark.parametrize(
    ("folds", "expected"),
    [
        ([fold(0, range(499)), fold(1, range(599)), fold(2, range(699))], True),  # expanding
        ([fold(0, range(499)), fold(1, range(599)), fold(2, range(100, 699))], True),  # expanding, then rolling
        ([fold(0, range(199, 499)), fold(1, range(290, 599)), fold(2, range(410, 699))], True),  # spans of a calendar
        ([fold(0, range(499)), fold(1, range(300, 599)), fold(2, range(699))], False),  # one is shorter
        ([fold(0, range(100, 499)), fold(1, range(100, 499)), fold(2, range(300, 699))], False),  # one ends early
        ([fold(0, range(499)), fold(1, Rows(range(200), range(300, 599)))], False),  # a hole
        ([fold(0, range(400), range(401, 499)), fold(1, range(480), range(481, 599))], True),
        ([fold(0, range(400), range(401, 499)), fold(1, range(250), range(251, 599))], False),  # watches more
        ([fold(0, range(100, 499), range(99)), fold(1, range(100, 599), range(99))], False),  # watches the first rows
    ],
)
def test_one_stretch_before_the_test_by_one_rule(folds, expected):
    assert train_by_place(folds) is expected


def ways(candles, size=50):
    """Whether each stretch rose, which is known at its end."""
    closes = candles.close[::size]
    return tuple(np.sign(np.diff(np.append(closes, candles.close[-1]))).astype(int).tolist())


def test_a_model_trained_on_phases_like_the_tested_one_has_no_edge(tmp_path):
    market = synthetic.random_walk(1_500, seed=1).candles
    study = cc.Study(
        model=cc.LinearRegression(),
        features=cc.Features(cc.log_return(), cc.log_return(5)),
        folds=Phases(ways(market)),
        costs=cc.Costs(fee_bps=1, slippage_bps=0),
        baselines=(),
        seeds=1,
    )
    result = study.run(market, ledger=Ledger(tmp_path / "ledger"))
    verdict = result.verdict
    assert verdict.evidence.is_known and verdict.evidence.is_significant  # the tests alone would call it an edge
    assert not verdict.is_forecastable and not verdict.has_edge
    assert verdict.headline == HEADLINE
    again = load_run(result.save(tmp_path / "run"), study=study)
    assert again.verdict.headline == HEADLINE


def test_nor_has_one_of_a_panel():
    assets = [synthetic.random_walk(800, seed=seed, drift=0.0).candles for seed in range(5)]
    panel = {f"A{place}": each for place, each in enumerate(assets)}
    study = quick_study(cc.cross_relative(cc.log_return()))
    found = {
        "picked": cc.PanelStudy(**(vars(study) | {"folds": Phases(ways(assets[0]))})),
        "walk": study,
    }
    headlines = {name: each.run(panel, ledger=Ledger.in_memory()).verdict.headline for name, each in found.items()}
    assert headlines["picked"] == HEADLINE and headlines["walk"] != HEADLINE
