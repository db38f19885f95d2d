"""Baselines that a study names are seen with their results, so that later trials count them."""

from __future__ import annotations

from sklearn.linear_model import LinearRegression as LeastSquares

import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.sources import synthetic, synthetic_panel


def test_named_baselines_are_counted_after_the_study_and_default_ones_are_not():
    candles, ledger = synthetic.random_walk(500, seed=1).candles, Ledger.in_memory()
    parts = {"features": cc.Features(cc.log_return()), "folds": cc.WalkForward(folds=2), "seeds": 1}
    named = [cc.Sklearn(LeastSquares(), name=f"last {bars}", window=bars) for bars in (2, 3, 5)]
    study = cc.Study(model=cc.LinearRegression(), baselines=(cc.Naive(), cc.Ridge(), *named), **parts)
    first = study.run(candles, ledger=ledger)
    assert first.trial_count.trials == 1 and ledger.count() == 4
    assert study.run(candles, ledger=ledger).trial_count.trials == 1 and ledger.count() == 4
    later = cc.Study(model=cc.LinearRegression(window=4), baselines=(), **parts).run(candles, ledger=ledger)
    assert later.trial_count.trials == 5 and later.trial_count.trades > 1.5
    cc.Study(model=cc.LinearRegression(window=3), **parts).run(candles, ledger=ledger)
    assert ledger.count() == 6  # the default baselines of the last one are no trials


def test_named_baselines_of_a_panel_are_counted():
    assets, ledger = list(synthetic_panel(4, 300, seed=1).assets), Ledger.in_memory()
    study = cc.PanelStudy(
        model=cc.LinearRegression(window=1),
        features=cc.Features(cc.cross_relative(cc.log_return())),
        target=cc.RelativeReturn(),
        rule=cc.TopBottom(1),
        folds=cc.WalkForward(folds=2),
        baselines=(cc.Momentum(5), cc.Reversal()),
        seeds=1,
    )
    assert study.run(assets, ledger=ledger).trial_count.trials == 1
    trials = ledger.trials()
    assert [each.model for each in trials] == ["linear", "momentum"]
    assert len({each.returns.tobytes() for each in trials}) == 2
