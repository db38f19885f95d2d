"""The nets that carry memory or read causally: shapes, what they may read, parity of their ways to run, and what they find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from candlecast.dataset.folds import WalkForward
from candlecast.errors import ConfigError
from candlecast.features import Features, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.models import GRU, LSTM, TCN, MinGRU, MinLSTM, Transformer
from candlecast.nets.layers.scan import scan
from candlecast.sources import synthetic
from candlecast.targets import NextReturn
from candlecast.walkforward import plan_jobs

FEATURES = Features(log_return(), log_range())
SEQUENCE = Fit(epochs=2, batch=4, sampling="sequence", chunk=10)
WINDOWS = Fit(epochs=2, batch=16, patience=None, sampling="windows")
LEARNING = Fit(epochs=8, batch=8, lr=1e-2, weight_decay=0.1)

BOUNDED = [
    TCN(hidden=5, kernel=2, dropout=0.2, window=9, training=SEQUENCE),
    TCN(hidden=4, kernel=2, window=7, training=WINDOWS),
    Transformer(hidden=6, heads=2, layers=2, dropout=0.2, window=9, training=SEQUENCE),
    Transformer(hidden=6, heads=3, layers=1, window=7, training=WINDOWS),
]
CARRIED = [
    MinGRU(hidden=5, layers=2, dropout=0.2, window=6, training=SEQUENCE),
    MinGRU(hidden=5, window=6, training=WINDOWS),
    MinLSTM(hidden=5, layers=2, dense=(3,), window=6, norm=True, residual=True, training=SEQUENCE),
    LSTM(hidden=5, layers=3, dropout=0.2, window=6, norm=True, training=SEQUENCE),
    GRU(hidden=5, layers=2, dropout=0.2, window=6, residual=True, training=WINDOWS),
]
MODELS = BOUNDED + CARRIED


@pytest.fixture(autouse=True)
def one_thread():
    """Nets this small are slowed down by threads that wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def name_of(model):
    return f"{model.name}-{model.training.sampling}"


def jobs_of(model, candles, *, folds=3, seeds=2):
    planned = WalkForward(folds=folds)
    return plan_jobs(model, candles, features=FEATURES, target=NextReturn(), folds=planned, seeds=range(seeds))


def results(model, jobs):
    return {fitted.job.key: fitted for fitted in model.fit(jobs)}


def same(a, b):
    ours, theirs = a.tensors(), b.tensors()
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


def net_of(model, dtype=torch.float64):
    torch.manual_seed(3)
    net = model.build(2, 3).eval().to(dtype)
    with torch.no_grad():
        for parameter in net.parameters():  # biases too: none of them may hide behind a zero
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


@pytest.mark.parametrize("model", MODELS, ids=name_of)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_are_those_of_the_last_bars(model, dtype):
    net, x = net_of(model, dtype), torch.randn(4, 25, 2, dtype=dtype)
    every, _ = net(x, None, 25)
    last, _ = net(x, None, 6)
    assert every.shape == (4, 25, 3)
    assert every.dtype == last.dtype == dtype
    torch.testing.assert_close(last, every[:, -6:])


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_no_bar_reads_a_later_one(model):
    net, x = net_of(model), torch.randn(3, 25, 2, dtype=torch.float64)
    later = x.clone()
    later[:, 15:] += 1.0
    before, after = net(x, None, 25)[0], net(later, None, 25)[0]
    torch.testing.assert_close(before[:, :15], after[:, :15], rtol=1e-12, atol=1e-12)
    assert ((before[:, 15:] - after[:, 15:]).abs().amax((0, 2)) > 1e-6).all()


@pytest.mark.parametrize("model", BOUNDED, ids=name_of)
def test_a_bar_reads_its_window_and_nothing_before(model):
    net, x = net_of(model), torch.randn(3, 40, 2, dtype=torch.float64)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(net(x, None, 20)[0][:, 10].sum(), x)  # of bar 30
    read = gradient.abs().sum((0, 2)).nonzero().flatten()
    assert read.max() == 30
    assert 30 - model.window < read.min() <= 30 - model.window // 2
    window, _ = net(x[:, 31 - model.window : 31])
    torch.testing.assert_close(window[:, 0], net(x, None, 20)[0][:, 10], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_memory_is_carried_from_part_to_part(model):
    net, x = net_of(model), torch.randn(3, 23, 2, dtype=torch.float64)
    whole, _ = net(x, None, 23)
    parts, state = [], None
    for part in x.split([1, 2, 11, 9], dim=1):
        outputs, state = net(part, state, part.shape[1])
        parts.append(outputs)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_gradients_are_right(model):
    net = net_of(model)
    x = torch.randn(2, 8, 2, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in net.named_parameters()]

    def outputs(x, *values):
        return torch.func.functional_call(net, dict(zip(names, values, strict=True)), (x, None, 3))[0]

    assert torch.autograd.gradcheck(outputs, (x, *net.parameters()), fast_mode=True)


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_a_job_does_not_depend_on_its_fleet_or_on_threads(model, market):
    jobs = jobs_of(model, market)
    together = results(model, jobs)
    for job in (jobs[0], jobs[-1]):
        assert same(results(model, [job])[job.key], together[job.key])
    assert not same(together[jobs[0].key], together[jobs[-1].key])
    torch.set_num_threads(3)
    assert same(results(model, jobs[:2])[jobs[0].key], together[jobs[0].key])


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_bar_by_bar_is_the_batch(model, market):
    (job,) = jobs_of(model, market, folds=1, seeds=1)
    (fitted,) = model.fit([job])
    rows = job.test_rows
    batch = fitted.forecast(job.samples, rows).mean
    state, streamed = fitted.start(), []
    for row in range(rows[0] - model.window + 1, rows[-1] + 1):
        state, prediction = fitted.step(state, job.samples.inputs[row])
        streamed.append(prediction.mean[0])
    assert np.isnan(streamed[: model.window - 1]).all()
    np.testing.assert_allclose(streamed[model.window - 1 :], batch, rtol=2e-6, atol=fitted.outcomes.scale[0] * 1e-6)


@pytest.mark.parametrize("model", BOUNDED, ids=name_of)
def test_forecasts_are_the_same_however_they_are_made(model, market):
    (job,) = jobs_of(model, market, folds=1, seeds=1)
    (fitted,) = model.fit([job])
    rows = job.test_rows
    other = {"sequence": WINDOWS, "windows": SEQUENCE}[model.training.sampling]
    as_other = replace(model, training=other).restore(job, fitted.tensors())
    scale = fitted.outcomes.scale[0] * 1e-6
    ours, theirs = fitted.forecast(job.samples, rows).mean, as_other.forecast(job.samples, rows).mean
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=scale)


PLANTED = {
    "tcn": TCN(hidden=8, window=8, training=LEARNING),
    "transformer": Transformer(hidden=8, heads=2, layers=2, window=8, training=LEARNING),
    "mingru": MinGRU(hidden=8, window=8, training=LEARNING),
    "minlstm": MinLSTM(hidden=8, window=8, training=LEARNING),
    "normed": GRU(hidden=8, layers=2, window=8, norm=True, residual=True, training=LEARNING),
}


@pytest.mark.parametrize("model", PLANTED.values(), ids=PLANTED)
def test_a_planted_signal_is_found(model):
    world = synthetic.ar1(6_000, seed=5, phi=0.5)
    (job,) = jobs_of(model, world.candles, folds=1, seeds=1)
    (fitted,) = model.fit([job])
    rows = job.test_rows[:-1]
    forecast, outcome = fitted.forecast(job.samples, rows).mean, job.samples.outcomes[rows]
    r2 = 1 - np.sum((outcome - forecast) ** 2) / np.sum(outcome**2)
    oracle = 1 - np.sum((outcome - world.mean[rows]) ** 2) / np.sum(outcome**2)
    assert r2 > 0.9 * oracle


@pytest.mark.parametrize(
    ("recipe", "parameters", "message"),
    [
        (TCN, {"kernel": 1}, "kernel is 1; expected a whole number of bars, 2 or more"),
        (TCN, {"kernel": 5, "window": 8}, "window is 8; expected a whole number of bars, at least the 2 kernel - 1"),
        (Transformer, {"hidden": 10}, "heads is 4; expected a whole number that divides hidden=10"),
        (Transformer, {"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_parameters_that_mean_nothing(recipe, parameters, message):
    with pytest.raises(ConfigError, match=message):
        recipe(**parameters)


@pytest.mark.parametrize(("kernel", "window", "blocks"), [(2, 3, 1), (2, 6, 1), (2, 7, 2), (3, 28, 2), (3, 29, 3)])
def test_a_tcn_has_the_blocks_that_its_window_holds(kernel, window, blocks):
    model = TCN(kernel=kernel, window=window)
    assert model.blocks == blocks
    assert model.build(1, 1).reach == 1 + 2 * (kernel - 1) * (2**blocks - 1)


def test_layers_one_by_one_are_the_fused_ones(monkeypatch):
    """The same net both ways, dropout in between."""
    torch.manual_seed(0)
    net = LSTM(hidden=5, layers=3, dropout=0.4).build(2, 1).train()
    x = torch.randn(4, 9, 2)
    fused, states = net(x, None, 4)
    monkeypatch.setattr(net, "_fused", net._one_by_one)
    again, others = net(x, None, 4)
    torch.testing.assert_close((fused, states), (again, others))


def test_a_residual_is_added_behind_what_is_normed():
    torch.manual_seed(0)
    net = GRU(hidden=5, layers=2, norm=True, residual=True).build(2, 1).double()
    x = torch.randn(4, 9, 2, dtype=torch.float64)
    start = (x.new_zeros(4, 5),)
    first, second = net.layers
    below, _ = first(x, start)
    above, _ = second(torch.nn.functional.layer_norm(below, (5,)), start)
    torch.testing.assert_close(net(x, None, 9)[0], net.head(below + above))


@pytest.mark.parametrize("bars", [1, 2, 7, 16])
def test_a_scan_is_the_recurrence(bars):
    """By rounds of doubling in float64, and by the compiled loop in float32, with its gradients."""
    torch.manual_seed(0)
    a, b, h0 = torch.rand(2, 3, bars, 5).double(), torch.randn(2, 3, bars, 5).double(), torch.randn(2, 3, 5).double()
    h, expected = h0, []
    for t in range(bars):
        h = a[:, :, t] * h + b[:, :, t]
        expected.append(h)
    inputs = [tensor.requires_grad_() for tensor in (a, b, h0)]
    torch.testing.assert_close(scan(*inputs), torch.stack(expected, 2))
    assert torch.autograd.gradcheck(scan, inputs)
    weight = torch.randn(2, 3, bars, 5).double()
    exact = torch.autograd.grad((scan(*inputs) * weight).sum(), inputs)
    single = [tensor.detach().float().requires_grad_() for tensor in inputs]
    rounded = torch.autograd.grad((scan(*single) * weight.float()).sum(), single)
    torch.testing.assert_close([g.float() for g in exact], list(rounded))


@pytest.mark.parametrize("model", [TCN(), Transformer(), MinGRU(dense=(4,)), MinLSTM()], ids=lambda model: model.name)
def test_outputs_begin_as_zeros(model):
    outputs, _ = model.build(2, 3)(torch.randn(4, 20, 2), None, 5)
    assert not outputs.any()


def test_gates_far_off_stay_defined():
    net = MinLSTM(hidden=3).build(2, 1)
    outputs, _ = net(torch.full((1, 5, 2), -1e4), None, 5)
    assert outputs.isfinite().all()
