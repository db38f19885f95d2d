"""How models learn from a batch: every learner finds the same losses and gradients."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from candlecast.errors import ConfigError
from candlecast.fleet.batching import Batch, SequenceShape
from candlecast.fleet.criterion import Criterion
from candlecast.fleet.learner import ByAutograd, OnDemand, learner
from candlecast.fleet.recorded_passes import Recorded, RecordedWithLoss
from candlecast.fleet.settings import Fit
from candlecast.fleet.workspace import workspace
from candlecast.heads import Bernoulli, Gaussian, Head, Quantiles, SquaredError, StudentT
from candlecast.models import GRU, LSTM, RNN, AttentionLSTM
from candlecast.nets import kernels
from candlecast.nets.kernels.cpu.vector import LANES

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Plain(Head):
    """A user's head that defines its terms only."""

    def terms(self, outputs, y):
        return (outputs - y.unsqueeze(-1)).square()

    def predict(self, outputs, *, shift, scale):
        raise NotImplementedError


@dataclass(frozen=True)
class DoubledError(SquaredError):
    """A user's head whose loss differs from the slopes that it inherits."""

    def terms(self, outputs, y):
        return 2 * super().terms(outputs, y)


@dataclass(frozen=True)
class RootError(SquaredError):
    """The same with another loss."""

    def loss(self, means):
        return super().loss(means).sqrt()


@dataclass(frozen=True)
class Constant(Plain):
    """A head whose loss does not depend on the net."""

    def terms(self, outputs, y):
        return y.unsqueeze(-1).square()


def make_fleet(recipe, head, *, models, size, tail=3, targets=2):
    """The criterion and the workspace of that many models."""
    torch.manual_seed(0)
    nets = [recipe.build(2, head.outputs * targets) for _ in range(models)]
    criterion = Criterion(nets[0], head)
    buffers = {name: torch.arange(models, dtype=torch.int32) + 1 for name, _ in nets[0].named_buffers()}
    batch = Batch(models, SequenceShape(7, 2, tail, targets), size, CPU)
    for part in (batch.x, batch.weight):
        part.copy_(torch.rand(part.shape))
    batch.weight[:, 0] = 0.0
    batch.y.copy_(torch.randint(2, batch.y.shape))
    return criterion, workspace(criterion.layout, criterion.layout.rows(nets), buffers, batch)


def learnt(by, fleet):
    """Losses and gradients as a learner finds them."""
    criterion, memory = fleet
    criterion.net.train()
    first = (criterion,) if by is ByAutograd else (criterion.net, criterion.head)
    losses = by(*first, memory).learn([0] * len(memory.weights))
    return losses, {name: value.clone() for name, value in memory.gradients.items()}


def assert_close(found, expected):
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    for name, value in expected[1].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-4, atol=1e-6)


ALONE = Fit(linear=False)  # without a linear part, outputs do not begin at zero, and every layer has a gradient


@pytest.mark.parametrize("size", [5, 16, 40])
@pytest.mark.parametrize("head", [SquaredError(), Gaussian(), Quantiles(), Bernoulli()], ids=repr)
@pytest.mark.parametrize(
    "recipe",
    [
        LSTM(hidden=6, layers=2, dropout=0.3, dense=(4,), training=ALONE),
        GRU(hidden=5, layers=2, training=ALONE),
        RNN(hidden=3, dropout=0.2, training=ALONE),
    ],
    ids=lambda recipe: recipe.name,
)
def test_all_learners_find_the_same(recipe, head, size):
    fleet = make_fleet(recipe, head, models=3, size=size)
    expected = learnt(ByAutograd, fleet)
    assert_close(learnt(Recorded, fleet), expected)
    assert_close(learnt(RecordedWithLoss, fleet), expected)
    assert all(value.any() for value in expected[1].values())


@pytest.mark.parametrize("by", [ByAutograd, Recorded, RecordedWithLoss])
def test_what_a_model_learns_depends_neither_on_threads_nor_on_other_models(by):
    recipe, head = LSTM(hidden=6, layers=2, dropout=0.3), Quantiles(tuple(np.arange(1, 10) / 10))
    fleet = make_fleet(recipe, head, models=7, size=LANES + 1, tail=1, targets=1)
    criterion, memory = fleet
    losses, together = learnt(by, fleet)
    for threads in (1, 2, 5):
        with kernels.threads(threads):
            again, found = learnt(by, fleet)
        assert again == losses
        assert all(torch.equal(found[name], value) for name, value in together.items())
    for model in (0, 6):
        one = slice(model, model + 1)
        alone = Batch(1, SequenceShape(7, 2, 1, 1), LANES + 1, CPU)
        for name in ("x", "y", "weight"):
            getattr(alone, name).copy_(getattr(memory.batch, name)[one])
        buffers = {name: value[one] for name, value in memory.buffers.items()}
        own = workspace(criterion.layout, memory.weights[one].detach().clone(), buffers, alone)
        loss, found = learnt(by, (criterion, own))
        assert loss == losses[one]
        assert all(torch.equal(found[name][0], value[model]) for name, value in together.items())


def test_a_recorded_learner_reads_what_is_there_at_each_step():
    fleet = make_fleet(GRU(hidden=4, dropout=0.4), SquaredError(), models=2, size=20)
    criterion, memory = fleet
    recorded = learner(criterion, memory)
    assert isinstance(recorded, RecordedWithLoss)
    seen = []
    for turn in range(3):
        memory.batch.x.copy_(torch.randn(memory.batch.x.shape))
        memory.buffers["dropouts.0.key"].fill_(turn)
        with torch.no_grad():
            for value in memory.params.values():
                value.add_(0.01)
        seen.append(recorded.learn([0, 0]))
        found = {name: value.clone() for name, value in memory.gradients.items()}
        assert_close((seen[-1], found), learnt(ByAutograd, fleet))
    assert len({losses[0] for losses in seen}) == 3


def test_the_learner_fits_the_net_and_the_head():
    cases = [
        (LSTM(hidden=4), SquaredError(), RecordedWithLoss),
        (LSTM(hidden=4), Plain(), Recorded),
        (LSTM(hidden=4), DoubledError(), Recorded),
        (LSTM(hidden=4), RootError(), Recorded),
        (LSTM(hidden=4), StudentT(), RecordedWithLoss),
        (LSTM(hidden=4, layers=2, residual=True), SquaredError(), ByAutograd),
        (LSTM(hidden=4, layers=2, norm=True), SquaredError(), ByAutograd),
        (AttentionLSTM(hidden=4), SquaredError(), ByAutograd),
    ]
    for recipe, head, kind in cases:
        assert type(learner(*make_fleet(recipe, head, models=1, size=4, tail=1))) is kind


@pytest.mark.parametrize("by", [ByAutograd, Recorded])
def test_a_loss_that_does_not_depend_on_the_net_is_refused(by):
    with pytest.raises(ConfigError, match="does not depend"):
        learnt(by, make_fleet(LSTM(hidden=4), Constant(), models=2, size=4))


@pytest.mark.parametrize("head", [SquaredError(), Plain()], ids=["whole", "in two"])
def test_a_recorded_learner_gives_its_memory_back_at_once(head):
    made = learner(*make_fleet(LSTM(hidden=4, layers=2), head, models=2, size=4))
    made.learn([0, 0])
    outputs = weakref.ref(made.passes.outputs)
    gc.disable()
    try:
        del made
        assert outputs() is None
    finally:
        gc.enable()


def test_a_learner_on_demand_gives_its_memory_back_on_release():
    criterion, memory = make_fleet(LSTM(hidden=4, layers=2), SquaredError(), models=2, size=4)
    made = OnDemand(criterion, memory)
    losses = made.learn([0, 0])
    outputs = weakref.ref(made._learner.passes.outputs)
    gc.disable()
    try:
        made.release()
        assert outputs() is None
    finally:
        gc.enable()
    assert made.learn([0, 0]) == losses


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("head", [SquaredError(), Gaussian(), StudentT(), Quantiles()], ids=repr)
def test_overflow_is_not_warned_of(head):
    """The trainer reports it, by the loss of this step or of the next."""
    fleet = make_fleet(LSTM(hidden=4), head, models=2, size=20)
    with torch.no_grad():
        for name, value in fleet[1].params.items():
            if name.startswith("head"):
                value.fill_(1e38)
    losses, _ = learnt(RecordedWithLoss, fleet)
    assert max(losses) > 80 or not any(np.isfinite(losses))
