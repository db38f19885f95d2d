"""`candlecast scan`: plans as TOML and as options, what is printed first, shards, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from candlecast.backtesting import Costs
from candlecast.cli import cli
from candlecast.cli.scan_plan import read_plan
from candlecast.dataset.folds import WalkForward
from candlecast.errors import ConfigError
from candlecast.ledger import Ledger
from candlecast.models import GRU, LSTM, LinearRegression
from candlecast.scan import list_scans, scanning
from candlecast.store import Store
from candlecast.targets import NextReturn, Volatility
from shelf import Shelf
from small_scans import walk

PLAN = """
store = "data"
symbols = "symbols.txt"
intervals = ["1d", "1w"]
targets = ["return", {name = "volatility", horizon = 5}]
models = ["linear", {name = "lstm", hidden = 16, epochs = 3, label = "small"}]
baselines = ["linear"]
costs = [{fee_bps = 5}, {venue = "binance-spot", slippage_bps = 1}]
train = "2y"
test = "1y"
refit = "1w"
seeds = 2
cash = 500
largest = 10
since = "2016-01-01"
"""


OPTIONS = (
    "--symbols A B --interval 1h 4h --model lstm gru --target return volatility --horizon 2 --folds 3 "
    "--seeds 2 --largest 5 --since 2020-01-01 --fee-bps 7 --store market -q"
)


def run(*arguments: str) -> None:
    cli.main(["scan", *arguments], standalone_mode=False)


def test_a_plan_of_a_file(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "symbols.txt").write_text("# liquid ones\nA\n\n B \n")
    plan = read_plan(tmp_path / "plan.toml")
    assert plan.assets == Store(tmp_path / "data")
    assert plan.symbols == ("A", "B")
    assert plan.intervals == ("1d", "1w")
    assert plan.targets == (NextReturn(), Volatility(horizon=5))
    assert list(plan.models) == ["linear", "small"]
    small = plan.models["small"]
    assert (small.hidden, small.training.epochs) == (16, 3)
    assert plan.baselines == (LinearRegression(),)
    assert [costs.fee_bps for costs in plan.costs] == [5.0, Costs.binance_spot().fee_bps]
    assert plan.folds == WalkForward(train="2y", test="1y", refit="1w")
    assert (plan.seeds, plan.cash, plan.largest, plan.since) == (2, 500.0, 10, "2016-01-01")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("store = 'a'\nmodel = ['lstm']", r"the plan has no 'model'; expected one of .* Did you mean models\?"),
        ("models = ['lstm']", "the plan has neither a store nor files"),
        ("store = 'a'\nfiles = ['b']", "the plan has both a store and files"),
        ("store = 'a'\nmodels = ['lstn']", "there is no model 'lstn'.*Did you mean lstm"),
        ("store = 'a'\nmodels = [{name = 'lstm', units = 3}]", "the model lstm has no 'units'"),
        ("store = 'a'\nmodels = [{name = 'lstm', hidden = 'many'}]", "hidden is 'many'"),
        ("store = 'a'\nmodels = ['lstm', 'lstm']", "two models are called lstm"),
        ("store = 'a'\nmodels = [{name = 'lstm', head = {x = 1}}]", "head is {'x': 1}; expected"),
        ("store = 'a'\ntargets = [{name = 'return', horizon = 0}]", "horizon is 0"),
        ("store = 'a'\ncosts = [{fee = 1}]", "costs has no 'fee'.*fee_bps"),
        ("store = 'a'\nseeds = '3'", "seeds is '3'; expected a whole number"),
        ("store = 'a'\nseeds = true", "seeds is True; expected a whole number"),
        ("store = 'a'\nfolds = 3\ntrain = '1y'", "folds with train and test"),
        ("store = 'a'\nsymbols = 'absent.txt'", "the file of symbols .*absent.txt cannot be read"),
        ("store = 'a'\nintervals = ['1x']", "1x"),
        ("store = 'a'\nmodels = ['__import__(\"os\")']", "there is no model"),
        ("store = ", "cannot be read"),
        ("store = 3", "store is 3; expected text"),
    ],
)
def test_a_plan_that_is_not_understood_is_refused(tmp_path, text, message):
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_plan(tmp_path / "plan.toml")


def test_options_make_the_same_plan(monkeypatch, tmp_path):
    given = []

    def opened(plan, **_):
        given.append(plan)
        raise ConfigError("seen", expected="-", remedy="-")

    monkeypatch.setattr(scanning, "open_plan", opened)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="seen"):
        run(*OPTIONS.split())
    (plan,) = given
    assert plan.assets.url == "market"
    assert (plan.symbols, plan.intervals, plan.largest, plan.since) == (("A", "B"), ("1h", "4h"), 5, "2020-01-01")
    assert plan.models == {"lstm": LSTM(), "gru": GRU()}
    assert plan.targets == (NextReturn(2), Volatility(2))
    assert plan.costs == (Costs(fee_bps=7),)
    assert (plan.folds, plan.seeds) == (WalkForward(folds=3), 2)
    (tmp_path / "plan.toml").write_text("store = 'data'")
    with pytest.raises(ConfigError, match="plan.toml and --seed"):
        run("plan.toml", "--seeds", "2")
    with pytest.raises(ConfigError, match="plan.toml and --cost"):
        run("plan.toml", "--fee-bps", "2")


@pytest.fixture
def market(tmp_path, monkeypatch):
    """A store of two symbols, and a plan of one quick model, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for seed, symbol in enumerate("AB"):
        Store("data").update(Shelf(walk(symbol, seed, bars=300).frame), symbol, "1d")
    (tmp_path / "plan.toml").write_text('store = "data"\nmodels = ["linear"]\nbaselines = []\nfolds = 2\nseeds = 1\n')
    return tmp_path


def test_a_dry_run_stops_after_the_plan(market, capsys):
    run("plan.toml", "--dry-run", "--workers", "1", "-q")
    said = capsys.readouterr().out
    assert "2 cells on 2 series of candles" in said
    assert "R2 (alone)" in said
    assert not list_scans("runs")
    run("plan.toml", "--dry-run", "--workers", "1", "-q", "--json")
    values = json.loads(capsys.readouterr().out)
    assert (values["cells"], values["series"], len(values["edges"])) == (2, 2, 1)


def test_shards_and_their_join_give_the_scan(market, capsys, monkeypatch):
    with pytest.raises(Exception, match="2 of 2 cells are not finished"):
        run("plan.toml", "--join", "-q")
    before = {path: path.read_bytes() for path in Path("runs").glob("ledger.sqlite*")}
    with monkeypatch.context() as patched:
        patched.setattr("sqlite3.connect", None)  # several hosts must not open one ledger
        for shard in ("1/2", "2/2"):
            run("plan.toml", "--shard", shard, "--workers", "1", "-q")
            assert f"Shard {shard}: 1 cells are finished, 0 failed" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in Path("runs").glob("ledger.sqlite*")} == before
    assert len(Ledger("runs").entries()) == 2
    run("plan.toml", "--join", "-q", "--json", "--reports", "0")
    joined = json.loads(capsys.readouterr().out)
    run("plan.toml", "--workers", "1", "-q", "--json", "--reports", "0", "--runs", "others")
    whole = json.loads(capsys.readouterr().out)
    assert joined["cells"] == whole["cells"]
    assert len(whole["cells"]) == 2
    cli.main(["runs"], standalone_mode=False)
    listed = capsys.readouterr().out
    assert list_scans("runs")[0].name in listed
    assert listed.split()[:4] == ["scan", "cells", "failures", "edges"]
    for wrong in ("0/2", "3/2", "1", "a/b"):
        with pytest.raises(ConfigError, match=f"--shard {wrong}"):
            run("plan.toml", "--shard", wrong)
    with pytest.raises(ConfigError, match="--join with --shard"):
        run("plan.toml", "--join", "--shard", "1/2")
    with pytest.raises(ConfigError, match="--shard with --dry-run"):
        run("plan.toml", "--dry-run", "--shard", "1/2")
