"""`WalkForward(refit=...)`: trainings within a test part, and what they are worth as models age."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.dataset.folds import WalkForward
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError, LookaheadError, NotEnoughDataError
from candlecast.evaluation.ageing import accuracy_by_age
from candlecast.features import Features, log_return
from candlecast.fleet.settings import Fit
from candlecast.models import LSTM, Drift
from candlecast.sources import synthetic
from candlecast.targets import NextReturn
from candlecast.walkforward import plan_jobs, walk_forward

TIMES = (np.datetime64("2024-01-01") + np.arange(200) * np.timedelta64(1, "D")).astype("datetime64[us]")
USABLE = range(20, 200)


def split(folds: WalkForward, horizon: int = 1):
    return folds.split(TIMES, USABLE, horizon=horizon)


def test_each_stretch_has_a_training_of_its_own_just_before_it():
    whole, fine = split(WalkForward(folds=2)), split(WalkForward(folds=2, refit=15))
    assert [list(fold.test) for fold in whole] == [list(range(110, 155)), list(range(155, 200))]
    assert [row for fold in fine for row in fold.test] == list(range(110, 200))
    assert [len(fold.test) for fold in fine] == [15] * 6
    assert [fold.index for fold in fine] == list(range(6))
    assert [fold.fit.first for fold in fine] == [20 + 15 * place for place in range(6)]
    assert [fold.fit.last for fold in fine] == [fold.test.first - 2 for fold in fine]  # purged by the horizon


def test_spans_expanding_and_a_short_end():
    weekly = split(WalkForward(folds=1, refit="1w"))
    assert {len(fold.test) for fold in weekly[:-1]} == {7} and len(weekly[-1].test) in range(4, 11)
    assert {fold.train.first for fold in split(WalkForward(folds=1, refit="1w", expanding=True))} == {20}
    joined = split(WalkForward(folds=1, refit=40))
    assert [len(fold.test) for fold in joined] == [40, 50]  # the last 10 join the stretch before
    assert split(WalkForward(folds=2, refit=10_000)) == split(WalkForward(folds=2))


def test_no_label_crosses_into_a_stretch():
    for fold in split(WalkForward(folds=2, refit=9), horizon=5):
        assert fold.fit.last + 5 < fold.test.first
    with pytest.raises(LookaheadError):
        split(WalkForward(folds=2, refit=9, purge=2), horizon=5)
    with pytest.raises(ConfigError):
        WalkForward(refit=0)


def test_a_refit_walk_is_that_of_the_folds_that_it_means():
    candles = synthetic.ar1(300, seed=1, phi=0.3).candles
    features = Features(log_return())
    model = LSTM(hidden=3, window=4, training=Fit(epochs=1))
    options = {"features": features, "seeds": range(2)}
    fine = walk_forward(model, candles, folds=WalkForward(train=150, test=100, refit=25), **options)
    same = walk_forward(model, candles, folds=WalkForward(train=150, test=25), **options)
    assert fine.frame.equals(same.frame)
    jobs = plan_jobs(model, candles, folds=WalkForward(train=150, test=100, refit=25), **options)
    assert len({job.key for job in jobs}) == len(jobs) == 12


def aged(folds: int, bars: int, error) -> Forecast:
    rows = [
        {
            "time": TIMES[fold * bars + age].item(),
            "known_at": TIMES[fold * bars + age].item(),
            "symbol": "A",
            "model": "m",
            "fold": fold,
            "seed": seed,
            "mean": 1.0 - error(fold, age),
            "naive": 0.0,
            "target": 1.0,
            "expected_return": 0.0,
        }
        for fold in range(folds)
        for age in range(bars)
        for seed in range(2)
    ]
    frame = pl.DataFrame(rows).with_columns(pl.col("time", "known_at").dt.replace_time_zone("UTC"))
    return Forecast(frame, horizon=1)


def test_accuracy_by_age_by_hand():
    """Fold 1 is twice as hard as fold 0; in both, errors double in the second half."""
    forecast = aged(2, 10, lambda fold, age: (1 + fold) * (0.1 if age < 5 else 0.2))
    table = accuracy_by_age(forecast, NextReturn(), parts=2)
    assert table.select("first", "last", "observations").rows() == [(0, 4, 10), (5, 9, 10)]
    np.testing.assert_allclose(table["mse"], [(0.01 + 0.04) / 2, (0.04 + 0.16) / 2])
    np.testing.assert_allclose(table["relative"], [0.01 / 0.025, 0.04 / 0.025])
    np.testing.assert_allclose(table["r2"], 1 - np.array([0.025, 0.1]))


def test_ages_need_an_outcome_and_a_number_of_parts():
    forecast = aged(1, 4, lambda fold, age: 0.1)
    with pytest.raises(ConfigError, match="parts is 0; expected 1 or more"):
        accuracy_by_age(forecast, NextReturn(), parts=0)
    unknown = replace(forecast, frame=forecast.frame.with_columns(target=pl.lit(None, pl.Float64)))
    with pytest.raises(NotEnoughDataError, match="no outcome of the forecast is known"):
        accuracy_by_age(unknown, NextReturn())
    assert accuracy_by_age(forecast, NextReturn(), parts=9).height == 4


def test_drift_that_changes_is_followed_by_training_anew():
    """A market whose drift turns: the mean of the last 60 bars knows it, one of a year ago does not."""
    bars = 600
    drift = np.where(np.arange(bars) // 100 % 2 == 0, 0.01, -0.01)
    world = synthetic.random_walk(bars, seed=2, volatility=0.01)
    growth = np.exp(np.cumsum(drift))
    prices = [pl.col(name) * growth for name in ("open", "high", "low", "close")]
    candles = replace(world.candles, frame=world.candles.frame.with_columns(*prices))

    def error(refit):
        folds = WalkForward(train=40, test=120, refit=refit)
        frame = walk_forward(Drift(), candles, features=Features(log_return()), folds=folds).frame.drop_nulls("target")
        return ((frame["target"] - frame["mean"]) ** 2).mean()

    assert error(5) < error(40) < error(None)
