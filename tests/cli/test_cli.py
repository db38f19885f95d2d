"""The command line as people and programs use it: real files and exit codes, and a real process where that matters."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import CompletedProcess

import polars as pl
import pytest

from candlecast.cli import main
from candlecast.sources import synthetic

SMALL = ["--model", "gru", "--hidden", "3", "--window", "5", "--epochs", "2", "--folds", "2", "--seeds", "2"]


def start(*arguments, cwd: Path) -> CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "candlecast", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def call(*arguments, cwd: Path) -> CompletedProcess[str]:
    """The command in this process, with what it would leave a process of its own with."""
    words, code = list(map(str, arguments)), 0
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as ended:
            code = ended.code
    return CompletedProcess(words, code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder with a gzipped CSV of 400 hourly bars, and one finished run of it."""
    folder = tmp_path_factory.mktemp("workspace")
    frame = synthetic.ar1(400, seed=1, phi=0.2, interval="1h").candles.frame.drop("close_time")
    with gzip.open(folder / "BTCUSDT-1h.csv.gz", "wb") as file:
        frame.with_columns(pl.col("open_time").dt.epoch("ms")).write_csv(file)
    done = start("run", "BTCUSDT-1h.csv.gz", "--interval", "1h", "--json", *SMALL, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_run_gives_one_json_object(workspace):
    folder, result = workspace
    assert set(result) >= {"run", "verdict", "accuracy", "backtest", "baselines", "folds", "seeds", "bars", "seconds"}
    assert result["bars"] == 400
    assert result["seeds"] == [0, 1]
    assert len(result["folds"]) == 2
    assert set(result["verdict"]) >= {"is_forecastable", "has_edge", "text", "reasons"}
    usual = {"naive", "drift", "seasonal", "ewma", "ets", "arima", "linear", "ridge"}
    assert set(result["baselines"]) == usual
    assert result["verdict"]["trials"]["trials"] == 1
    run = folder / result["run"]
    names = {path.name for path in run.iterdir()}
    assert names >= {"manifest.json", "forecasts.parquet", "positions.parquet", "fills.parquet", "weights.safetensors"}
    page = (run / "report.html").read_text()
    assert "BTCUSDT" in page


def test_the_same_run_again_is_the_same(workspace):
    folder, result = workspace
    before = (folder / result["run"] / "manifest.json").read_bytes()
    again = json.loads(call("run", "BTCUSDT-1h.csv.gz", "--json", *SMALL, cwd=folder).stdout)
    assert again["run"] == result["run"]
    assert (folder / result["run"] / "manifest.json").read_bytes() == before


def test_run_for_people(workspace):
    folder, _ = workspace
    done = call("run", "BTCUSDT-1h.csv.gz", "--model", "linear", "--target", "volatility", "--horizon", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "Can it be forecast? No." in done.stdout and "Does it pay after costs? " in done.stdout
    assert "Buy-and-hold" in done.stdout
    assert done.stdout.strip().splitlines()[-1].startswith("Report  runs/BTCUSDT-1h-linear-volatility-")


def test_runs_and_report(workspace):
    folder, result = workspace
    listed = json.loads(call("runs", "--json", cwd=folder).stdout)["runs"]
    assert result["run"] in [row["run"] for row in listed]
    assert result["run"].removeprefix("runs/") in call("runs", cwd=folder).stdout
    done = call("report", result["run"], "--output", "page.html", "--json", cwd=folder)
    assert json.loads(done.stdout)["verdict"] == result["verdict"]
    assert (folder / "page.html").stat().st_size > 100_000


def test_a_file_is_read_as_the_options_say(tmp_path):
    frame = synthetic.random_walk(400, seed=1, interval="1h").candles.frame.drop("close_time")
    prices = [pl.col(name).round(3).cast(pl.String).str.replace(".", ",", literal=True) for name in frame.columns[1:]]
    day = pl.col("open_time").dt.strftime("%m/%d/%Y")
    table = frame.select(day.alias("Day"), pl.col("open_time").dt.strftime("%H:%M").alias("Hour"), *prices)
    table.rename({"open": "OpnX"}).with_columns(Name=pl.lit("B")).write_csv(tmp_path / "x.csv", separator=";")
    told = ("--columns", "open=OpnX", "--columns", "time=Day+Hour", "--zone", "Asia/Tokyo", "--dates", "mdy")
    told = (*told, "--decimal", ",", "--symbol", "B")
    done = call("candles", "x.csv", *told, "--interval", "4h", "--since", "2015-01-02", "--json", cwd=tmp_path)
    (found,) = json.loads(done.stdout)["candles"]
    assert (found["interval"], found["symbol"], found["bars"]) == ("4h", "B", 91)
    assert found["first"] == "2015-01-02T00:00:00+00:00"
    assert "decimal comma; month before day as given; zone Asia/Tokyo as given" in found["reading"]
    assert "  read as: cells separated by semicolons; " in call("candles", "x.csv", *told, cwd=tmp_path).stdout
    done = call("run", "x.csv", *told, "--since", "2015-01-01T12:00", "--json", *SMALL, cwd=tmp_path)
    result = json.loads(done.stdout)
    assert found["reading"] == result["origin"]["reading"]
    manifest = json.loads((tmp_path / result["run"] / "manifest.json").read_text())
    assert found["reading"] in json.dumps(manifest)


def test_candles_lists_issues(tmp_path):
    frame = synthetic.random_walk(50, seed=1, interval="1h").candles.frame.drop("close_time")
    frame = pl.concat([frame[:20], frame[25:], frame[30:31]]).with_columns(pl.col("open_time").dt.epoch("ms"))
    frame.write_csv(tmp_path / "bad.csv")
    done = call("candles", "bad.csv", "--json", cwd=tmp_path)
    (report,) = json.loads(done.stdout)["candles"]
    assert done.returncode == 0
    assert not report["is_sound"]
    assert {"unsorted", "duplicate"} <= {issue["kind"] for issue in report["issues"]}
    assert "NOT SOUND" in call("candles", "bad.csv", cwd=tmp_path).stdout
    assert "SP500" in call("candles", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing.csv"], "missing.csv does not exist; expected a file of candles"),
        (["run", "spp500"], "'spp500' is neither a file nor a sample, and not stored in data.*Did you mean sp500?"),
        (["run", "--model", "lstn"], "there is no model 'lstn'.*Did you mean lstm?"),
        (["run", "--target", "retrun"], "there is no target 'retrun'.*Did you mean return?"),
        (["run", "--preset", "tutorail"], "there is no preset 'tutorail'.*Did you mean tutorial?"),
        (["run", "--model", "linear", "--hidden", "3"], "--hidden 3 does not apply to the model linear"),
        (["run", "--window", "6000"], "a window of 6,000 bars is longer than the 5,031 candles"),
        (["run", "--model", "linear", "--train", "30y", "--test", "1y"], "train='30y' takes all"),
        (["run", "--model", "linear", "--train", "4y"], "train is '4y' and test is None; expected both lengths"),
        (
            ["run", "--preset", "tutorial", "--refit", "1w"],
            "--refit 1w with the folds of the preset; expected folds that walk",
        ),
        (["run", "--interval", "7x"], "interval '7x' is not a candle length"),
        (["run", "--fee-bps", "-1"], "fee_bps is -1"),
        (["run", "--folds", "5000"], "cannot be divided|leaves|fold 0"),
        (["report", "runs/none"], "none is no run"),
        (["candles", "wrong.csv"], "wrong.csv has no column for close .*--columns close=NAME"),
        (["run", "wrong.csv"], "wrong.csv has no column for close .*--columns close=NAME"),
        (["run", "unsorted.csv"], r"1 of 30 candles of unsorted opens before the previous bar"),
        (["run", "zoneless.csv"], r"times without a zone.*Say --zone UTC or for example --zone America/New_York"),
        (["run", "zoneless.csv", "--dates", "xyz"], "dates is 'xyz'; expected the order .*Use for example --dates mdy"),
        (["run", "zoneless.csv", "--columns", "open"], "--columns 'open'; expected what it holds"),
        (["run", "sp500", "--zone", "UTC"], "--zone of sp500, which is no file"),
        (["compare", "sp500", "--decimal", ","], "--decimal of sp500, which is no file"),
        (["run", "sp500", "--since", "tomorrow"], "since 'tomorrow' is not a date.*Use for example --since 2021-01-31"),
        (
            ["run", "sp500", "--since", "2015-01-01", "--until", "2014-01-01"],
            "since 2015-01-01 00:00 is not before until",
        ),
        (["compare", "short.csv", "--until", "1990-01-01"], "no bar of short lies within its beginning and 1990-01-01"),
        (["run", "short.csv", "--interval", "1m"], "1m is no multiple of 1h"),
        (["run", "short.csv"], "a window of 32 bars is longer than the 30 candles"),
        (["run", "sp500", "--folds", "0"], r"folds is 0; expected 1 or more\. Use --folds 5\."),
        (["run", "sp500", "--seeds", "0"], r"seeds is 0; .* Use --seeds 3\."),
        (["run", "nan.csv"], "holds a price or volume that is absent, NaN or infinite"),
        (["run", "crossed.csv"], "in 30 of 30 rows of crossed.csv the high lies below another price"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_1(arguments, message, bad_files):
    done = call(*arguments, cwd=bad_files)
    assert done.returncode == 1, done.stdout
    assert re.search(message, done.stderr), done.stderr
    assert done.stderr.startswith("Error: ") and "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    assert not (bad_files / "runs").exists()


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    frame = synthetic.random_walk(30, seed=1, interval="1h").candles.frame.drop("close_time")
    frame = frame.with_columns(pl.col("open_time").dt.epoch("ms"))
    frame.write_csv(folder / "short.csv")
    frame.rename({"close": "klose"}).write_csv(folder / "wrong.csv")
    pl.concat([frame[:10], frame[11:12], frame[10:11], frame[12:]]).write_csv(folder / "unsorted.csv")
    frame.with_columns(pl.from_epoch("open_time", "ms").dt.strftime("%Y-%m-%d %H:%M:%S")).write_csv(
        folder / "zoneless.csv"
    )
    frame.with_columns(close=pl.when(pl.col("open") == frame["open"][5]).then(None).otherwise("close")).write_csv(
        folder / "nan.csv"
    )
    frame.with_columns(high=pl.col("low") * 0.9).write_csv(folder / "crossed.csv")
    return folder


def test_a_process_ends_with_the_exit_code(bad_files):
    done = start("run", "missing.csv", cwd=bad_files)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Error: missing.csv does not exist") and done.stderr.count("\n") == 1
    done = start("nonsense", cwd=bad_files)
    assert done.returncode == 2 and "Error: No such command 'nonsense'" in done.stderr


def test_wrong_usage_is_exit_code_2(tmp_path):
    for arguments in (["run", "--nonsense"], ["nonsense"], ["run", "--epochs", "many"]):
        done = call(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert "Error" in done.stderr


def test_an_unwritable_folder_is_said(workspace):
    folder, _ = workspace
    (folder / "taken").write_text("a file")
    done = call("run", "BTCUSDT-1h.csv.gz", "--model", "linear", "--runs", "taken/runs", cwd=folder)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


INTERRUPTED = "Interrupted: run the same command again to continue; what was stored before is untouched."


def test_ctrl_c_leaves_earlier_runs_whole(workspace):
    folder, result = workspace
    before = {path.name: path.read_bytes() for path in (folder / result["run"]).iterdir()}
    training = ["--hidden", "64", "--layers", "3", "--epochs", "100000"]  # ends by the signal alone
    command = [sys.executable, "-m", "candlecast", "run", "BTCUSDT-1h.csv.gz", "--quiet", *training]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    while not list((folder / "runs").glob(".*.jobs")):  # made as training begins
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.strip() == INTERRUPTED
    assert {path.name: path.read_bytes() for path in (folder / result["run"]).iterdir()} == before
    left = [path for path in (folder / "runs").iterdir() if path.name.startswith(".")]
    assert all(path.name.endswith(".jobs") and not list(path.iterdir()) for path in left)  # no job was finished


KILLED = """
import os, signal, sys
from candlecast.cli import main
from candlecast.study.checkpoints import FolderCheckpoints

save, saved = FolderCheckpoints.save, []

def save_two(self, model, fitted):
    save(self, model, fitted)
    saved.append(fitted)
    if len(saved) == 2:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))

FolderCheckpoints.save = save_two
main(sys.argv[2:])
"""


@pytest.mark.parametrize("end", ["SIGKILL", "SIGINT"])
def test_the_same_command_again_says_what_it_reuses(end, workspace, tmp_path):
    folder, _ = workspace
    arguments = ["run", str(folder / "BTCUSDT-1h.csv.gz"), "--runs", "[runs]", *SMALL]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, end, *arguments, "-q"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert killed.returncode == (130 if end == "SIGINT" else -9), killed.stderr
    assert killed.stderr.strip() == (INTERRUPTED if end == "SIGINT" else "")
    again = call(*arguments, "--json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    lines = again.stderr.splitlines()  # progress reaches pipes as lines
    assert "continues an interrupted run: 2 of 4 trainings are reused" in lines
    assert [line for line in lines if line.startswith("baselines: 8 of 8 (100 %)")]
    assert [line for line in lines if line.startswith("train: ")] and lines[-1].startswith("judge: 1 of 1 (100 %)")
    run = json.loads(again.stdout)["run"]
    assert {path.name for path in (tmp_path / "[runs]").iterdir()} >= {run.removeprefix("[runs]/"), "ledger.sqlite"}
    assert not [path for path in (tmp_path / "[runs]").iterdir() if path.name.startswith(".")]
    if end == "SIGINT":
        return
    for command in (["report", run], ["backtest", run, "--fee-bps", "1"], ["runs", "--runs", "[runs]"]):
        done = call(*command, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_a_comparison_continues(tmp_path):
    frame = synthetic.ar1(300, seed=1, phi=0.2, interval="1h").candles.frame.drop("close_time")
    frame.with_columns(pl.col("open_time").dt.epoch("ms")).write_csv(tmp_path / "BTCUSDT-1h.csv")
    models = ["--model", "linear", "gru", "--folds", "2", "--seeds", "1"]
    arguments = ["compare", "BTCUSDT-1h.csv", *models]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, "SIGINT", *arguments, "-q"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (killed.returncode, killed.stderr.strip()) == (130, INTERRUPTED)
    again = call(*arguments, "--json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "continues an interrupted run: 2 of 8 trainings are reused" in again.stderr.splitlines()
    fresh = call(*arguments, "--json", "-q", "--runs", "fresh", cwd=tmp_path)
    assert json.loads(again.stdout)["results"] == json.loads(fresh.stdout)["results"]
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.name.startswith(".")] == []


def test_commands_that_keep_nothing_promise_nothing(tmp_path):
    code = "import candlecast.runs as r, candlecast.cli as c\n"
    code += "def stop(folder): raise KeyboardInterrupt\nr.list_runs = stop\nc.main(['runs'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (130, "Interrupted; what was stored before is untouched.\n")


def test_broken_runs_are_marked_and_the_rest_is_listed(workspace, tmp_path):
    folder, result = workspace
    runs = tmp_path / "runs"
    whole = runs / "whole"
    shutil.copytree(folder / result["run"], whole)
    manifest = json.loads((whole / "manifest.json").read_text())
    texts = {
        "newer": json.dumps(manifest | {"format": 99}),
        "older": json.dumps(manifest | {"format": 1}),
        "torn": "{",
        "other\x1b[2J": json.dumps(manifest | {"seeds": "many"}),
    }
    for name, text in texts.items():
        (runs / name).mkdir()
        (runs / name / "manifest.json").write_text(text)
    shown = call("runs", cwd=tmp_path)
    assert shown.returncode == 0 and "\x1b" not in shown.stdout, shown.stderr
    assert re.search(r"^whole +400 +(yes|no|not enough data) +", shown.stdout, re.MULTILINE)
    for name, why in [
        ("newer", "was written in format 99.*Install a newer candlecast"),
        ("older", "was written in format 1"),
        ("torn", "cannot be read"),
        (r"other\\x1b\[2J", "'seeds' is not what candlecast writes"),
    ]:
        assert re.search(rf"^{name} +- +-", shown.stdout, re.MULTILINE)
        assert re.search(rf"^{name} cannot be read: .*{why}", shown.stdout, re.MULTILINE)
    listed = json.loads(call("runs", "--json", cwd=tmp_path).stdout)["runs"]
    assert len(listed) == 5 and sum("error" in row for row in listed) == 4
