"""`candlecast confirm`: the study of a run, repeated on the candles of a second source."""

from __future__ import annotations

import json

import polars as pl
import pytest

from candlecast.cli import main
from candlecast.confirmation import confirm
from candlecast.dataset.folds import WalkForward
from candlecast.ledger import Ledger
from candlecast.models import LinearRegression
from candlecast.sources import synthetic
from candlecast.study import Study
from venues import at_venue


@pytest.fixture(scope="module")
def market():
    return synthetic.ar1(600, seed=1, phi=0.3, interval="1h").candles


@pytest.fixture(scope="module")
def run(tmp_path_factory, market):
    folder = tmp_path_factory.mktemp("runs")
    study = Study(model=LinearRegression(), folds=WalkForward(folds=2), seeds=1)
    return study.run(market, ledger=Ledger(folder)).save(folder / "first")


@pytest.fixture
def file(tmp_path, market):
    at_venue(market, seed=2).frame.write_csv(tmp_path / "kraken.csv")
    return tmp_path / "kraken.csv"


def test_it_says_what_python_says_and_the_run_stays(run, file, capsys):
    files, trials = {path.name: path.read_bytes() for path in run.iterdir()}, Ledger(run.parent).count()
    main(["confirm", str(run), str(file), "-q"])
    out = capsys.readouterr().out
    found = confirm(run, file)
    assert " ".join(out.split()) == " ".join(str(found).split()) and "kraken.csv" in out
    assert max(map(len, out.splitlines())) <= 80
    assert {path.name: path.read_bytes() for path in run.iterdir()} == files
    assert Ledger(run.parent).count() == trials


def test_json_is_one_object_and_the_exit_code_is_0_whatever_the_answer(run, file, capsys):
    main(["confirm", str(run), str(file), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["run"] == str(run) and found["is_confirmed"] is False
    assert found["answer"].startswith("Nothing to confirm")


def test_shorter_candles_are_made_longer(run, market, tmp_path, capsys):
    halves = at_venue(market, seed=2).frame
    half = pl.duration(minutes=30)
    first = halves.with_columns(close_time=pl.col("open_time") + half)
    second = halves.with_columns(pl.col("open_time") + half, open=pl.col("close"))
    pl.concat([first, second]).sort("open_time").write_csv(tmp_path / "half.csv")
    main(["confirm", str(run), str(tmp_path / "half.csv"), "--interval", "1h", "--json", "-q"])
    assert json.loads(capsys.readouterr().out)["bars"] > 100
    with pytest.raises(SystemExit) as ended:
        main(["confirm", str(run), str(tmp_path / "half.csv"), "-q"])
    assert ended.value.code == 1 and "--interval 1h" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["copy.csv"], "a copy, which confirms nothing"),
        (["copy.csv", "copy.csv"], "2 files are given for the run of one asset"),
        (["absent.csv"], "absent.csv"),
    ],
)
def test_wrong_uses_end_in_a_sentence(run, market, files, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    market.frame.write_csv("copy.csv")
    with pytest.raises(SystemExit) as ended:
        main(["confirm", str(run), *files, "-q"])
    assert ended.value.code == 1 and words in capsys.readouterr().err
