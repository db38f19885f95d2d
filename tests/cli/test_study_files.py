"""A study file: written by init, run and audited; its options, and what cannot be used as one."""

from __future__ import annotations

import json

import pytest

from candlecast.cli import cli
from candlecast.errors import ConfigError
from candlecast.models import GRU, LinearRegression
from candlecast.sources import synthetic

STUDY = """
import candlecast as cc
candles = cc.synthetic.ar1(400, seed=1, phi=0.3, interval="1h").candles
study = cc.Study(model=cc.LinearRegression(), folds=cc.WalkForward(folds=2), baselines=(), cash=50.0)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(STUDY)
    return tmp_path


def main(*arguments):
    return cli.main([*arguments, "-q"], standalone_mode=False)


def studied(monkeypatch, *arguments):
    """The study and the candles that `candlecast run` runs."""
    found = []

    def run_study(study, candles, **_):
        found.extend([study, candles])
        raise ConfigError("caught", expected="a test", remedy="None")

    monkeypatch.setattr("candlecast.study.checkpoints.run_study", run_study)
    with pytest.raises(ConfigError, match="caught"):
        main("run", *arguments)
    return found


def test_run_takes_a_study_file(folder, capsys):
    main("run", "mine.py", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["bars"] == 400 and len(found["folds"]) == 2
    assert set(found["baselines"]) == {"naive", "drift"}


def test_options_replace_parts_of_the_study(folder, monkeypatch):
    study, candles = studied(monkeypatch, "mine.py", "--model", "gru", "--seeds", "2", "--interval", "2h")
    assert study.model == GRU() and study.seeds == 2 and study.cash == 50.0
    assert (str(candles.interval), len(candles)) == ("2h", 200)


def test_other_candles_may_be_named(folder, monkeypatch):
    study, candles = studied(monkeypatch, "mine.py", "--asset", "nasdaq")
    assert study.model == LinearRegression() and candles.symbol == "NASDAQ"
    (folder / "mine.py").write_text(STUDY.replace("candles =", "others ="))
    assert studied(monkeypatch, "mine.py")[1].symbol == "SP500"


def test_candles_of_a_study_file_may_be_a_path(folder, monkeypatch):
    frame = synthetic.ar1(90, seed=2).candles.frame.drop("close_time")
    frame.write_csv(folder / "own.csv")
    (folder / "mine.py").write_text('import candlecast as cc\nstudy = cc.Study(cc.Naive())\ncandles = "own.csv"\n')
    assert len(studied(monkeypatch, "mine.py")[1]) == 90


@pytest.mark.parametrize("command", ["run", "audit"])
@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (STUDY, ["--preset", "tutorial"], "--preset tutorial"),
        (
            STUDY,
            ["--source", "binance"],
            "--source without --asset; expected a symbol or a file .*Name it with --asset",
        ),
        (STUDY, ["--zone", "UTC"], "--zone without --asset"),
        (STUDY.replace("study =", "Study ="), [], "mine.py defines no study; .*Rename Study to study"),
        ("study = 3", [], "study of mine.py is of type int; expected a Study"),
        ("x = 1", [], "mine.py defines no study; expected a module-level name study"),
        ("1 / 0", [], r"mine.py fails \(ZeroDivisionError"),
        ("open('none.csv')", [], r"mine.py fails \(FileNotFoundError"),
    ],
)
def test_a_study_file_that_cannot_be_used_is_refused(folder, command, text, arguments, message):
    (folder / "mine.py").write_text(text)
    with pytest.raises(ConfigError, match=message):
        main(command, "mine.py", *arguments)


@pytest.mark.parametrize("command", ["run", "audit"])
def test_a_missing_study_file_is_said(folder, command):
    with pytest.raises(ConfigError, match=r"there is no file mime.py; .* Did you mean mine.py\?"):
        main(command, "mime.py")
    with pytest.raises(
        ConfigError, match=r"there is no file other/x.py; .* Write one with: candlecast init other/x.py"
    ):
        main(command, "other/x.py")


def test_two_assets_are_refused(folder):
    with pytest.raises(ConfigError, match="sp500 and --asset nasdaq; expected one asset"):
        main("run", "sp500", "--asset", "nasdaq")


def test_init_writes_a_study_that_runs(folder, capsys, monkeypatch):
    synthetic.ar1(300, seed=1, interval="1h").candles.frame.drop("close_time").write_csv(folder / "it's.csv")
    main("init", "first.py", "--asset", "it's.csv", "--zone", "UTC")
    assert "candlecast run first.py" in capsys.readouterr().out
    text = (folder / "first.py").read_text()
    assert "candles = cc.read_candles(\"it's.csv\", zone='UTC')" in text and "{" not in text.split("study =")[0]
    main("run", "first.py", "--model", "linear", "--folds", "2", "--json")
    assert json.loads(capsys.readouterr().out)["bars"] == 300
    main("init", "--json")
    assert json.loads(capsys.readouterr().out) == {"study": "study.py", "symbol": "SP500"}
    study, candles = studied(monkeypatch, "study.py")
    assert study.model.name == "lstm" and candles.symbol == "SP500"
    assert study.features.columns[-1] == "range_position"


def test_init_overwrites_nothing(folder):
    with pytest.raises(ConfigError, match="mine.py exists; expected a new file"):
        main("init", "mine.py")
    assert (folder / "mine.py").read_text() == STUDY
    with pytest.raises(ConfigError, match="mine is no name of a Python file; .* Use mine.py"):
        main("init", "mine")
    (folder / "file").write_text("")
    with pytest.raises(ConfigError, match="file/x.py cannot be written"):
        main("init", "file/x.py")
