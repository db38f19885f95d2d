"""Scans: their cells are studies, each is computed once, and nothing that happens on the way changes a byte."""

from __future__ import annotations

import math
import os
import pickle
import shutil
import signal
import threading
import time
from dataclasses import replace

import polars as pl
import pytest

from candlecast.backtesting import Costs
from candlecast.candles import Candles
from candlecast.errors import ConfigError, RunError, StoreError
from candlecast.ledger import Ledger
from candlecast.models import LinearRegression, Ridge
from candlecast.scan import Scan, list_scans, load_scan, running, scan, workers
from candlecast.scan.cells import every_baseline
from candlecast.scan.messages import packed
from candlecast.scan.scanning import compute_cells, finish, open_plan, require_finished, working
from candlecast.scan.tasks import Share, shares_of
from candlecast.sources import synthetic
from candlecast.store import Store
from candlecast.study import Study
from candlecast.targets import NextReturn, Volatility
from shelf import Shelf
from small_scans import LINEAR, SMALL, files_of, plan_of, walk


def study_of(plan, model):
    return Study(
        model=model,
        features=plan.features,
        folds=plan.folds,
        baselines=plan.baselines,
        seeds=plan.seeds,
        costs=plan.costs[0],
    )


def test_a_cell_is_the_study_of_its_candles(plan, assets, scanned, tmp_path):
    _, found = scanned
    ledger = Ledger(tmp_path)
    for candles in assets:
        for model in (SMALL, LINEAR):
            alone = study_of(plan, model).run(candles, ledger=Ledger.in_memory())
            cell = found.result(symbol=candles.symbol, model=model.name)
            assert cell.forecast.frame.equals(alone.forecast.frame)
            assert cell.positions[model.name].frame.equals(alone.positions[model.name].frame)
            assert cell.recipe == alone.recipe
            assert cell.trial.content == alone.trial.content
            assert list(cell.forecasts) == list(alone.forecasts)
            assert all(each.frame.equals(alone.forecasts[name].frame) for name, each in cell.forecasts.items())
            assert cell.audit == alone.audit
            assert {key: sorted(held) for key, held in cell.tensors.items()} == {
                key: sorted(held) for key, held in alone.tensors.items() if held
            }
            ledger.record(alone.trial)
    assert ledger.count() == found.frame.height


def test_the_table_says_what_the_verdicts_say(scanned):
    _, found = scanned
    for row in found.frame.iter_rows(named=True):
        verdict = found.result(symbol=row["symbol"], model=row["model"]).verdict
        assert row["headline"] == verdict.headline
        assert (row["is_forecastable"], row["pays"], row["has_edge"]) == (
            verdict.is_forecastable,
            verdict.pays,
            verdict.has_edge,
        )
        evidence = verdict.evidence
        assert row["p_trials"] == evidence.forecast_p_adjusted
        assert row["deflated_sharpe"] == (None if math.isnan(evidence.deflated_sharpe) else evidence.deflated_sharpe)
        assert row["p_pay_trials"] == max(
            evidence.return_p_adjusted, evidence.timing_p_adjusted, evidence.sharpe_p_adjusted
        )
        assert evidence.trial_count.trials == found.frame.height
    assert (found.frame["p_discovery"] >= found.frame["p"]).all()
    assert (found.frame["p_discovery_any"] >= found.frame["p_discovery"]).all()


def test_every_cell_is_a_trial_once(plan, scanned, monkeypatch):
    runs, found = scanned
    assert Ledger(runs).count() == found.frame.height == 6
    monkeypatch.setattr(running, "unpacked", None)  # nothing is computed
    again = scan(plan, runs=runs, workers=1)
    assert again.frame.equals(found.frame)
    assert Ledger(runs).count() == 6
    assert list_scans(runs) == [found.folder] == [again.folder]
    loaded = load_scan(found.folder)
    assert loaded.frame.equals(found.frame)
    assert loaded.smallest_edges == found.smallest_edges
    assert str(loaded).split("\n\n")[1:] == str(found).split("\n\n")[1:]


def test_a_stopped_scan_continues_with_the_same_bytes(plan, scanned, tmp_path):
    runs, _ = scanned
    folder, opened = open_plan(plan, runs=tmp_path, seed=0)
    with working(opened, folder, workers=1, ray=None) as pool:
        compute_cells(opened, opened.cells[3:4], folder, pool)
    (folder.path / "cells" / f".{opened.cells[0].name}-12345678.new").mkdir()  # as a killed process leaves it
    scan(plan, runs=tmp_path, workers=1)
    assert files_of(tmp_path / "scans") == files_of(runs / "scans")


def test_killed_workers_change_no_byte(plan, scanned, tmp_path):
    runs, _ = scanned
    folder, opened = open_plan(plan, runs=tmp_path, seed=0)
    pool = workers.Processes(2, threads=1)
    stopping = threading.Event()
    killed = []

    def kill():
        while not stopping.wait(0.05) and len(killed) < 2:
            for worker in list(pool._busy.values()):
                if worker.pid not in killed and len(killed) < 2:
                    time.sleep(0.3)
                    os.kill(worker.pid, signal.SIGKILL)
                    killed.append(worker.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        failures = compute_cells(opened, opened.cells, folder, pool)
    finally:
        stopping.set()
        killer.join()
        pool.close()
    assert len(killed) == 2
    assert not failures
    finish(opened, folder, Ledger(tmp_path), failures=failures)
    assert files_of(tmp_path / "scans") == files_of(runs / "scans")


def test_a_cell_that_ends_its_worker_each_time_fails_alone(plan, tmp_path):
    folder, opened = open_plan(plan, runs=tmp_path, seed=0)
    poison = opened.cells[2].name

    class Fragile(workers.Here):
        def start(self, number, message):
            super().start(number, message)

        def next(self):
            number, message = self._waiting.pop(0)
            task = pickle.loads(message)
            return number, None if any(cell.name == poison for cell in task.cells) else workers.answered(message)

    failures = running.run_cells(opened.cells, folder, Fragile(), seed=0)
    assert list(failures) == [poison]
    assert failures[poison].sentence.startswith(f"its worker ended {running.ATTEMPTS} times")
    assert sum(folder.has("cells", cell.name) for cell in opened.cells) == len(opened.cells) - 1


def test_a_second_scan_computes_what_no_scan_has(plan, scanned, tmp_path, monkeypatch):
    runs, _ = scanned
    shutil.copytree(runs, tmp_path / "runs")
    computed = []
    monkeypatch.setattr(running, "packed", lambda task: computed.append(task) or packed(task))
    more = replace(plan, models=[SMALL, LINEAR, Ridge(window=4)])
    assert scan(more, runs=tmp_path / "runs", workers=1).frame.height == 9
    assert {cell.model for task in computed for cell in task.cells} == {"ridge"}
    assert all(task.baselines for task in computed), "forecasts of the baselines are known"


def test_other_costs_train_nothing(plan, scanned, tmp_path, monkeypatch):
    runs, found = scanned
    shutil.copytree(runs, tmp_path / "runs")
    monkeypatch.setattr("candlecast.fleet.trainer.train", None)
    dearer = replace(plan, models=[SMALL], costs=[Costs(), Costs(fee_bps=50)])
    second = scan(dearer, runs=tmp_path / "runs", workers=1)
    assert second.failures.is_empty()
    assert second.frame["costs"].unique().sort().to_list() == ["12 bp", "52 bp"]
    own = second.frame.filter(pl.col("costs") == "12 bp")
    assert own["r2"].to_list() == found.frame.filter(pl.col("model") == "lstm")["r2"].to_list()
    cheap, dear = (second.result(symbol="A", costs=costs) for costs in ("12 bp", "52 bp"))
    assert cheap.forecast.frame.equals(dear.forecast.frame)
    assert dear.costs == Costs(fee_bps=50)


def test_what_cannot_be_studied_is_listed_with_its_sentence(assets, tmp_path):
    flat = walk("FLAT", 4)
    still = replace(
        flat, frame=flat.frame.with_columns(pl.lit(1.0).alias(name) for name in ("open", "high", "low", "close"))
    )
    given = plan_of(
        assets[0], walk("SHORT", 5, bars=5), still, tmp_path / "absent.csv", assets[0], intervals=["1d", "1h"]
    )
    found = scan(given, runs=tmp_path, workers=1)
    assert found.frame["symbol"].unique().to_list() == ["A"]
    sentences = dict(zip(found.failures["symbol"], found.failures["sentence"], strict=True))
    assert "the 5 candles of SHORT are too few" in sentences["SHORT"] or "no window" in sentences["SHORT"]
    assert "stands still at 1" in sentences["FLAT"]
    assert "absent.csv" in next(words for name, words in sentences.items() if name.endswith("absent.csv"))
    assert found.failures.filter(pl.col("sentence").str.contains("A 1d comes twice")).height == 1
    assert found.failures.filter(pl.col("interval") == "1h").height == 4, "days cannot be made into hours"
    assert "failure" in found.text


def test_a_series_whose_training_fails_takes_no_other_with_it(assets, tmp_path, monkeypatch):
    fit = LinearRegression.learn

    def learn(self, job):
        if job.symbol == "B":
            raise ConfigError("B is odd", expected="an even one", remedy="Leave it out")
        return fit(self, job)

    monkeypatch.setattr(LinearRegression, "learn", learn)
    found = scan(plan_of(*assets, models=[LINEAR]), runs=tmp_path, workers=1)
    assert found.frame["symbol"].to_list() == ["A", "C"]
    assert found.failures["sentence"].to_list() == ["B is odd; expected an even one. Leave it out."]


def test_shards_are_joined(plan, scanned, tmp_path):
    runs, _ = scanned
    folder, opened = open_plan(plan, runs=tmp_path, seed=0)
    parts = [opened.shard((number, 2)) for number in (1, 2)]
    assert sorted(cell.name for part in parts for cell in part) == sorted(cell.name for cell in opened.cells)
    for part in parts:
        with pytest.raises(RunError, match="cells are not finished"):
            require_finished(opened, folder)
        compute_cells(opened, part, folder, workers.Here())
    require_finished(opened, folder)
    finish(opened, folder, Ledger(tmp_path), failures={})
    assert files_of(tmp_path / "scans") == files_of(runs / "scans")
    with pytest.raises(ConfigError, match="shard 3/2"):
        opened.shard((3, 2))


def test_shards_hand_on_what_failed(assets, tmp_path):
    given = plan_of(assets[0], walk("SHORT", 5, bars=5), models=[LINEAR])
    folder, opened = open_plan(given, runs=tmp_path, seed=0)
    for number in (1, 2):
        compute_cells(opened, opened.shard((number, 2)), folder, workers.Here())
    require_finished(opened, folder)
    joined = finish(opened, folder, Ledger(tmp_path), failures={})
    assert joined.frame["symbol"].to_list() == ["A"]
    assert joined.failures["symbol"].to_list() == ["SHORT"]
    whole = scan(given, runs=tmp_path / "whole", workers=1)
    assert whole.failures.equals(joined.failures)


def test_shares_hold_cells_that_walk_together(assets, tmp_path):
    given = plan_of(*assets, targets=[NextReturn(), Volatility()], models=[SMALL, LinearRegression(window=9)])
    _, opened = open_plan(given, runs=tmp_path, seed=0)
    shares = shares_of(opened.cells)
    assert sorted(cell.name for share in shares for cell in share.cells) == sorted(cell.name for cell in opened.cells)
    for share in shares:
        assert len({(cell.target, cell.study.window) for cell in share.cells}) == 1
    assert len(shares) == 4
    assert len(shares_of(opened.cells, workers=4)) == 12, "a series each, for so many workers"
    halves = shares[0].halves()
    assert [len(half.cells) for half in halves] == [1, 2]
    assert Share(shares[0].cells[:1]).halves() == [Share(shares[0].cells[:1])]


def test_a_baseline_that_is_studied_is_none_of_its_own_baselines(assets):
    study = Study(model=LinearRegression())
    assert "linear" not in [model.name for model in study.baseline_models]
    assert [model.name for model in every_baseline(study)] == [
        model.name for model in Study(model=SMALL).baseline_models
    ]


def test_assets_of_a_store(assets, tmp_path):
    store = Store(tmp_path / "data")
    for candles in assets[:2]:
        store.update(Shelf(candles.frame), candles.symbol, "1d")
    given = replace(plan_of(models=[LINEAR]), assets=store)
    found = scan(given, runs=tmp_path, workers=1)
    assert found.frame["symbol"].to_list() == ["A", "B"]
    only = scan(replace(given, symbols=["B"], intervals=["2d"]), runs=tmp_path, workers=1)
    assert only.frame.select("symbol", "interval").rows() == [("B", "2d")]
    with pytest.raises(StoreError, match=r"BB is not stored in .*Did you mean B\?"):
        scan(replace(given, symbols=["BB"]), runs=tmp_path, workers=1)
    store.update(Shelf(assets[2].frame, name="other"), "A", "1d")
    both = scan(given, runs=tmp_path, workers=1)
    assert both.frame["symbol"].to_list() == ["B"]
    assert (
        'A is stored from other and shelf; expected one source. Say which: Plan(source="other").'
        in both.failures["sentence"].to_list()
    )
    assert scan(replace(given, source="shelf"), runs=tmp_path, workers=1).frame["symbol"].to_list() == ["A", "B"]
    with pytest.raises(StoreError, match="nothing is stored in"):
        scan(replace(given, source="third"), runs=tmp_path, workers=1)


def test_a_damaged_cell_is_reported(plan, scanned, tmp_path):
    runs, found = scanned
    shutil.copytree(runs, tmp_path / "runs")
    name = found.frame["cell"][0]
    path = tmp_path / "runs" / "scans" / "cells" / name / "account.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RunError, match=r"account.parquet is not the file that was written.*computes it again"):
        scan(plan, runs=tmp_path / "runs", workers=1)
    shutil.rmtree(path.parent)
    assert scan(plan, runs=tmp_path / "runs", workers=1).frame.equals(found.frame)


def test_cells_are_found_by_what_tells_them_apart(scanned):
    _, found = scanned
    assert found.find(symbol="A", model="lstm")["symbol"] == "A"
    with pytest.raises(ConfigError, match="2 cells are A; expected one"):
        found.find(symbol="A")
    with pytest.raises(ConfigError, match="cells have no asset"):
        found.find(asset="A")
    with pytest.raises(ConfigError, match=r"0 cells are Z.*Symbols are A, B, C"):
        found.find(symbol="Z")
    assert isinstance(found, Scan)
    assert found.to_pandas().shape == found.frame.shape


def test_a_plan_that_cannot_be_is_refused_and_leaves_nothing(assets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"two models are called lstm.*models=\{"):
        plan_of(*assets, models=[SMALL, replace(SMALL, hidden=9)])
    assert list(plan_of(*assets, models={"a": SMALL, "b": replace(SMALL, hidden=9)}).models) == ["a", "b"]
    with pytest.raises(ConfigError, match="costs is empty"):
        plan_of(*assets, costs=[])
    with pytest.raises(ConfigError, match="targets has"):
        plan_of(*assets, targets=[NextReturn(), NextReturn()])
    with pytest.raises(ConfigError, match="largest is 0"):
        plan_of(*assets, largest=0)
    with pytest.raises(ConfigError, match="plan is of type list"):
        scan(assets)
    with pytest.raises(ConfigError, match="workers is 0"):
        scan(plan_of(*assets), workers=0)
    with pytest.raises(ConfigError, match="seed is -1|seeds"):
        scan(plan_of(*assets), seed=-1)
    assert list(tmp_path.iterdir()) == []


def test_period_and_resampling(tmp_path):
    hours: Candles = replace(synthetic.random_walk(2_000, seed=3, interval="1h").candles, symbol="H")
    first, last = (str(hours.open_time[place])[:19] for place in (100, 1_800))
    given = plan_of(hours, models=[LINEAR], intervals=["1h", "4h"], since=first, until=last)
    found = scan(given, runs=tmp_path, workers=1)
    assert found.failures.is_empty()
    for interval, bars in (("1h", 1_700), ("4h", 425)):
        candles = found.result(interval=interval).candles
        assert abs(len(candles) - bars) <= 1
        assert str(candles.open_time[0]) >= first.replace(" ", "T")
