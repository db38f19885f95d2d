"""Replays and differences of runs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.cli import main
from candlecast.errors import RunError
from candlecast.ledger import Ledger
from candlecast.recipes.environment import code_digest, differences, environment
from candlecast.replay.difference import _results, _settings
from candlecast.replay.recomputing import study_of
from candlecast.study.checkpoints import run_study
from candlecast.testing.pipelines import PipelineCase
from candlecast.testing.pipelines.case import study

MARKET = PipelineCase.candles(seed=5)
FIT = cc.Fit(epochs=2)


def kept(tmp_path, made=None, candles=MARKET):
    return run_study(made or study(), candles, runs=tmp_path)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The folder of a run, which stays as it is."""
    return kept(tmp_path_factory.mktemp("first"))[1]


@pytest.fixture
def run(first, tmp_path):
    """The same run in a folder that may be changed."""
    return Path(shutil.copytree(first, tmp_path / first.name))


@pytest.mark.parametrize(
    "made",
    [
        study(),
        study(model=cc.LSTM(hidden=3, window=5, training=FIT), seeds=2),
        study(model=cc.GRU(hidden=3, training=FIT), target=cc.Volatility(horizon=3), features=None),
        study(model=cc.Ridge(), folds=cc.Holdout(0.7)),
        study(target=cc.Several(cc.NextReturn(1), cc.NextReturn(5)), model=cc.RNN(hidden=2, training=FIT)),
        study(rule=cc.Threshold(0.001, 0.0), folds=cc.PurgedKFold(3), costs=cc.Costs(fee_bps=1.0)),
        study(baselines=None, target=cc.Volatility(), model=cc.HAR()),
    ],
    ids=lambda made: f"{made.model.name}-{made.target.name}-{type(made.folds).__name__}",
)
def test_a_replay_is_equal_byte_for_byte(tmp_path, made):
    _, folder = kept(tmp_path, made)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    trials = Ledger(tmp_path).count()
    report = cc.replay(folder)
    assert report.is_equal and report.first_difference is None, str(report)
    assert [status for _, status, _, _ in report.stages] == ["equal"] * 11
    digests = {stage: (one, two) for stage, _, one, two in report.stages}
    assert digests["weights"] == (sha256(before["weights.safetensors"]).hexdigest(),) * 2
    assert "equal in all 11 stages" in str(report)
    assert Ledger(tmp_path).count() == trials >= 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def tampered(folder, name, change):
    """Replace a table of a run by a changed one, with a digest that fits."""
    path, manifest = folder / f"{name}.parquet", folder / "manifest.json"
    change(pl.read_parquet(path)).write_parquet(path)
    held = json.loads(manifest.read_text())
    held["files"][path.name] = {"sha256": sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
    manifest.write_text(json.dumps(held))


def test_the_first_stage_that_differs_is_named(run):
    tampered(run, "forecasts", lambda table: table.with_columns(mean=pl.col("mean") * 1.001))
    report = cc.replay(run)
    assert report.first_difference == "forecasts" and not report.is_equal
    assert next(status for stage, status, _, _ in report.stages if stage == "weights") == "equal"
    assert "differs from forecasts on. Most likely: your own code" in str(report)


def test_other_versions_are_the_reason(run):
    tampered(run, "positions", lambda table: table.with_columns(position=-pl.col("position")))
    manifest = run / "manifest.json"
    held = json.loads(manifest.read_text())
    now = held["environment"]["packages"]["numpy"]
    held["environment"]["packages"]["numpy"] = "1.0"
    manifest.write_text(json.dumps(held))
    assert cc.replay(run).reason == f"numpy 1.0, now {now}"


def test_equal_values_in_other_bytes_are_no_difference(run):
    path = run / "equity.parquet"
    pl.read_parquet(path).write_parquet(path, compression="lz4")
    held = json.loads((run / "manifest.json").read_text())
    held["files"][path.name] = {"sha256": sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
    (run / "manifest.json").write_text(json.dumps(held))
    report = cc.replay(run)
    assert report.is_equal
    assert ("equity", "equal values, other bytes") in [stage[:2] for stage in report.stages]


def test_own_code_is_asked_for(tmp_path):
    @cc.feature(warmup=1)
    def gap(candles):
        return np.append(0.0, candles.open[1:] / candles.close[:-1] - 1)

    made = study(features=cc.Features(cc.log_return(), gap))
    _, folder = kept(tmp_path, made)
    with pytest.raises(RunError, match=r"your own code by name only .*replay\(folder, study=...\)"):
        cc.replay(folder)
    assert cc.replay(folder, study=made).is_equal
    with pytest.raises(RunError, match="this is not the study of the run"):
        cc.replay(folder, study=replace(made, seeds=2))


@pytest.mark.parametrize("rule", [None, cc.Threshold(0.001, 0.0)], ids=["as it was", "another rule"])
def test_a_view_is_replayed_from_the_candles_of_the_whole(tmp_path, rule):
    result, _ = kept(tmp_path, study(rule=cc.Threshold(0.0005, 0.0)))
    since, until = (result.forecast.frame["time"][place] for place in (60, 200))
    for number, part in enumerate([result.between(since), result.between(since, until)]):
        view = part if rule is None else part.rebacktest(rule=rule, ledger=Ledger.in_memory())
        folder = view.save(tmp_path / f"view-{number}")
        report = cc.replay(folder, candles=[MARKET])
        assert [status for _, status, _, _ in report.stages] == ["equal"] * 11, str(report)
    assert cc.replay(tmp_path / "view-0").is_equal
    for given in ([], [MARKET[:300]], [PipelineCase.candles(seed=6)]):
        with pytest.raises(RunError, match=r"until 2015-\S+, and holds no candles after that; expected all candles"):
            cc.replay(folder, candles=given)


def test_a_view_of_a_view_keeps_both_bounds(tmp_path):
    result, _ = kept(tmp_path)
    since, until = (result.forecast.frame["time"][place] for place in (60, 200))
    view = result.between(since).between(until=until)
    assert view.recipe == result.between(since, until).recipe
    assert view.between(since.replace(year=2000)).recipe == view.recipe
    assert cc.replay(view.save(tmp_path / "view"), candles=[MARKET]).is_equal


def test_a_result_with_another_rule_is_replayed(tmp_path):
    result, _ = kept(tmp_path)
    other = result.rebacktest(rule=cc.Threshold(0.001, 0.0), costs=cc.Costs(fee_bps=1.0), cash=500.0)
    assert cc.replay(other.save(tmp_path / "other")).is_equal


def test_results_of_a_comparison_are_replayed(tmp_path):
    """With the longest window of all models, names and seeds of the user's, and assets that were pooled."""
    markets = [replace(PipelineCase.candles(seed), symbol=f"M{seed}") for seed in range(3)]
    nets = {"small": cc.GRU(hidden=2, window=4, training=FIT), "long": cc.RNN(hidden=2, window=30, training=FIT)}
    pooled = cc.Pooled(cc.LSTM(hidden=2, window=4, training=FIT))
    found = cc.compare(
        {"naive": cc.Naive(), **nets, "all": pooled},
        markets,
        features=cc.Features(cc.log_return()),
        folds=cc.WalkForward(folds=2),
        seeds=[3, 7],
        ledger=Ledger(tmp_path),
    )
    for place, name in [(0, "naive"), (1, "small"), (2, "long"), (1, "all")]:
        folder = found.results[markets[place].symbol, "1h", name].save(tmp_path / name)
        others = [each for each in markets if each is not markets[place]]
        report = cc.replay(folder, candles=others)
        assert [status for _, status, _, _ in report.stages] == ["equal"] * 11, str(report)
    with pytest.raises(RunError, match="learnt from 3 assets, and 0 besides its own are given"):
        cc.replay(folder)


def test_what_is_no_run_is_refused(first, tmp_path):
    for read in (cc.replay, lambda place: cc.diff(first, place)):
        with pytest.raises(RunError, match="is no run; expected a folder that `candlecast run` wrote"):
            read(tmp_path / "nothing")


def test_a_run_says_what_it_was_computed_with(first):
    held = json.loads((first / "manifest.json").read_text())["environment"]
    assert held == environment()
    assert held["packages"]["numpy"] == np.__version__ and len(held["code"]) == 64
    assert differences(held, held) == []
    assert differences(held | {"code": "0"}, held) == ["the code of candlecast differs"]
    assert code_digest() == code_digest()


def test_two_runs_are_told_apart_in_words(first, tmp_path):
    _, two = kept(tmp_path, study(model=cc.Ridge(alpha=0.2), costs=cc.Costs(fee_bps=1.0)), MARKET[:580])
    found = cc.diff(first, two)
    assert found.data[0] == "bars 600, then 580"
    assert "model linear, then ridge" in found.settings and "costs.fee_bps 10.0, then 1.0" in found.settings
    assert found.code == () and any(line.startswith("Sharpe ratio ") for line in found.results)
    assert "Code: equal" in str(found)


def test_a_return_of_less_than_a_year_is_called_a_total_return():
    def manifest(value: float, unit: str) -> dict:
        rows = [("total return", 0.5 + value, "fraction"), ("annual return", value, unit)]
        summary = [{"statistic": name, "value": held, "unit": of} for name, held, of in rows]
        verdict = dict.fromkeys(("is_forecastable", "pays", "has_edge"), False)
        return {"model": "lstm", "verdict": verdict, "summary": summary}

    year, less = manifest(0.021, "fraction per year"), manifest(0.74, "fraction, not annualised")
    assert list(_results(year, manifest(0.03, "fraction per year"))) == ["annual return 2.1 %, then 3.0 %"]
    assert list(_results(year, less)) == ["total return 52.1 %, then 124.0 %"]
    assert list(_results(less, less)) == []


def test_lists_of_recipes_differ_by_what_only_one_of_them_has():
    features = [{"type": "Feature", "kind": "rsi", "parameters": {"period": 14}}, {"type": "Feature", "kind": "time"}]
    before = {
        "features": features,
        "baselines": [{"type": "Naive", "name": "naive"}, {"type": "Drift", "name": "drift"}],
    }
    after = {"features": features[:1], "baselines": [{"type": "Naive", "name": "naive"}]}
    assert list(_settings(before, after, "")) == [
        "features only in the first: time",
        "baselines only in the first: drift",
    ]
    assert list(_settings({"features": features[1:]}, {"features": []}, "")) == ["features only in the first: time"]
    held = [{"features": {"features": each}} for each in (features[1:], [])]
    assert list(_settings(*held, "")) == ["features only in the first: time"]
    assert list(_settings({"features": []}, {"features": features}, "")) == [
        "features only in the second: rsi(14), time"
    ]
    assert list(_settings({"seeds": [1]}, {"seeds": [1, 1]}, "")) == ["seeds 1 entries, then 2 of the same"]


def test_a_run_is_equal_to_itself(first):
    found = cc.diff(first, first)
    assert found.is_equal and str(found) == "Data: equal\nCode: equal\nSettings: equal\nResults: equal"


def test_other_prices_of_the_same_bars_are_said(first, tmp_path):
    other = replace(MARKET, frame=MARKET.frame.with_columns(volume=pl.col("volume") * 2))
    _, two = kept(tmp_path, candles=other)
    assert cc.diff(first, two).data == ("prices or volumes of the same bars differ",)


def test_the_commands(run, capsys):
    main(["replay", str(run), "-q", "--json"])
    assert json.loads(capsys.readouterr().out)["is_equal"] is True
    main(["diff", str(run), str(run), "--json"])
    assert json.loads(capsys.readouterr().out)["settings"] == []
    main(["audit", str(run), "-q", "--json"])
    assert json.loads(capsys.readouterr().out)["passed"] is True


def test_the_audit_of_a_study_file(tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(
        "import candlecast as cc\n"
        "@cc.feature(warmup=0)\n"
        "def peek(candles):\n"
        "    return candles.close / candles.close.max()\n"
        "study = cc.Study(model=cc.Ridge(), features=cc.Features(peek))\n"
        "candles = cc.sample('sp500')[:900]\n"
    )
    with pytest.raises(SystemExit) as left:
        main(["audit", str(file), "-q"])
    assert left.value.code == 1
    assert "features, peek: the value known at" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "fails (ZeroDivisionError: division by zero)"),
        ("x = 1", "study = cc.Study(model=cc.LSTM(hidden=32))"),
        ("import sys; sys.exit(3)", "fails (SystemExit: 3)"),
        (None, "there is no file"),
    ],
)
def test_study_files_that_cannot_be_used(tmp_path, capsys, text, said):
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SystemExit) as left:
        main(["audit", str(file), "-q"])
    assert left.value.code == 1
    assert said in capsys.readouterr().err


def test_a_run_says_with_what_it_was_computed_wherever_it_is_read(run, tmp_path):
    """Also a result that is traded in another way, or whose page is made again, elsewhere and later."""
    manifest = run / "manifest.json"
    held = json.loads(manifest.read_text())
    held["environment"]["processor"] = "an abacus"
    manifest.write_text(json.dumps(held))
    result = cc.load_run(run)
    assert result.environment == held["environment"]
    again = result.rebacktest(cash=50.0).save(tmp_path / "again")
    assert json.loads((again / "manifest.json").read_text())["environment"] == held["environment"]
    assert "an abacus" in result.report(run / "report.html").read_text()


@pytest.mark.parametrize(
    "wrong",
    [
        5,
        {"packages": "numpy"},
        {"packages": {"numpy": ["2"]}},
        {"python": "3" * 1_000},
        {str(n): "1" for n in range(200)},
    ],
    ids=["a number", "packages", "versions", "long", "many"],
)
def test_an_environment_of_another_form_is_refused(run, wrong):
    manifest = run / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"environment": wrong}))
    for read in (cc.load_run, cc.replay, lambda place: cc.diff(place, place)):
        with pytest.raises(RunError, match="its 'environment' is not what candlecast writes"):
            read(run)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["audit", "sp500"], "sp500 is neither a study file nor a run; expected a Python file that defines `study`"),
        (["audit", "--preset", "lesson"], "there is no preset 'lesson'"),
        (["replay", "nothing"], "nothing is no run"),
        (["diff", "nothing", "nothing"], "nothing is no run"),
    ],
)
def test_what_the_commands_refuse(capsys, arguments, said):
    with pytest.raises(SystemExit) as left:
        main([*arguments, "-q"])
    assert left.value.code == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("part", ["rule", "features", "seeds", "costs"])
def test_a_recipe_that_lacks_a_part_is_refused(part):
    recipe = cc.Study(model=cc.LinearRegression(), baselines=()).recipe(cc.synthetic.random_walk(300, seed=1).candles)
    assert study_of(recipe | {"seeds": 1}).model == cc.LinearRegression()
    with pytest.raises(RunError, match=f"the recipe of the run has no {part}; expected model, features, target, folds"):
        study_of({name: value for name, value in (recipe | {"seeds": 1}).items() if name != part})
