"""Wrong uses that are easy to make: each is answered by one sentence that says what to do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import candlecast as cc
from candlecast.errors import CandlecastError, ConfigError
from candlecast.fleet.device import enough_memory
from candlecast.sources import synthetic

CANDLES = synthetic.ar1(300, seed=1, phi=0.3).candles
FOLDS = cc.WalkForward(folds=2)
HELD = cc.Positions.from_array(CANDLES, np.zeros(len(CANDLES)))


def plain(candles):
    return np.log(candles.close)


@pytest.fixture(scope="module")
def result():
    study = cc.Study(cc.Ridge(), baselines=(), folds=FOLDS)
    return study.run(CANDLES, ledger=cc.Ledger.in_memory())


TABLE = "is no path of a file; expected a path. Make candles of a table with Candles.from_frame"
DECORATE = "expected a feature, such as cc.log_return.. or a function decorated with @cc.feature"
PATH = "expected a path. Use text"
MODELS = "expected a dictionary of models by the names that the table shows"
SEEDS = "Use seeds=3, or seeds=range.3."
PAGE = "expected the path of an HTML page. Use .report.html."
WARMUP = "without a warm-up; expected the number of earlier bars .* Write @cc.feature.warmup=20."


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cc.read_csv(CANDLES.frame), f"a DataFrame {TABLE}"),
        (lambda: cc.read_csv(CANDLES.frame.to_pandas()), f"a DataFrame {TABLE}"),
        (lambda: cc.read_candles(CANDLES), f"a Candles {TABLE}"),
        (lambda: cc.read_csv(None), "a NoneType is no path of a file; expected a path. Use text"),
        (lambda: cc.read_parquet(3), "a int is no path of a file"),
        (lambda: cc.load_run(None), PATH),
        (lambda: cc.replay(1), PATH),
        (lambda: cc.diff("a", 1), "there is no run|is no run|expected a path"),
        (lambda: cc.read_session(None), PATH),
        (lambda: cc.reconcile(None), PATH),
        (lambda: cc.Store(None), PATH),
        (lambda: cc.run_study(cc.Study(cc.Naive()), CANDLES, runs=5), PATH),
        (lambda: cc.Features(plain), DECORATE),
        (lambda: cc.Features(cc.rsi(14), lambda candles: candles.close), DECORATE),
        (lambda: cc.feature(plain), f"feature of the function plain {WARMUP}|feature of plain {WARMUP}"),
        (cc.feature, WARMUP),
        (lambda: cc.compare([cc.Naive(), cc.Ridge()], CANDLES), MODELS),
        (lambda: cc.compare({"a": "lstm"}, CANDLES), "model is 'lstm'; expected a model"),
        (lambda: cc.walk_forward("lstm", CANDLES), "model is 'lstm'; expected a model"),
        (lambda: cc.walk_forward(cc.Ridge(), CANDLES, seeds=[1, 1]), f"seed 1 comes twice.*{SEEDS}"),
        (lambda: cc.walk_forward(cc.Ridge(), CANDLES, seeds="abc"), SEEDS),
        (lambda: cc.walk_forward(cc.Ridge(), CANDLES, folds=5), r"folds is 5; .* such as cc.WalkForward\(folds=5\)"),
        (
            lambda: cc.walk_forward(cc.Ridge(), CANDLES, folds="5"),
            r"folds is '5'; .* such as cc.WalkForward\(folds=5\)",
        ),
        (lambda: cc.Study(cc.Ridge(), folds=5), "folds is 5; expected folds"),
        (lambda: cc.sweep(CANDLES, [1]), "a set of positions is of type int"),
        (lambda: cc.sweep(CANDLES, 1), "positions is of type int"),
        (lambda: cc.Fit(batch=10**9), "batch is 1000000000; expected a whole number, 1 to 1,000,000"),
        (lambda: cc.Torch(torch.nn.Linear(1, 1)), "expected a function .* that makes a fresh module"),
        (lambda: cc.equal_weights([1]), "a int is no candles"),
        (lambda: cc.tradability(None), "a NoneType is no candles"),
        (lambda: cc.of(None, cc.rsi(14)), "a NoneType is no candles"),
        (lambda: cc.Yahoo().fetch(None, "1d"), "symbol is None; expected a name"),
        (lambda: cc.Exchange(None), "id is None; expected text"),
        (lambda: cc.Candles(CANDLES.frame.drop("close"), "X", "1d"), "without close; .* Use Candles.from_frame"),
        (lambda: cc.Candles(CANDLES.frame, "X", "1d"), "whose interval is '1d'"),
        (lambda: cc.Candles("a.csv", "X", "1d"), "of a str without open_time"),
        (lambda: cc.Candles.from_frame(CANDLES.frame, zone="Mars/X"), "there is no zone 'Mars/X'"),
        (lambda: cc.Candles.from_frame(CANDLES.frame, zone=5), "there is no zone 5"),
        (lambda: HELD * HELD, "positions are multiplied by a Positions; expected a number"),
        (lambda: np.ones(3) * HELD, "multiplied by a ndarray"),
        (lambda: HELD / 0, "divided by 0; expected a number other than 0"),
        (lambda: HELD + "a", "joined with 'a'"),
        (lambda: 1 - HELD, "joined with 1"),
        (lambda: cc.Positions.from_array(5, [1.0]), "a int is no candles"),
        (lambda: cc.backtest(CANDLES, lambda: 5), "cannot be called with one argument"),
        (lambda: cc.feature(warmup=0, outputs="ab")(plain), "outputs of plain is 'ab'; expected a name for each"),
        (lambda: cc.feature(warmup=0, outputs=5)(plain), "outputs of plain is 5"),
        (lambda: cc.Study(cc.Ridge(), baselines="naive"), "baselines is 'naive'; expected a tuple of models"),
        (lambda: synthetic.garch(-5, seed=0), "bars is -5; expected a whole number"),
        (lambda: synthetic.garch(100, seed="a"), "seed is 'a'"),
        (lambda: synthetic.ar1(100, seed=0, phi="a"), "phi is 'a'; expected a number"),
        (lambda: cc.synthetic_panel(3, 50, seed=0, ic="a"), "ic is 'a'"),
        (lambda: cc.paper(5, feed=None), "run is 5; expected a run"),
    ],
)
def test_a_wrong_use_is_said(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CandlecastError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda result: result.report("."), PAGE),
        (lambda result: result.report("x.pdf"), PAGE),
        (lambda result: result.report(None), PAGE),
        (lambda result: result.sweep(1), "rules is 1; expected a list of rules"),
        (lambda result: result.sweep([1]), "rule is 1; expected a rule"),
        (lambda result: result.summary(level=2), "level is 2"),
        (lambda result: result.summary(level="95"), "level is '95'"),
        (lambda result: result.summary(seed="a"), "seed is 'a'; expected a whole number, 0 or more"),
        (lambda result: list(cc.paper(result, feed=CANDLES)), "expected a feed of closed bars"),
        (lambda result: list(cc.paper(result, feed=cc.Tape(CANDLES), session=5)), PATH),
    ],
)
def test_a_wrong_use_of_a_result_is_said(call, message, result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CandlecastError, match=message):
        call(result)


def test_a_pandas_series_of_other_times_is_refused():
    opened = pd.DatetimeIndex(CANDLES.open_time)
    held = pd.Series(np.ones(len(CANDLES)))
    equal = {
        "values": held,
        "openings": held.set_axis(opened),
        "closes": held.set_axis(pd.DatetimeIndex(CANDLES.frame["close_time"].dt.replace_time_zone(None).to_numpy())),
        "another zone": held.set_axis(opened.tz_localize("UTC").tz_convert("Asia/Tokyo")),
        "local times": held.set_axis(opened + pd.Timedelta("9h")),
    }
    found = {name: cc.backtest(CANDLES, each).equity["equity"][-1] for name, each in equal.items()}
    assert set(found.values()) == {found["values"]}
    with pytest.raises(ConfigError, match="row 0 of the positions is of 2015-01-03.*the bar there opens at 2015-01-01"):
        cc.backtest(CANDLES, held.set_axis(opened + pd.Timedelta("2D")))


def test_positions_can_be_summed():
    assert sum([HELD, HELD]).frame.equals((HELD + HELD).frame)


def test_seeds_are_a_number_of_trainings_or_seeds_everywhere():
    net = cc.GRU(hidden=2, training=cc.Fit(epochs=1))
    walked = [cc.walk_forward(net, CANDLES, folds=FOLDS, seeds=seeds) for seeds in (2, range(2), [0, 1])]
    assert [each.seeds for each in walked] == [[0, 1]] * 3


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't allocate memory: you tried to allocate 9 bytes")])
def test_too_little_memory_is_said(error):
    def trained():
        yield 1
        raise error

    found = enough_memory("lstm", trained())
    assert next(found) == 1
    with pytest.raises(ConfigError, match="too little memory to train lstm .* Use fewer units"):
        next(found)


def test_any_other_error_of_a_training_stays():
    def trained():
        raise RuntimeError("shapes differ")
        yield

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(enough_memory("lstm", trained()))
