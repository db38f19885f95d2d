"""What a user's part of a study raises or gives wrongly is one sentence; changed copies of a result are not judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch

import candlecast as cc
from candlecast.dataset.folds import Fold
from candlecast.sources import synthetic

MARKET = synthetic.garch(600, seed=1).candles


def fails(*values, **named):
    raise KeyError("oops")


class Failing(cc.NextReturn):
    def values(self, candles):
        raise ZeroDivisionError("by me")


class Short(cc.NextReturn):
    def values(self, candles):
        return np.zeros(3)


class Imaginary(cc.NextReturn):
    def values(self, candles):
        return super().values(candles) + 0j


class Splits:
    def __init__(self, give):
        self.give = give

    def split(self, times, usable, *, horizon, memory=0):
        return self.give(len(times))


class Forward(torch.nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.layer = torch.nn.Linear(inputs, 1)

    def forward(self, x):
        raise KeyError("oops")


class NoRestore:
    name, window, is_seeded = "mine", 1, False

    def fit(self, jobs, *, progress):
        yield from ()


class NoParameters:
    def fit(self, x, y):
        return self

    def predict(self, x):
        return x[:, 0]


def study(**parts):
    usual = {
        "model": cc.LinearRegression(),
        "features": cc.Features(cc.log_return()),
        "baselines": (),
        "seeds": 1,
        "folds": cc.WalkForward(folds=2),
    }
    return cc.Study(**(usual | parts))


def feature(compute):
    return cc.Features(cc.feature(warmup=1)(compute))


def imaginary(candles):
    return np.log(candles.close) + 0j


WRONG = {
    "costs": ({"costs": cc.Costs(extra=fails)}, r"extra of the costs failed \(KeyError: 'oops'\)"),
    "endless costs": ({"costs": cc.Costs(extra=lambda units, price, volume: 10**400)}, r"extra gives 1000.* finite"),
    "factory": ({"model": cc.Torch(fails, window=4)}, r"factory\(1\) of torch failed \(KeyError: 'oops'\)"),
    "net": (
        {"model": cc.Torch(Forward, window=4)},
        r"the net fails on a batch of windows \(KeyError: .oops.\)",
    ),
    "target": ({"target": Failing()}, r"target return \(horizon 1\) .* failed \(ZeroDivisionError: by me\)"),
    "short target": ({"target": Short()}, "return"),
    "complex target": ({"target": Imaginary()}, r"values of the target return gave complex128"),
    "complex feature": ({"features": feature(imaginary)}, "feature imaginary gave complex numbers"),
    "feature": ({"features": feature(fails)}, r"feature fails failed on .* candles .* \(KeyError: 'oops'\)"),
    "rule": ({"rule": lambda forecast: fails()}, r"rule <lambda> failed \(KeyError: 'oops'\)"),
    "no positions": ({"rule": lambda forecast: None}, "rule <lambda> gives NoneType; expected Positions"),
    "no folds": ({"folds": Splits(lambda bars: [1, 2])}, "of these folds gave 1; expected a tuple of Fold"),
    "split": ({"folds": Splits(fails)}, r"split of Splits failed \(KeyError: 'oops'\)"),
    "rows": (
        {"folds": Splits(lambda bars: (Fold(0, range(99), range(0), range(100, bars + 9)),))},
        r"test of fold 0 is Rows\(range\(100, 609\)\); expected Rows or a range within the 600 bars",
    ),
    "lists": ({"folds": Splits(lambda bars: (Fold(0, [1, 2], range(0), range(9)),))}, r"train of fold 0 is \[1, 2\]"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_what_a_part_raises_is_one_sentence_that_names_it(name):
    parts, message = WRONG[name]
    with pytest.raises(cc.CandlecastError, match=message):
        study(**parts).run(MARKET, ledger=cc.Ledger.in_memory())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: study(folds=5), "folds is 5; expected folds, with a method split"),
        (lambda: study(seeds=1.5), "seeds is 1.5; expected a whole number"),
        (lambda: study(seeds="3"), "seeds is '3'"),
        (lambda: study(cash=1e-300), "cash is 1e-300; expected a positive amount of money"),
        (
            lambda: study(model=NoRestore()),
            "without restore; expected a model, with name, window, .* Add restore to NoRestore",
        ),
        (lambda: study(model="lstm"), "model is 'lstm'; expected a model. Make one"),
        (
            lambda: cc.Sklearn(NoParameters()),
            r"NoParameters has no get_params; a function that makes one needs no get_params",
        ),
        (
            lambda: cc.Sklearn(3),
            r"estimator is 3; expected a scikit-learn estimator such as Ridge\(\), or a function .* predict\.",
        ),
        (lambda: study().run(MARKET, seed=2**70), "seed is 1180591620717411303424; expected a whole number from 0 to"),
        (lambda: study().run(MARKET, seed=1.5), "seed is 1.5; expected a whole number"),
        (lambda: cc.walk_forward(cc.Naive(), MARKET, seeds=[True]), "seed is True"),
    ],
)
def test_parameters_are_refused_where_they_enter(make, message):
    with pytest.raises(cc.ConfigError, match=message):
        make()


def test_a_file_is_no_workspace(tmp_path):
    (tmp_path / "file").write_text("")
    for read in (lambda ledger: ledger.count(), lambda ledger: ledger.entries(), lambda ledger: ledger.trials()):
        with pytest.raises(cc.RunError, match="file is no folder; expected the folder of a workspace"):
            read(cc.Ledger(tmp_path / "file"))
    assert cc.Ledger(tmp_path / "later").count() == 0


@pytest.mark.parametrize("name", ["close", "volume"])
@pytest.mark.parametrize(
    ("values", "kind"), [([[1.0]] * 50, "List"), ([True] * 50, "Boolean"), ([{"a": 1}] * 50, "Struct")]
)
def test_columns_that_hold_no_numbers_are_refused(name, values, kind):
    times = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(50)]
    frame = pl.DataFrame({"time": times, "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 1.0})
    frame = frame.with_columns(pl.Series(name, values))
    with pytest.raises(cc.CandleError, match=f"the column {name} of X holds {kind}.*; expected numbers"):
        cc.Candles.from_frame(frame, interval="1d", symbol="X")


@pytest.fixture(scope="module")
def result():
    return study().run(synthetic.ar1(1_500, seed=2, phi=0.35).candles, ledger=cc.Ledger.in_memory())


def hindsight(result):
    """Positions that are right in most bars."""
    frame = result.positions[result.model].frame
    after = result.candles.frame.select(
        time="close_time", up=(pl.col("open").shift(-2) / pl.col("open").shift(-1) - 1).sign().fill_null(0.0)
    )
    right = pl.Series(np.where(np.random.default_rng(0).random(len(frame)) < 0.6, 1.0, -1.0))
    right = frame.join(after, on="time", how="left").with_columns(position=pl.col("up") * right)
    return result.positions | {result.model: cc.Positions(right.select(frame.columns))}


def test_positions_from_elsewhere_get_no_verdict_on_skill(result):
    assert result.replaced == () and result.verdict.is_forecastable
    copy = replace(result, positions=hindsight(result), ledger=cc.Ledger.in_memory())
    assert copy.replaced == ("positions",)
    assert copy.verdict.headline == "No verdict on skill: positions from elsewhere."
    assert not copy.verdict.is_forecastable and not copy.verdict.pays
    assert "this copy has positions that its study did not make" in copy.verdict.reasons[0]
    assert copy.verdict.to_dict()["replaced"] == ["positions"]


def test_views_of_a_changed_copy_stay_without_a_verdict(result, tmp_path):
    copy = replace(result, positions=hindsight(result), ledger=cc.Ledger.in_memory())
    times = result.forecast.frame["time"]
    view = copy.between(times[100], times[700])
    assert view.replaced == ("positions",) and view.verdict.headline.startswith("No verdict on skill: positions")
    copy.save(tmp_path / "copy")
    assert cc.load_run(tmp_path / "copy").replaced == ("positions",)
    result.save(tmp_path / "own")
    assert cc.load_run(tmp_path / "own").replaced == ()


def test_other_candles_forecasts_models_and_folds_are_from_elsewhere(result):
    other = synthetic.ar1(1_500, seed=3, phi=0.35).candles
    assert replace(result, candles=other).replaced == ("candles",)
    frame = result.forecast.frame.with_columns(mean=pl.col("target").fill_null(0.0))
    forecasts = result.forecasts | {result.model: replace(result.forecast, frame=frame)}
    assert replace(result, forecasts=forecasts).replaced == ("forecast",)
    assert replace(result, model="drift").replaced == ("model", "forecast", "positions")
    assert replace(result, folds=result.folds.head(1)).replaced == ("folds",)
    assert replace(result, target=cc.NextReturn(2)).replaced == ("target",)
    assert len(replace(result, digests=None).replaced) == 6


def test_what_may_be_chosen_afterwards_stays_with_its_study(result):
    times = result.forecast.frame["time"]
    for view in (
        replace(result, costs=cc.Costs.free()),
        replace(result, cash=500.0),
        result.between(times[100], times[700]),
    ):
        assert view.replaced == ()


def test_a_result_is_made_of_what_it_says(result):
    with pytest.raises(cc.ConfigError, match="trial_count is of type str; expected TrialCount"):
        replace(result, trial_count="x")
    with pytest.raises(cc.ConfigError, match="ledger is of type str"):
        replace(result, ledger="x")
