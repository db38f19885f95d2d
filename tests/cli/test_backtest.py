"""`candlecast backtest`: a run priced again, each way one more trial."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from candlecast.backtesting import Costs, DrawdownStop
from candlecast.cli import main
from candlecast.cli.backtest import backtest
from candlecast.cli.compare import compare
from candlecast.cli.pricing import RATES
from candlecast.cli.run import run as cli_run
from candlecast.dataset.folds import WalkForward
from candlecast.ledger import Ledger
from candlecast.models import LinearRegression
from candlecast.recipes import describe
from candlecast.signals import HoldPosition, Kelly, NoTradeBand, Threshold, VolatilityTarget
from candlecast.sources import synthetic
from candlecast.study import Study
from candlecast.study.loading import load_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    candles = synthetic.ar1(600, seed=1, phi=0.3, interval="1h").candles
    study = Study(model=LinearRegression(), folds=WalkForward(folds=2), seeds=1)
    return study.run(candles, ledger=Ledger(folder)).save(folder / "first")


def priced(capsys, run, *options) -> dict:
    main(["backtest", str(run), "--json", *options])
    return json.loads(capsys.readouterr().out)


def test_nothing_is_trained_and_the_run_stays(run, capsys):
    files = {path.name: path.read_bytes() for path in run.iterdir()}
    found = priced(capsys, run, "--fee-bps", "1")
    assert found["costs"]["fee_bps"] == 1.0
    assert found["costs"]["slippage_bps"] == load_run(run).costs.slippage_bps
    assert found["backtest"]["total cost"]["value"] < load_run(run).backtest.equity["cost"][-1]
    assert {path.name: path.read_bytes() for path in run.iterdir()} == files


def test_each_way_of_trading_is_a_trial_and_the_same_way_is_one(run, capsys):
    before = Ledger(run.parent).count()
    first = priced(capsys, run, "--fee-bps", "33")
    assert first["trials"]["trials"] == before + 1
    assert priced(capsys, run, "--fee-bps", "33")["trials"]["trials"] == before + 1
    after = Ledger(run.parent).count()  # with the baselines that are shown beside it
    assert priced(capsys, run, "--fee-bps", "34")["trials"]["trials"] == after + 1


def test_it_is_what_python_gives(run, capsys):
    found = priced(
        capsys,
        run,
        "--rule",
        "threshold",
        "--enter",
        "0.001",
        "--long-only",
        "--venue",
        "binance-spot",
        "--cash",
        "500",
    )
    rule = Threshold(enter=0.001, exit=0.0, allow_short=False)
    again = load_run(run).rebacktest(rule=rule, costs=Costs.binance_spot(), cash=500.0, ledger=Ledger.in_memory())
    values = dict(again.backtest.summary(seed=0).select("statistic", "value").iter_rows())
    assert {name: row["value"] for name, row in found["backtest"].items()} == values
    assert again.backtest.equity["position"].min() >= 0


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--rule", "kelly", "--fraction", "0.25", "--halflife", "20"], Kelly(fraction=0.25, halflife=20)),
        (["--rule", "position", "--band", "0.2"], HoldPosition(band=0.2)),
        (["--rule", "volatility-target", "--annual", "0.1"], VolatilityTarget(annual=0.1, rule=NoTradeBand())),
        (
            [
                "--rule",
                "threshold",
                "--rule",
                "VolatilityTarget",
                "--rule",
                "drawdown-stop",
                "--limit",
                "0.1",
                "--resume",
                "0",
            ],
            DrawdownStop(limit=0.1, resume=0.0, rule=VolatilityTarget(rule=Threshold()), costs=Costs(fee_bps=3)),
        ),
    ],
)
def test_rules_and_overlays(run, capsys, options, rule):
    """As in Python; an overlay stands on the run's rule where none is named before it."""
    found = priced(capsys, run, "--fee-bps", "3", *options)
    assert found["rule"] == json.loads(json.dumps(describe(rule)))
    again = load_run(run).rebacktest(rule=rule, costs=Costs(fee_bps=3), ledger=Ledger.in_memory())
    assert found["backtest"]["total return"]["value"] == again.summary()["value"][0]


def test_other_dates(run, capsys):
    whole = load_run(run)
    times = whole.forecast.frame["time"]
    since, until = times[50], times[150]
    found = priced(capsys, run, "--since", str(since), "--until", str(until))
    assert (found["first"], found["last"] < str(until)) == (str(since), True)
    part = whole.between(since, until)
    assert len(part.positions[part.model]) == 100
    held = whole.positions[whole.model].frame["position"].to_numpy()[50:150]
    np.testing.assert_array_equal(part.positions[part.model].frame["position"].to_numpy(), held)


def test_the_table_for_people(run, capsys):
    main(["backtest", str(run), "--fee-bps", "3"])
    text = capsys.readouterr().out
    assert "as it ran" in text
    assert "5 bp a side" in text
    (trades,) = (line.split() for line in text.splitlines() if line.startswith("trades"))
    assert trades[1:] == [f"{load_run(run).backtest.trades.height:,}", trades[2], "1"]
    assert "of this folder" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fee-bps", "-1"], "fee_bps is -1.0"),
        (["--venue", "binance-spt"], "Did you mean binance-spot or binance-perpetual?"),
        (["--rule", "treshold"], "Did you mean threshold?"),
        (["--enter", "0.1"], "without --rule"),
        (["--rule", "direction", "--exit", "0.1"], "expected --rule threshold"),
        (["--rule", "volatility", "--long-only"], "--long-only with --rule volatility"),
        (["--rule", "kelly", "--annual", "0.1"], "expected --rule volatility-target"),
        (["--rule", "drawdown-stop", "--rule", "kelly"], "--rule kelly after --rule drawdown-stop"),
        (["--rule", "drawdown-stop", "--limit", "2"], "limit is 2.0"),
        (["--since", "2099-01-01"], "fewer than 2 forecasts from 2099-01-01"),
        (["--since", "yesterday"], "since 'yesterday' is not a date"),
        (["--cash", "0"], "cash is 0"),
    ],
)
def test_what_is_refused(run, capsys, options, words):
    with pytest.raises(SystemExit) as stopped:
        main(["backtest", str(run), *options])
    assert stopped.value.code == 1
    assert words in capsys.readouterr().err


def test_costs_are_given_alike_wherever_there_is_trading():
    """Each number of Costs is an option of each command that trades."""
    rates = {field.name for field in fields(Costs)} - {"extra"}
    assert set(RATES) == rates
    for command in (cli_run, compare, backtest):
        assert rates | {"venue"} <= {option.name for option in command.params}


def test_the_costs_of_a_run(run, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    options = ["--model", "naive", "--seeds", "1", "--venue", "us-equities", "--maker-fee-bps", "4", "--cash", "500"]
    main(["run", "--json", "-q", *options])
    again = load_run(json.loads(capsys.readouterr().out)["run"])
    assert again.costs == replace(Costs.us_equities(), maker_fee_bps=4.0)
    assert again.backtest.cash == 500.0
