"""Panels on the command line."""

from __future__ import annotations

import json
import re

import pytest

from candlecast.cli import main
from candlecast.cli.panel_rules import PLAIN, WRAPPERS, rule_of_names
from candlecast.errors import ConfigError
from candlecast.models import GRU, LinearRegression, Pooled
from candlecast.signals import (
    MinimumVariance,
    QuantileSpread,
    RankWeights,
    TopBottom,
    TurnoverLimited,
    VolatilityScaled,
)
from candlecast.sources import synthetic_panel
from candlecast.targets import RelativeReturn

SMALL = ["--window", "4", "--hidden", "2", "--epochs", "1", "--folds", "2", "--seeds", "1"]
STUDY = """
import candlecast as cc
assets = "stocks"
study = cc.PanelStudy(
    model=cc.LinearRegression(), target=cc.RelativeReturn(), rule=cc.RankWeights(gross=2.0), seeds=1, cash=50.0,
    folds=cc.WalkForward(folds=2),
)
"""


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
    (place / "one.py").write_text("import candlecast as cc\nstudy = cc.Study(model=cc.LinearRegression())\n")
    (place / "bare.py").write_text(STUDY.replace('assets = "stocks"', ""))
    (place / "mine.py").write_text(STUDY)
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
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(r"^1 +A00\d +\d\d\.\d %", out, re.MULTILINE)
    for command in ("paper", "backtest"):
        code, _, err = call(folder, monkeypatch, capsys, command, found["run"])
        assert code == 1 and "is the run of a panel; expected the run of one asset. Use candlecast report" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["stocks/A000.csv", "--panel"],
            "one asset (A000) was given for a cross-section; expected three assets or more",
        ),
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
        (["stocks", "--rule", "ranks"], "--rule without --panel"),
        (["stocks", "--panel", "--rule", "rank"], "there is no rule 'rank' across assets; expected one of top-bottom"),
        (
            ["stocks", "--panel", "--rule", "turnover-limited", "ranks"],
            "--rule ranks after --rule turnover-limited; expected one plain rule, before the others",
        ),
        (["stocks", "--panel", "--rule", "ranks", "--k", "2"], "--k 2 with --rule ranks; expected --rule top-bottom"),
        (["bare.py"], "bare.py defines no assets; expected candles of three assets or more"),
        (["one.py", "--panel"], "study of one.py is a Study of one asset; expected a PanelStudy"),
        (["mine.py", "--preset", "fischer-krauss"], "--preset fischer-krauss with a study file; expected one of them"),
        (["stocks", "--preset", "fischer-krauss"], "whole window of 240 bars|train=510 takes all"),
    ],
)
def test_what_cannot_be_is_answered_in_a_sentence(folder, monkeypatch, capsys, arguments, message):
    code, _, err = call(folder, monkeypatch, capsys, "run", "-q", *arguments)
    assert code == 1 and "Traceback" not in err
    assert any(each in " ".join(err.split()) for each in message.split("|"))


def studied(folder, monkeypatch, capsys, *arguments):
    """The study and the symbols that `candlecast run` runs."""
    found = []

    def run_panel_study(study, assets, **_):
        found.extend([study, [each.symbol for each in assets]])
        raise ConfigError("caught", expected="a test", remedy="None")

    monkeypatch.setattr("candlecast.panel.run_panel_study", run_panel_study)
    _, _, err = call(folder, monkeypatch, capsys, "run", "-q", *arguments)
    assert "caught" in err, err
    return found


def test_rules_are_named_from_the_innermost_to_the_outermost(folder, monkeypatch, capsys):
    study, _ = studied(folder, monkeypatch, capsys, "stocks", "--panel", "--rule", "minimum-variance", "--k", "1")
    assert study.rule == MinimumVariance(TopBottom(1))
    study, _ = studied(folder, monkeypatch, capsys, "stocks", "--panel", "--rule", "ranks", "turnover-limited")
    assert study.rule == TurnoverLimited(RankWeights())
    study, _ = studied(
        folder, monkeypatch, capsys, "stocks", "--preset", "fischer-krauss", "--rule", "Volatility_Scaled"
    )
    assert study.rule == VolatilityScaled(TopBottom(2, gross=2.0))


def test_every_rule_has_a_name():
    usual = TopBottom(3, gross=2.0)
    assert rule_of_names(["quantiles"], usual=usual) == QuantileSpread(gross=2.0)
    assert rule_of_names(["top-bottom"], usual=usual, k=3) == usual
    for name in (*PLAIN, *WRAPPERS):
        made = rule_of_names([name], usual=usual)
        assert made.gross == 2.0 and getattr(made, "rule", usual) == usual


def test_a_study_file_of_a_panel_and_options_that_replace_parts_of_it(folder, monkeypatch, capsys):
    study, symbols = studied(folder, monkeypatch, capsys, "mine.py")
    assert (study.model, study.rule, study.cash) == (LinearRegression(), RankWeights(gross=2.0), 50.0)
    assert study.target == RelativeReturn() and symbols == [f"A00{n}" for n in range(6)]
    study, symbols = studied(
        folder, monkeypatch, capsys, "mine.py", "stocks/A000.csv", "stocks/A001.csv", "--model", "gru", "--k", "2"
    )
    assert (study.model, study.rule, symbols) == (Pooled(GRU()), TopBottom(2, gross=2.0), ["A000", "A001"])


def test_a_study_file_of_a_panel_is_run_replayed_and_forecast(folder, monkeypatch, capsys):
    code, out, err = call(folder, monkeypatch, capsys, "run", "mine.py", "--json", "-q")
    assert code == 0, err
    run = json.loads(out)["run"]
    code, out, _ = call(folder, monkeypatch, capsys, "replay", run, "--study", "mine.py")
    assert code == 0 and "the replay is equal" in " ".join(out.split())
    code, out, _ = call(folder, monkeypatch, capsys, "forecast", run, "--study", "mine.py")
    assert code == 0 and "6 assets 1d, linear" in out
    code, _, err = call(folder, monkeypatch, capsys, "forecast", run, "--study", "one.py")
    assert code == 1 and "study is a Study; expected a PanelStudy" in err
    code, _, err = call(folder, monkeypatch, capsys, "audit", "mine.py")
    assert code == 1 and "study of mine.py is a PanelStudy; expected a Study of one asset" in " ".join(err.split())
