"""Studies, verdicts and runs: the whole chain, on markets whose truth is known."""

from __future__ import annotations

import gc
import json
import weakref
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Costs
from candlecast.dataset.folds import Holdout, WalkForward
from candlecast.errors import CandleError, ConfigError, RunError
from candlecast.features import Features, MinMax, Robust, feature, log_return, macd, rsi, scaled_close
from candlecast.fleet.settings import Fit
from candlecast.heads import Gaussian
from candlecast.ledger import Ledger
from candlecast.models import GRU, LSTM, Conformal, DLinear, Drift, LinearRegression, Naive, Policy, Pooled
from candlecast.recipes import describe, restore
from candlecast.runs import list_runs, run_name, save_run
from candlecast.signals import FollowDirection, Threshold
from candlecast.sources import synthetic
from candlecast.study import Study
from candlecast.study.checkpoints import run_study
from candlecast.study.loading import load_run
from candlecast.study.presets import tutorial
from candlecast.targets import Direction, NextReturn, Price, Several, Volatility
from candlecast.walkforward import plan


@pytest.fixture(scope="module")
def result(market, features, small):
    return Study(model=small, features=features, folds=WalkForward(folds=2), seeds=2).run(market)


def test_a_planted_edge_is_found_and_pays_without_costs(features):
    candles = synthetic.ar1(4_000, seed=11, phi=0.4).candles
    study = Study(model=LinearRegression(), baselines=(), features=features, costs=Costs.free())
    verdict = study.run(candles).verdict
    assert verdict.is_forecastable and verdict.pays and verdict.has_edge
    assert verdict.text.startswith("An edge was found, in the candles of one source.")


def test_costs_eat_a_small_edge(features):
    candles = synthetic.ar1(4_000, seed=11, phi=0.1).candles
    verdict = (
        Study(model=LinearRegression(), baselines=(), features=features, costs=Costs(fee_bps=50)).run(candles).verdict
    )
    assert verdict.is_forecastable and not verdict.has_edge
    assert "does not pay" in verdict.text


def test_features_are_freed_before_the_verdict(market, features, small, monkeypatch):
    """Features of all bars are the largest table of a study of long data."""
    made, at_verdict = [], []
    make = plan.make_samples

    def watched(*arguments, **keywords):
        samples = make(*arguments, **keywords)
        made.append(weakref.ref(samples))
        return samples

    monkeypatch.setattr(plan, "make_samples", watched)

    def listen(event):
        if (event.stage, event.done) == ("judge", 1):
            gc.collect()
            at_verdict.extend(each() for each in made)

    Study(model=small, features=features, folds=WalkForward(folds=2), baselines=()).run(market, progress=listen)
    assert at_verdict == [None]


def test_a_random_walk_has_no_edge(features):
    found = [
        Study(model=LinearRegression(), baselines=(), features=features)
        .run(synthetic.random_walk(800, seed=seed).candles)
        .verdict
        for seed in range(12)
    ]
    assert sum(verdict.has_edge for verdict in found) <= 2  # at 5 % false alarms, more than 2 of 12 in 2 % of samples
    assert sum(verdict.is_forecastable for verdict in found) <= 2


def test_drift_alone_is_no_forecast(features):
    """A rising market is earned by holding it; a model that says "up" every day has found nothing."""
    candles = synthetic.random_walk(2_000, seed=0, drift=0.002).candles
    result = Study(model=LinearRegression(), baselines=(), features=features).run(candles)
    row = result.accuracy.row(by_predicate=pl.col("model") == "linear", named=True)
    assert row["p_naive"] < 0.01
    assert not result.verdict.is_forecastable


def test_volatility_can_be_forecast():
    result = Study(model=LinearRegression(), baselines=(), target=Volatility()).run(
        synthetic.garch(3_000, seed=1, alpha=0.15, beta=0.8).candles
    )
    assert result.verdict.is_forecastable
    assert result.backtest.equity["position"].min() >= 0


def test_baselines_walk_the_same_rows(result):
    times = [forecast.averaged().frame["time"] for forecast in result.forecasts.values()]
    usual = ["naive", "drift", "seasonal", "ewma", "ets", "arima", "linear", "ridge"]
    assert list(result.forecasts) == [*usual, "lstm"]
    assert all(series.equals(times[0]) for series in times)
    assert result.accuracy["model"].to_list() == list(result.forecasts)
    assert result.accuracy.filter(pl.col("model") == "naive")["r2"][0] == 0.0


def names(models):
    return [model.name for model in models]


def test_naive_and_drift_are_always_there(small):
    assert names(Study(model=small, baselines=()).baseline_models) == ["naive", "drift"]
    assert names(Study(model=Drift(), baselines=(LinearRegression(),)).baseline_models) == ["naive", "linear"]
    assert Study(model=Naive(), baselines=()).baseline_models == (Drift(),)


def test_the_usual_baselines_are_those_that_fit_the_target(small):
    beside = names(Study(model=small, target=Volatility()).baseline_models)
    assert beside == [
        "naive",
        "drift",
        "seasonal",
        "ewma",
        "ets",
        "arima",
        "linear",
        "ridge",
        "har",
        "har-calendar",
        "garch",
    ]
    assert names(Study(model=small, target=Direction()).baseline_models) == ["naive", "drift", "linear"]
    assert "linear" not in names(Study(model=LinearRegression(window=5)).baseline_models)  # it takes that one's place


def test_one_bar_cannot_be_studied(market, features):
    with pytest.raises(Exception, match="expected"):
        Study(model=LinearRegression(), baselines=(), features=features).run(market[:1])
    with pytest.raises(ConfigError, match="seeds is 0"):
        Study(model=LinearRegression(), seeds=0)


def test_a_run_is_read_back_as_it_was(result, tmp_path):
    folder = save_run(result, tmp_path / run_name(result.recipe, result.candles))
    again = load_run(folder)
    assert again.verdict.to_dict() == result.verdict.to_dict()
    assert again.accuracy.equals(result.accuracy)
    assert again.forecast.frame.equals(result.forecast.frame)
    assert again.backtest.equity.equals(result.backtest.equity)
    assert again.recipe == result.recipe
    assert run_name(again.recipe, again.candles) == run_name(result.recipe, result.candles)
    assert set(again.tensors) == set(result.tensors)
    key = next(iter(result.tensors))
    assert all(np.array_equal(again.tensors[key][name], value) for name, value in result.tensors[key].items())
    assert list_runs(tmp_path) == [folder]


def test_the_same_study_writes_the_same_bytes(market, features, small, result, tmp_path):
    twin = Study(model=small, features=features, folds=WalkForward(folds=2), seeds=2).run(market)
    one, two = save_run(result, tmp_path / "one"), save_run(twin, tmp_path / "two")
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in two.iterdir())
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes(), path.name


def test_an_older_run_survives_a_failed_write(result, tmp_path, monkeypatch):
    folder = save_run(result, tmp_path / "run")
    before = (folder / "manifest.json").read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("candlecast.runs.writing.write_flushed", full)
    with pytest.raises(RunError, match="No space left on device.*earlier runs are untouched"):
        save_run(result, folder)
    assert (folder / "manifest.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_folder_that_is_no_run_is_left_alone(result, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(RunError, match="exists and is no run"):
        save_run(result, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_runs_that_cannot_be_read(result, tmp_path):
    folder = save_run(result, tmp_path / "SP500-1d")
    with pytest.raises(RunError, match="is no run.*Did you mean SP500-1d"):
        load_run(tmp_path / "SP500-1h")
    (folder / "forecasts.parquet").write_bytes(b"torn")
    with pytest.raises(RunError, match="is incomplete"):
        load_run(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 1}))
    with pytest.raises(RunError, match=r"was written in format 1; expected format 2\. Run it again\."):
        load_run(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(RunError, match="format 99.*Install a newer candlecast"):
        load_run(folder)


RECIPES = [
    LSTM(hidden=5, dense=(3, 2), training=Fit(epochs=3, patience=None)),
    GRU(),
    Features(log_return(2), macd(5, 10, 3), rsi(7), scaled_close(Robust()), scaling=MinMax(-1, 1)),
    Price(horizon=2),
    Direction(),
    WalkForward(train="4y", test=200),
    Holdout(0.7, valid=0.1),
    Threshold(enter=0.01, exit=0.005),
    Costs(5, 1),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: type(recipe).__name__)
def test_recipes_are_made_again_from_json(recipe):
    assert restore(json.loads(json.dumps(describe(recipe)))) == recipe


def test_a_users_own_function_is_named_only():
    @feature(warmup=3)
    def range_position(candles):
        return candles.close

    described = describe(Features(range_position))
    assert described["features"][0]["kind"] == "range_position"
    with pytest.raises(RunError, match="range_position is not a recipe"):
        restore(described)


def test_the_tutorial_preset_is_the_tutorial():
    study = tutorial()
    net = study.model.build(1, 1)
    assert [type(layer).__name__ for layer in net.layers] == ["LSTMLayer", "LSTMLayer"]
    assert [layer.weight.shape[1] for layer in net.head] == [25, 1]
    assert [dropout.p for dropout in net.dropouts] == [0.2, 0.2]
    parameters = sum(parameter.numel() for parameter in net.parameters())
    assert parameters == 4 * 50 * (1 + 50 + 1) + 4 * 50 * (50 + 50 + 1) + 50 * 25 + 25 + 25 + 1  # as Keras counts them
    assert study.features.columns == ("scaled_close",)
    assert study.features.scalers == (MinMax(),)
    assert study.target == Price() and study.folds == Holdout(0.8)
    assert study.rule == FollowDirection()
    fit = study.model.training
    assert (fit.epochs, fit.batch, fit.lr, fit.patience, fit.clip, fit.sampling) == (
        20,
        32,
        1e-3,
        None,
        None,
        "windows",
    )


def test_the_tutorial_scales_by_the_training_part_only(market):
    study = replace(tutorial(), model=LSTM(hidden=2, window=5, training=Fit(epochs=1, patience=None)))
    result = study.run(market)
    tensors = next(iter(result.tensors.values()))
    train_last = result.folds["train_last"][0]
    seen = market.frame.filter(pl.col("close_time") <= train_last)["close"][4:]
    assert tensors["inputs.shift"][0] == seen.min()
    assert tensors["inputs.scale"][0] == pytest.approx(seen.max() - seen.min(), rel=1e-12)
    assert result.target == Price() and NextReturn() != result.target


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"model": "lstm"}, "model is 'lstm'; expected a model. Make one, such as cc.LSTM"),
        ({"model": LSTM}, "model is <class .*LSTM'>; expected a model"),
        ({"model": LSTM(), "baselines": ("naive",)}, "model is 'naive'"),
        ({"model": LSTM(), "target": "direction"}, "target is 'direction'; expected a target. Make one"),
        ({"model": LSTM(), "target": Direction}, "target is <class .*Direction'>"),
        ({"model": Conformal(LSTM()), "target": Direction()}, "puts intervals around values"),
        ({"model": Pooled(LSTM(head=Gaussian())), "target": Direction()}, "Gaussian cannot learn the target direction"),
        (
            {"model": Conformal(Policy()), "target": Volatility()},
            "a position is to be learnt from the target volatility",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_at_once(parts, message):
    with pytest.raises(ConfigError, match=message):
        Study(**parts)


@pytest.mark.parametrize("target", [Several(NextReturn(1), NextReturn(3)), Several(Direction(1), Direction(2))])
def test_a_run_of_several_targets_is_kept(target, market, features, small, tmp_path):
    study = Study(small, features=features, target=target, folds=WalkForward(folds=2), baselines=(), seeds=1)
    result, folder = run_study(study, market, runs=tmp_path)
    assert load_run(folder).forecast.frame.equals(result.forecast.frame)
    assert load_run(folder).target == target


def test_sampling_left_open_fits_the_net():
    assert LSTM(training=Fit(epochs=1)).training.sampling == "sequence"
    assert DLinear(training=Fit(epochs=1)).training.sampling == "windows"


def test_frames_and_paths_are_candles_too(tmp_path):
    candles = synthetic.ar1(300, seed=1, phi=0.2).candles
    path = tmp_path / "MINE.csv"
    candles.frame.drop("close_time").write_csv(path)
    study = Study(model=LinearRegression(), baselines=(), features=Features(log_return()), folds=WalkForward(folds=2))
    whole = study.run(candles, ledger=Ledger.in_memory()).backtest.returns
    for given in (candles.frame.drop("close_time"), path, str(path)):
        assert np.array_equal(study.run(given, ledger=Ledger.in_memory()).backtest.returns, whole)
    with pytest.raises(CandleError, match=r"a int is no candles; expected Candles, a pandas or Polars frame"):
        study.run(7, ledger=Ledger.in_memory())
