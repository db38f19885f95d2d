"""Checkpoints: what is stored is not trained again, and only what is identical is taken."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from candlecast.dataset.folds import WalkForward
from candlecast.disk import files, replacing
from candlecast.errors import RunError
from candlecast.features import Features, Robust, feature
from candlecast.fleet.settings import Fit
from candlecast.ledger import Ledger
from candlecast.models import LSTM, LinearRegression, Sklearn, Torch
from candlecast.runs import list_runs
from candlecast.study import Study
from candlecast.study.checkpoints import FolderCheckpoints, run_study
from candlecast.study.loading import load_run
from candlecast.targets import NextReturn
from candlecast.walkforward import plan_jobs


def test_stored_jobs_are_not_trained_again(market, features, small, tmp_path):
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=2), seeds=2)
    kept = FolderCheckpoints(tmp_path / "jobs")
    first = study.run(market, checkpoints=kept)
    events = []
    second = study.run(market, checkpoints=kept, progress=events.append)
    assert {event.stage for event in events} == {"baselines", "judge"}  # and no "train"
    assert second.forecast.frame.equals(first.forecast.frame)
    assert second.losses.equals(first.losses)


def test_another_job_is_not_taken_for_a_stored_one(market, features, small, other_future, tmp_path):
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=2), seeds=1)
    kept = FolderCheckpoints(tmp_path / "jobs")
    study.run(market, checkpoints=kept)
    for changed in (other_future(market, 10), market[5:]):
        with_kept, plain = study.run(changed, checkpoints=kept), study.run(changed)
        assert with_kept.forecast.frame.equals(plain.forecast.frame)


def test_another_recipe_is_not_taken_for_a_stored_one(market, features, small, tmp_path):
    kept = FolderCheckpoints(tmp_path / "jobs")
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=1), seeds=1)
    study.run(market, checkpoints=kept)
    faster = replace(study, model=replace(small, training=replace(small.training, lr=0.1)))
    robust = replace(study, features=Features(*features.features, scaling=Robust()))
    for changed in (faster, robust):
        assert changed.run(market, checkpoints=kept).forecast.frame.equals(changed.run(market).forecast.frame)


def test_other_recipes_have_other_runs(market, features, small, tmp_path):
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=1), seeds=1)
    longer = replace(study, model=LSTM(hidden=4, window=6, training=Fit(epochs=3)))
    folders = {run_study(each, market, runs=tmp_path)[1] for each in (study, longer)}
    assert len(folders) == 2
    assert all((folder / "manifest.json").is_file() for folder in folders)


def test_a_torn_file_is_trained_again(market, features, small, tmp_path):
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=1), seeds=1)
    kept = FolderCheckpoints(tmp_path / "jobs")
    first = study.run(market, checkpoints=kept)
    (path,) = kept.folder.iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    assert study.run(market, checkpoints=kept).forecast.frame.equals(first.forecast.frame)


def test_a_full_disk_is_said_and_nothing_torn(market, features, small, tmp_path, monkeypatch):
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=1), seeds=1)

    def full(path, data):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(RunError, match="No space left on device.*jobs that were finished before are kept"):
        run_study(study, market, runs=tmp_path)
    (jobs,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert list(jobs.iterdir()) == []


def test_checkpoints_and_runs_are_flushed_before_they_count(market, features, small, tmp_path, monkeypatch):
    """Each file is flushed to the disk before it gets the name by which it counts, and its folder as well."""
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=2), seeds=1)
    flushed, counted = [], []
    flush, rename, put = files._flush, os.replace, replacing._put

    def noted(handle):
        flush(handle)
        flushed.append(os.fstat(handle).st_ino)

    def renamed(one, other):
        if Path(other).suffix == ".safetensors":
            assert os.stat(one).st_ino == flushed[-1]
            counted.append(Path(other))
        rename(one, other)

    def exchanged(fresh, folder):
        assert {path.stat().st_ino for path in [fresh, *fresh.iterdir()]} <= set(flushed)
        counted.append(folder)
        put(fresh, folder)
        flushed.clear()

    monkeypatch.setattr(files, "_flush", noted)
    monkeypatch.setattr(os, "replace", renamed)
    monkeypatch.setattr(replacing, "_put", exchanged)
    _, folder = run_study(study, market, runs=tmp_path / "runs")
    assert len(counted) == 3 and counted[-1] == folder  # a job of each fold, and the run
    assert (tmp_path / "runs").stat().st_ino in flushed  # the folder in which the run got its name


def net_of(units):
    """A torch net whose size is in a closure, where no source text shows it."""

    def factory(inputs):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4 * inputs, units), torch.nn.Linear(units, 1))

    return Torch(factory, window=4, training=Fit(epochs=1, batch=64, patience=None))


def test_a_net_never_takes_up_the_weights_of_another(market, features, tmp_path):
    kept = FolderCheckpoints(tmp_path / "jobs")
    study = Study(model=net_of(4), baselines=(), features=features, folds=WalkForward(folds=1), seeds=1)
    study.run(market, checkpoints=kept)
    larger = replace(study, model=net_of(64))
    events = []
    result = larger.run(market, checkpoints=kept, progress=events.append)
    assert "train" in {event.stage for event in events}
    (tensors,) = result.tensors.values()
    assert tensors["net.net.1.weight"].shape[0] == 64
    assert result.forecast.frame.equals(larger.run(market).forecast.frame)
    assert len(list(kept.folder.iterdir())) == 2


@pytest.mark.parametrize("units", [3, 64])
def test_weights_of_another_shape_are_an_error(units, market, features):
    jobs = plan_jobs(net_of(4), market, features=features, target=NextReturn(), folds=WalkForward(folds=1))
    (learnt,) = net_of(4).fit(jobs)
    with pytest.raises(
        RunError, match=rf"weights are of another net: net.1.weight is of shape \(4, 8\).*\({units}, 8\)"
    ):
        net_of(units).restore(jobs[0], learnt.tensors()).forecast(jobs[0].samples, jobs[0].test_rows)
    fewer = {name: value for name, value in learnt.tensors().items() if name != "net.net.2.bias"}
    with pytest.raises(RunError, match=r"net.2.bias is not there, and the study's net has it of shape \(1,\)"):
        net_of(4).restore(jobs[0], fewer).forecast(jobs[0].samples, jobs[0].test_rows)
    with pytest.raises(RunError, match="losses of .* is not there"):
        net_of(4).restore(jobs[0], {})


def returns_by(sign):
    @feature(warmup=1)
    def mine(candles):
        values = np.full(len(candles), np.nan)
        values[1:] = candles.close[1:] / candles.close[:-1] - 1
        return values if sign > 0 else np.abs(values)

    return Features(mine)


def test_two_features_of_one_name_are_two_runs(market, tmp_path):
    study = Study(model=LinearRegression(), baselines=(), folds=WalkForward(folds=1), seeds=1)
    results = {
        run_study(replace(study, features=returns_by(sign)), market, runs=tmp_path)[1]: sign for sign in (1, -1, 1)
    }
    assert len(results) == 2 and set(list_runs(tmp_path)) == set(results)
    for folder, sign in results.items():
        again = load_run(folder).fitted(study=replace(study, features=returns_by(sign)))
        assert again.job.samples.inputs[1:].min() >= 0 or sign == 1
        with pytest.raises(RunError, match="not the study of the run: the part 'features' differs"):
            load_run(folder).fitted(study=replace(study, features=returns_by(-sign)))
        with pytest.raises(RunError, match="your own code by name only.*mine is not a recipe"):
            load_run(folder).fitted()


def locked():
    """A feature that holds a lock: nobody can say what else it holds."""
    lock = threading.Lock()

    @feature(warmup=0)
    def behind_a_lock(candles):
        with lock:
            return candles.close

    return Features(behind_a_lock)


def test_what_cannot_be_identified_is_not_kept_and_replaces_nothing(market, small, tmp_path, caplog):
    study = Study(model=small, baselines=(), features=locked(), folds=WalkForward(folds=1), seeds=1)
    kept = FolderCheckpoints(tmp_path / "jobs")
    study.run(market, checkpoints=kept)
    assert list(kept.folder.iterdir()) == []
    runs = tmp_path / "runs"
    folders = [run_study(study, market, runs=runs)[1] for _ in range(2)]
    assert folders[0] != folders[1] and set(list_runs(runs)) == set(folders)
    assert "cannot be identified (compute.behind_a_lock.lock is a lock): it has no checkpoints" in caplog.text
    assert not [path for path in runs.iterdir() if path.name.startswith(".")]
    assert Ledger(runs).count() >= 1
    with pytest.raises(
        RunError, match=r"the part 'features' of the study cannot be identified \(compute.behind_a_lock.lock is a"
    ):
        load_run(folders[0]).fitted(study=replace(study, features=locked()))


class Zero:
    """A forecaster of nothing."""

    def fit(self, x, y):
        pass

    def predict(self, x):
        return np.zeros(len(x))


def test_what_changes_while_it_runs_replaces_nothing(market, features, tmp_path, caplog):
    made = []

    def counted():
        made.append(Zero())
        return made[-1]

    study = Study(Sklearn(counted), baselines=(), features=features, folds=WalkForward(folds=1), seeds=1)
    folders = {run_study(study, market, runs=tmp_path)[1] for _ in range(2)}
    assert len(folders) == 2 and "changed while it ran: its run replaces no other" in caplog.text


def test_data_and_choices_decide_what_is_kept(market, features, small, tmp_path):
    """Each of them another file: naive forecasts that changed alone as well."""
    kept = FolderCheckpoints(tmp_path / "jobs")
    (job,) = plan_jobs(small, market, features=features, target=NextReturn(), folds=WalkForward(folds=1))
    samples, fold = job.samples, job.fold
    jobs = [
        job,
        replace(job, seed=1),
        replace(job, lr=0.1),
        replace(job, fold=replace_rows(fold, fold.train.last - 1)),
        *(
            replace(job, samples=replace(samples, **change))
            for change in (
                {"naive": samples.naive + 1},
                {"inputs": samples.inputs + 1},
                {"y": samples.y + 1},
                {"window": samples.window + 1},
                {"target": NextReturn(2)},
                {"features": Features(*features.features, scaling=Robust())},
                {"candles": replace(market, bridge=1)},
            )
        ),
    ]
    paths = [kept._path(small, each) for each in jobs]
    assert len(set(paths)) == len(paths) and None not in paths
    assert kept._path(small, replace(job, samples=replace(samples))) == paths[0]
    assert kept._path(replace(small, hidden=5), job) not in paths


def replace_rows(fold, last):
    return type(fold)(fold.index, range(fold.train.first, last), fold.valid, fold.test)
