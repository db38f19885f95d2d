"""Comparisons: the same rows for all, one fleet, every trial counted, and equal to studies made one by one."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from candlecast import stats
from candlecast.backtesting import Costs
from candlecast.candles import Candles
from candlecast.cli import main
from candlecast.dataset.folds import WalkForward
from candlecast.errors import ConfigError
from candlecast.features import Features, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.ledger import Ledger
from candlecast.models import GRU, LSTM, Drift, LinearRegression, Naive, Ridge
from candlecast.sources import synthetic
from candlecast.study import Study
from candlecast.study.comparison import compare

FEATURES = Features(log_return(), log_range())
FOLDS = WalkForward(folds=2)
FAST = Fit(epochs=2, batch=16)


def named(world, symbol: str) -> Candles:
    return Candles(world.candles.frame, symbol, world.candles.interval)


@pytest.fixture(scope="module")
def assets():
    planted = named(synthetic.ar1(1_600, seed=1, phi=0.25, interval="4h"), "PLANTED")
    noise = named(synthetic.random_walk(1_600, seed=2, interval="4h"), "NOISE")
    return [planted, noise]


@pytest.fixture(scope="module")
def ledger():
    return Ledger.in_memory()


@pytest.fixture(scope="module")
def comparison(assets, ledger):
    models = {"naive": Naive(), "line": LinearRegression(), "ridge": Ridge(), "net": GRU(4, window=6, training=FAST)}
    series = [*assets, assets[0].resample("8h")]
    return compare(models, series, features=FEATURES, folds=FOLDS, costs=Costs.free(), seeds=range(2), ledger=ledger)


def test_every_model_on_every_series(comparison, ledger):
    frame = comparison.frame
    assert frame.height == 12 and len(comparison.results) == 12
    keys = frame.select("symbol", "interval", "model").rows()
    assert keys == list(comparison.results)
    assert (
        frame.group_by("symbol", "interval").agg(pl.col("observations").n_unique())["observations"].to_list() == [1] * 3
    )
    assert ledger.count() == 12
    assert all(result.trial_count.trials == 12 for result in comparison.results.values())
    for row, result in zip(frame.iter_rows(named=True), comparison.results.values(), strict=True):
        evidence = result.verdict.evidence
        found = [np.nan if row[name] is None else row[name] for name in ("p", "p_trials")]
        assert found == pytest.approx([evidence.forecast_p, evidence.forecast_p_adjusted], nan_ok=True)
    np.testing.assert_allclose(
        frame["p_discovery"].cast(pl.Float64).to_numpy(), stats.false_discovery(frame["p"].cast(pl.Float64).to_numpy())
    )
    assert frame.filter(pl.col("model") == "naive").select("p", "is_superior").row(0) == (None, False)


def test_what_was_planted_is_found_and_nothing_else(comparison):
    found = comparison.frame.filter("has_edge").select("symbol", "model").rows()
    assert ("PLANTED", "line") in found and all(symbol == "PLANTED" for symbol, _ in found)
    assert "found: line on PLANTED 4h" in comparison.text
    planted = comparison.frame.filter(pl.col("symbol") == "PLANTED", pl.col("interval") == "4h")
    assert planted.filter(pl.col("model") == "line")["is_superior"][0]
    assert planted.filter(pl.col("model") == "naive")["p_best"][0] < 0.05  # not among those that may be the best
    assert not comparison.frame.filter(pl.col("symbol") == "NOISE")["is_forecastable"].any()


def test_a_comparison_of_noise_says_so(assets):
    result = compare({"line": LinearRegression()}, assets[1], features=FEATURES, folds=FOLDS, ledger=Ledger.in_memory())
    assert result.text == (
        "No edge found, and nothing that can be forecast, after adjustment for all trials of the workspace. "
        "Of 1 forecast tested, none carries information at a false discovery "
        "rate of 5 %. Judged: 1 result, among 1 trial counted in this workspace; effective number of trials: "
        "1.0 as forecasts, 1.0 as strategies."
    )


def test_false_discoveries_are_held_down_across_assets(comparison):
    frame = comparison.frame
    tested = frame.drop_nulls("p")
    expected = stats.false_discovery(tested["p"].to_numpy())
    assert tested["p_discovery"].to_list() == pytest.approx(expected.tolist())
    found = tested.filter(pl.col("p_discovery") < 0.05)
    assert (
        f"Of 9 forecasts tested, {found.height} carry information at a false discovery rate of 5 %" in comparison.text
    )
    assert set(found["symbol"]) == {"PLANTED"}


def test_every_figure_of_the_printed_tables_has_its_interval(comparison):
    answer, forecast, pay = str(comparison).split("\n\n")
    assert answer == comparison.text
    assert len(forecast.splitlines()) == len(pay.splitlines()) == 13
    row = comparison.frame.row(1, named=True)
    for table, names, scale, digits in (
        (forecast, ["r2"], 100, 2),
        (pay, ["annual_return"], 100, 1),
        (pay, ["sharpe_difference"], 1, 2),
    ):
        for name in names:
            value, low, high = (f"{scale * row[name + end]:,.{digits}f}" for end in ("", "_low", "_high"))
            assert f"  {value} ({low} to {high})" in table.splitlines()[2]
    naive = forecast.splitlines()[1].split()
    assert naive[:7] == ["PLANTED", "4h", "naive", "0.00", "(0.00", "to", "0.00)"] and naive[7:] == ["-"] * 3 + ["no"]
    assert repr(comparison).startswith("Comparison(PLANTED 4h naive, PLANTED 4h line, ")


def test_equal_to_a_study_of_its_own(assets, comparison, ledger):
    study = Study(
        model=LinearRegression(), features=FEATURES, folds=FOLDS, costs=Costs.free(), seeds=2,
        baselines=(GRU(4, window=6, training=FAST),),
    )  # fmt: skip
    alone = study.run(assets[0], ledger=ledger)
    compared = comparison.results["PLANTED", "4h", "line"]
    assert np.array_equal(alone.forecast.frame["mean"], compared.forecast.frame["mean"])
    assert np.array_equal(alone.backtest.returns, compared.backtest.returns)
    assert alone.trial.identity == compared.trial.identity and ledger.count() == 12  # replayed, so counted once


def test_nets_of_all_series_train_together(assets, monkeypatch):
    fleets = []
    fit = LSTM.fit

    def counted(self, jobs, **options):
        fleets.append(len(jobs))
        return fit(self, jobs, **options)

    monkeypatch.setattr(LSTM, "fit", counted)
    events = []
    compare(
        {"a": LSTM(3, window=4, training=FAST)}, assets, features=FEATURES, folds=FOLDS, seeds=range(2),
        ledger=Ledger.in_memory(), progress=events.append,
    )  # fmt: skip
    assert fleets[0] == 8  # 2 assets x 2 folds x 2 seeds
    assert fleets[1:] and set(fleets[1:]) == {1}  # then checks, since a changed class is a user's model
    assert {event.stage for event in events} >= {"a", "judge"}
    assert events[-1].done == events[-1].total == 2


@pytest.mark.parametrize(
    ("models", "twice", "message"),
    [
        ({}, False, "0 models on 1 series"),
        ({"naive": Drift()}, False, "the name 'naive' is given to Drift.*Choose another name"),
        ({"line": LinearRegression()}, True, "PLANTED 4h comes twice"),
    ],
)
def test_what_cannot_be_compared(models, twice, message, assets):
    with pytest.raises(ConfigError, match=message):
        compare(models, [assets[0]] * (1 + twice), ledger=Ledger.in_memory())


def test_the_command(tmp_path, assets, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for each in assets:
        frame = each.frame.drop("close_time").with_columns(pl.col("open_time").dt.epoch("ms"))
        frame.write_csv(tmp_path / f"{each.symbol}.csv")
    words = [
        "compare",
        "PLANTED.csv",
        "NOISE.csv",
        "--interval",
        "4h",
        "8h",
        "--model",
        "naive",
        "linear",
        "--folds",
        "2",
    ]
    main([*words, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"text", "results", "trials", "survivorship", "seconds"}
    keys = [(row["symbol"], row["interval"], row["model"]) for row in found["results"]]
    assert keys == [(s, i, m) for s in ("PLANTED", "NOISE") for i in ("4h", "8h") for m in ("naive", "linear")]
    assert {"is_forecastable", "has_edge", "text", "reasons"} <= set(found["results"][0]["verdict"])
    assert Ledger(tmp_path / "runs").count() == found["trials"]["trials"] == 8
    main(words)
    people = capsys.readouterr().out
    assert "PLANTED 8h" in people and "beats naive" in people
    assert Ledger(tmp_path / "runs").count() == 8  # replayed
    with pytest.raises(SystemExit) as ended:
        main(["compare", "NOISE.csv", "--model", "lstn"])
    assert ended.value.code == 1 and "Did you mean lstm" in capsys.readouterr().err
