"""Panels on the command line."""

from __future__ import annotations

import json

import pytest

from candlecast.cli import main
from candlecast.sources import synthetic_panel

SMALL = ["--window", "4", "--hidden", "2", "--epochs", "1", "--folds", "2", "--seeds", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of six assets, one that has nothing in common with them, and tables of members."""
    place = tmp_path_factory.mktemp("panel")
    (place / "stocks").mkdir()
    for each in synthetic_panel(6, 260, seed=1, ic=0.2).assets:
        each.frame.write_csv(place / "stocks" / f"{each.symbol}.csv")
    far = synthetic_panel(2, 1_000, seed=2).assets[0]
    far.frame[900:].write_csv(place / "FAR.csv")
    (place / "members.csv").write_text("symbol,start,end\n" + "".join(f"A00{n},2010-01-01,\n" for n in range(5)))
    (place / "others.csv").write_text("symbol,start,end\nA0X,2010-01-01,\n")
    return place


def call(folder, monkeypatch, capsys, *arguments):
    """Exit code, standard output and standard error."""
    monkeypatch.chdir(folder)
    code = 0
    try:
        main([*arguments])
    except SystemExit as ended:
        code = ended.code
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_a_panel_is_run_listed_and_reported(folder, monkeypatch, capsys):
    code, out, err = call(
        folder, monkeypatch, capsys, "run", "stocks", "--panel", "--universe", "members.csv", "--json", "-q", *SMALL
    )
    assert code == 0, err
    found = json.loads(out)
    assert set(found["baselines"]) == {"reversal", "momentum", "linear"}
    assert found["assets"] == [f"A00{n}" for n in range(6)] and found["bars"] == 260
    assert any("1 asset not in the universe (A005)" in notice for notice in found["notices"])
    code, out, _ = call(folder, monkeypatch, capsys, "runs")
    assert code == 0 and "panel-6-1d-pooled_lstm-above_median" in out
    code, out, _ = call(folder, monkeypatch, capsys, "report", found["run"], "--output", "again.html")
    assert code == 0 and (folder / "again.html").stat().st_size > 50_000
    code, out, _ = call(folder, monkeypatch, capsys, "replay", found["run"])
    assert code == 0 and "the replay is equal in all 11 stages" in " ".join(out.split())
    code, out, _ = call(folder, monkeypatch, capsys, "forecast", found["run"])
    assert code == 0 and "5 assets 1d, pooled_lstm: ranked by the chance to beat the median return" in out
    for command in ("paper", "backtest"):
        code, _, err = call(folder, monkeypatch, capsys, command, found["run"])
        assert code == 1 and "is the run of a panel; expected the run of one asset. Use candlecast report" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stocks/A000.csv", "--panel"], "one asset (A000) was given for a cross-section; expected two assets or more"),
        (
            ["stocks/A000.csv", "stocks/A001.csv"],
            "2 assets are given: stocks/A000.csv, stocks/A001.csv; expected one. Add --panel",
        ),
        (["--panel"], "no asset was given for a cross-section"),
        (["stocks/A000.csv", "FAR.csv", "--panel"], "the assets have no moment in common: A000 from 2015-01-01"),
        (
            ["stocks", "--panel", "--universe", "others.csv"],
            "the universe names A0X, none of which is among the assets",
        ),
        (["stocks", "--panel", "--target", "medain"], "there is no target 'medain' of a panel; expected one of median"),
        (
            ["stocks", "--preset", "tutorial", "--panel"],
            "--preset tutorial with these options; expected fischer-krauss",
        ),
        (["stocks", "--k", "3"], "--k without --panel"),
        (["stocks/A000.csv", "--each"], "--each without --panel"),
        (["stocks", "--preset", "fischer-krauss"], "whole window of 240 bars|train=510 takes all"),
    ],
)
def test_what_cannot_be_is_answered_in_a_sentence(folder, monkeypatch, capsys, arguments, message):
    code, _, err = call(folder, monkeypatch, capsys, "run", "-q", *arguments)
    assert code == 1 and "Traceback" not in err
    assert any(each in " ".join(err.split()) for each in message.split("|"))
