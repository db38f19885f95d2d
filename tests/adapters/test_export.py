"""Fitted nets as ONNX files: the same forecasts in onnxruntime, from raw windows, with all that is needed to make them."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
import torch

from candlecast.adapters.onnx import export_onnx
from candlecast.dataset.folds import WalkForward
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import windows
from candlecast.errors import ConfigError, RunError
from candlecast.fleet.settings import Fit
from candlecast.heads import AbsoluteError, Bernoulli, Gaussian, Head, Huber, Labels, Quantiles, SquaredError, StudentT
from candlecast.models import GRU, LSTM, RNN, DLinear, NLinear, Torch
from candlecast.study import Study
from candlecast.study.loading import load_run
from candlecast.targets import Direction, NextReturn, Price, Several
from candlecast.walkforward import plan_jobs

QUICK = Fit(epochs=1, batch=64, sampling="windows")


def fitted(model, market, features, target=None):
    jobs = plan_jobs(model, market, features=features, target=target or NextReturn(), folds=WalkForward(folds=1))
    return next(iter(model.fit(jobs)))


def run(path, net, rows):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    x = windows(net.job.samples.inputs, net.window)[rows - net.window + 1]
    return dict(zip(names, session.run(names, {"windows": np.ascontiguousarray(x)}), strict=True)), session


def conv(inputs):
    layers = torch.nn.Flatten(), torch.nn.BatchNorm1d(4 * inputs), torch.nn.Dropout(0.5), torch.nn.Linear(4 * inputs, 1)
    return torch.nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (LSTM(hidden=3, layers=2, dense=(3,), dropout=0.2, window=4, training=QUICK), NextReturn()),
        (LSTM(hidden=3, window=4, training=QUICK), Direction()),
        (GRU(hidden=3, window=4, training=QUICK, head=Quantiles()), Price()),
        (RNN(hidden=3, window=4, training=QUICK, head=Gaussian()), Several(NextReturn(), NextReturn(3))),
        (DLinear(average=2, window=4, training=QUICK, head=StudentT()), NextReturn()),
        (NLinear(window=4, training=QUICK, head=Huber()), NextReturn()),
        (NLinear(window=4, training=QUICK, head=Quantiles((0.1, 0.9))), NextReturn()),
        (Torch(conv, window=4, training=QUICK, head=AbsoluteError()), NextReturn()),
        (NLinear(window=4, training=QUICK, head=Bernoulli(balanced=True)), Direction()),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_onnxruntime_forecasts_the_same(model, target, market, features, tmp_path):
    net = fitted(model, market, features, target)
    rows = net.job.test_rows[:50]
    found, session = run(export_onnx(net, tmp_path / "net.onnx"), net, rows)
    expected = net.forecast(net.job.samples, rows)
    columns = {"mean": expected.mean, **expected.columns}
    for name, other in expected.others.items():
        columns |= {f"{column}@{name}": values for column, values in {"mean": other.mean, **other.columns}.items()}
    assert found.keys() == columns.keys()
    for name, values in columns.items():
        assert found[name].dtype == np.float64
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6 * net.outcomes.scale.max(), err_msg=name)
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["features"]) == list(features.columns)
    assert (said["window"], said["symbol"], said["seed"]) == ("4", market.symbol, "0")


HEADS = [
    SquaredError(),
    AbsoluteError(),
    Huber(),
    Gaussian(),
    StudentT(),
    Quantiles(),
    Quantiles((0.1, 0.9)),
    Bernoulli(),
    Labels(),
    Labels(ordinal=True),
]


@pytest.mark.parametrize("head", HEADS, ids=repr)
def test_a_head_has_the_same_columns_of_tensors_as_of_arrays(head):
    outputs = 5 * torch.randn(50, head.outputs, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = head.predict(outputs.numpy(), shift=0.2, scale=1.5)
    found = head.columns(outputs, shift=0.2, scale=1.5)
    assert list(found) == ["mean", *expected.columns]
    for name, values in {"mean": expected.mean, **expected.columns}.items():
        np.testing.assert_allclose(found[name].numpy(), values, rtol=1e-12, atol=1e-15)


class OwnError(SquaredError):
    """A user's head that predicts in NumPy alone."""

    columns = Head.columns

    def predict(self, outputs, *, shift, scale):
        return Prediction(shift + scale * outputs[:, 0])


def test_a_head_without_columns_is_not_exported(market, features, tmp_path):
    net = fitted(LSTM(hidden=3, window=4, training=QUICK, head=OwnError()), market, features)
    with pytest.raises(
        ConfigError, match="the head OwnError cannot be written as a graph; expected a head that defines"
    ):
        export_onnx(net, tmp_path / "net.onnx")


def test_a_net_sampled_in_sequence_forecasts_as_for_a_bar_alone(market, features, tmp_path):
    net = fitted(LSTM(hidden=3, window=4, training=Fit(epochs=1, batch=16, chunk=8)), market, features)
    row = net.job.test_rows[7:8]
    found, _ = run(export_onnx(net, tmp_path / "net.onnx"), net, row)
    np.testing.assert_allclose(found["mean"], net.forecast(net.job.samples, row).mean, rtol=1e-5)


class Fickle(torch.nn.Module):
    """Decides in Python by what it sees: the graph keeps one of the two ways."""

    def __init__(self, inputs):
        super().__init__()
        self.dense = torch.nn.Linear(inputs, 1)

    def forward(self, x):
        y = self.dense(x[:, -1])
        return y if len(x) == 2 else y + 1.0


def test_a_net_whose_graph_gives_other_numbers_is_refused(market, features, tmp_path):
    net = fitted(Torch(Fickle, window=2, training=QUICK), market, features)
    with pytest.raises(ConfigError, match=r"gives other numbers than the net.*Keep Python's if"):
        export_onnx(net, tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_a_run_on_disk_gives_back_its_fitted_nets(market, features, small, tmp_path):
    study = Study(model=small, features=features, folds=WalkForward(folds=2), seeds=2, baselines=())
    again = load_run(study.run(market).save(tmp_path / "run"))
    for fold, seed in ((0, 1), (1, 0)):
        net = again.fitted(fold=fold, seed=seed)
        rows = net.job.test_rows
        table = again.forecast.frame.filter(fold=fold, seed=seed)
        assert np.array_equal(net.forecast(net.job.samples, rows).mean, table["mean"].to_numpy())
    found, _ = run(export_onnx(net, tmp_path / "net.onnx"), net, rows)
    np.testing.assert_allclose(found["mean"], table["mean"], rtol=1e-4, atol=1e-7)
    with pytest.raises(RunError, match=r"no training of fold 2 with seed 0.*expected fold 0 or 1 and seed 0 or 1"):
        again.fitted(fold=2, seed=0)


def test_a_run_of_a_users_own_net_needs_the_study_again(market, features, tmp_path):
    model = Torch(conv, window=4, training=QUICK)
    study = Study(model=model, features=features, folds=WalkForward(folds=1), seeds=1, baselines=())
    again = load_run(study.run(market).save(tmp_path / "run"))
    with pytest.raises(RunError, match=r"stores your own code by name only.*fitted\(study=\.\.\.\)"):
        again.fitted()
    other = Study(model=model, features=features, folds=WalkForward(folds=1), seeds=1, baselines=(), cash=5.0)
    with pytest.raises(RunError, match="this is not the study of the run: the part 'cash' differs"):
        again.fitted(study=other)
    net = again.fitted(study=study)
    assert np.array_equal(
        net.forecast(net.job.samples, net.job.test_rows).mean, again.forecast.frame["mean"].to_numpy()
    )
