"""Modules as users write them: what trains, how, and what is said of those that cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from candlecast.dataset.folds import WalkForward
from candlecast.dataset.jobs import job_generator
from candlecast.errors import ConfigError
from candlecast.fleet.settings import Fit
from candlecast.models import Torch
from candlecast.targets import NextReturn
from candlecast.walkforward import plan_jobs

WINDOW = 4


def results(market, features, factory):
    model = Torch(factory, window=WINDOW, training=Fit(epochs=2, batch=64, patience=None, sampling="windows"))
    jobs = plan_jobs(model, market, features=features, target=NextReturn(), folds=WalkForward(folds=2), seeds=range(2))
    together = {fitted.job.key: fitted for fitted in model.fit(jobs)}
    (alone,) = model.fit(jobs[:1])
    return alone, together[jobs[0].key], together[jobs[1].key]


def dense(inputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(WINDOW * inputs, 1))


class Wrapped(nn.Module):
    """A linear net whose forward is another."""

    def __init__(self, inputs, forward):
        super().__init__()
        self.net, self.way = dense(inputs), forward

    def forward(self, x):
        return self.way(self.net, x)


def wrapped(forward):
    return lambda inputs: Wrapped(inputs, forward)


def changes_its_input(net, x):
    x *= 2.0
    return net(x)


def draws(net, x):
    return net(x + 0.1 * torch.randn_like(x)) if net.training else net(x)


def decides(net, x):
    return net(x) if x.abs().max() > 0 else net(2 * x)


class Tied(nn.Module):
    """Two layers that are one."""

    def __init__(self, inputs):
        super().__init__()
        self.first = nn.Linear(inputs, inputs)
        self.second, self.last = self.first, nn.Linear(inputs, 1)

    def forward(self, x):
        return self.last(self.second(self.first(x[:, -1]).tanh()))


class Transposed(nn.Module):
    """Two layers that share one parameter."""

    def __init__(self, inputs):
        super().__init__()
        self.first, self.last = nn.Linear(inputs, inputs), nn.Linear(inputs, inputs)
        self.last.weight = self.first.weight

    def forward(self, x):
        return self.last(self.first(x[:, -1]).tanh()).sum(1)


TRAINED = {
    "lazy": lambda inputs: nn.Sequential(
        nn.Flatten(), nn.LazyLinear(3, bias=False), nn.LazyBatchNorm1d(), nn.LazyLinear(1)
    ),
    "in place": wrapped(changes_its_input),
    "tied": Tied,
    "shared": Transposed,
    "GroupNorm": lambda inputs: nn.Sequential(nn.GroupNorm(2, WINDOW), dense(inputs)),
    "attention": lambda inputs: nn.Sequential(
        nn.TransformerEncoderLayer(inputs, 1, 4, batch_first=True), dense(inputs)
    ),
    "random numbers": wrapped(draws),
    "decides by values": wrapped(decides),
    "GRU": lambda inputs: nn.Sequential(
        nn.GRU(inputs, 3, batch_first=True), Wrapped(3, lambda net, found: net(found[0]))
    ),
}
ONE_BY_ONE = {
    "random numbers": "called random operation",
    "decides by values": "data-dependent control flow",
    "GRU": "",
    "attention": "",
}


@pytest.mark.parametrize("name", TRAINED)
def test_what_trains_is_the_same_alone_and_in_a_fleet(name, market, features, caplog):
    alone, first, second = results(market, features, TRAINED[name])
    said = "train one by one, as torch.func.vmap cannot stack them" in caplog.text
    assert said == (name in ONE_BY_ONE) and ONE_BY_ONE.get(name, "") in caplog.text
    mine, same, other = (each.tensors() for each in (alone, first, second))
    assert all(np.array_equal(mine[key], same[key]) for key in mine)
    assert any(not np.array_equal(mine[key], other[key]) for key in mine if key.startswith("net."))
    restored = type(alone).from_tensors(alone.job, alone.spec, mine)
    rows = alone.job.test_rows
    assert np.array_equal(restored.forecast(alone.job.samples, rows).mean, alone.forecast(alone.job.samples, rows).mean)


SHARED = dense(2)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda inputs: nn.LSTM(inputs, 1, batch_first=True), r"the net returns a tuple for windows \(\d+, 4, 2\)"),
        (lambda inputs: nn.Linear(inputs, 1), r"maps windows \(\d+, 4, 2\) to \(\d+, 4, 1\); expected one number"),
        (lambda inputs: dense(inputs).double(), "the net's parameter net.1.weight is float64; expected float32"),
        (lambda inputs: SHARED, "gave two nets with the same parameter net.1.weight; expected a fresh net"),
        (lambda inputs: nn.Sequential(nn.Flatten(), nn.AvgPool1d(8)), "the net has no parameters"),
        (lambda inputs: None, "the factory of torch gave a NoneType; expected a torch.nn.Module"),
        (wrapped(lambda net, x: net(x[:, 1:])), r"fails on a batch of windows \(RuntimeError: mat1 and mat2"),
        (wrapped(lambda net, x: net(x.lengths)), r"\(AttributeError: 'Tensor' object has no attribute 'lengths'\)"),
        (wrapped(lambda net, x: net(x).detach()), "the loss does not depend on the net's parameters"),
        (wrapped(lambda net, x: net(x) / 0), r"the loss of AR\(1\), fold \d, seed \d is .* Lower Fit\(lr="),
    ],
    ids=["tuple", "shape", "double", "shared", "none", "no module", "size", "attribute", "detached", "infinite"],
)
def test_what_is_wrong_with_a_module_is_said_in_a_sentence(factory, message, market, features):
    with pytest.raises(ConfigError, match=message) as error:
        results(market, features, factory)
    assert "\n" not in str(error.value)


class Spare(nn.Module):
    """A net with a layer that it does not use."""

    def __init__(self, inputs):
        super().__init__()
        self.net, self.spare = dense(inputs), nn.Linear(2, 3)

    def forward(self, x):
        return self.net(x)


def test_a_parameter_that_nothing_depends_on_stays_as_it_was_made(market, features):
    alone, _, _ = results(market, features, Spare)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(job_generator(alone.job, purpose=0).integers(2**31)))
        fresh = Spare(len(alone.inputs.shift)).state_dict()
    is_kept = {name: torch.equal(value, alone.weights[f"net.{name}"]) for name, value in fresh.items()}
    assert is_kept == {name: name.startswith("spare") for name in fresh}
