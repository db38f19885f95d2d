"""Baselines against what they are known to be."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression as Plain

from candlecast.dataset.folds import WalkForward
from candlecast.errors import ConfigError
from candlecast.features import Features, log_return
from candlecast.models import GRU, LSTM, RNN, Drift, LinearRegression, Naive
from candlecast.sources import synthetic
from candlecast.targets import Direction, NextReturn, Price
from candlecast.walkforward import plan_jobs


def fitted(model, candles, features, target=None):
    (job,) = plan_jobs(model, candles, features=features, target=target, folds=WalkForward(folds=1))
    return next(iter(model.fit([job], progress=lambda event: None))), job


def test_naive_is_the_price_of_now(market, features):
    result, job = fitted(Naive(), market, features, Price())
    assert np.array_equal(result.forecast(job.samples, job.test_rows).mean, market.close[job.test_rows])


def test_drift_adds_the_mean_change_of_the_training_part(market, features):
    result, job = fitted(Drift(), market, features, NextReturn())
    rows = job.fit_rows
    drift = np.mean(np.log(market.close[rows + 1] / market.close[rows]))
    np.testing.assert_allclose(result.forecast(job.samples, job.test_rows).mean, drift, rtol=1e-9)


def test_linear_is_least_squares_on_unscaled_features_too(market, features):
    result, job = fitted(LinearRegression(window=2), market, features)
    inputs, rows = job.samples.inputs, job.fit_rows
    plain = Plain().fit(np.hstack([inputs[rows - 1], inputs[rows]]), job.samples.outcomes[rows])
    test = job.test_rows
    np.testing.assert_allclose(
        result.forecast(job.samples, test).mean,
        plain.predict(np.hstack([inputs[test - 1], inputs[test]])),
        rtol=1e-6,
        atol=1e-12,
    )


def test_linear_finds_the_planted_coefficient():
    world = synthetic.ar1(20_000, seed=3, phi=0.2)
    result, job = fitted(LinearRegression(), world.candles, Features(log_return()))
    rows = job.test_rows
    slope = np.polyfit(job.samples.inputs[rows, 0], result.forecast(job.samples, rows).mean, 1)[0]
    assert slope == pytest.approx(0.2, abs=0.03)


def test_linear_forecasts_a_chance_of_direction(market, features):
    result, job = fitted(LinearRegression(), market, features, Direction())
    chance = result.forecast(job.samples, job.test_rows).mean
    assert np.all((chance > 0) & (chance < 1))
    assert np.corrcoef(chance, job.samples.inputs[job.test_rows, 0])[0, 1] > 0.5  # planted momentum


@pytest.mark.parametrize("model", [LSTM, GRU, RNN])
@pytest.mark.parametrize(
    ("parameter", "value"),
    [("hidden", 0), ("layers", 0), ("dropout", 1.0), ("dense", (0,)), ("dense", 25), ("window", 0), ("hidden", 4.5)],
)
def test_recipes_that_mean_nothing(model, parameter, value):
    with pytest.raises(ConfigError, match=f"{parameter} is .*Change {model.__name__}\\({parameter}="):
        model(**{parameter: value})
