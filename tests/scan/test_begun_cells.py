"""Cells of a scan that is stopped before it is judged count; run to its end, it counts as one that never stopped."""

from __future__ import annotations

import shutil
from contextlib import nullcontext

import numpy as np
import pytest

from candlecast.backtesting import Costs
from candlecast.errors import RunError
from candlecast.evaluation.trial_count import count_each
from candlecast.ledger import Inbox, Ledger
from candlecast.models import ARIMA, LinearRegression, Ridge
from candlecast.scan import running, scan, scanning
from candlecast.scan.folder import BASELINES, CELLS
from candlecast.scan.judging import read_cell
from candlecast.scan.outlook import look_ahead
from candlecast.scan.scanning import compute_cells, finish, open_plan, outlook_of
from candlecast.scan.workers import Here
from candlecast.signals import Threshold
from candlecast.targets import NextReturn, Several
from small_scans import LINEAR, SMALL, files_of, plan_of, walk


@pytest.fixture(scope="module")
def wide():
    """Twelve random walks x two models."""
    return plan_of(
        *(walk(f"W{seed}", seed) for seed in range(12)), models={"four": LINEAR, "two": LinearRegression(window=2)}
    )


@pytest.fixture(scope="module")
def once(wide, tmp_path_factory):
    """The wide plan, scanned without a stop: its folder of runs and the scan."""
    runs = tmp_path_factory.mktemp("once")
    return runs, scan(wide, runs=runs, workers=1)


@pytest.fixture(scope="module")
def computed(wide, tmp_path_factory):
    """A folder of runs with all cells of the wide plan, which were computed and not judged."""
    runs = tmp_path_factory.mktemp("computed")
    stopped(wide, runs)
    return runs


@pytest.fixture(scope="module")
def shards(wide, tmp_path_factory):
    """The same, computed by shards in another order."""
    runs = tmp_path_factory.mktemp("shards")
    sharded(wide, runs, (3, 1, 2))
    return runs


def copied(plan, computed, runs):
    """A copy of computed cells, which a test may judge, and its plan."""
    shutil.copytree(computed, runs, dirs_exist_ok=True)
    return open_plan(plan, runs=runs, seed=0)


def stopped(plan, runs, cells=slice(None)):
    """The cells of a plan, computed and not judged."""
    folder, opened = open_plan(plan, runs=runs, seed=0)
    compute_cells(opened, opened.cells[cells], folder, Here(), ledger=Ledger(runs))
    return folder, opened


def sharded(plan, runs, shards):
    """The cells of a plan, computed by some of three shards and not judged."""
    folder, opened = open_plan(plan, runs=runs, seed=0)
    for number in shards:
        compute_cells(opened, opened.shard((number, 3)), folder, Here(), ledger=Inbox(runs))
    return folder, opened


def database(runs):
    """The files of the ledger: place, time and content."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(runs.glob("ledger.sqlite*"))
    }


def counts(opened, folder, ledger):
    """The trial count of every cell."""
    return count_each([read_cell(folder, cell).trial for cell in opened.cells], ledger.entries())


def test_the_best_cell_of_a_stopped_scan_is_judged_among_all_of_them(wide, once, computed, tmp_path):
    folder, opened = copied(wide, computed, tmp_path)
    ledger = Ledger(tmp_path)
    assert ledger.count() == 0 and len(ledger.entries()) == 24 and all(each.is_open for each in ledger.entries())
    read = [read_cell(folder, cell) for cell in opened.cells]
    best = min(read, key=lambda each: each.finding.evidence.forecast_p)
    candles = folder.candles(best.cell.series.name)
    alone, among = (best.cell.study.run(candles, ledger=each) for each in (Ledger.in_memory(), ledger))
    assert among.trial.choices == best.trial.choices
    assert (among.counted.trials, among.counted.unfinished) == (24, 23)
    whole = once[1].trial_count
    assert among.counted.effective == pytest.approx(whole.effective, rel=0.01) and whole.effective > 10
    assert among.counted.trades == pytest.approx(whole.trades, rel=0.01)
    p, adjusted = (each.verdict.evidence.forecast_p_adjusted for each in (alone, among))
    assert p < 0.05 < adjusted, "the best of 24 cells without an edge"
    finish(opened, folder, ledger, failures={})
    again = best.cell.study.run(candles, ledger=ledger)
    assert again.counted == among.counted, "to judge the others later makes the choice no smaller"


def test_a_scan_that_was_stopped_counts_as_one_that_was_not(wide, once, tmp_path):
    runs, found = once
    for share in (slice(3, 4), slice(0, 9)):
        folder, opened = stopped(wide, tmp_path / "stopped", share)
    resumed = scan(wide, runs=tmp_path / "stopped", workers=1)
    assert resumed.trial_count == found.trial_count
    assert resumed.frame.equals(found.frame)
    of_once, of_stopped = (counts(opened, folder, Ledger(each)) for each in (runs, tmp_path / "stopped"))
    assert of_once == of_stopped and of_once[0].trials == 24 and of_once[0].unfinished == 0
    assert files_of(runs / "scans") == files_of(tmp_path / "stopped" / "scans")
    assert not any(each.is_open for each in Ledger(tmp_path / "stopped").entries())


def test_only_what_was_computed_counts(wide, tmp_path):
    folder, opened = stopped(wide, tmp_path, slice(0, 3))
    assert len(Ledger(tmp_path).entries()) == 3
    stopped(wide, tmp_path, slice(0, 3))  # finished before
    assert len(Ledger(tmp_path).entries()) == 3
    look_ahead(opened.cells, folder, Here(), Ledger(tmp_path), seed=0, progress=lambda event: None)
    kept = sum(folder.has(CELLS, cell.name) for cell in opened.cells)
    assert 3 < kept < 24 and len(Ledger(tmp_path).entries()) == kept, "a dry run keeps its sample"


@pytest.mark.parametrize("kind", [Ledger, Inbox])
def test_nothing_can_be_read_of_a_cell_that_does_not_count(plan, tmp_path, monkeypatch, kind):
    def full(self, studies):
        raise RunError("the disk is full", expected="space", remedy="Free some")

    seen = []
    with monkeypatch.context() as patched:
        patched.setattr(kind, "begin", full)
        folder, opened = open_plan(plan, runs=tmp_path, seed=0)
        with pytest.raises(RunError, match="the disk is full"):
            compute_cells(opened, opened.cells, folder, Here(), ledger=kind(tmp_path), progress=seen.append)
    assert not (folder.path / CELLS).exists() and not (folder.path / BASELINES).exists()
    assert not any(event.done for event in seen)


def test_a_scan_that_is_killed_as_it_is_judged_counts(plan, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(scanning, "judge_cells", lambda *given, **named: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            scan(plan, runs=tmp_path, workers=1)
    assert len(Ledger(tmp_path).entries()) == 6


def test_an_outlook_counts_its_own_cells_once(wide, computed, tmp_path):
    folder, opened = copied(wide, computed, tmp_path)
    ledger = Ledger(tmp_path)
    assert outlook_of(opened, folder, Here(), ledger).before == 0.0
    other = plan_of(walk("X", 77), models=[LINEAR])
    other_folder, other_opened = open_plan(other, runs=tmp_path, seed=0)
    before = outlook_of(other_opened, other_folder, Here(), ledger).before
    assert before > 10, "those of another scan are trials before it"


def test_shards_count_and_are_closed_when_they_are_joined(wide, once, shards, tmp_path):
    runs, found = once
    folder, opened = copied(wide, shards, tmp_path / "shards")
    assert len(Inbox(tmp_path / "shards").waiting()) == 6, "a file for each task: three shards x two lengths of windows"
    ledger = Ledger(tmp_path / "shards")
    joined = finish(opened, folder, ledger, failures={})
    assert (joined.trial_count.trials, joined.trial_count.unfinished) == (24, 0)
    assert joined.trial_count == found.trial_count and joined.frame.equals(found.frame)
    assert counts(opened, folder, ledger) == counts(opened, folder, Ledger(runs))
    assert files_of(runs / "scans") == files_of(tmp_path / "shards" / "scans")
    assert not any(each.is_open for each in ledger.entries()) and not Inbox(tmp_path / "shards").waiting()


def test_a_shard_writes_no_byte_of_the_ledger(wide, tmp_path):
    sharded(wide, tmp_path, (1,))
    assert not database(tmp_path)
    other = plan_of(walk("X", 77), models=[LINEAR])
    scan(other, runs=tmp_path, workers=1)
    before = database(tmp_path)
    sharded(wide, tmp_path, (2, 3))
    assert database(tmp_path) == before and "ledger.sqlite" in before
    assert len(Ledger(tmp_path).entries()) == 25
    assert database(tmp_path) != before


def test_cells_of_shards_that_are_never_joined_count_in_later_verdicts(wide, computed, shards, tmp_path):
    folder, opened = copied(wide, shards, tmp_path / "shards")
    copied(wide, computed, tmp_path / "stopped")
    read = [read_cell(folder, cell) for cell in opened.cells]
    best = min(read, key=lambda each: each.finding.evidence.forecast_p)
    candles = folder.candles(best.cell.series.name)
    of_shards, of_stopped = (
        best.cell.study.run(candles, ledger=Ledger(tmp_path / runs)) for runs in ("shards", "stopped")
    )
    assert (of_shards.counted.trials, of_shards.counted.unfinished) == (24, 23)
    assert of_shards.counted.effective == pytest.approx(of_stopped.counted.effective, rel=0.01)
    adjusted = [each.verdict.evidence.forecast_p_adjusted for each in (of_shards, of_stopped)]
    assert adjusted[0] == pytest.approx(adjusted[1], rel=0.02) and adjusted[0] > 0.05


class Looking:
    """A rule that sees forecasts, and may be stopped by what it sees."""

    def __init__(self, stops: bool) -> None:
        self.stops = stops

    def __call__(self, forecast, candles):
        if self.stops:
            raise KeyboardInterrupt
        return Threshold(enter=0.001)(forecast)


@pytest.mark.parametrize("stops", [True, False])
def test_cells_with_code_of_the_user_wait_before_they_are_computed(tmp_path, monkeypatch, stops):
    given = plan_of(walk("A", 1), models=[LINEAR], rule=Looking(stops))
    folder, opened = open_plan(given, runs=tmp_path, seed=0)
    waiting, own = [], Here.start
    monkeypatch.setattr(
        Here, "start", lambda self, *given: (waiting.append(len(Inbox(tmp_path).waiting())), own(self, *given))[1]
    )
    with pytest.raises(KeyboardInterrupt) if stops else nullcontext():
        compute_cells(opened, opened.shard((1, 1)), folder, Here(), ledger=Inbox(tmp_path))
    assert waiting == [1] and not database(tmp_path)
    assert folder.has(CELLS, opened.cells[0].name) is not stops
    assert len(Ledger(tmp_path).entries()) == 1


class Dying(Here):
    """A worker that dies a number of times."""

    deaths = 5

    def next(self):
        if not self.deaths:
            return super().next()
        self.deaths -= 1
        return self._waiting.pop(0)[0], None


@pytest.mark.parametrize("kind", [Ledger, Inbox])
def test_a_cell_whose_workers_die_begins_once(tmp_path, kind):
    given = plan_of(walk("A", 1), models=[LINEAR], rule=Looking(stops=False))
    folder, opened = open_plan(given, runs=tmp_path, seed=0)
    assert not compute_cells(opened, opened.cells, folder, Dying(), ledger=kind(tmp_path))
    assert len(Ledger(tmp_path).entries()) == 1


@pytest.mark.parametrize("kind", [Ledger, Inbox])
def test_a_cell_with_code_of_the_user_that_is_stopped_again_and_again_counts_each_time(tmp_path, kind):
    given = plan_of(walk("A", 1), models=[LINEAR], rule=Looking(stops=True))
    for _ in range(6):
        folder, opened = open_plan(given, runs=tmp_path, seed=0)
        with pytest.raises(KeyboardInterrupt):
            compute_cells(opened, opened.cells, folder, Here(), ledger=kind(tmp_path))
    assert len(Ledger(tmp_path).entries()) == 4


def test_cells_wait_in_the_inbox_where_no_ledger_is_given(plan, tmp_path):
    folder, opened = open_plan(plan, runs=tmp_path, seed=0)
    compute_cells(opened, opened.cells, folder, Here())
    assert not database(tmp_path) and len(Ledger(tmp_path).entries()) == 6


def test_a_task_is_one_transaction(plan, tmp_path, monkeypatch):
    begun, tasks, own, packed = [], [], Ledger.begin, running.packed
    monkeypatch.setattr(Ledger, "begin", lambda self, studies: (begun.append(len(studies)), own(self, studies))[1])
    monkeypatch.setattr(running, "packed", lambda task: (tasks.append(task), packed(task))[1])
    stopped(plan, tmp_path)
    assert len(begun) == len(tasks) and sum(begun) == 6


def test_named_baselines_count_whose_forecasts_a_scan_keeps(tmp_path):
    named = Ridge(alpha=5.0), ARIMA(p=2, q=0)
    given = plan_of(walk("A", 1), models=[LINEAR], baselines=named, costs=[Costs(), Costs(fee_bps=3)])
    stopped(given, tmp_path)
    open_ = Ledger(tmp_path).entries()
    assert len(open_) == 4 and all(each.is_open for each in open_)
    skills = [each.profile.values[2] for each in open_]
    assert np.corrcoef(skills[0], skills[2])[0, 1] > 0.3, "what a ridge regression and a linear one forecast is known"
    found = scan(given, runs=tmp_path, workers=1)
    assert (found.trial_count.trials, found.trial_count.unfinished) == (4, 0)
    assert scan(given, runs=tmp_path, workers=1).trial_count == found.trial_count
    assert Ledger(tmp_path).count() == 4


def test_default_baselines_count_where_they_read_features(tmp_path):
    given = plan_of(walk("A", 1), models=[SMALL], baselines=None)
    stopped(given, tmp_path)
    began = Ledger(tmp_path).entries()
    assert len(began) == 3 and [each.profile.has_traded for each in began].count(True) == 1
    found = scan(given, runs=tmp_path, workers=1)
    assert sorted(each.model for each in Ledger(tmp_path).trials()) == sorted(["linear", "ridge", SMALL.name])
    assert (found.trial_count.trials, found.trial_count.unfinished) == (3, 0)


def test_forecasts_of_further_targets_count(tmp_path):
    given = plan_of(walk("A", 1), models=[LINEAR], targets=[Several(NextReturn(), NextReturn(5))])
    folder, opened = stopped(given, tmp_path)
    assert len(Ledger(tmp_path).entries()) == 2
    assert outlook_of(opened, folder, Here(), Ledger(tmp_path)).before == 0.0
    found = scan(given, runs=tmp_path, workers=1)
    assert [each.target for each in Ledger(tmp_path).trials()] == ["return_1", "return_5"]
    assert (found.trial_count.trials, found.trial_count.unfinished) == (2, 0)
