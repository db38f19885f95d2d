"""Folders of runs: one study each, under names that every file system takes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

from candlecast.dataset.folds import WalkForward
from candlecast.models import LinearRegression, Sklearn
from candlecast.runs import fresh_folder, list_runs, run_folder, run_name
from candlecast.study import Study
from candlecast.study.checkpoints import run_study
from candlecast.study.loading import load_run
from candlecast.targets import NextReturn


def study(features, name="mine", **parts):
    return Study(
        model=Sklearn(Last, name=name), baselines=(), features=features, folds=WalkForward(folds=1), seeds=1, **parts
    )


class Last:
    """Forecasts what it saw last."""

    def fit(self, x, y):
        pass

    def predict(self, x):
        return x[:, -1] * 0.0


NAMES = [
    "../x/y",
    "/etc/passwd",
    "a\x00b",
    "a\nb",
    "..",
    "",
    "x" * 5_000,
    "\N{SNOWMAN}" * 100,
    "C:\\x",
    "-rf *",
    ".",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_stays_within_the_folder_of_runs(name, market, features, tmp_path):
    runs = tmp_path / "runs"
    named = replace(market, symbol=name)
    _, folder = run_study(study(features, name), named, runs=runs)
    assert folder.parent == runs and list_runs(runs) == [folder]
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert len(folder.name.encode()) < 140 and folder.name.isprintable() and not folder.name.startswith(("-", "."))
    assert load_run(folder).candles.symbol == name


@dataclass(frozen=True)
class Renamed:
    """The next return under another name."""

    name: str
    horizon: int = 1
    kind: str = "value"
    scaling: object = field(default=NextReturn().scaling)
    values = NextReturn.values
    naive = NextReturn.naive
    expected_return = NextReturn.expected_return
    change = NextReturn.change


def test_a_targets_name_stays_there_too(market, features, tmp_path):
    _, folder = run_study(study(features, target=Renamed("../../up")), market, runs=tmp_path / "runs")
    assert folder.parent == tmp_path / "runs" and ".._.._up" in folder.name


def test_names_of_before_are_kept(market, features):
    plain = Study(model=LinearRegression(), baselines=(), features=features)
    name = run_name(plain.recipe(market), replace(market, symbol="BTC/USDT"))
    assert name.startswith("BTC_USDT-1h-linear-return-") and len(name.rpartition("-")[2]) == 8


def test_the_same_study_on_other_candles_is_another_run(market, features):
    recipe = Study(model=LinearRegression(), baselines=(), features=features).recipe(market)
    other = replace(market, frame=market.frame.with_columns(volume=market.frame["volume"] + 1))
    assert run_name(recipe, market) == run_name(recipe, replace(market)) != run_name(recipe, other)


def test_names_that_differ_beyond_their_length_are_two(market, features):
    names = {run_name(study(features, "x" * 100 + end).recipe(market), market) for end in ("a", "b", "/", "_")}
    assert len(names) == 4


def test_two_studies_of_one_digest_do_not_share_a_folder(market, features, tmp_path):
    """As if their digests began with the same eight digits."""
    one, other = study(features), study(features, cash=5_000.0)
    _, folder = run_study(one, market, runs=tmp_path)
    recipe = other.recipe(market)
    taken = folder.rename(tmp_path / run_name(recipe, market))
    assert run_folder(one.recipe(market), market, tmp_path) == folder
    _, elsewhere = run_study(other, market, runs=tmp_path)
    assert elsewhere.name == run_name(recipe, market, digits=16) and set(list_runs(tmp_path)) == {taken, elsewhere}
    assert json.loads((taken / "manifest.json").read_text())["recipe"]["cash"] == 10_000.0
    assert run_study(other, market, runs=tmp_path)[1] == elsewhere  # its own run is replaced


def test_a_run_that_cannot_be_read_is_run_again(market, features, tmp_path):
    _, folder = run_study(study(features), market, runs=tmp_path)
    (folder / "manifest.json").write_text("{")
    assert run_study(study(features), market, runs=tmp_path)[1] == folder
    assert load_run(folder).forecast


def test_a_fresh_folder_is_beside_and_new(tmp_path):
    found = {fresh_folder(tmp_path / "run") for _ in range(5)}
    assert len(found) == 5 and all(each.parent == tmp_path and each.name.startswith("run-") for each in found)
