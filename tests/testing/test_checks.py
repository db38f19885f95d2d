"""`check_net` and `check_model` pass what candlecast has, and say in words what is wrong with the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from candlecast import models
from candlecast.cli.model_registry import NO_CHOICE
from candlecast.errors import ConfigError, LookaheadError
from candlecast.fleet.settings import Fit
from candlecast.models import LSTM, LinearRegression, NetModel, Sklearn
from candlecast.models.baselines.naive import FittedBaseline
from candlecast.targets import Direction, NextReturn, Several, Volatility
from candlecast.testing import check_model, check_net

QUICK = Fit(epochs=2, batch=64, sampling="windows")


def small(recipe):
    """A recipe whose check takes a moment."""
    fields = recipe.__dataclass_fields__
    sizes = {"window": 6, "hidden": 4, "heads": 2, "patch": 3, "stride": 1, "trees": 5}
    return replace(recipe, **{name: size for name, size in sizes.items() if name in fields and fields[name].init})


OWN = {name: small(getattr(models, name)()) for name in models.__all__ if name not in NO_CHOICE}
NETS = {name: model for name, model in OWN.items() if isinstance(model, NetModel)}
ON_RANGES = ("CalendarHAR", "GARCH", "HAR", "ThresholdHAR")  # forecast nothing else


@pytest.mark.parametrize("name", OWN)
def test_our_models_pass(name):
    model = OWN[name]
    if isinstance(model, NetModel):
        model = replace(model, training=replace(QUICK, sampling="sequence") if name == "Policy" else QUICK)
    check_model(model, target=Volatility() if name in ON_RANGES else NextReturn())


@pytest.mark.parametrize("name", NETS)
def test_our_nets_pass(name):
    assert check_net(NETS[name]).is_stacked


@pytest.mark.parametrize("target", [Direction(), Several(NextReturn(), NextReturn(3))], ids=["direction", "several"])
def test_other_targets_are_checked_as_well(target):
    check_net(LSTM(hidden=3, window=4), target=target)
    check_model(LinearRegression(), target=target)


def flat(inputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(8 * inputs, 1))


def test_a_net_that_cannot_be_stacked_is_sound_and_says_why():
    found = check_net(lambda inputs: nn.Sequential(flat(inputs), nn.RReLU()))
    assert not found.is_stacked
    assert str(found).startswith("25 parameters; trains one by one, as torch.func.vmap cannot stack it: RuntimeError: ")


def test_a_net_whose_result_depends_on_its_company_is_found():
    """The gradient of a bias before a batch norm is rounding error alone, which training amplifies."""
    layers = lambda inputs: (nn.Flatten(), nn.Linear(8 * inputs, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))  # noqa: E731
    with pytest.raises(ConfigError, match=r"apart when the net is trained alone and with others; .* leave out biases"):
        check_net(lambda inputs: nn.Sequential(*layers(inputs)))


class Net(nn.Module):
    """A linear net whose forward is another."""

    def __init__(self, inputs, way):
        super().__init__()
        self.net, self.spare, self.way = flat(inputs), nn.Linear(1, 1), way

    def forward(self, x):
        return self.way(self, x)


SHARED = flat(3)


@pytest.mark.parametrize(
    ("way", "message"),
    [
        (lambda net, x: net.net(x), "the parameter net.spare.weight does not move any forecast; expected a gradient"),
        (lambda net, x: net.spare((net.net(x) * 0).sqrt()), "not finite on windows of standard normal numbers"),
        (lambda net, x: net.spare(net.net(x) + torch.randn(len(x), 1)), "gives other outputs for the same windows"),
        (
            lambda net, x: net.spare(net.net(x - x.mean(0))),
            "with the others of its batch; expected outputs that depend",
        ),
        (lambda net, x: 0 * net.spare(net.net(x)), "the training loss went from"),
    ],
    ids=["idle", "not finite", "noise", "batch", "learns nothing"],
)
def test_what_is_wrong_with_a_net_is_said(way, message):
    with pytest.raises(ConfigError, match=message):
        check_net(lambda inputs: Net(inputs, way))


def test_a_shared_net_and_foreign_random_numbers_are_found():
    with pytest.raises(ConfigError, match="two nets with the same parameter net.0.weight|same parameter net.1.weight"):
        check_net(lambda inputs: SHARED)
    generator = np.random.default_rng(0)

    def factory(inputs):
        net = flat(inputs)
        nn.init.constant_(net[1].bias, float(generator.random()))
        return net

    with pytest.raises(ConfigError, match="two nets made with one seed differ in net.1.bias"):
        check_net(factory)


class Smooth(nn.Module):
    """Reads its sequence from both sides, and says that it has a memory."""

    def __init__(self, inputs, outputs, *, ahead):
        super().__init__()
        self.dense, self.ahead = nn.Linear(inputs, outputs), ahead

    def forward(self, x, state=None, tail=1):
        return self.dense(x + x.flip(1) if self.ahead else x.cumsum(1))[:, -tail:], ()


@dataclass(frozen=True)
class Smoother(NetModel):
    ahead: bool = True
    window: int = 4
    training: Fit = QUICK
    head: None = None
    name: str = "smoother"

    def build(self, inputs, outputs):
        return Smooth(inputs, outputs, ahead=self.ahead)


def test_a_net_that_reads_later_bars_or_forgets_is_found():
    with pytest.raises(LookaheadError, match="the output at or before bar 0 moved by .* only later bars"):
        check_net(Smoother())
    with pytest.raises(ConfigError, match="a sequence read in two parts gives outputs"):
        check_net(Smoother(ahead=False))


class Own(LinearRegression):
    """A linear model with something wrong."""

    def learn(self, job):
        return self.sick(job, LinearRegression.learn(self, job))


def own(sick):
    return type("Sick", (Own,), {"sick": lambda self, job, predict: sick(job, predict)})()


CALLS = iter(range(10**6))


def fits_on_everything(job, predict):
    level = float(np.nanmean(job.samples.outcomes))
    return lambda samples, rows: predict(samples, rows) + level


def drifts(job, predict):
    call = next(CALLS)
    return lambda samples, rows: predict(samples, rows) + call


@pytest.mark.parametrize(
    ("sick", "error", "message"),
    [
        (
            fits_on_everything,
            LookaheadError,
            "although only candles after bar .* expected what is learnt from training",
        ),
        (
            lambda job, predict: lambda samples, rows: predict(samples, rows) + samples.outcomes[rows],
            ConfigError,
            "have mean nan at bar",
        ),
        (
            lambda job, predict: lambda samples, rows: predict(samples, rows) + np.nanmean(samples.inputs),
            LookaheadError,
            "although only candles after bar .* forecasts that do not move by a bit",
        ),
        (lambda job, predict: lambda samples, rows: predict(samples, rows)[1:], ConfigError, "have mean of shape"),
        (
            drifts,
            ConfigError,
            "otherwise when it is fitted again, by itself: .* depend on the job alone",
        ),
        (
            lambda job, predict: lambda samples, rows: predict(samples, rows) + len(rows),
            ConfigError,
            "forecasts rows otherwise in parts than together",
        ),
    ],
    ids=["learns the future", "not finite", "reads the future", "shape", "not repeatable", "grouping"],
)
def test_what_is_wrong_with_a_model_is_said(sick, error, message):
    with pytest.raises(error, match=message):
        check_model(own(sick))


def test_a_seed_that_changes_nothing_is_found():
    class Claims(Sklearn):
        is_seeded = True

    from sklearn.linear_model import Ridge

    with pytest.raises(ConfigError, match="forecasts the same with two seeds, and says that it is seeded"):
        check_model(Claims(Ridge()))


def test_a_model_restored_to_something_else_is_found():
    class Forgets(LinearRegression):
        def fit(self, jobs, *, progress=None):
            for job in jobs:
                yield FittedBaseline(job, (self.learn(job),))

        def restore(self, job, tensors):
            return FittedBaseline(job, (lambda samples, rows: samples.naive[rows] + 1.0,))

    with pytest.raises(ConfigError, match="forecasts otherwise when it is restored from its tensors"):
        check_model(Forgets())
