"""Keras models in the same loop: the tutorial's as it stands, alone and in a fleet, and what cannot be trained so."""

from __future__ import annotations

import os
import random
import sys
from importlib import import_module

import numpy as np
import pytest
import torch

from candlecast.adapters.onnx import export_onnx
from candlecast.dataset.folds import WalkForward
from candlecast.errors import ConfigError
from candlecast.features import Features, log_return
from candlecast.fleet.settings import Fit
from candlecast.models import Keras
from candlecast.models.architectures.keras import keras_on_torch
from candlecast.targets import NextReturn
from candlecast.walkforward import plan_jobs

SEQ_LENGTH = 5
QUICK = Fit(epochs=2, batch=64, sampling="windows")


def tutorial(inputs):
    from keras.layers import LSTM, Dense, Dropout
    from keras.models import Sequential

    return Sequential(
        [
            LSTM(50, return_sequences=True, input_shape=(SEQ_LENGTH, 1)),
            Dropout(0.2),
            LSTM(50),
            Dropout(0.2),
            Dense(25),
            Dense(1),
        ]
    )


def sequential(*layers):
    """A factory of a model of these layers, each by name and arguments, made anew at each call."""

    def factory(inputs):
        import keras

        return keras.Sequential([getattr(keras.layers, name)(*args, **named) for name, args, named in layers])

    return factory


def layer(name, *args, **named):
    return name, args, named


DENSE = layer("Dense", 1)


def model(factory, **parameters):
    return Keras(factory, **{"window": SEQ_LENGTH, "training": QUICK, **parameters})


def jobs_of(recipe, market, *, folds=2, seeds=2):
    return plan_jobs(
        recipe,
        market,
        features=Features(log_return()),
        target=NextReturn(),
        folds=WalkForward(folds=folds),
        seeds=range(seeds),
    )


def results(recipe, jobs):
    return {fitted.job.key: fitted for fitted in recipe.fit(jobs)}


def same(a, b):
    mine, other = a.tensors(), b.tensors()
    return mine.keys() == other.keys() and all(np.array_equal(mine[name], other[name]) for name in mine)


def reloaded(fitted):
    """Keras's own model with the trained weights."""
    plain = fitted.spec.build(1).net.parts[0].__class__.from_config(fitted.net.net.parts[0].get_config())
    if not plain.built:
        plain.build((None, SEQ_LENGTH, 1))
    for variable, value in zip(plain.trainable_variables, fitted.net.net.weights, strict=True):
        variable.assign(value.detach())
    return plain


STACKED = {
    "tutorial": tutorial,
    "gru": sequential(layer("GRU", 4), DENSE),
    "rnn": sequential(layer("SimpleRNN", 4, return_sequences=True), layer("Flatten"), DENSE),
    "batch norm": sequential(layer("Flatten"), layer("BatchNormalization"), DENSE),
}


@pytest.mark.parametrize("name", STACKED)
def test_a_keras_model_trains_in_a_fleet(name, market, caplog):
    """The same bytes alone and in a fleet, other ones for another seed; and Keras itself forecasts the same."""
    recipe = model(STACKED[name])
    jobs = jobs_of(recipe, market)
    together = results(recipe, jobs)
    assert "one by one" not in caplog.text
    first, second = together[jobs[0].key], together[jobs[1].key]
    assert same(results(recipe, jobs[:1])[jobs[0].key], first) and not same(first, second)
    if name != "batch norm":
        assert first.losses[-1, 0] < first.losses[0, 0]
        x = torch.randn(7, SEQ_LENGTH, 1, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(reloaded(first)(x), first.net(x)[0][:, 0], rtol=1e-4, atol=1e-6)
    restored = recipe.restore(jobs[0], first.tensors())
    rows = jobs[0].test_rows
    mean = first.forecast(jobs[0].samples, rows).mean
    assert np.array_equal(restored.forecast(jobs[0].samples, rows).mean, mean)


def test_what_a_layer_notes_itself_is_kept(market):
    recipe = model(STACKED["batch norm"])
    (job,) = jobs_of(recipe, market, folds=1, seeds=1)
    fitted = results(recipe, [job])[job.key]
    assert fitted.weights["net.noted_0"].abs().max() > 0  # the moving mean


def test_what_cannot_be_stacked_trains_one_by_one(market, caplog):
    """Dropout inside a recurrent cell draws by itself: from the job's key, so that the bytes are the same again."""
    recipe = model(sequential(layer("LSTM", 3, dropout=0.2), DENSE))
    jobs = jobs_of(recipe, market)
    together = results(recipe, jobs)
    assert "train one by one, as torch.func.vmap cannot stack them: RuntimeError: vmap: called random" in caplog.text
    assert same(results(recipe, jobs[:1])[jobs[0].key], together[jobs[0].key])


def test_generators_are_given_back(market):
    before = random.getstate(), np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    recipe = model(STACKED["gru"])
    results(recipe, jobs_of(recipe, market, folds=1, seeds=1))
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), before[2])


def test_a_keras_model_becomes_an_onnx_file(market, tmp_path):
    recipe = model(tutorial)
    (job,) = jobs_of(recipe, market, folds=1, seeds=1)
    assert export_onnx(results(recipe, [job])[job.key], tmp_path / "net.onnx").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda inputs: torch.nn.Linear(inputs, 1), "the factory gave a Linear; expected a keras.Model"),
        (sequential(layer("Flatten"), layer("Dense", 2)), r"gives \(2,\) per window; expected one number. End it with"),
        (sequential(layer("LSTM", 2, return_sequences=True), DENSE), r"gives \(5, 1\) per window; expected one number"),
        (sequential(layer("LSTM", 2, input_shape=(9, 1)), DENSE), r"reads \(9, 1\), and the windows are \(5, 1\)"),
        (sequential(layer("Input", batch_shape=(2, 5, 1)), layer("LSTM", 2, stateful=True), DENSE), "is stateful"),
        (sequential(layer("Flatten"), layer("Dense", 1, kernel_regularizer="l2")), "losses of its own"),
        (sequential(layer("Flatten"), layer("Dense", 1, dtype="float64")), r"parameter net.weights.0 is float64"),
    ],
    ids=["no keras", "two numbers", "no last step", "window", "stateful", "regularizer", "float64"],
)
def test_what_is_wrong_with_a_keras_model_is_said(factory, message, market):
    recipe = model(factory)
    with pytest.raises(ConfigError, match=message):
        results(recipe, jobs_of(recipe, market, folds=1, seeds=1))


@pytest.fixture
def imported(monkeypatch, tmp_path):
    """A function that puts a Keras in place that says which backend it runs on."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    text = "import os, types\n__version__ = '3.9.0'\nname = os.environ.get('KERAS_BACKEND', 'tensorflow')\n"
    (tmp_path / "keras.py").write_text(text + "backend = types.SimpleNamespace(backend=lambda: name)\n")
    monkeypatch.syspath_prepend(tmp_path)
    return lambda: import_module("keras")


def test_another_backend_is_said_with_the_remedy(imported):
    imported()
    with pytest.raises(
        ConfigError, match="Keras 3.9.0 was imported with the backend tensorflow; expected Keras 3"
    ) as error:
        Keras(tutorial).build(1, 1)
    assert error.value.remedy.startswith('Set os.environ["KERAS_BACKEND"] = "torch" before the first import of keras')


def test_the_backend_is_chosen_where_nobody_has(imported):
    assert keras_on_torch() is imported() and os.environ["KERAS_BACKEND"] == "torch"
