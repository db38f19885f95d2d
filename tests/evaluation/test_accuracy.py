"""The accuracy tables: what they say is what the functions of the statistics' room say, part by part, with intervals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast import stats
from candlecast.candles import Candles
from candlecast.dataset.folds import CombinatorialPurged, WalkForward
from candlecast.dataset.forecast import Forecast
from candlecast.errors import NotEnoughDataError
from candlecast.evaluation.accuracy import accuracy, accuracy_by_part, scored
from candlecast.fleet.settings import Fit
from candlecast.models import GRU, Drift, LinearRegression, Naive
from candlecast.sources import synthetic
from candlecast.targets import NextReturn, Price, Volatility
from candlecast.walkforward import plan_jobs, walk_forward

FIGURES = ("mae", "rmse", "r2", "hit_rate", "ic", "rank_ic")


@pytest.fixture(scope="module")
def walked(market, features):
    """Naive, drift and linear forecasts of two assets, the linear ones of price and return."""
    other = Candles(synthetic.ar1(500, seed=4, phi=0.0, interval="1h").candles.frame, "OTHER", market.interval)

    def walk(model, target):
        return walk_forward(model, [market, other], features=features, target=target, folds=WalkForward(folds=3))

    return {
        target.name: {model.name: walk(model, target) for model in (Naive(), Drift(), LinearRegression())}
        for target in (NextReturn(), Price())
    }


@pytest.mark.parametrize("target", [NextReturn(), Price()], ids=lambda target: target.name)
def test_the_table_says_what_the_functions_say(target, walked):
    table = accuracy(walked[target.name], target)
    assert table.select("symbol", "model").rows() == [
        (symbol, model) for symbol in ("AR(1)", "OTHER") for model in ("naive", "drift", "linear")
    ]
    row = table.row(by_predicate=(pl.col("symbol") == "AR(1)") & (pl.col("model") == "linear"), named=True)
    frame = walked[target.name]["linear"].only("AR(1)").frame.drop_nulls("target")
    y, f, naive = (frame[name].to_numpy() for name in ("target", "mean", "naive"))
    dy, df = target.change(y, naive), target.change(f, naive)
    expected = {
        "mae": stats.mae(y, f),
        "rmse": stats.rmse(y, f),
        "r2": stats.r2_against(dy, df, np.zeros(len(y))),
        "hit_rate": stats.hit_rate(dy, df),
        "ic": stats.information_coefficient(dy, df),
        "rank_ic": stats.rank_ic(dy, df),
        "mase": stats.mase(y, f, scale=float(frame["naive_error"].mean())),
        "p_naive": stats.clark_west(dy, df, np.zeros(len(y))).p_value,
        "p_direction": stats.pesaran_timmermann(dy, df).p_value,
        "p_profit": stats.anatolyev_gerko(dy, df).p_value,
    }
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-9), name
    assert row["observations"] == len(y)
    for name in FIGURES:
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    assert row["p_drift"] < 0.05 < table.filter(symbol="OTHER", model="linear")["p_naive"][0]


def test_the_naive_forecast_has_no_skill_and_no_direction(walked):
    table = accuracy(walked["return"], NextReturn())
    naive = table.row(by_predicate=(pl.col("symbol") == "AR(1)") & (pl.col("model") == "naive"), named=True)
    assert naive["r2"] == naive["r2_low"] == naive["r2_high"] == 0.0
    for name in ("hit_rate", "hit_rate_low", "ic", "ic_high", "rank_ic", "p_naive", "p_direction"):
        assert naive[name] is None, name


def test_intervals_are_those_of_resampled_histories(walked):
    """The same blocks, history by history, through the public functions."""
    target, score = NextReturn(), scored(walked["return"]["linear"].only("AR(1)"), NextReturn())
    pairs = np.column_stack([score.outcome_change, score.forecast_change])
    squares = np.column_stack([pairs[:, 0] ** 2, (pairs[:, 0] - pairs[:, 1]) ** 2])
    hits = np.sign(pairs[:, 0]) == np.sign(pairs[:, 1])
    block = stats.block_length(np.column_stack([squares, hits]))
    row = accuracy(walked["return"], target, seed=3).filter(symbol="AR(1)", model="linear")
    for name, figure in {
        "r2": lambda rows: stats.r2_against(rows[:, 0], rows[:, 1], np.zeros(len(rows))),
        "hit_rate": lambda rows: stats.hit_rate(rows[:, 0], rows[:, 1]),
        "ic": lambda rows: stats.information_coefficient(rows[:, 0], rows[:, 1]),
    }.items():
        expected = stats.bootstrap_interval(pairs, figure, block=block, seed=3)
        assert row[f"{name}_low"][0] == pytest.approx(expected.low)
        assert row[f"{name}_high"][0] == pytest.approx(expected.high)


def test_parts_by_asset_fold_and_seed(small, market, features):
    forecast = walk_forward(small, market, features=features, folds=WalkForward(folds=2), seeds=[3, 5])
    table = accuracy_by_part(forecast, NextReturn())
    assert table.select("symbol", "fold", "seed").rows() == [("AR(1)", f, s) for f in (0, 1) for s in (3, 5)]
    frame = forecast.frame.filter(fold=1, seed=5).drop_nulls("target")
    row = table.row(3, named=True)
    assert (row["first"], row["last"], row["observations"]) == (frame["time"][0], frame["time"][-1], frame.height)
    assert row["mae"] == pytest.approx(stats.mae(frame["target"].to_numpy(), frame["mean"].to_numpy()))
    assert row["r2_low"] < row["r2"] < row["r2_high"]


def test_the_scale_of_mase_is_the_naive_error_of_the_training_rows(market, features):
    forecast = walk_forward(LinearRegression(), market, features=features, folds=WalkForward(folds=2))
    for job in plan_jobs(LinearRegression(), market, features=features, folds=WalkForward(folds=2)):
        expected = np.abs(job.samples.outcomes[job.fit_rows]).mean()
        assert forecast.frame.filter(fold=job.fold.index)["naive_error"].unique().to_list() == [expected]


def test_seeds_become_one_forecast_before_anything_is_tested(market, features):
    model = GRU(hidden=2, window=4, training=Fit(epochs=2))
    forecast = walk_forward(model, market, features=features, folds=WalkForward(folds=2), seeds=range(3))
    whole = accuracy({"gru": forecast}, NextReturn())
    assert whole.equals(accuracy({"gru": forecast.averaged()}, NextReturn()))
    assert whole["observations"][0] == scored(forecast, NextReturn()).target.size


def test_combined_folds_become_one_forecast_as_well(market, features):
    forecast = walk_forward(LinearRegression(), market, features=features, folds=CombinatorialPurged(4, 2))
    row = accuracy({"linear": forecast}, NextReturn()).row(0, named=True)
    assert row["observations"] == forecast.paths[0].frame.drop_nulls("target").height
    assert accuracy_by_part(forecast, NextReturn()).height == 6


def test_forecasts_with_a_sigma_are_scored_as_distributions(market, features):
    world = synthetic.ar1(600, seed=1, phi=0.3, interval="1h")
    forecast = walk_forward(LinearRegression(), market, features=features, folds=WalkForward(folds=3))
    plain = accuracy({"linear": forecast}, NextReturn())
    assert "crps" not in plain.columns
    spread = float(world.volatility[0])
    told = replace(forecast, frame=forecast.frame.with_columns(sigma=pl.lit(spread)))
    row = accuracy({"linear": told}, NextReturn()).row(0, named=True)
    frame = told.frame.drop_nulls("target")
    y, mean, sigma = (frame[name].to_numpy() for name in ("target", "mean", "sigma"))
    assert row["log_score"] == pytest.approx(stats.log_score(y, mean, sigma).mean())
    assert row["crps"] == pytest.approx(stats.crps_normal(y, mean, sigma).mean())
    from scipy.stats import norm
    from sklearn.metrics import mean_pinball_loss

    pinball = [mean_pinball_loss(y, norm.ppf(level, mean, sigma), alpha=level) for level in (0.05, 0.95)]
    assert row["pinball"] == pytest.approx(np.mean(pinball))
    assert row["pinball_low"] < row["pinball"] < row["pinball_high"]
    assert row["coverage_low"] < 0.9 < row["coverage_high"]
    assert row["coverage"] == pytest.approx(stats.coverage(y, mean - 1.644854 * sigma, mean + 1.644854 * sigma))
    both = accuracy({"plain": forecast, "told": told}, NextReturn())
    assert both["crps"].is_null().to_list() == [True, False]


def test_averaged_seeds_are_a_mixture():
    rows = {"symbol": "A", "model": "m", "fold": 0, "naive": 0.0, "target": 0.1, "expected_return": 0.0}
    times = {"time": "2024-01-01 01:00", "known_at": "2024-01-01 02:00"}
    frame = pl.DataFrame([rows | times | {"seed": s, "mean": m, "sigma": 1.0} for s, m in ((0, -2.0), (1, 2.0))])
    frame = frame.with_columns(pl.col("time", "known_at").str.to_datetime("%Y-%m-%d %H:%M", time_zone="UTC"))
    row = Forecast(frame, horizon=1).averaged().frame.row(0, named=True)
    assert row["mean"] == 0.0
    assert row["sigma"] == pytest.approx(math.sqrt(1.0 + 4.0))


def test_whoever_knows_the_level_of_volatility_has_forecast_nothing(features):
    """In a random walk the last range is a poor forecast of the next, and nothing beats the mean of all."""
    target, p_values = Volatility(), []
    for seed in range(10):
        candles = synthetic.random_walk(700, seed=seed).candles
        models = {model.name: model for model in (Naive(), Drift(), LinearRegression())}
        walked = {
            name: walk_forward(model, candles, features=features, target=target) for name, model in models.items()
        }
        row = accuracy(walked, target).filter(model="linear").row(0, named=True)
        assert max(row["p_naive"], row["p_drift"]) < 1e-4
        p_values.append(row["p_mean"])
    assert np.mean(np.array(p_values) < 0.05) <= 0.2
    candles = synthetic.garch(700, seed=1, alpha=0.15, beta=0.83).candles
    forecast = walk_forward(LinearRegression(), candles, features=features, target=target)
    assert accuracy({"linear": forecast}, target)["p_mean"][0] < 0.01


def test_the_mean_of_a_return_is_its_drift(walked):
    table = accuracy(walked["return"], NextReturn())
    linear, drift = (table.filter(symbol="AR(1)", model=name).row(0, named=True) for name in ("linear", "drift"))
    assert linear["p_mean"] == pytest.approx(linear["p_drift"])
    assert drift["p_mean"] is None


def test_nothing_is_known_yet(walked):
    forecast = walked["return"]["naive"]
    unknown = replace(forecast, frame=forecast.frame.with_columns(target=None))
    with pytest.raises(NotEnoughDataError, match="no forecast has an outcome that is known yet"):
        accuracy({"naive": unknown}, NextReturn())
    with pytest.raises(NotEnoughDataError, match="no forecast has an outcome that is known yet"):
        accuracy_by_part(unknown, NextReturn())


@pytest.mark.parametrize("width", [1.0, 0.5])
def test_quantiles_are_scored_and_their_calibration_is_tested(width, market, features):
    world = synthetic.ar1(600, seed=1, phi=0.3, interval="1h")
    forecast = walk_forward(LinearRegression(), market, features=features, folds=WalkForward(folds=3))
    spread = width * float(world.volatility[0])
    levels = {"q05": -1.644854, "q50": 0.0, "q95": 1.644854}
    told = forecast.frame.with_columns(**{name: pl.col("mean") + z * spread for name, z in levels.items()})
    told = replace(forecast, frame=told.with_columns(sigma=pl.lit(spread)))
    row = accuracy({"linear": told}, NextReturn()).row(0, named=True)
    frame = told.frame.drop_nulls("target")
    y, quantiles = frame["target"].to_numpy(), frame.select(*levels).to_numpy()
    assert row["pinball"] == pytest.approx(stats.pinball(y, quantiles, [0.05, 0.5, 0.95]).mean())
    assert row["crps"] == pytest.approx(stats.crps_quantiles(y, quantiles, [0.05, 0.5, 0.95]).mean())
    assert row["coverage"] == pytest.approx(stats.coverage(y, quantiles[:, 0], quantiles[:, 2]))
    assert row["interval"] == pytest.approx(0.9)
    normal = replace(told, frame=told.frame.drop(*levels))
    for each in (row, accuracy({"linear": normal}, NextReturn()).row(0, named=True)):
        assert (each["p_calibration"] < 0.001) == (width == 0.5)
