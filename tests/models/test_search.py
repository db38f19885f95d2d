"""Hyper-parameters are chosen inside the training part, and the choice is written down."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import candlecast as cc
from candlecast.dataset.folds import Fold, nested
from candlecast.dataset.rows import Rows
from candlecast.features import Features, log_range, log_return
from candlecast.sources import synthetic
from candlecast.walkforward import plan_jobs

FEATURES = Features(log_return(), log_range())
FOLDS = cc.WalkForward(folds=2)
FIT = cc.Fit(epochs=2, batch=16, sampling="windows")


def space(trial):
    training = replace(FIT, lr=trial.suggest_float("lr", 1e-4, 1e-1, log=True))
    return cc.LSTM(hidden=trial.suggest_categorical("hidden", [2, 4]), window=4, training=training)


def jobs_of(model, candles, *, seeds=1):
    return plan_jobs(model, candles, features=FEATURES, folds=FOLDS, seeds=range(seeds))


def test_the_test_part_changes_no_choice(market, other_future):
    model = cc.Search(space, trials=6, at_once=3, window=4)
    jobs = jobs_of(model, market)
    boundary = jobs[0].fold.test.first - 1
    before = next(fitted for fitted in model.fit(jobs) if fitted.job is jobs[0])
    after = next(iter(model.fit(jobs_of(model, other_future(market, boundary))[:1])))
    assert before.chosen == after.chosen and before.chosen.number < 6


def test_trials_in_a_fleet_are_those_alone(market):
    """Configurations that train as one fleet, with step sizes of their own, end as each by itself."""
    jobs = jobs_of(cc.LSTM(hidden=3, window=4, training=FIT), market)
    nets = [cc.LSTM(hidden=3, window=4, training=replace(FIT, lr=lr)) for lr in (1e-3, 1e-2)]
    alone = [next(iter(net.fit(jobs[:1]))).tensors() for net in nets]
    together = list(nets[0].fit([replace(jobs[0], lr=net.training.lr) for net in nets]))
    for single, fitted in zip(alone, together, strict=True):
        assert all(np.array_equal(fitted.tensors()[name], value) for name, value in single.items())


def test_a_useful_feature_of_the_space_is_found():
    """Least squares on one bar cannot see what lies a bar farther back; a longer window can, and is chosen."""
    candles = synthetic.ar1(2_000, seed=5, phi=0.0, interval="1h").candles
    logs = np.log(candles.close)
    returns = np.diff(logs, prepend=logs[:1])
    returns[2:] += 0.6 * returns[:-2]
    close = 100 * np.exp(np.cumsum(returns))
    frame = candles.frame.with_columns(open=close, high=close * 1.001, low=close * 0.999, close=close)
    model = cc.Search(lambda trial: cc.LinearRegression(window=trial.suggest_int("window", 1, 3)), trials=6, window=3)
    candles = replace(candles, frame=frame.with_columns(open=frame["close"]))
    for fitted in model.fit(jobs_of(model, candles)):
        assert fitted.chosen.parameters["window"] > 1
        assert fitted.chosen.error < 0.9


def test_one_choice_serves_all_seeds_and_is_restored(market):
    model = cc.Search(space, trials=4, at_once=4, window=4)
    fitted = list(model.fit(jobs_of(model, market, seeds=2)))
    assert len(fitted) == 4
    assert {each.chosen.fold for each in fitted} == {0, 1}
    for fold in (0, 1):
        first, second = (each.chosen for each in fitted if each.job.fold.index == fold)
        assert first is second
    for each in fitted:
        again = model.restore(each.job, each.tensors())
        assert again.chosen == each.chosen
        rows = each.job.test_rows
        expected = each.forecast(each.job.samples, rows).mean
        assert np.array_equal(again.forecast(each.job.samples, rows).mean, expected)


def test_a_study_writes_down_what_was_chosen_and_nothing_of_the_others(market, tmp_path):
    """Errors of the others are of bars that an earlier fold tests: with them one could choose columns for the next study."""
    ledger = cc.Ledger(tmp_path)
    study = cc.Study(cc.Search(space, trials=2, window=4), features=FEATURES, folds=FOLDS, baselines=(), seeds=1)
    result = study.run(market, ledger=ledger)
    assert [(each.fold, each.is_chosen) for each in result.searches] == [(0, True), (1, True)]
    assert all(len(json.loads(bytes(own["search"]))) == 6 for own in result.tensors.values())  # of one, by its fields
    assert result.trial_count.trials == 1  # no choice among them has seen the test
    (trial,) = ledger.trials()
    assert trial.searches == result.searches
    study.run(market, ledger=ledger)
    assert ledger.trials()[0].searches == result.searches  # a replay is no other trial
    assert cc.load_run(result.save(tmp_path / "run")).searches == result.searches


def test_what_makes_no_model_is_refused(market):
    with pytest.raises(cc.ConfigError, match=r"made a model with a window of 9 bars.*Search\(\.\.\., window=9\)"):
        cc.walk_forward(cc.Search(lambda trial: cc.LSTM(window=9), window=4), market, features=FEATURES)
    with pytest.raises(cc.ConfigError, match="made a int"):
        cc.walk_forward(cc.Search(lambda trial: 3, window=4), market, features=FEATURES)
    with pytest.raises(cc.ConfigError, match="trials is 0"):
        cc.Search(space, trials=0)


def test_three_parts_of_a_training_part():
    fold = Fold(0, Rows(range(50), range(70, 120)), range(0), range(55, 60))
    inner = nested(fold, horizon=4)
    assert (inner.train, inner.valid, inner.test) == (
        Rows(range(50), range(70, 76)),
        Rows(range(80, 96)),
        Rows(range(100, 120)),
    )
    with pytest.raises(cc.NotEnoughDataError, match="cannot be divided in three"):
        nested(Fold(0, range(10), range(0), range(20, 30)), horizon=4)


def test_folds_may_choose_different_heads(market):
    """What only some folds say is unknown in the others; what was chosen is told through an interval around the choice too."""

    def heads(trial):
        head = {"point": cc.SquaredError(), "normal": cc.Gaussian()}[
            trial.suggest_categorical("head", ["point", "normal"])
        ]
        return cc.LSTM(hidden=2, window=4, training=FIT, head=head)

    search = cc.Search(heads, trials=4, at_once=4, window=4)
    frames = [
        cc.walk_forward(
            cc.LSTM(hidden=2, window=4, training=FIT, head=head), market, features=FEATURES, folds=FOLDS
        ).frame
        for head in (cc.Quantiles((0.1, 0.9)), cc.Gaussian())
    ]
    joined = cc.Forecast.joined([frames[0].filter(fold=0), frames[1].filter(fold=1)], 1).frame
    assert joined["sigma"].null_count() == joined.filter(fold=0).height
    assert joined["q10"].null_count() == joined.filter(fold=1).height
    study = cc.Study(cc.Conformal(search), features=FEATURES, folds=FOLDS, baselines=(), seeds=1)
    assert len(study.run(market, ledger=cc.Ledger.in_memory()).searches) == 2  # folds
