"""What a study shows beside its own trial, of baselines and of further targets, is counted by later trials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression as LeastSquares

import candlecast as cc
from candlecast.evaluation.beside import STANDARD
from candlecast.ledger import Ledger
from candlecast.recipes import describe
from candlecast.sources import synthetic, synthetic_panel
from candlecast.study.study import BASELINES

PARTS = {"features": cc.Features(cc.log_return()), "folds": cc.WalkForward(folds=2), "seeds": 1}


@pytest.fixture(scope="module")
def candles():
    return synthetic.random_walk(500, seed=1).candles


def models(ledger):
    return [each.model for each in ledger.trials()]


def column(number):
    """A feature of its own: the sign of the return some bars ago."""

    def own(candles):
        signs = np.concatenate([[0.0], np.sign(np.diff(np.log(candles.close)))])
        return np.concatenate([np.zeros(number), signs[: len(signs) - number]])

    own.__name__ = own.__qualname__ = f"lag{number}"
    return cc.feature(warmup=number + 1)(own)


def test_named_baselines_are_counted_after_the_study(candles):
    ledger = Ledger.in_memory()
    named = [cc.Sklearn(LeastSquares(), name=f"last {bars}", window=bars) for bars in (2, 3, 5)]
    study = cc.Study(model=cc.LinearRegression(), baselines=(cc.Naive(), cc.Ridge(), *named), **PARTS)
    first = study.run(candles, ledger=ledger)
    assert first.trial_count.trials == 1 and models(ledger) == ["linear", "ridge", "last 2", "last 3", "last 5"]
    assert study.run(candles, ledger=ledger).trial_count.trials == 1 and ledger.count() == 5
    later = cc.Study(model=cc.LinearRegression(window=4), baselines=(), **PARTS).run(candles, ledger=ledger)
    assert later.trial_count.trials == 6 and later.trial_count.trades > 1.5


@pytest.mark.parametrize("named", [None, BASELINES[:7]])
def test_default_baselines_count_where_they_read_features(candles, named):
    ledger = Ledger.in_memory()
    if named:
        named = tuple(each for each in named if each.fits(cc.NextReturn()))
    study = cc.Study(model=cc.Sklearn(LeastSquares(), name="own"), baselines=named, **PARTS)
    assert study.run(candles, ledger=ledger).trial_count.trials == 1
    assert models(ledger) == (["own", "linear", "ridge"] if named is None else ["own", "linear"])
    study.run(candles, ledger=ledger)
    cc.Study(model=cc.LinearRegression(), baselines=(), **PARTS).run(candles, ledger=ledger)
    assert ledger.count() == (3 if named is None else 2), "a baseline that is studied is the trial that it was"


def test_baselines_that_read_no_feature_are_standard():
    reads_features = [each for each in BASELINES if describe(each) not in STANDARD]
    assert [each.name for each in reads_features] == ["linear", "ridge"]
    assert describe(cc.ARIMA(p=2)) not in STANDARD and describe(cc.Momentum()) not in STANDARD


def test_columns_that_only_a_default_baseline_reads_count_one_by_one(candles):
    ledger = Ledger.in_memory()
    for number in range(1, 9):
        parts = PARTS | {"features": cc.Features(column(number))}
        cc.Study(model=cc.Naive(), baselines=(cc.LinearRegression(),), **parts).run(candles, ledger=ledger)
    later = cc.Study(model=cc.LinearRegression(window=4), baselines=(), **PARTS).run(candles, ledger=ledger)
    assert later.trial_count.trials == 17 and later.trial_count.forecasts > 6


def test_a_sum_of_columns_of_baselines_with_chosen_signs_is_made_of_them():
    candles, ledger, signs = synthetic.random_walk(700, seed=1).candles, Ledger.in_memory(), []
    parts = {"folds": cc.Holdout(train=0.5), "seeds": 1, "costs": cc.Costs.free()}
    columns = [column(number) for number in range(1, 25)]
    for each in columns:
        study = cc.Study(model=cc.Naive(), baselines=(cc.LinearRegression(),), features=cc.Features(each), **parts)
        table = study.run(candles, ledger=ledger).accuracy
        signs.append(1.0 if table.row(by_predicate=pl.col("model") == "linear", named=True)["p_mean"] < 0.5 else -1.0)
    summed = cc.Sklearn(Summed(tuple(signs)), name="sum")
    study = cc.Study(model=summed, baselines=(), features=cc.Features(*columns), **parts)
    alone, among = (study.run(candles, ledger=each) for each in (Ledger.in_memory(), ledger))
    assert alone.verdict.evidence.forecast_p_adjusted < 0.02
    assert among.trial_count.forecast_directions > 20 and among.trial_count.forecast_own < 0.95
    assert not among.verdict.is_forecastable


class Summed:
    """The sum of the columns, each with the sign that it has on the training rows times one that was chosen."""

    def __init__(self, signs=()):
        self.signs = signs

    def fit(self, x, y):
        self.slopes = np.sign((x * (y - y.mean())[:, None]).mean(axis=0)) * np.array(self.signs)
        self.size = 0.1 * y.std() / np.sqrt(len(self.signs))
        return self

    def predict(self, x):
        return self.size * (x @ self.slopes)

    def get_params(self, deep=True):
        return {"signs": self.signs}

    def set_params(self, **parameters):
        self.__dict__.update(parameters)
        return self


def test_further_targets_are_counted_after_the_study(candles):
    ledger = Ledger.in_memory()
    target = cc.Several(cc.Volatility(), cc.NextReturn())
    study = cc.Study(model=cc.LinearRegression(), target=target, baselines=(cc.Ridge(),), **PARTS)
    assert study.run(candles, ledger=ledger).trial_count.trials == 1
    assert [(each.model, each.target) for each in ledger.trials()] == [
        ("linear", "volatility_1"),
        ("ridge", "volatility_1"),
        ("linear", "return_1"),
        ("ridge", "return_1"),
    ]
    assert not any(entry.profile.has_traded for entry in ledger.entries()[2:])
    further = ledger.entries()[2]
    study.run(candles, ledger=ledger)
    assert ledger.count() == 4
    alone = cc.Study(model=cc.LinearRegression(), baselines=(), **PARTS).run(candles, ledger=ledger)
    assert alone.trial_count.trials == 5
    skills = further.profile.values[2], alone.trial.outline.values[2]
    assert np.corrcoef(*skills)[0, 1] > 0.999, "a forecast that was seen counts once"
    assert alone.trial_count.forecasts == pytest.approx(alone.trial_count.forecasts_before, abs=0.01)


def test_further_targets_of_one_column_each_count_one_by_one(candles):
    ledger, target = Ledger.in_memory(), cc.Several(cc.Volatility(), cc.NextReturn())
    for number in range(1, 9):
        parts = PARTS | {"features": cc.Features(column(number)), "target": target}
        cc.Study(model=cc.LinearRegression(), baselines=(), **parts).run(candles, ledger=ledger)
    later = cc.Study(model=cc.LinearRegression(window=4), baselines=(), **PARTS).run(candles, ledger=ledger)
    assert later.trial_count.trials == 17 and later.trial_count.forecasts > 5


def test_other_rules_and_views_show_the_baselines_as_well(candles):
    ledger = Ledger.in_memory()
    study = cc.Study(model=cc.Naive(), baselines=(cc.LinearRegression(),), **PARTS)
    result = study.run(candles, ledger=ledger)
    result.sweep([cc.Threshold(enter=0.0), cc.FollowDirection()])
    assert models(ledger) == ["naive", "linear", "naive", "naive", "linear", "linear"]
    view = result.between(since=result.forecast.frame["time"][100])
    assert ledger.count() == 6
    str(view.verdict)
    assert models(ledger)[6:] == ["naive", "linear"]


class Column:
    """A rule that trades a column by the forecasts of one model, and holds nothing by those of the others."""

    def __init__(self, number: int, stops: bool = False) -> None:
        self.number = number
        self.stops = stops

    def __call__(self, forecast, candles):
        if self.stops and forecast.model == "linear":
            raise KeyboardInterrupt
        held = cc.HoldPosition()(replace(forecast, frame=forecast.frame.with_columns(position=0.0)))
        if forecast.model != "naive":
            return held
        return replace(
            held, frame=held.frame.with_columns(position=pl.col("time").dt.day() % self.number / self.number)
        )


def test_what_a_rule_of_the_user_makes_of_a_standard_baseline_counts(candles):
    ledger = Ledger.in_memory()
    for number in (2, 3, 4):
        study = cc.Study(model=cc.ARIMA(), rule=Column(number), baselines=(), **PARTS)
        study.run(candles, ledger=ledger)
    assert models(ledger) == ["arima", "naive"] * 3, "drift holds nothing"


def test_baselines_that_a_stopped_rule_saw_count(candles):
    ledger = Ledger.in_memory()
    study = cc.Study(model=cc.Naive(), rule=Column(1, stops=True), baselines=(cc.LinearRegression(),), **PARTS)
    with pytest.raises(KeyboardInterrupt):
        study.run(candles, ledger=ledger)
    naive, linear = ledger.entries()
    assert naive.is_open and linear.is_open and not linear.profile.has_traded
    shown = cc.Study(model=cc.LinearRegression(), baselines=(), **PARTS).run(candles, ledger=Ledger.in_memory())
    assert np.corrcoef(linear.profile.values[2], shown.trial.outline.values[2])[0, 1] > 0.999


@pytest.mark.parametrize("baselines", [None, (cc.Momentum(5), cc.Reversal())])
def test_baselines_of_a_panel_are_counted(baselines):
    assets, ledger = list(synthetic_panel(4, 300, seed=1).assets), Ledger.in_memory()
    study = cc.PanelStudy(
        model=cc.LinearRegression(window=1) if baselines else cc.Sklearn(LeastSquares(), name="own"),
        features=cc.Features(cc.cross_relative(cc.log_return())),
        target=cc.RelativeReturn(),
        rule=cc.TopBottom(1),
        folds=cc.WalkForward(folds=2),
        baselines=baselines,
        seeds=1,
    )
    assert study.run(assets, ledger=ledger).trial_count.trials == 1
    trials = ledger.trials()
    assert [each.model for each in trials] == (["linear", "momentum"] if baselines else ["own", "linear"])
    assert len({each.returns.tobytes() for each in trials}) == (2 if baselines else 1), "the same regression"


def test_a_rule_of_the_user_that_follows_the_forecasts_adds_no_standard_baseline(candles):
    ledger = Ledger.in_memory()
    study = cc.Study(model=cc.Ridge(), rule=Looking(), baselines=(cc.ARIMA(),), **PARTS)
    result = study.run(candles, ledger=ledger)
    assert result.positions["arima"].frame["position"].n_unique() > 1
    assert models(ledger) == ["ridge"]


class Looking:
    """A rule that holds by the sign of the forecast."""

    def __call__(self, forecast, candles):
        return cc.Threshold(enter=0.0)(forecast)
