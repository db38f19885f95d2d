"""Among how many trials the repetition of a study on a second source is judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Costs
from candlecast.confirmation import confirm
from candlecast.confirmation.counting import judged_as_repetition
from candlecast.dataset.folds import WalkForward
from candlecast.evaluation.trials import Subject, begun_of
from candlecast.features import Features, log_return, trades_change
from candlecast.ledger import Ledger
from candlecast.models import LinearRegression
from candlecast.sources import synthetic
from candlecast.study import Study
from venues import at_venue

STUDY = Study(
    model=LinearRegression(),
    features=Features(log_return()),
    folds=WalkForward(folds=2),
    costs=Costs(fee_bps=1, slippage_bps=0),
    baselines=(),
    seeds=1,
)


@pytest.fixture(scope="module")
def market():
    """1,500 bars of four hours, whose returns continue."""
    return synthetic.ar1(1_500, seed=3, phi=0.2, interval="4h").candles


def studied(market, ledger, *, seed):
    return STUDY.run(at_venue(market, seed=seed), ledger=ledger)


def counts(result):
    counted = result.counted
    return counted.trials, counted.trades_before, counted.trades


def test_the_first_repetition_has_the_level_of_the_run(market):
    """What is tried later, between them as well, counts against neither; a further source does not get the level again."""
    ledger = Ledger.in_memory()
    run = studied(market, ledger, seed=1)
    replace(STUDY, costs=Costs.free()).run(run.candles, ledger=ledger)
    first, second = (studied(market, ledger, seed=seed) for seed in (2, 3))
    assert counts(run) == (1, 0.0, 1.0) and first.counted.trials == 3
    judged = judged_as_repetition(first, run)
    assert counts(judged) == counts(run)
    assert judged.verdict.evidence.return_p_adjusted < first.verdict.evidence.return_p_adjusted
    assert judged_as_repetition(second, run) is second
    assert judged_as_repetition(first, run).counted == judged.counted


def test_assets_that_were_judged_beside_the_run_are_no_repetitions(market):
    ledger = Ledger.in_memory()
    run, beside = (studied(each, Ledger.in_memory(), seed=1) for each in (market, synthetic.ar1(1_500, seed=4).candles))
    ledger.record_all([run.trial, beside.trial])
    repeated = studied(market, ledger, seed=2)
    judged = judged_as_repetition(repeated, replace(run, ledger=ledger))
    assert counts(judged) == counts(run) != counts(repeated)


def test_studies_that_are_one_on_their_candles_are_several_on_the_second_source(market):
    """Of a column that is 0 throughout, all features are alike; the second source has one."""
    ledger, counted = Ledger.in_memory(), np.random.default_rng(0)
    own, other = (at_venue(market, seed=seed) for seed in (1, 2))
    own, other = (
        each.with_activity(trades=trades)
        for each, trades in ((own, np.zeros(len(own))), (other, counted.integers(1, 99, len(other)).astype(float)))
    )
    studies = [replace(STUDY, features=Features(log_return(), trades_change(bars))) for bars in (2, 5)]
    runs = [study.run(own, ledger=ledger) for study in studies]
    assert counts(runs[1])[2] == pytest.approx(1.0, abs=0.1)
    first, second = (study.run(other, ledger=ledger) for study in studies)
    assert counts(judged_as_repetition(first, runs[0])) == counts(runs[0])
    assert judged_as_repetition(second, runs[1]) is second


def test_a_run_that_is_not_in_the_ledger_lends_no_level(market):
    ledger = Ledger.in_memory()
    run, repeated = studied(market, Ledger.in_memory(), seed=1), studied(market, ledger, seed=2)
    assert judged_as_repetition(repeated, replace(run, ledger=ledger)) is repeated


def test_a_study_that_began_since_and_never_ended_may_have_been_a_repetition(market):
    ledger = Ledger.in_memory()
    run = studied(market, ledger, seed=1)
    stopped = begun_of(run.recipe, Subject.of(at_venue(market, seed=9), run.target), run.trial.times)
    ledger.begin([stopped])
    repeated = studied(market, ledger, seed=2)
    assert judged_as_repetition(repeated, run) is repeated


def test_bars_that_the_second_source_lacks_do_not_cost_the_level(market):
    """Windows reach over the holes, so that the repetition is unlike the run, and would be a trial of its own."""
    run, other = studied(market, Ledger.in_memory(), seed=1), at_venue(market, seed=2)
    kept = np.random.default_rng(0).random(len(other)) > 0.05
    other = replace(other, frame=other.frame.filter(pl.Series(kept)))
    found = confirm(run, other)
    again = STUDY.run(other, ledger=run.ledger)
    assert again.counted.trials == 2 and run.verdict.has_edge and found.is_confirmed
    assert 0 < 1.2 * found.other.forecast_p < again.verdict.evidence.forecast_p_adjusted
