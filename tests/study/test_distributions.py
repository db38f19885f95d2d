"""Studies whose forecasts are more than one number: run, judged, shown, saved and read back."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from candlecast.cli import model_registry
from candlecast.dataset.folds import WalkForward
from candlecast.errors import RunError
from candlecast.fleet.settings import Fit
from candlecast.heads import Gaussian, Labels, Quantiles
from candlecast.models import LSTM, Conformal, Drift, LinearRegression
from candlecast.recipes import describe, restore
from candlecast.report.html import render
from candlecast.sources import synthetic
from candlecast.study import Study
from candlecast.study.loading import load_run
from candlecast.targets import ExcessReturn, NextReturn, ScaledReturn, Several, TripleBarrier

FIT = Fit(epochs=2, batch=16)
MARKET = synthetic.garch(700, seed=3).candles
BENCHMARK = replace(synthetic.garch(700, seed=4).candles, symbol="BENCHMARK")


def net(head=None):
    return LSTM(hidden=3, window=6, training=FIT, head=head)


STUDIES = {
    "several": (net(Gaussian()), Several(NextReturn(1), NextReturn(5))),
    "quantiles": (net(Quantiles()), ScaledReturn()),
    "barriers": (net(Labels(ordinal=True)), TripleBarrier(5)),
    "conformal": (Conformal(LinearRegression()), NextReturn()),
}


@pytest.fixture(scope="module")
def results():
    return {
        name: Study(model=model, target=target, folds=WalkForward(folds=2), seeds=2, baselines=()).run(MARKET)
        for name, (model, target) in STUDIES.items()
    }


@pytest.mark.parametrize("name", STUDIES)
def test_a_run_keeps_all_that_was_forecast(name, results, tmp_path):
    result = results[name]
    loaded = load_run(result.save(tmp_path / "run"))
    assert loaded.target == result.target
    for model, forecast in result.forecasts.items():
        assert loaded.forecasts[model].frame.equals(forecast.frame)
        assert loaded.forecasts[model].horizon == forecast.horizon
    assert str(loaded.verdict) == str(result.verdict)


@pytest.mark.parametrize("name", STUDIES)
def test_the_report_shows_a_distribution_where_there_is_one(name, results):
    page = render(results[name])
    assert ('id="calibration"' in page) == (name != "barriers")


def test_the_first_of_several_is_judged_by_its_own_horizon(results):
    result = results["several"]
    assert result.primary_target == NextReturn(1)
    assert result.forecast.horizon == 1
    frame = result.forecast.frame.drop_nulls("target")
    assert (frame["known_at"] - frame["time"]).max() < (frame["known_at@return_5"] - frame["time"]).min()
    later = result.forecast.at("return_5")
    assert later.horizon == 5
    assert later.averaged().frame["sigma"].equals(result.forecast.averaged().frame["sigma@return_5"])
    assert result.verdict.evidence is not None


def test_a_touched_barrier_is_known_when_it_is_touched(results):
    frame = results["barriers"].forecast.frame.drop_nulls("target")
    waited = (frame["known_at"] - frame["time"]).dt.total_days()
    assert waited.min() == 1
    assert (frame.filter(waited < waited.max())["target"] != 0).mean() > 0.95
    assert frame.select((pl.sum_horizontal("p_down", "p_flat", "p_up") - 1).abs().max()).item() < 1e-12


def test_a_benchmark_is_named_and_has_to_be_given_again(tmp_path):
    study = Study(model=Drift(), target=ExcessReturn(BENCHMARK), folds=WalkForward(folds=2), seeds=1, baselines=())
    result = study.run(MARKET)
    folder = result.save(tmp_path / "run")
    message = "the candles of BENCHMARK 1d are named, not stored; expected candles with the fingerprint .*candles="
    with pytest.raises(RunError, match=message):
        load_run(folder)
    with pytest.raises(RunError, match="and those given are "):
        load_run(folder, candles=[MARKET])
    loaded = load_run(folder, candles=[MARKET, BENCHMARK])
    assert loaded.target.benchmark is BENCHMARK
    assert loaded.forecast.frame.equals(result.forecast.frame)


@pytest.mark.parametrize(
    "target", [TripleBarrier(7, width=0.5), ScaledReturn(3), Several(ScaledReturn(1), NextReturn(2))]
)
def test_targets_are_described_and_restored(target):
    assert restore(describe(target)) == target


def test_the_command_line_knows_the_new_targets():
    assert model_registry.target("triplebarrier", horizon=5) == TripleBarrier(5)
    assert model_registry.target("scaled") == ScaledReturn(1)
