"""The walk: every test bar forecast once per seed, from the past only."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import backtest
from candlecast.candles import Candles
from candlecast.dataset.folds import CombinatorialPurged, PurgedKFold, WalkForward
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError, LookaheadError, NotEnoughDataError
from candlecast.fleet.settings import Fit
from candlecast.models import GRU, Drift, LinearRegression, Naive
from candlecast.signals import FollowDirection
from candlecast.sources import synthetic
from candlecast.targets import Direction, NextReturn, Price, Volatility
from candlecast.walkforward import WalkPlan, plan_jobs, walk_forward, walk_jobs, watch_forward

TARGETS = [NextReturn(), NextReturn(3), Price(), Direction(), Volatility(2)]
MODELS = [Naive(), Drift(), LinearRegression(), LinearRegression(window=3)]


def walk(model, candles, features, target, folds=3, **parameters):
    return walk_forward(model, candles, features=features, target=target, folds=WalkForward(folds=folds), **parameters)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.name}-{target.horizon}")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.name}-{model.window}")
def test_forecasts_do_not_know_the_future(model, target, market, features, other_future):
    bar = 450
    before = walk(model, market, features, target).frame
    after = walk(model, other_future(market, bar), features, target).frame
    known = pl.col("time") <= market.frame["close_time"][bar]
    columns = ["time", "fold", "mean", "naive", "expected_return"]
    assert before.filter(known).height > 100
    assert before.filter(known).select(columns).equals(after.filter(known).select(columns))
    outcome_known = pl.col("known_at") <= market.frame["close_time"][bar]
    assert before.filter(outcome_known)["target"].equals(after.filter(outcome_known)["target"])


def test_a_net_does_not_know_the_future(small, market, features, other_future):
    before = walk(small, market, features, NextReturn(), seeds=range(2)).frame
    after = walk(small, other_future(market, 450), features, NextReturn(), seeds=range(2)).frame
    known = pl.col("time") <= market.frame["close_time"][450]
    assert before.filter(known).select("time", "mean").equals(after.filter(known).select("time", "mean"))
    assert not before.select("mean").equals(after.select("mean"))


def test_tables_of_a_walk_share_the_memory_of_equal_columns(small, market, features):
    def addresses(frame, column):
        return [chunk.to_numpy(allow_copy=False).__array_interface__["data"][0] for chunk in frame[column].get_chunks()]

    plan = WalkPlan.of(features=features, target=NextReturn(), folds=WalkForward(folds=2), seeds=2, window=small.window)
    prepared = plan.prepared(market[:-1])
    parts = [list(walk_jobs(model, plan.of_model(model, prepared))) for model in (small, Drift())]
    net, drift = (Forecast.joined([part.frame for part in walked], 1).frame for walked in parts)
    assert addresses(net, "naive") == 2 * addresses(drift, "naive")  # of each seed and fold
    assert addresses(net, "time") == 2 * addresses(drift, "time")
    assert len(set(addresses(net, "naive_error"))) == 2  # of each fold
    assert len(set(addresses(net, "seed"))) == 2
    assert set(addresses(drift, "mean")).isdisjoint(addresses(net, "mean"))


def test_every_test_bar_is_forecast_once_per_seed(small, market, features):
    forecast = walk(small, market, features, NextReturn(), seeds=[3, 7])
    times = forecast.frame.filter(pl.col("seed") == 3)["time"]
    first = market.frame["close_time"].search_sorted(times[0])
    assert times.equals(market.frame["close_time"][first:].alias("time"))
    assert forecast.seeds == [3, 7]
    assert forecast.frame.height == 2 * times.len()
    assert forecast.frame["fold"].unique().sort().to_list() == [0, 1, 2]
    last = forecast.frame.filter(pl.col("time") == times[-1])
    assert last["target"].null_count() == last["known_at"].null_count() == 2


def test_the_target_stands_beside_its_forecast(market, features):
    frame = walk(Naive(), market, features, Price(horizon=2)).frame.drop_nulls("target")
    closes = dict(zip(market.frame["close_time"], market.close, strict=True))
    assert all(closes[time] == value for time, value in zip(frame["known_at"], frame["target"], strict=True))
    assert all(closes[time] == value for time, value in zip(frame["time"], frame["naive"], strict=True))


def test_watching_gives_the_same_as_collecting(small, market, features):
    folds = WalkForward(folds=2)
    parts = list(watch_forward(small, market, features=features, folds=folds, seeds=range(2)))
    collected = walk_forward(small, market, features=features, folds=folds, seeds=range(2)).frame
    assert len(parts) == 4
    assert Forecast(pl.concat([part.frame for part in parts]), horizon=1).frame.equals(collected)


def test_several_assets(small, market, features):
    other = Candles(synthetic.ar1(500, seed=4, interval="1h").candles.frame, "OTHER", market.interval)
    both = walk(small, [market, other], features, NextReturn())
    assert both.symbols == ["AR(1)", "OTHER"]
    assert both.only("OTHER").frame.equals(walk(small, other, features, NextReturn()).frame)
    with pytest.raises(ConfigError, match="there is no forecast of 'OTHR'.*Did you mean OTHER"):
        both.only("OTHR")
    with pytest.raises(ConfigError, match="two assets are called OTHER"):
        walk(small, [other, other], features, NextReturn())


def test_models_with_other_windows_share_rows_when_asked(market, features):
    short, long = LinearRegression(window=1), LinearRegression(window=40)
    frames = [walk(model, market, features, NextReturn(), window=40).frame for model in (short, long)]
    assert frames[0]["time"].equals(frames[1]["time"])
    assert frames[0]["fold"].equals(frames[1]["fold"])


def test_averaging_seeds(small, market, features):
    forecast = walk(small, market, features, NextReturn(), seeds=range(3))
    mean = np.mean([forecast.frame.filter(pl.col("seed") == seed)["mean"] for seed in range(3)], axis=0)
    averaged = forecast.averaged()
    assert averaged.seeds == [0]
    np.testing.assert_allclose(averaged.frame["mean"], mean, rtol=1e-12)
    assert averaged.frame["target"].null_count() == 1


def test_windows_do_not_cross_a_hole(features):
    candles = synthetic.ar1(400, seed=1, interval="1h").candles
    holed = Candles(pl.concat([candles.frame[:300], candles.frame[310:]]), "HOLED", candles.interval)
    (job,) = plan_jobs(GRU(window=8), holed, features=features, folds=WalkForward(folds=1))
    rows = np.concatenate([job.train_rows, job.valid_rows, job.test_rows])
    assert not set(range(300, 307)) & set(rows)  # their windows of 8 would reach over the hole
    assert 307 in rows
    assert not job.samples.is_known[299]  # its outcome would be measured across the hole


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"folds": WalkForward(purge=0)}, LookaheadError, r"known only at .* inside the .* range.*Use purge=1"),
        ({"folds": WalkForward(train="40y", test="1y")}, NotEnoughDataError, "train='40y' takes all"),
        ({"seeds": []}, ConfigError, "there are no seeds"),
        ({"window": 601}, NotEnoughDataError, "a window of 601 bars is longer than the 600 candles"),
    ],
)
def test_walks_that_cannot_be(parameters, error, message, market, features):
    with pytest.raises(error, match=message):
        walk_forward(LinearRegression(), market, **{"features": features, **parameters})


@pytest.mark.parametrize("sampling", ["windows", "sequence"])
def test_combined_folds_assemble_into_paths_that_trade(sampling, market, features):
    model = GRU(hidden=2, window=4, training=Fit(epochs=1, sampling=sampling))
    folds = CombinatorialPurged(groups=4, test_groups=2)
    forecast = walk_forward(model, market, features=features, folds=folds, seeds=range(2))
    (whole,) = walk_forward(model, market, features=features, folds=WalkForward(folds=2), seeds=range(2)).paths
    assert whole.frame["fold"].unique().to_list() == [0, 1]
    assert len(forecast.paths) == folds.paths == 3
    times = market.frame["close_time"][4:]
    for path in forecast.paths:
        for seed in (0, 1):
            assert path.frame.filter(pl.col("seed") == seed)["time"].equals(times.alias("time"))
        result = backtest(market, FollowDirection()(path))
        assert result.equity.height > 500
    together = pl.concat([path.frame for path in forecast.paths])
    assert together.sort("seed", "time", "fold").equals(forecast.frame.sort("seed", "time", "fold"))
    averaged = forecast.averaged().frame
    assert averaged["time"].equals(times.alias("time"))
    first = forecast.frame.filter(pl.col("time") == times[100])
    assert averaged["mean"][100] == pytest.approx(first["mean"].mean())
    assert first.height == 2 * folds.paths


@pytest.mark.parametrize("model", [LinearRegression(window=4), "net"])
@pytest.mark.parametrize("folds", [PurgedKFold(4), CombinatorialPurged(5, 2)], ids=["k-fold", "combinatorial"])
def test_what_happens_in_a_test_part_changes_nothing_that_was_learnt(model, folds, market, features):
    """Bars and labels of the test part take another path; whoever learnt before and behind it learnt the same."""
    if model == "net":
        model = GRU(hidden=3, window=4, training=Fit(epochs=2, chunk=8, sampling="sequence"))
    target = NextReturn(3)
    jobs = plan_jobs(model, market, features=features, target=target, folds=folds)
    job = jobs[len(jobs) // 2]
    factor = np.ones(len(market))
    for part in job.fold.test.parts:  # the label of the test part's last row is known at part.stop - 1 + horizon
        factor[part.start : part.stop + target.horizon - 1] = 1.1
    frame = market.frame.with_columns(pl.col("open", "high", "low", "close") * pl.Series(factor))
    other = Candles(frame, market.symbol, market.interval)
    (again,) = (
        each for each in plan_jobs(model, other, features=features, target=target, folds=folds) if each.key == job.key
    )
    assert again.fold == job.fold
    rows = job.test_rows
    for learnt in (job.train_rows, job.valid_rows):
        assert len(learnt)
        reach = learnt[:, None] - np.arange(model.window)
        np.testing.assert_array_equal(again.samples.inputs[reach], job.samples.inputs[reach])
        np.testing.assert_array_equal(again.samples.outcomes[learnt], job.samples.outcomes[learnt])
    (before,), (after,) = (list(model.fit([each])) for each in (job, again))
    np.testing.assert_array_equal(before.forecast(job.samples, rows).mean, after.forecast(job.samples, rows).mean)
    assert not np.array_equal(job.samples.outcomes[rows], again.samples.outcomes[rows])
