"""Pretrained models on trial: the past in, quantiles out, and no bar judged that they may have been trained on."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.features import Features
from candlecast.ledger import Ledger
from candlecast.models import probe_memory
from candlecast.models.wrappers import forecast_cache, pretrained
from candlecast.recipes import describe, restore
from candlecast.testing import check_model
from candlecast.walkforward import plan_jobs

CANDLES = cc.sample("sp500")[:900]
FEATURES = Features(cc.log_return())
DECILES = np.arange(1, 10) / 10
FOLDS = cc.WalkForward(folds=2)


def momentum(past, horizon):
    """Half of the last step goes on, give or take 1 %."""
    step = 0.5 * (0 - np.nan_to_num(past[:, -2]))
    return step[:, None, None] + np.arange(1, horizon + 1)[None, :, None] * (DECILES - 0.5) / 50


def model(**options):
    return cc.ZeroShot(momentum, **({"trained_until": "2001-06-30", "context": 32} | options))


@pytest.mark.parametrize("target", [cc.NextReturn(), cc.NextReturn(3), cc.Price(), cc.Volatility()], ids=str)
def test_it_forecasts_the_series_of_the_target_from_its_past(target):
    (job,) = plan_jobs(model(), CANDLES, features=FEATURES, target=target, folds=cc.WalkForward(folds=1))
    found = model().restore(job, {}).forecast(job.samples, job.test_rows)
    rows = job.test_rows
    level = job.samples.naive if isinstance(target, cc.Volatility) else np.log(CANDLES.close)
    ahead = 0.5 * (level[rows] - level[rows - 1])
    expected = {"return": ahead, "price": CANDLES.close[rows] * np.exp(ahead), "volatility": level[rows] + ahead}[
        target.name
    ]
    np.testing.assert_allclose(found.columns["q50"], expected, rtol=1e-9, atol=1e-12)
    assert list(found.columns) == [f"q{level}0" for level in range(1, 10)]
    assert (found.columns["q90"] > found.columns["q10"]).all()


def test_it_keeps_what_models_promise_and_is_described_by_its_code():
    check_model(model(), features=FEATURES)
    assert "identity" in str(describe(model())["forecaster"])
    named = cc.ZeroShot("fracast", trained_until="2025-06-30")
    assert restore(describe(named)) == named


def test_a_short_past_gives_the_naive_forecast():
    (job,) = plan_jobs(model(), CANDLES, features=FEATURES, folds=cc.WalkForward(folds=1))
    found = model().restore(job, {}).forecast(job.samples, np.array([5, 14, 15]))
    assert (found.mean[:2] == 0).all() and found.mean[2] != 0


def test_a_walk_shows_all_forecasts_and_a_study_judges_those_after_its_birth():
    walked = cc.walk_forward(model(), CANDLES, features=FEATURES, folds=FOLDS).frame
    assert walked["time"].min() < pl.Series(["2001-06-30"]).str.to_datetime(time_zone="UTC")[0]
    study = cc.Study(model=model(), features=FEATURES, folds=FOLDS, baselines=(cc.LinearRegression(),))
    result = study.run(CANDLES, ledger=Ledger.in_memory())
    birth = pl.Series(["2001-07-01"]).str.to_datetime(time_zone="UTC")[0]  # the whole last day may be known
    for name, forecast in result.forecasts.items():
        assert forecast.frame["time"].min() > birth
        assert result.unjudged[name].frame["time"].max() <= birth
        assert len(forecast) + len(result.unjudged[name]) == len(walked)
    assert result.backtest.equity["time"].min() >= birth
    assert result.recipe["judged_from"] == "2001-07-01T00:00:00+00:00"
    assert result.accuracy["observations"].max() < len(walked)


def test_a_comparison_judges_all_on_the_same_bars():
    table = cc.compare(
        {"linear": cc.LinearRegression(), "zero-shot": cc.Conformal(model())},
        CANDLES,
        features=FEATURES,
        folds=FOLDS,
        ledger=Ledger.in_memory(),
    )
    assert table.frame["observations"].n_unique() == 1
    birth = pl.Series(["2001-07-01"]).str.to_datetime(time_zone="UTC")[0]
    assert all(each.forecast.frame["time"].min() > birth for each in table.results.values())


def test_a_run_of_it_is_kept_and_read(tmp_path):
    study = cc.Study(model=model(), features=FEATURES, folds=FOLDS, baselines=())
    study.run(CANDLES, ledger=Ledger.in_memory()).save(tmp_path / "run")
    again = cc.load_run(tmp_path / "run")
    assert again.recipe["judged_from"].startswith("2001-07-01") and len(again.forecast) > 100


def test_without_a_date_of_birth_nothing_is_judged():
    undeclared = model(trained_until=None)
    with pytest.raises(ConfigError, match="zero-shot has no declared end of its training data"):
        cc.Study(model=undeclared, features=FEATURES).run(CANDLES, ledger=Ledger.in_memory())
    with pytest.raises(ConfigError, match="zero-shot has no declared end of its training data"):
        cc.compare({"a": cc.Conformal(undeclared)}, CANDLES, ledger=Ledger.in_memory())
    assert len(cc.walk_forward(undeclared, CANDLES, features=FEATURES))


def test_a_birth_after_the_last_bar_leaves_nothing_to_judge():
    with pytest.raises(NotEnoughDataError, match="may know all bars up to 2030-01-01 00:00 UTC"):
        cc.Study(model=model(trained_until="2029-12-31"), features=FEATURES).run(CANDLES, ledger=Ledger.in_memory())


def test_a_context_is_forecast_once(tmp_path, monkeypatch):
    asked = []

    def load():
        def counting(past, horizon):
            asked.append(len(past))
            return momentum(past, horizon)

        return counting

    monkeypatch.setitem(pretrained.LOADERS, "counting", load)
    pretrainedly = cc.ZeroShot("counting", trained_until="2001-06-30", context=32, cache=str(tmp_path))
    first = cc.walk_forward(pretrainedly, CANDLES, features=FEATURES, folds=FOLDS)
    batches = len(asked)
    assert cc.walk_forward(pretrainedly, CANDLES, features=FEATURES, folds=FOLDS).frame.equals(first.frame)
    assert len(asked) == batches
    forecast_cache._tables.clear()  # as in another process
    assert cc.walk_forward(pretrainedly, CANDLES, features=FEATURES, folds=FOLDS).frame.equals(first.frame)
    assert len(asked) == batches
    forecast_cache._tables.clear()
    for path in tmp_path.rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:50])  # torn
    assert cc.walk_forward(pretrainedly, CANDLES, features=FEATURES, folds=FOLDS).frame.equals(first.frame)
    assert len(asked) == 2 * batches


def test_memorised_history_is_found_and_skill_is_not_taken_for_it():
    steps = np.diff(np.log(CANDLES.close))
    windows = np.round(np.lib.stride_tricks.sliding_window_view(steps, 5), 9)
    known = {each.tobytes(): steps[place + 5] for place, each in enumerate(windows[:-1])}

    def memory(past, horizon):
        recent = np.round(np.diff(past[:, -6:], axis=1), 9)
        ahead = np.array([known.get(each.tobytes(), 0.0) for each in recent])
        return ahead[:, None, None] + np.zeros((1, horizon, 1)) + (DECILES - 0.5) / 50

    assert probe_memory(model(), CANDLES).is_suspect is False
    found = probe_memory(cc.ZeroShot(memory, trained_until="2010-01-01", context=32), CANDLES)
    assert found.is_suspect and found.frame["error"][0] < 0.1
    assert "history seems to be remembered; original: 0.0" in str(found)
    with pytest.raises(NotEnoughDataError, match="bars with a known outcome after the first 32"):
        probe_memory(model(), CANDLES[:50])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: cc.ZeroShot("chronos"), "forecaster is 'chronos'; expected 'fracast', or a function"),
        (lambda: model(levels=(0.5, 0.2)), r"levels is \(0.5, 0.2\)"),
        (lambda: cc.ZeroShot("fracast", levels=(0.5,)), r"levels is \(0.5,\)"),
        (lambda: model(context=3), "context is 3"),
        (lambda: model(cache="here"), "cache is 'here'; expected None for a function"),
        (lambda: model(trained_until="June"), "trained_until 'June' is not a date"),
        (
            lambda: cc.walk_forward(model(), CANDLES, target=cc.Direction()),
            "zero-shot forecasts a return, a price or a vol",
        ),
        (
            lambda: cc.walk_forward(cc.ZeroShot(lambda past, horizon: past, context=32), CANDLES, features=FEATURES),
            r"zero-shot gave numbers of shape \(64, 32\) for 64 series",
        ),
    ],
)
def test_what_cannot_be_forecast_is_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_fracast_forecasts_from_the_weights_in_its_wheel():
    pytest.importorskip("fracast")
    named = cc.ZeroShot("fracast", context=64)
    (job,) = plan_jobs(named, CANDLES, features=FEATURES, folds=cc.WalkForward(folds=1))
    found = named.restore(job, {}).forecast(job.samples, job.test_rows[:3])
    assert np.isfinite(found.mean).all() and (np.abs(found.mean) < 0.05).all()
    assert (found.columns["q10"] < found.columns["q90"]).all()
