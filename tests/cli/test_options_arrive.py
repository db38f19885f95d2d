"""Every option of a command arrives where it belongs: what the commands call is replaced, and says what it was given."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import polars as pl
import pytest

from candlecast.backtesting import Costs
from candlecast.cli import cli, main
from candlecast.dataset.folds import WalkForward
from candlecast.errors import ConfigError
from candlecast.ledger import Ledger
from candlecast.models import GRU
from candlecast.recipes import describe
from candlecast.signals import FollowDirection, InverseVolatility, NoTradeBand, Threshold
from candlecast.sources import synthetic
from candlecast.targets import NextReturn, Volatility

CANDLES = synthetic.random_walk(60, seed=1).candles


class ArrivedError(Exception):
    """Carries what a function was called with."""


def called(monkeypatch, name, arguments):
    """Positional and keyword arguments of the function of that name, when a command is run."""

    def taken(*args, **kwargs):
        raise ArrivedError(args, kwargs)

    module, _, function = name.rpartition(".")
    if module in sys.modules:  # a package may have a function of its name
        monkeypatch.setattr(sys.modules[module], function, taken)
    else:
        monkeypatch.setattr(name, taken)
    with pytest.raises(ArrivedError) as arrived:
        cli.main([*arguments, "-q"], standalone_mode=False)
    return arrived.value.args


def test_run(monkeypatch, tmp_path):
    loaded = {}

    def load(asset, **options):
        loaded.update(options, asset=asset)
        return CANDLES

    monkeypatch.setattr("candlecast.cli.assets.load", load)
    (study, candles), options = called(
        monkeypatch,
        "candlecast.study.checkpoints.run_study",
        [
            *(
                "run",
                "BTCUSDT",
                "--interval",
                "1h",
                "--source",
                "binance",
                "--since",
                "2024-01-01",
                "--until",
                "2024-06-01",
            ),
            *("--store", str(tmp_path), "--model", "gru", "--target", "volatility", "--horizon", "4", "--window", "11"),
            *("--hidden", "7", "--layers", "2", "--epochs", "3", "--train", "40", "--test", "2y", "--fee-bps", "3"),
            *("--refit", "1w"),
            *("--cash", "123", "--seeds", "6", "--seed", "17", "--runs", str(tmp_path / "kept"), "--bridge", "2"),
        ],
    )
    assert (options["seed"], options["runs"]) == (17, tmp_path / "kept")
    wanted = {"asset": "BTCUSDT", "interval": "1h", "source": "binance", "since": "2024-01-01", "until": "2024-06-01"}
    assert {name: loaded[name] for name in wanted} == wanted and loaded["store"] == str(tmp_path)
    assert candles.bridge == 2
    assert study.model == GRU(hidden=7, layers=2, window=11, training=replace(GRU().training, epochs=3))
    assert study.target == Volatility(4)
    assert study.folds == WalkForward(train=40, test="2y", refit="1w")
    assert (study.costs, study.cash, study.seeds) == (Costs(fee_bps=3), 123.0, 6)


def test_what_is_not_given_is_as_in_python(monkeypatch):
    monkeypatch.setattr("candlecast.cli.assets.load", lambda *_, **__: CANDLES)
    (study, _), options = called(monkeypatch, "candlecast.study.checkpoints.run_study", ["run", "--folds", "3"])
    assert (study.target, study.folds, study.costs, study.seeds) == (NextReturn(), WalkForward(folds=3), Costs(), 3)
    assert options["seed"] == 0


class Run:
    """A run that writes down how it was traded again."""

    costs = Costs(fee_bps=6, slippage_bps=5)
    recipe: ClassVar = {"rule": describe(FollowDirection())}

    def __init__(self) -> None:
        self.period = self.traded = None

    def between(self, since, until):
        self.period = since, until
        return self

    def rebacktest(self, **options):
        self.traded = options
        raise ArrivedError(options)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--rule", "threshold", "--enter", "0.02", "--exit", "0.01"], Threshold(0.02, 0.01)),
        (["--rule", "threshold", "--enter", "0.02", "--exit", "-0.01", "--long-only"], Threshold(0.02, -0.01, False)),
        (["--rule", "no-trade-band", "--full", "2", "--long-only"], NoTradeBand(full=2.0, allow_short=False)),
        (
            ["--rule", "volatility", "--power", "2", "--cap", "1.5", "--usual", "0.5", "--band", "0.25"],
            InverseVolatility(power=2.0, cap=1.5, usual=0.5, band=0.25),
        ),
        (["--rule", "direction"], FollowDirection()),
        (["--rule", "direction", "--long-only"], FollowDirection(allow_short=False)),
        ([], None),
    ],
)
def test_backtest(monkeypatch, tmp_path, options, rule):
    run = Run()
    monkeypatch.setattr("candlecast.study.loading.load_run", lambda path: run)
    rest = ["--since", "2024-01-01", "--until", "2024-02-01", "--cash", "77", "--fee-bps", "2"]
    with pytest.raises(ArrivedError):
        cli.main(["backtest", str(tmp_path / "run"), *options, *rest, "-q"], standalone_mode=False)
    assert run.period == ("2024-01-01", "2024-02-01")
    assert (run.traded["rule"], run.traded["cash"]) == (rule, 77.0)
    assert run.traded["costs"] == Costs(fee_bps=2, slippage_bps=5)
    assert run.traded["ledger"].path == Ledger(tmp_path).path


def test_the_table_of_a_backtest_has_what_was_what_is_and_what_holding_gave(capsys):
    from candlecast.cli.backtest import SHOWN, _show

    def priced(shift):
        values = [shift + place for place in range(len(SHOWN))]
        summary = pl.DataFrame(
            {"statistic": list(SHOWN), "value": values, "benchmark": [value + 0.5 for value in values]}
        )
        time = CANDLES.frame["close_time"]
        shown = SimpleNamespace(answers=(), premise="", notices=(), changes=(), measures=())
        return SimpleNamespace(
            summary=lambda: summary, verdict=shown, costs=Costs(), counted=SimpleNamespace(trials=3),
            backtest=SimpleNamespace(equity=pl.DataFrame({"time": time})),
        )  # fmt: skip

    _show(priced(1.0), priced(20.0))
    lines = {line.split("  ")[0].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert lines["Sharpe ratio"].split()[2:] == ["3.00", "22.00", "22.50"]
    assert lines["total return"].replace(" %", "%").split()[2:] == ["100.0%", "2,000.0%", "2,050.0%"]
    assert lines["total cost"].split()[2:] == ["6.00", "25.00", "25.50"]


def test_compare(monkeypatch, tmp_path):
    monkeypatch.setattr("candlecast.cli.assets.load", lambda *_, **__: CANDLES)
    (models, series), options = called(
        monkeypatch,
        "candlecast.study.comparison.compare",
        [
            *(
                "compare",
                "sp500",
                "--model",
                "naive",
                "gru",
                "--target",
                "volatility",
                "--horizon",
                "5",
                "--folds",
                "4",
            ),
            *("--seeds", "2", "--seed", "9", "--runs", str(tmp_path), "--venue", "us-equities", "--fee-bps", "8"),
        ],
    )
    assert list(models) == ["naive", "gru"] and len(series) == 1
    assert options["target"] == Volatility(5)
    assert options["folds"] == WalkForward(folds=4)
    assert list(options["seeds"]) == [9, 10]
    assert options["ledger"].path == Ledger(tmp_path).path
    assert options["costs"].fee_bps == 8.0 and options["costs"].half_spread_bps == Costs.us_equities().half_spread_bps


@pytest.mark.parametrize(
    ("command", "function"),
    [
        (["run"], "candlecast.study.checkpoints.run_study"),
        (["compare", "X"], "candlecast.study.comparison.compare"),
        (["audit", "--asset", "X"], "candlecast.audit.audit"),
    ],
)
def test_mending(monkeypatch, tmp_path, command, function):
    """Bars newest first, one of them faulty, and a hole of two."""
    frame = CANDLES.frame.with_columns(low=pl.when(pl.int_range(pl.len()) == 5).then(1e9).otherwise("low"))
    torn = CANDLES.frame.height
    frame = frame.filter(~pl.int_range(pl.len()).is_in([20, 21]))
    monkeypatch.chdir(tmp_path)
    importlib.import_module(function.rpartition(".")[0])
    broken = replace(CANDLES, frame=frame[::-1])
    monkeypatch.setattr("candlecast.cli.assets.load", lambda *_, repair, **__: repair(broken))
    options = [*command, "--sort", "--mend", "drop", "--bridge", "2", "--real-jumps"]
    (_, found), _ = called(monkeypatch, function, options)
    candles = found[0] if isinstance(found, list) else found
    assert candles.frame["open_time"].is_sorted() and len(candles) == torn - 3
    assert candles.bridge == 2 and not candles.segments.any()
    assert [change.kind for change in candles.origin.changes] == ["sorted", "dropped", "bridged", "accepted"]


@pytest.mark.parametrize(
    ("flags", "refresh", "recheck"), [([], False, False), (["--refresh"], True, False), (["--recheck"], False, True)]
)
def test_fetch(monkeypatch, tmp_path, flags, refresh, recheck):
    arguments = ["fetch", "BTCUSDT", "--interval", "1h", "--since", "2024-01-01", "--until", "2024-02-01"]
    (_, *args), options = called(
        monkeypatch, "candlecast.store.Store.update", [*arguments, "--store", str(tmp_path), *flags]
    )
    assert args[0].name == "binance" and (args[1], str(args[2])) == ("BTCUSDT", "1h")
    assert (options["since"], options["until"]) == ("2024-01-01", "2024-02-01")
    assert (options["refresh"], options["recheck"]) == (refresh, recheck)


def test_an_error_is_one_sentence_and_exit_code_1(monkeypatch, capsys):
    def refuse(*_, **__):
        raise ConfigError("zone is X", expected="a zone", remedy='Use zone="UTC"')

    monkeypatch.setattr("candlecast.cli.assets.load", refuse)
    with pytest.raises(SystemExit) as left:
        main(["run", "-q"])
    assert left.value.code == 1
    assert capsys.readouterr().err == "Error: zone is X; expected a zone. Use --zone UTC.\n"
