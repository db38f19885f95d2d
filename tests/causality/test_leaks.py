"""Whatever is forecast, scaled or held at a bar stays when what comes after it changes: every model, every target, every rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import Ridge

import candlecast as cc
from candlecast.causality.markets import another_path
from candlecast.dataset.folds import are_in_time_order
from candlecast.features import Features, log_range, log_return
from candlecast.models.baselines.smoothing import season_bars
from candlecast.signals.volatility import bars_per_year_so_far
from candlecast.sources import synthetic
from candlecast.study.study import BASELINES
from candlecast.targets import memory
from candlecast.walkforward import plan_jobs, tables

MARKET = synthetic.ar1(420, seed=3, phi=0.3, interval="1h").candles
FEATURES = Features(log_return(), log_range())
FIT = cc.Fit(epochs=1, batch=32)
WINDOWS = replace(FIT, sampling="windows")


def damped_step(past, horizon):
    """Half of the last step goes on."""
    return np.repeat(-0.5 * past[:, -2, None, None], horizon, axis=1) + np.arange(-4, 5) / 100


MODELS = (
    *BASELINES,
    cc.ThresholdHAR(),
    cc.ZeroShot(damped_step, trained_until="2015-01-10", context=16),
    cc.LightGBM(trees=5),
    cc.Sklearn(Ridge()),
    cc.LSTM(hidden=2, window=4, training=FIT),
    cc.GRU(hidden=2, window=4, training=WINDOWS, head=cc.Gaussian()),
    cc.RNN(hidden=2, window=4, training=FIT, head=cc.Quantiles()),
    cc.MinGRU(hidden=2, window=4, training=FIT),
    cc.MinLSTM(hidden=2, window=4, training=FIT),
    cc.AttentionLSTM(hidden=2, window=4, training=FIT),
    cc.EncoderDecoder(hidden=2, window=4, training=FIT),
    cc.TCN(window=8, training=FIT),
    cc.Transformer(window=8, training=FIT),
    cc.PatchTST(window=16, training=FIT),
    cc.DLinear(window=8, training=FIT),
    cc.NLinear(window=8, training=FIT),
    cc.Policy(hidden=2, window=4, training=cc.Fit(epochs=1, batch=4)),
    cc.Conformal(cc.LinearRegression()),
    cc.Pooled(cc.LSTM(hidden=2, window=4, training=FIT)),
)
NAMED = pytest.mark.parametrize("model", MODELS, ids=[model.name for model in MODELS])


def targets_of(model):
    """Two or three that a model learns, so that all are seen."""
    match model.name:
        case "policy":
            return [cc.NextReturn()]
        case "har" | "har-calendar" | "har-threshold" | "garch":
            return [cc.Volatility(2)]
        case "naive" | "drift" | "linear" | "lightgbm":
            return [cc.Direction(2), cc.TripleBarrier(5, halflife=4), cc.Several(cc.NextReturn(), cc.NextReturn(4))]
        case "gru" | "rnn" | "conformal_linear" | "sklearn":
            return [cc.Price(), cc.ScaledReturn(2, halflife=4)]
        case _:
            return [cc.NextReturn(3), cc.Volatility(2)]


@NAMED
def test_no_forecast_moves_when_later_candles_do(model):
    bar, folds = 240, cc.WalkForward(folds=2)
    other = another_path(MARKET, bar, np.random.default_rng(1))
    known = pl.col("time") <= MARKET.frame["close_time"][bar]
    for target in targets_of(model):
        before, after = (
            cc.walk_forward(model, candles, features=FEATURES, target=target, folds=folds).frame
            for candles in (MARKET, other)
        )
        said = [name for name in before.columns if not name.startswith(("target", "known_at"))]
        assert before.filter(known).height > 20
        assert before.filter(known).select(said).equals(after.filter(known).select(said)), target.name
        assert model.name == "naive" or not before.select(said).equals(after.select(said))


def changed_inside(job, candles):
    """The candles with other prices, ranges and volumes where the job is tested, and while an outcome of that is open."""
    generator, factor, wide = np.random.default_rng(4), np.ones(len(candles)), np.ones(len(candles))
    for part in job.fold.test.parts:
        inside = slice(part.start, part.stop + job.samples.horizon - 1)
        factor[inside] = np.exp(0.02 * generator.standard_normal(len(factor[inside])))
        wide[inside] = 1.02
    frame = candles.frame.with_columns(
        pl.col("open", "close") * pl.Series(factor),
        pl.col("high") * pl.Series(factor * wide),
        pl.col("low") * pl.Series(factor / wide),
        pl.col("volume") * pl.Series(wide),
    )
    return replace(candles, frame=frame)


@NAMED
def test_nothing_is_learnt_from_a_test_part_in_the_middle(model):
    if model.name == "pooled_lstm":
        return  # learns from no row behind a test
    for target in targets_of(model):
        study = {"features": FEATURES, "target": target, "folds": cc.PurgedKFold(4)}
        job = plan_jobs(model, MARKET, **study)[1]
        other = changed_inside(job, MARKET)
        again = next(each for each in plan_jobs(model, other, **study) if each.key == job.key)
        assert again.fold == job.fold
        (before,), (after,) = (list(model.fit([each])) for each in (job, again))
        one, two = (fitted.forecast(job.samples, job.test_rows).mean for fitted in (before, after))
        apart = np.abs(one - two).max() / max(np.abs(one).max(), 1e-9)
        assert apart <= (1e-3 if memory(target) > target.horizon else 1e-9), f"{target.name}: {apart:.1e}"


def test_the_embargo_knows_how_far_a_target_looks_back():
    assert memory(cc.NextReturn(3)) == 3
    assert memory(cc.ScaledReturn(2, halflife=20)) == memory(cc.TripleBarrier(5, halflife=20)) == 266
    assert memory(cc.Several(cc.ScaledReturn(halflife=2), cc.ScaledReturn(2, halflife=4))) == 54
    assert memory(cc.ScaledReturn(90, halflife=2)) == 90
    jobs = {
        halflife: plan_jobs(
            cc.Naive(), MARKET, features=FEATURES, target=cc.ScaledReturn(halflife=halflife), folds=cc.PurgedKFold(4)
        )[0]
        for halflife in (1, 8)
    }
    for halflife, job in jobs.items():
        assert job.fold.train.first == job.fold.test.last + 1 + 1 + memory(cc.ScaledReturn(halflife=halflife))


def test_folds_say_whether_they_are_in_the_order_of_time():
    for folds, answer in (
        (cc.WalkForward(folds=3), True),
        (cc.Holdout(), True),
        (cc.Holdout(valid=0.2), True),
        (cc.PurgedKFold(4), False),
        (cc.CombinatorialPurged(4, 2), False),
    ):
        found = folds.split(MARKET.close_time, range(10, 420), horizon=1, memory=1)
        result = cc.Study(cc.LinearRegression(), features=FEATURES, folds=folds, baselines=(), seeds=1).run(
            MARKET, ledger=cc.Ledger.in_memory()
        )
        assert are_in_time_order(found) is answer
        assert tables.is_in_time_order(result.folds) is answer
    assert [fold.is_in_time_order for fold in cc.PurgedKFold(3).split(MARKET.close_time, range(420), horizon=1)] == [
        False,
        False,
        True,
    ]


# A pool


def test_a_pool_scales_no_asset_by_what_came_after_the_first_test(other_future):
    """B begins later than A: its own training part ends long after A is tested."""
    pooled = cc.Pooled(cc.LSTM(hidden=3, window=4, training=cc.Fit(epochs=2, batch=16, sampling="windows")))
    a = replace(synthetic.ar1(600, seed=1, interval="1h").candles, symbol="A")
    b = replace(synthetic.ar1(900, seed=2, interval="1h").candles, symbol="B")[200:]
    folds = cc.WalkForward(folds=2)

    def fitted(candles):
        jobs = plan_jobs(pooled, candles, features=FEATURES, folds=folds)
        return {each.job.key: each for each in pooled.fit(jobs)}

    before = fitted([a, b])
    first = before["A/fold-0/seed-0"].job
    moment = a.close_time[first.fold.test.first]
    last = int(np.searchsorted(b.close_time, moment)) - 1
    own = before["B/fold-0/seed-0"].job
    assert 10 < last < own.fold.train.last  # some of its rows may be learnt from, and others not
    after = fitted([a, other_future(b, last)])
    one, two = (found["A/fold-0/seed-0"].forecast(first.samples, first.test_rows).mean for found in (before, after))
    np.testing.assert_array_equal(one, two)
    for side in ("inputs", "outcomes"):
        np.testing.assert_array_equal(
            before[own.key].tensors()[f"{side}.shift"], after[own.key].tensors()[f"{side}.shift"]
        )


def test_an_asset_that_begins_after_the_first_test_is_forecast_all_the_same():
    pooled = cc.Pooled(cc.LSTM(hidden=3, window=4, training=WINDOWS))
    a = replace(synthetic.ar1(400, seed=1, interval="1h").candles, symbol="A")
    b = replace(synthetic.ar1(900, seed=2, interval="1h").candles, symbol="B")[300:]
    forecast = cc.walk_forward(pooled, [a, b], features=FEATURES, folds=cc.WalkForward(folds=2))
    assert forecast.symbols == ["A", "B"]
    assert forecast.only("B").frame["mean"].is_finite().all()


# Years and seasons


def test_a_volatility_target_counts_bars_of_the_year_as_they_come():
    """Hourly bars until June, then one of four: what was held before does not move."""
    hourly = synthetic.garch(2_000, seed=5, interval="1h").candles
    rows = [*range(1_000), *range(1_000, 2_000, 4)]
    thinned = replace(hourly, frame=hourly.frame[rows])
    times = hourly.frame["close_time"]
    always = cc.signals.Positions(pl.DataFrame({"time": times[:1_000], "symbol": hourly.symbol, "position": 1.0}))
    whole, part = (cc.VolatilityTarget(annual=0.5).scaled(always, candles).frame for candles in (hourly, thinned))
    assert part.equals(whole) and whole["position"].n_unique() > 3
    np.testing.assert_array_equal(bars_per_year_so_far(thinned)[:1_000], bars_per_year_so_far(hourly)[:1_000])
    assert bars_per_year_so_far(thinned)[-1] == pytest.approx(thinned.bars_per_year)


def test_bars_of_a_year_of_a_market_with_sessions():
    daily = cc.sample("sp500")
    found = bars_per_year_so_far(daily)
    assert found[-1] == pytest.approx(daily.bars_per_year, rel=1e-3)
    assert found[0] == pytest.approx(260.9, abs=0.1) and (found[20:] > 240).all()


def test_seasons_are_those_of_the_training_part():
    """A market that never closed until the training part ends, and closes at weekends afterwards, and the other way round."""
    daily = synthetic.random_walk(400, seed=1).candles
    weekdays = daily.frame["open_time"].dt.weekday() <= 5
    late = pl.Series(np.arange(400) >= 260)
    for keep, season in ((~late | weekdays, 7), (late | weekdays, 5)):
        candles = replace(daily, frame=daily.frame.filter(keep), has_sessions=True, breaks=())
        first = plan_jobs(cc.SeasonalNaive(), candles, features=Features(log_return()), folds=cc.WalkForward(folds=4))[
            0
        ]
        (fitted,) = cc.SeasonalNaive().fit([first])
        (told,) = cc.SeasonalNaive(season).fit([first])
        rows = first.test_rows
        np.testing.assert_array_equal(
            fitted.forecast(first.samples, rows).mean, told.forecast(first.samples, rows).mean, err_msg=str(season)
        )


def test_a_usual_day_is_a_season():
    opened = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 3, 1), "1m", time_zone="UTC", eager=True)
    clock = opened.dt.hour().cast(pl.Int32) * 60 + opened.dt.minute()
    session = opened.filter((opened.dt.weekday() <= 5) & (clock >= 870) & (clock < 1_260))
    frame = pl.DataFrame({"open_time": session, **dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)})
    minutes = cc.Candles.from_frame(frame, interval="1m")
    assert season_bars(minutes) == season_bars(minutes[:900]) == 390
    assert season_bars(minutes[:100]) == 100
