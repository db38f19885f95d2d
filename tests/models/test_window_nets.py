"""Nets that read a window: their own equations, each job's result its own, causal, and able to learn what is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from candlecast import models
from candlecast.dataset.folds import WalkForward
from candlecast.errors import ConfigError
from candlecast.features import Features, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.heads import Gaussian
from candlecast.models import AttentionLSTM, DLinear, EncoderDecoder, NLinear, PatchTST
from candlecast.sources import synthetic
from candlecast.targets import NextReturn, Several
from candlecast.walkforward import plan_jobs

FIT = Fit(epochs=2, batch=16, sampling="windows", linear=False, shrink=False)
MODELS = [
    AttentionLSTM(hidden=5, dropout=0.2, window=6, training=FIT),
    EncoderDecoder(hidden=5, dropout=0.2, window=6, training=FIT),
    DLinear(average=3, window=6, training=FIT),
    NLinear(window=6, training=FIT),
    PatchTST(hidden=4, heads=2, patch=3, stride=2, dropout=0.2, window=6, training=FIT),
]
NAMES = [model.name for model in MODELS]
SEVERAL = Several(NextReturn(1), NextReturn(4))


def jobs_of(model, market, *, target=SEVERAL, folds=2, seeds=2):
    chosen = {"features": Features(log_return(), log_range()), "target": target, "folds": WalkForward(folds=folds)}
    return plan_jobs(model, market, seeds=range(seeds), **chosen)


def results(model, jobs):
    return {fitted.job.key: fitted for fitted in model.fit(jobs)}


def same(a, b):
    return all(np.array_equal(a.tensors()[name], value) for name, value in b.tensors().items())


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_a_job_does_not_depend_on_its_fleet(model, market):
    model = replace(model, head=Gaussian())
    jobs = jobs_of(model, market)
    together = results(model, jobs)
    threads = torch.get_num_threads()
    try:
        for count, job in zip((1, 3), (jobs[0], jobs[-1]), strict=True):
            torch.set_num_threads(count)
            alone = results(model, [job])[job.key]
            assert same(alone, together[job.key])
            predictions = [net.forecast(job.samples, job.test_rows) for net in (alone, together[job.key])]
            assert np.array_equal(predictions[0].mean, predictions[1].mean)
            assert np.array_equal(predictions[0].columns["sigma"], predictions[1].columns["sigma"])
    finally:
        torch.set_num_threads(threads)
    assert not same(together[jobs[0].key], together[jobs[-1].key])


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_the_past_alone_is_read(model, market, other_future):
    (job,) = jobs_of(model, market, folds=1, seeds=1)
    bar = int(job.test_rows[20])
    changed = jobs_of(model, other_future(market, bar), folds=1, seeds=1)[0]
    (fitted,) = model.fit([job])
    before, after = (fitted.forecast(each.samples, job.test_rows) for each in (job, changed))
    for a, b in ((before.mean, after.mean), (before.others["return_4"].mean, after.others["return_4"].mean)):
        assert np.array_equal(a[:21], b[:21])
        assert not np.array_equal(a[21:], b[21:])


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_a_window_decides_alone(model, market):
    """A forecast depends on the window's own bars, however many others are asked for beside it."""
    (job,) = jobs_of(model, market, folds=1, seeds=1)
    (fitted,) = model.fit([job])
    rows = job.test_rows[:40]
    one_by_one = [fitted.forecast(job.samples, rows[place : place + 1]).mean[0] for place in range(len(rows))]
    np.testing.assert_allclose(one_by_one, fitted.forecast(job.samples, rows).mean, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_planted_momentum_is_found(model):
    market = synthetic.ar1(1_500, seed=3, phi=0.5, interval="1h").candles
    learner = replace(model, window=4, training=Fit(epochs=12, batch=32, lr=5e-3, sampling="windows"))
    (job,) = jobs_of(learner, market, target=NextReturn(), folds=1, seeds=1)
    (fitted,) = learner.fit([job])
    rows = job.test_rows[:-1]
    outcome = job.samples.outcomes[rows]
    error = outcome - fitted.forecast(job.samples, rows).mean
    assert 1 - (error @ error) / (outcome @ outcome) > 0.8 * 0.25  # phi^2: what can be known


def test_attention_weighs_states():
    """The equations, written out with the net's own weights."""
    net = AttentionLSTM(hidden=3).build(2, 1).double()
    x = torch.randn(4, 5, 2, dtype=torch.float64)
    z = torch.tanh(x @ net.embedding.weight + net.embedding.bias)
    h, _ = net.layer(z, net.layer.start(z))
    scores = [torch.tanh(h[:, t] @ net.attention.weight + net.attention.bias) @ net.score.weight for t in range(5)]
    weight = torch.exp(torch.cat(scores, 1)) / torch.exp(torch.cat(scores, 1)).sum(1, keepdim=True)  # (B, T)
    context = torch.einsum("bt,bth->bh", weight, h)
    expected = torch.cat([h[:, -1], context], 1) @ net.head.weight + net.head.bias
    torch.testing.assert_close(net(x)[0][:, 0], expected)


def test_a_decoder_writes_step_by_step():
    net = EncoderDecoder(hidden=3).build(2, 4).double()
    x = torch.randn(5, 6, 2, dtype=torch.float64)
    h, _ = net.encoder(x, net.encoder.start(x))
    summary = state = h[:, -1]
    for step in range(4):
        _, (state,) = net.decoder(summary[:, None], (state,))
        torch.testing.assert_close(net(x)[0][:, 0, step], (state @ net.head.weight + net.head.bias)[:, 0])


def test_dlinear_takes_a_trailing_mean():
    net = DLinear(average=2, window=3).build(1, 1).net
    with torch.no_grad():
        net.trend.weight.copy_(torch.tensor([[1.0], [10.0], [100.0]]))
        net.remainder.weight.zero_()
    # trend of 2, 4, 8: 2, 3, 6
    assert net(torch.tensor([[[2.0], [4.0], [8.0]]])).item() == pytest.approx(2 + 30 + 600)


def test_nlinear_moves_with_the_level():
    net = NLinear(window=3).build(1, 1).net
    with torch.no_grad():
        net.level.weight.fill_(1.0)
    x = torch.randn(7, 3, 1)
    torch.testing.assert_close(net(x + 5.0), net(x) + 5.0)


def test_patches_of_each_column_attend_to_each_other():
    """The equations, written out for one layer and one head with the net's own weights."""
    net = PatchTST(hidden=4, heads=1, layers=1, patch=3, stride=2, window=6).build(2, 1).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    x = torch.randn(5, 6, 2, dtype=torch.float64)
    block: Any = net.layers[0]

    def linear(layer, z):
        return z @ layer.weight + layer.bias

    def normed(layer, z):
        centred = z - z.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * layer.gain + layer.bias

    found = []
    for column in x.unbind(-1):
        z = linear(net.embedding, torch.stack([column[:, 1:4], column[:, 3:6]], 1)) + net.place  # (B, 2, D)
        q, k, v = linear(block.inputs, normed(block.attention_norm, z)).chunk(3, -1)
        weight = torch.softmax(torch.einsum("bid,bjd->bij", q, k) / 2, -1)
        z = z + linear(block.mix, torch.einsum("bij,bjd->bid", weight, v))
        z = z + linear(block.down, torch.relu(linear(block.up, normed(block.inner_norm, z))))
        found.append(z.flatten(1))
    torch.testing.assert_close(net(x)[0][:, 0], linear(net.head, torch.cat(found, 1)))


@pytest.mark.parametrize(
    "parameters", [{"hidden": 0}, {"dropout": "a"}, {"dropout": 1.0}, {"window": 1.5}, {"head": 3}]
)
def test_parameters_that_mean_nothing(parameters):
    ((name, value),) = parameters.items()
    with pytest.raises(ConfigError, match=rf"{name} is {value!r}; expected .*AttentionLSTM\({name}=\.\.\.\)"):
        AttentionLSTM(**parameters)


def test_every_net_is_exported():
    assert {type(model).__name__ for model in MODELS} <= set(models.__all__)
