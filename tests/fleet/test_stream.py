"""Streaming: bar by bar is the same as the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from candlecast.dataset.folds import WalkForward
from candlecast.features import Features, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.models import GRU, LSTM, RNN, Torch
from candlecast.targets import Direction, NextReturn, Price
from candlecast.walkforward import plan_jobs

SEQUENCE, WINDOWS = Fit(epochs=1), Fit(epochs=1, sampling="windows")
MODELS = [
    LSTM(hidden=5, layers=2, dense=(3,), window=7, training=SEQUENCE),
    GRU(hidden=5, layers=2, window=7, training=SEQUENCE),
    RNN(hidden=5, window=7, training=SEQUENCE),
    LSTM(hidden=5, window=7, training=WINDOWS),
    Torch(
        lambda inputs: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(7 * inputs, 1)),
        window=7,
        training=WINDOWS,
    ),
]


def fitted(model, market, target):
    features = Features(log_return(), log_range())
    (job,) = plan_jobs(model, market, features=features, target=target, folds=WalkForward(folds=1))
    return next(iter(model.fit([job]))), job


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.name}-{model.training.sampling}")
@pytest.mark.parametrize("target", [NextReturn(), Direction(), Price()], ids=lambda target: target.name)
def test_bar_by_bar_is_the_batch(model, target, market):
    net, job = fitted(model, market, target)
    rows = job.test_rows
    batch = net.forecast(job.samples, rows).mean
    state, streamed = net.start(), []
    for row in range(rows[0] - model.window + 1, rows[-1] + 1):
        state, prediction = net.step(state, job.samples.inputs[row])
        streamed.append(prediction.mean[0])
    assert np.isnan(streamed[: model.window - 1]).all()
    scale = net.outcomes.scale[0] * 1e-6
    np.testing.assert_allclose(streamed[model.window - 1 :], batch, rtol=2e-6, atol=scale)


@pytest.mark.parametrize("model", [MODELS[0], MODELS[3]], ids=lambda model: model.training.sampling)
def test_an_undefined_row_silences_a_window(model, market):
    net, job = fitted(model, market, NextReturn())
    inputs = job.samples.inputs[100:130].copy()
    inputs[10, 1] = np.nan
    state, values = net.start(), []
    for row in inputs:
        state, prediction = net.step(state, row)
        values.append(prediction.mean[0])
    assert np.isnan(values[10 : 10 + model.window]).all()
    assert np.isfinite(values[10 + model.window :]).all()


@pytest.mark.parametrize("model", [MODELS[0], MODELS[3]], ids=lambda model: model.training.sampling)
def test_memory_is_constant_and_states_are_values(model, market):
    net, job = fitted(model, market, NextReturn())
    start = net.start()
    sizes = set()
    state = start
    for row in job.samples.inputs[50:90]:
        state, _ = net.step(state, row)
        sizes.add(sum(array.size for array in (*state.memory, state.rows)))
    assert len(sizes) == 1
    again, first = net.step(start, job.samples.inputs[50])
    assert np.isnan(first.mean).all()
    assert all(not array.any() for array in (*start.memory, start.rows))
    assert again.run == 1
