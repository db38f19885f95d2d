"""Run folders that anybody may have made, and two runs of one study at once."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import polars as pl
import pytest

from candlecast.dataset.folds import WalkForward
from candlecast.disk.files import read_regular
from candlecast.errors import RunError
from candlecast.ledger import Ledger
from candlecast.models import LinearRegression
from candlecast.runs import list_runs, save_run
from candlecast.runs.manifest import FILES, LARGEST, parsed, read_manifest
from candlecast.runs.tables import read_arrays
from candlecast.signals import Positions
from candlecast.study import Study
from candlecast.study.checkpoints import FolderCheckpoints, run_study
from candlecast.study.loading import load_run

posix = pytest.mark.skipif(sys.platform == "win32", reason="makes pipes and links")


@pytest.fixture(scope="module")
def study(features):
    return Study(model=LinearRegression(), baselines=(), features=features, folds=WalkForward(folds=2), seeds=1)


@pytest.fixture(scope="module")
def stored(study, market, tmp_path_factory):
    return run_study(study, market, runs=tmp_path_factory.mktemp("stored"))[1]


@pytest.fixture
def run(stored, tmp_path):
    """A copy of a run in a workspace without a ledger, whose name is no pattern."""
    return shutil.copytree(stored, tmp_path / "[runs] *" / stored.name)


def write(run, name, content, *, fits=True):
    """Write a file of a run, with a digest that fits, or none."""
    (run / name).write_bytes(content)
    manifest = json.loads((run / "manifest.json").read_text())
    if fits:
        manifest["files"][name]["sha256"] = sha256(content).hexdigest()
    else:
        del manifest["files"]
    (run / "manifest.json").write_text(json.dumps(manifest))


def test_every_file_has_its_digest(stored):
    files = read_manifest(stored)["files"]
    assert set(files) == set(FILES) == {path.name for path in stored.iterdir()} - {"manifest.json"}
    for name, said in files.items():
        content = (stored / name).read_bytes()
        assert said == {"bytes": len(content), "sha256": sha256(content).hexdigest()}


def test_a_run_written_before_there_was_a_further_table_is_read(run):
    """Tables that a result is not loaded from may have come with a later version."""
    manifest = json.loads((run / "manifest.json").read_text())
    for name in ("fills.parquet", "equity.parquet"):
        del manifest["files"][name]
        (run / name).unlink()
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert str(load_run(run).verdict)
    del manifest["files"]["positions.parquet"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="its 'files' is not what candlecast writes"):
        load_run(run)


@pytest.mark.parametrize("name", ["candles", "forecasts", "positions", "folds", "losses"])
def test_a_flipped_bit_is_seen(name, run):
    path = run / f"{name}.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        RunError, match=rf"is incomplete or damaged \({name}.parquet is not the file that was written\)"
    ):
        load_run(run)


@posix
@pytest.mark.parametrize("name", ["manifest.json", "candles.parquet", "weights.safetensors"])
def test_only_regular_files_are_read(name, run):
    kept = (run / name).rename(run / "kept")
    (run / name).symlink_to(kept)
    with pytest.raises(RunError, match="is a link; expected a file that candlecast wrote|is no run"):
        load_run(run)
    (run / name).unlink()
    os.mkfifo(run / name)
    with pytest.raises(RunError, match="is not a regular file|is no run"):
        load_run(run)


@posix
def test_a_report_never_follows_a_link(run, tmp_path):
    (tmp_path / "mine").write_text("precious")
    (run / "report.html").symlink_to(tmp_path / "mine")
    load_run(run).report(run / "report.html")
    assert (tmp_path / "mine").read_text() == "precious" and not (run / "report.html").is_symlink()


@pytest.mark.parametrize("fits", [True, False])
def test_memory_is_refused_before_it_is_taken(fits, run):
    """Five million forecasts in less than a megabyte: 1.1 GB."""
    frame = pl.read_parquet(run / "forecasts.parquet", glob=False)
    rows = [pl.repeat(frame[name][0], 5_000_000, dtype=kind).alias(name) for name, kind in frame.schema.items()]
    pl.select(rows).write_parquet(run / "large.parquet")
    content = (run / "large.parquet").read_bytes()
    assert len(content) < 1 << 20
    write(run, "forecasts.parquet", content, fits=fits)
    with pytest.raises(RunError, match=r"bytes of tables would take 1,0\d\d,\d+,\d+ bytes of memory"):
        load_run(run)


def changed(run, name, *columns, **more):
    frame = pl.read_parquet(run / f"{name}.parquet", glob=False).with_columns(*columns, **more)
    frame.write_parquet(run / "new")
    write(run, f"{name}.parquet", (run / "new").read_bytes())


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("forecasts", {"odd": pl.lit(1.0)}, "forecasts.parquet has other columns than it should, such as 'odd'"),
        ("forecasts", {"mean": pl.lit("x")}, "mean of forecasts.parquet is of type String, not Float64"),
        ("forecasts", {"mean": pl.lit(math.nan)}, "a forecast that is not finite"),
        ("forecasts", {"mean": pl.lit(1e200)}, r"a number above 1e\+100"),
        ("forecasts", {"sigma@return_5": pl.lit(1.0)}, "forecasts.parquet has no known_at of return_5"),
        ("forecasts", {"seed": pl.lit(7, pl.Int32)}, "forecasts.parquet is of other seeds than the manifest"),
        ("forecasts", {"time": pl.col("time").first()}, "forecasts.parquet has two forecasts of one bar"),
        ("forecasts", {"model": pl.lit("linear")}, "forecasts.parquet is of other models than the manifest"),
        ("positions", {"symbol": pl.lit("ETH")}, "positions.parquet is of other candles than the run"),
        (
            "positions",
            {"time": pl.col("time").dt.offset_by("1m")},
            "positions.parquet is of other candles than the run",
        ),
        ("positions", {"position": pl.lit(None, pl.Float64)}, "position of positions.parquet lacks values"),
        ("positions", {"position": pl.lit(3.0)}, "the position at .* is 3.0"),
        ("folds", {"fold": pl.lit(5, pl.Int64)}, "folds.parquet is of other folds than the forecasts"),
        (
            "candles",
            {"close": pl.col("close") * 2},
            "have their open, high or close outside|are not those that were written",
        ),
        ("losses", {"epoch": pl.lit(1.0)}, "epoch of losses.parquet is of type Float64, not Int32"),
    ],
)
def test_tables_belong_together(name, change, message, run):
    changed(run, name, **change)
    with pytest.raises(RunError, match=message):
        load_run(run)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("candles", "bars"), "600", "its 'candles.bars' is not what candlecast writes"),
        (("candles", "bars"), 599, "it has 600 candles of 599"),
        (("models",), ["linear", "linear"], "its 'models' is not"),
        (("seeds",), [1.5], "its 'seeds' is not"),
        (("recipe", "cash"), "much", "its 'recipe.cash' is not"),
        (("trial_count", "trials"), -1, "its 'trial_count' is not"),
        (("trial_count", "forecast_directions"), "many", "its 'trial_count' is not"),
        (("trial_count", "trade_own"), 1.5, "its 'trial_count' is not"),
        (("trial_count", "left_out"), -1, "its 'trial_count' is not"),
        (("trial_count", "unfinished"), 0.5, "its 'trial_count' is not"),
        (("verdict",), [], "its 'verdict' is not"),
        (("searches",), [{}], "its 'searches' is not"),
        (("searches",), 1.5, "its 'searches' is not"),
        (("lost",), {"a": "b"}, "its 'lost' is not"),
        (("files",), {}, "its 'files' is not"),
        (("summary", 0), {"value": 1.0}, "its 'summary' is not"),
        (("accuracy", 0, "model"), 7, "its 'accuracy' is not"),
        (("environment", "cores"), "many", "its 'environment' is not"),
        (("environment", "processor"), 64, "its 'environment' is not"),
        (("positions",), {"linear": {}}, "its 'positions' is not"),
        (("candles", "symbol"), "\ud800", "cannot be read"),
        (("recipe", "seed"), 1 << 70, "cannot be read .*63 bits"),
    ],
)
def test_a_manifest_has_its_shape(path, value, message, run):
    manifest = json.loads((run / "manifest.json").read_text())
    *outer, last = path
    inside = manifest
    for name in outer:
        inside = inside[name]
    inside[last] = value
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match=message):
        load_run(run)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "depth|recursion|nests|Expecting"),
        ("[" * 2_000_000, "more than 1,048,576 lists and objects"),
        ('{"a": ' + "[" * 70 + "]" * 70 + "}", "nests more than 64 levels"),
        ("[]", "it is no JSON object"),
        ('{"a": ' + "9" * 5_000 + "}", "digits|63 bits"),
    ],
)
def test_json_is_limited(text, message):
    with pytest.raises((ValueError, RecursionError), match=message):
        parsed(text.encode())


def test_a_manifest_that_is_too_large_is_not_read(run):
    (run / "manifest.json").write_text(" " * (LARGEST + 1))
    with pytest.raises(RunError, match="is larger than 33,554,432 bytes"):
        load_run(run)


HEADERS = [
    (b"\xff" * 7, "longer than the file"),
    (b"\xff" * 16, "longer than the file"),
    ((2).to_bytes(8, "little") + b"[]", "it is no JSON object"),
    ((2).to_bytes(8, "little") + b"{}more", "its arrays take 0 bytes, and there are 4"),
    *(
        (len(text).to_bytes(8, "little") + text + bytes(8), message)
        for text, message in [
            (b'{"a/b": {"dtype": "F64", "shape": [1], "data_offsets": [0, 4]}}', "does not have its size"),
            (b'{"a/b": {"dtype": "F64", "shape": [1099511627776], "data_offsets": [0, 8]}}', "a side of 1099511627776"),
            (b'{"a/b": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}', "its header is damaged"),
            (b'{"a/b": 1}', "its header is damaged"),
            (b'{"a/b": {"dtype": "F64", "shape": [1, 1, 1, 1, 1, 1, 1, 1, 1], "data_offsets": [0, 8]}}', "has 9 sides"),
        ]
    ),
]


def test_reading_takes_no_more_memory_than_the_file(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    tracemalloc.start()
    try:
        assert read_regular(tmp_path / "a") == b"content"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    with pytest.raises(RunError, match="is larger than 6 bytes"):
        read_regular(tmp_path / "a", most=6)


@pytest.mark.parametrize(("content", "message"), HEADERS)
def test_weights_have_the_size_that_their_header_says(content, message, run):
    with pytest.raises(ValueError, match=message):
        read_arrays(content)
    write(run, "weights.safetensors", content)
    with pytest.raises(RunError, match=rf"is incomplete or damaged \(weights.safetensors: .*{message}"):
        load_run(run)


def test_a_loaded_run_records_nothing_but_new_views(run):
    result = load_run(run)
    assert result.ledger is not None and result.ledger.path == run.parent / "ledger.sqlite"
    assert str(result.verdict) and result.report(run / "report.html").is_file()
    assert [path.name for path in run.parent.iterdir()] == [run.name]  # no ledger was made
    middle = result.forecast.frame["time"][200]
    assert result.between(middle).counted.trials == 1 and Ledger(run.parent).count() == 1
    assert result.rebacktest(cash=5_000.0).counted.trials == 2 and Ledger(run.parent).count() == 2


def test_a_path_that_is_too_long_is_refused_before_any_work(study, market, tmp_path):
    for folder in (tmp_path / ("x" * 300), tmp_path / "\0"):
        events = []
        with pytest.raises(RunError, match="cannot be written.*shorter path"):
            run_study(study, market, runs=folder, progress=events.append)
        assert not events
        assert list_runs(folder) == []
        with pytest.raises(RunError, match="is no run"):
            load_run(folder)


def test_copies_are_never_listed(run):
    shutil.copytree(run, run.with_name(f".{run.name}-abcd1234.new"))
    assert list_runs(run.parent) == [run]


@dataclass(frozen=True)
class Leveraged:
    """Twice equity, rebalanced."""

    def __call__(self, forecast):
        frame = forecast.averaged().frame.select("time", "symbol", position=2.0 * pl.col("mean").sign())
        return Positions(frame, leverage=2.0, band=0.1)


def test_leverage_and_band_come_back(study, market, tmp_path):
    result, folder = run_study(replace(study, rule=Leveraged()), market, runs=tmp_path)
    again = load_run(folder)
    assert (again.positions["linear"].leverage, again.positions["linear"].band) == (2.0, 0.1)
    assert again.backtest.equity.equals(result.backtest.equity)
    assert load_run(save_run(result.rebacktest(cash=1.0), tmp_path / "more")).positions["naive"].leverage == 2.0


TWO = """
import sys, time
from pathlib import Path
from candlecast.features import Features, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.dataset.folds import WalkForward
from candlecast.models import LSTM
from candlecast.study.checkpoints import FolderCheckpoints, run_study
from candlecast.sources import synthetic
from candlecast.study import Study

runs, waits = Path(sys.argv[1]), sys.argv[2] == "waits"
keep, kept = FolderCheckpoints.save, []

def kept_then_waits(self, model, fitted):
    keep(self, model, fitted)
    kept.append(fitted.job.key)
    if waits and len(kept) == 2:
        print("waits", flush=True)
        input()
        print(len([path for path in self.folder.iterdir() if path.suffix == ".safetensors"]), flush=True)

FolderCheckpoints.save = kept_then_waits
study = Study(model=LSTM(hidden=2, window=4, training=Fit(epochs=1)), baselines=(), features=Features(log_return(), log_range()),
              folds=WalkForward(folds=3), seeds=2)
print(run_study(study, synthetic.ar1(400, seed=1, phi=0.3, interval="1h").candles, runs=runs)[1].name, flush=True)
"""


def start(runs, how):
    command = [sys.executable, "-c", TWO, runs, how]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_two_at_once_do_not_take_each_others_jobs(tmp_path):
    """One waits with two jobs kept while another, of the same study, runs to its end."""
    first = start(tmp_path, "waits")
    assert first.stdout is not None and first.stdout.readline() == "waits\n"
    name = start(tmp_path, "runs").communicate()[0].strip()
    before = (tmp_path / name / "manifest.json").read_bytes()
    rest = first.communicate("\n")[0].split()
    assert rest == ["6", name]  # the jobs of both are still there, and the first ends as well
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "ledger.sqlite"])
    assert (tmp_path / name / "manifest.json").read_bytes() == before and Ledger(tmp_path).count() == 1


def test_the_jobs_of_a_killed_run_are_taken_up_and_said(tmp_path, features, market, small):
    study = Study(model=small, baselines=(), features=features, folds=WalkForward(folds=2), seeds=2)
    keep, kept = FolderCheckpoints.save, []

    def interrupted(self, model, fitted):
        if len(kept) == 3:
            raise KeyboardInterrupt
        kept.append(keep(self, model, fitted))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FolderCheckpoints, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_study(study, market, runs=tmp_path)
    events = []
    result, folder = run_study(study, market, runs=tmp_path, progress=events.append)
    (said,) = (event for event in events if event.stage == "resume")
    assert (said.done, said.total) == (
        3,
        4,
    ) and said.detail == "continues an interrupted run: 3 of 4 trainings are reused"
    stages = [event.stage for event in events]
    assert stages.index("resume") < stages.index("train")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([folder.name, "ledger.sqlite"])
    fresh, _ = run_study(study, market, runs=tmp_path / "fresh", progress=events.append)
    assert result.forecast.frame.equals(fresh.forecast.frame)
    assert sum(event.stage == "resume" for event in events) == 1
    for key, learnt in result.tensors.items():
        assert all(np.array_equal(value, fresh.tensors[key][name]) for name, value in learnt.items())
