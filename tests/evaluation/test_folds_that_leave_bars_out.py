"""Folds that leave bars out give no verdict on skill: what is tested may have been chosen by what happened in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl
import pytest

import candlecast as cc
from candlecast.dataset.folds import Fold, Folds
from candlecast.dataset.membership import WhileMember
from candlecast.dataset.rows import Rows
from candlecast.errors import ConfigError
from candlecast.ledger import Ledger
from candlecast.panel.loading import load_panel_run
from candlecast.scan import scan
from candlecast.sources import synthetic
from panel_studies import quick_study
from small_scans import LINEAR, plan_of, walk

STUDY = cc.Study(
    model=cc.LinearRegression(),
    features=cc.Features(cc.log_return()),
    costs=cc.Costs(fee_bps=4, slippage_bps=1),
    baselines=(),
    seeds=1,
)
MONTHS = cc.WalkForward(train=700, test=50)  # 16 parts of 1,500 bars
NO_EDGE = "No edge found: the folds leave out bars, which may have been chosen by what happened in them."


@dataclass(frozen=True)
class Chosen:
    """Some folds of a division."""

    division: Folds
    kept: tuple[int, ...]

    def split(self, times, usable, *, horizon, memory=0):
        whole = self.division.split(times, usable, horizon=horizon, memory=memory)
        return tuple(fold for fold in whole if fold.index in self.kept)


@dataclass(frozen=True)
class Joined:
    """The folds of a division as one, whose test part has holes."""

    folds: Folds

    def split(self, times, usable, *, horizon, memory=0):
        first, *others = self.folds.split(times, usable, horizon=horizon, memory=memory)
        rows = Rows(*first.test.parts, *(part for fold in others for part in fold.test.parts))
        return (Fold(0, first.train, first.valid, rows),)


@pytest.fixture(scope="module")
def market():
    return synthetic.ar1(1_500, seed=11, phi=0.35).candles


def run(candles, folds, study=STUDY, ledger=None):
    return replace(study, folds=folds).run(candles, ledger=ledger or Ledger.in_memory())


@pytest.mark.parametrize(
    "folds",
    [
        MONTHS,
        cc.WalkForward(),
        Chosen(MONTHS, tuple(range(4, 16))),  # a late start
        Chosen(MONTHS, tuple(range(15))),  # the last part was not complete
        Joined(MONTHS),
    ],
)
def test_an_edge_in_all_bars_is_one(market, folds):
    found = run(market, folds)
    assert found.folds["left_out"].sum() == 0 and found.verdict.has_edge
    assert "in no test part" not in found.verdict.text


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        (
            Chosen(MONTHS, tuple(range(0, 16, 2))),
            "350 of 750 bars from the first tested one on",
        ),  # at regular distances
        (Chosen(MONTHS, (*range(7), *range(8, 16))), "50 of "),
        (Chosen(MONTHS, tuple(range(10))), "of "),  # an end long before that of the record
        (Joined(Chosen(MONTHS, (*range(7), *range(8, 16)))), "50 of "),  # a hole within a part
        (WhileMember(MONTHS, (("2014-01-01", "2017-08-01"), ("2017-11-01", "2030-01-01"))), "of "),
    ],
)
def test_neither_trading_nor_forecast_has_a_verdict_where_bars_are_left_out(market, folds, words):
    found = run(market, folds)
    verdict, missed = found.verdict, int(found.folds["left_out"].sum())
    assert missed > 0 and verdict.headline == NO_EDGE
    assert not verdict.is_forecastable and not verdict.pays
    assert f"{missed:,} of " in verdict.text and words in verdict.text
    assert "are in no test part; test all of them: begin each test part where the one before ends" in verdict.text
    assert verdict.evidence.forecast_p_adjusted < 0.05, "without the objection the forecast would count"
    view = found.between(found.folds["test_first"][0], found.folds["test_first"][0] + timedelta(days=40))
    assert view.verdict.headline == NO_EDGE, "a part of what was chosen"


def test_what_is_left_out_is_kept_in_the_run(market, tmp_path):
    found = run(market, Chosen(MONTHS, tuple(range(0, 16, 2))), ledger=Ledger(tmp_path))
    loaded = cc.load_run(found.save(tmp_path / "run"))
    assert loaded.folds.equals(found.folds) and loaded.verdict.headline == NO_EDGE
    hidden = replace(found, folds=found.folds.with_columns(left_out=pl.lit(0)))
    assert hidden.verdict.headline == "No verdict on skill: folds from elsewhere."
    old = replace(found, folds=found.folds.drop("left_out")).save(tmp_path / "old")
    assert "left_out" not in cc.load_run(old).folds.columns


def test_bars_that_gaps_and_undefined_features_take_are_not_left_out(market):
    gone = replace(market, frame=pl.concat([market.frame[:1_000], market.frame[1_040:]]))
    found = run(gone, MONTHS, replace(STUDY, model=cc.LinearRegression(window=10)))
    assert found.lost["window across a gap"] > 0 and found.folds["left_out"].sum() == 0


def test_folds_that_learn_from_later_bars_say_so_first(market):
    for folds in (cc.PurgedKFold(), cc.CombinatorialPurged(4, 2)):
        found = run(market, folds)
        assert found.folds["left_out"].sum() == 0
        assert found.verdict.headline.startswith("No verdict on trading: the folds train on bars that come after")


def test_two_folds_cannot_have_one_number(market):
    with pytest.raises(ConfigError, match="two folds have the index 0; expected a number each"):
        run(market, Doubled())


class Doubled:
    def split(self, times, usable, *, horizon, memory=0):
        return tuple(
            Fold(0, fold.train, fold.valid, fold.test)
            for fold in cc.WalkForward(folds=2).split(times, usable, horizon=horizon)
        )


@pytest.fixture(scope="module")
def panel():
    return [walk(name, seed, bars=600) for seed, name in enumerate("ABCDE")]


def test_moments_of_a_panel_that_are_left_out(panel, tmp_path):
    thirds = cc.WalkForward(folds=6)
    study = replace(quick_study(), folds=thirds)
    assert study.run(panel, ledger=Ledger.in_memory()).folds["left_out"].sum() == 0
    found = replace(study, folds=Chosen(thirds, (0, 1, 3, 4, 5))).run(panel, ledger=Ledger(tmp_path))
    size = int(found.folds["test_bars"][1])
    assert found.folds["left_out"].to_list() == [0, size, 0, 0, 0]
    assert found.verdict.headline == NO_EDGE and not found.verdict.is_forecastable
    loaded = load_panel_run(found.save(tmp_path / "run"))
    assert loaded.folds.equals(found.folds) and loaded.verdict.headline == NO_EDGE


def test_parts_in_which_an_asset_was_not_among_the_largest_are_none_of_its_bars(tmp_path):
    volume = {"A": [1e6] * 140 + [1.0] * 80, "B": [1e3] * 220, "C": [1.0] * 140 + [1e6] * 80}
    assets = [
        replace(each, frame=each.frame.with_columns(volume=pl.Series(volume[each.symbol])))
        for each in (walk(name, seed) for seed, name in enumerate("ABC"))
    ]
    plan = plan_of(*assets, models=[LINEAR], folds=cc.WalkForward(folds=6), largest=2, volume_span="20d")
    found = scan(plan, runs=tmp_path, workers=1)
    result = found.result(symbol="A")
    assert 0 < result.folds.height < 6 and result.folds["left_out"].sum() == 0
    assert "in no test part" not in result.verdict.text
    spans = result.recipe["folds"]["spans"]
    own = run(assets[0], WhileMember(cc.WalkForward(folds=6), tuple(map(tuple, spans))))
    assert own.verdict.headline == NO_EDGE, "spans that nobody ranked"
    gappy = scan(replace(plan, folds=Chosen(cc.WalkForward(folds=6), (0, 1, 3, 5))), runs=tmp_path / "gappy", workers=1)
    assert gappy.failures["sentence"].str.contains("the folds within WhileMember leave out bars").all()
    assert gappy.failures.height == 3
