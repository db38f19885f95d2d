"""Long work survives: killed at any moment, a study continues and ends with the same bytes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from candlecast.errors import RunError
from candlecast.features import Features, Robust
from candlecast.fleet.settings import Fit
from candlecast.folds import WalkForward
from candlecast.models import LSTM
from candlecast.resume import KeptJobs, run_study
from candlecast.runs import list_runs
from candlecast.study import Study

PROGRAM = """
import sys
from candlecast.features import Features, log_range, log_return
from candlecast.fleet import train
from candlecast.fleet.settings import Fit
from candlecast.folds import WalkForward
from candlecast.models import LSTM
from candlecast.resume import run_study
from candlecast.sources import synthetic
from candlecast.study import Study

model = LSTM(hidden=4, window=6, training=Fit(epochs=3))
study = Study(model=model, baselines=(), features=Features(log_return(), log_range()), folds=WalkForward(folds=20), seeds=3)
print("started", flush=True)
print(run_study(study, synthetic.ar1(600, seed=1, phi=0.3, interval="1h").candles, runs=sys.argv[1])[1], flush=True)
"""


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run([sys.executable, "-c", PROGRAM, folder], capture_output=True, text=True, check=True)
    (run,) = list_runs(folder)
    assert done.stdout.splitlines()[-1] == str(run)
    return files(run)


@pytest.mark.parametrize("kept", [1, 20, 50])
def test_killed_and_started_again(kept, undisturbed, tmp_path):
    """Kill it as soon as so many of its 60 jobs are on disk; the next start finishes the rest."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob(".*.jobs/*.safetensors"))) < kept and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = list(tmp_path.glob(".*.jobs/*.safetensors"))
    assert kept <= len(finished) <= 60
    assert not [path for path in tmp_path.iterdir() if path.is_dir() and not path.name.startswith(".")]  # no run yet
    before = {path: path.stat().st_mtime_ns for path in finished}
    again = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=True)
    assert again.stdout.startswith("started")
    (run,) = (path for path in tmp_path.iterdir() if path.is_dir())  # the kept jobs are gone when the run is written
    assert files(run) == undisturbed
    assert before


def test_kept_jobs_are_not_trained_again(market, features, small, tmp_path):
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=2), seeds=2)
    kept = KeptJobs(tmp_path / "jobs")
    first = study.run(market, keeper=kept)
    events = []
    second = study.run(market, keeper=kept, progress=events.append)
    assert {event.stage for event in events} == {"baselines", "judge"}  # and no "train"
    assert second.forecast.frame.equals(first.forecast.frame)
    assert second.losses.equals(first.losses)


def test_another_job_is_not_taken_for_a_kept_one(market, features, small, other_future, tmp_path):
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=2), seeds=1)
    kept = KeptJobs(tmp_path / "jobs")
    study.run(market, keeper=kept)
    for changed in (other_future(market, 10), market[5:]):
        with_kept, plain = study.run(changed, keeper=kept), study.run(changed)
        assert with_kept.forecast.frame.equals(plain.forecast.frame)


def test_another_recipe_is_not_taken_for_a_kept_one(market, features, small, tmp_path):
    kept = KeptJobs(tmp_path / "jobs")
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=1), seeds=1)
    study.run(market, keeper=kept)
    faster = replace(study, model=replace(small, training=replace(small.training, lr=0.1)))
    robust = replace(study, features=Features(*features.features, scaling=Robust()))
    for changed in (faster, robust):
        assert changed.run(market, keeper=kept).forecast.frame.equals(changed.run(market).forecast.frame)


def test_other_recipes_have_other_runs(market, features, small, tmp_path):
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=1), seeds=1)
    longer = replace(study, model=LSTM(hidden=4, window=6, training=Fit(epochs=3)))
    folders = {run_study(each, market, runs=tmp_path)[1] for each in (study, longer)}
    assert len(folders) == 2
    assert all((folder / "manifest.json").is_file() for folder in folders)


def test_a_torn_file_is_trained_again(market, features, small, tmp_path):
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=1), seeds=1)
    kept = KeptJobs(tmp_path / "jobs")
    first = study.run(market, keeper=kept)
    (path,) = kept.folder.iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    assert study.run(market, keeper=kept).forecast.frame.equals(first.forecast.frame)


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
