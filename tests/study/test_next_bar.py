"""The forecast after the last bar: what it trains on, that it is causal, and what it says."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from candlecast.cli import cli
from candlecast.dataset.folds import Fold, Holdout, WalkForward
from candlecast.dataset.latest import latest_fold
from candlecast.errors import CandleError, RunError
from candlecast.features import Features, feature, log_return
from candlecast.ledger import Ledger
from candlecast.models import LinearRegression
from candlecast.study import Study
from candlecast.study.checkpoints import run_study
from candlecast.targets import Direction, NextReturn, Price, ScaledReturn, TripleBarrier, Volatility
from candlecast.targets.units import unit_of


@pytest.fixture(scope="module")
def result(market, features, small):
    study = Study(model=small, features=features, folds=WalkForward(folds=2), seeds=2, baselines=())
    return study.run(market[:500], ledger=Ledger.in_memory())


def test_nothing_known_later_is_trained_on_and_the_last_bar_is_forecast(result, market):
    bar = result.next()
    assert bar.made_at == market[:500].frame["close_time"][-1]
    assert bar.trained_until < bar.made_at
    assert bar.known_at == market.frame["close_time"][500]
    assert bar.price == market.close[499]
    assert bar.low < bar.forecast < bar.high
    assert bar.price_forecast == pytest.approx(bar.price * math.exp(bar.forecast))
    assert -1.0 <= bar.position <= 1.0
    assert bar.since <= bar.made_at


def test_later_candles_move_the_forecast_on_and_later_ones_still_do_not_matter(result, market):
    bar = result.next(market[:520])
    assert bar.made_at == market.frame["close_time"][519]
    assert bar == result.next(market[:520])
    assert bar != result.next(market[:521])


def test_the_signal_stands_since_it_was_decided(result, market):
    """The bars between the walk and the last bar are forecast by the last fold, so that a signal has a beginning."""
    bar = result.next(market[:540])
    times = market.frame["close_time"]
    assert times[400] < bar.since <= times[539]


def test_folds_that_roll_train_on_as_many_rows_and_others_on_all():
    last = Fold(4, range(20, 80), range(81, 90), range(91, 100))
    options = {"times": np.arange(150).astype("datetime64[us]"), "usable": range(150), "horizon": 1, "index": 5}
    rolling = latest_fold(WalkForward(), last, **options)
    assert rolling.fit.last + 1 - rolling.fit.first == last.fit.last + 1 - last.fit.first
    assert rolling.test.first == 149 and rolling.fit.last == 147
    for folds in (WalkForward(expanding=True), Holdout(0.8)):
        assert latest_fold(folds, last, **options).fit.first == 0


def test_classes_have_no_interval_and_prices_are_their_own_forecast(market, features):
    for target in (Direction(), Price()):
        study = Study(
            model=LinearRegression(), features=features, target=target, folds=WalkForward(folds=2), baselines=()
        )
        bar = study.run(market[:300], ledger=Ledger.in_memory()).next()
        assert (bar.low is None) == (target == Direction())
        assert bar.price_forecast == (None if target == Direction() else bar.forecast)


def test_older_or_other_candles_are_refused(result, market):
    with pytest.raises(CandleError, match="end before those of the study"):
        result.next(market[:400])
    with pytest.raises(CandleError, match="the candles are of other 1h; expected"):
        result.next(replace(market, symbol="other"))


def test_a_run_of_the_users_code_asks_for_its_study(market, tmp_path):
    @feature(warmup=1)
    def gap(candles):
        return np.concatenate([[np.nan], candles.open[1:] / candles.close[:-1] - 1])

    study = Study(
        model=LinearRegression(), features=Features(log_return(), gap), folds=WalkForward(folds=2), baselines=()
    )
    result, _ = run_study(study, market[:300], runs=tmp_path)
    with pytest.raises(RunError, match=r"next\(study=\.\.\.\)"):
        result.next()
    assert result.next(study=study).made_at == market.frame["close_time"][299]


def test_the_command_gives_one_object_for_one_run_and_a_line_for_each_of_many(market, features, tmp_path):
    study = Study(model=LinearRegression(), features=features, folds=WalkForward(folds=2), baselines=())
    result, folder = run_study(study, market[:300], runs=tmp_path / "runs")
    told = CliRunner().invoke(cli, ["forecast", str(folder), "--json", "-q"], catch_exceptions=False)
    assert json.loads(told.stdout) == result.next().to_dict()
    told = CliRunner().invoke(cli, ["forecast", str(folder), str(folder), "-q"], catch_exceptions=False)
    assert len(told.stdout.strip().splitlines()) == 3 and "R2 vs naive" in told.stdout
    bar = result.next()
    assert bar.unit.words(bar.forecast) in told.stdout
    assert f"{bar.unit.words(bar.low)} to {bar.unit.words(bar.high)}" in told.stdout


def test_a_file_is_studied_once_and_its_run_is_found_again(market, tmp_path):
    path = tmp_path / "ar.csv"
    market[:300].frame.drop("close_time").write_csv(path)
    runs = tmp_path / "runs"
    words = [
        "forecast",
        str(path),
        "--interval",
        "1h",
        "--model",
        "linear",
        "--folds",
        "2",
        "--runs",
        str(runs),
        "-q",
        "--json",
    ]
    first = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert len(list(runs.glob("*/manifest.json"))) == 1
    again = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert json.loads(first.stdout) == json.loads(again.stdout)
    assert len(list(runs.glob("*/manifest.json"))) == 1


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            NextReturn(),
            r"forecast of the next return.* is [+-]?\d\.\d{3} % \(90 % interval -\d\.\d{3} % to \+\d\.\d{3} %\)\.",
        ),
        (Price(), r"forecast of the next price.* is [\d,]+\.\d\d+ \(90 % interval [\d,]+\.\d\d+ to [\d,]+\.\d\d+\)\."),
        (Volatility(), r"forecast of the next range.* is \d\.\d\d % \(90 % interval \d\.\d\d % to \d\.\d\d %\)\."),
        (Direction(), r"forecast of the next direction.* is \d\d\.\d % chance of a rise\."),
        (ScaledReturn(), r"is [+-]?\d\.\d{3} standard deviations \(90 % interval -\d\.\d{3} to \+\d\.\d{3}\)\."),
        (TripleBarrier(5), r"is [+-]?\d\.\d{3} \(from -1, the lower barrier, to 1, the upper one\)\."),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
def test_a_forecast_is_written_in_the_unit_of_its_target(market, features, target, said):
    study = Study(model=LinearRegression(), features=features, target=target, folds=WalkForward(folds=2), baselines=())
    bar = study.run(market[:400], ledger=Ledger.in_memory()).next()
    assert re.search(said, bar.text), bar.text
    assert bar.to_dict()["unit"] == unit_of(target).name
    assert bar.to_dict()["forecast"] == bar.forecast
