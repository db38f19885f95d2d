"""One step of training by hand: the optimiser, the clock of a job, its scalings, its batches and its loss."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from candlecast.dataset.folds import WalkForward
from candlecast.errors import ConfigError
from candlecast.features import Features, log_range, log_return
from candlecast.fleet import optimizer
from candlecast.fleet.batching import Batch, Sampler
from candlecast.fleet.job_progress import Clock
from candlecast.fleet.losses import loss
from candlecast.fleet.settings import Fit
from candlecast.fleet.trainer import _Fleet, scalings, train
from candlecast.heads import SquaredError
from candlecast.models import LSTM
from candlecast.sources import synthetic
from candlecast.targets import NextReturn
from candlecast.walkforward import plan_jobs

CPU = torch.device("cpu")
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
MODEL = LSTM(hidden=3, window=4, training=Fit(epochs=6, batch=8, lr=0.05, patience=3, sampling="windows"))


@pytest.fixture(scope="module")
def job():
    candles = synthetic.ar1(240, seed=3, phi=0.3, interval="1h").candles
    folds = replace(WalkForward(folds=1), valid=0.3)
    return plan_jobs(MODEL, candles, features=Features(log_return(), log_range()), folds=folds)[0]


def adam(weights, gradients, *, lr, decay=0.0, clip=None):
    """AdamW in float64 over steps, and the means of the gradient and of its square (Loshchilov and Hutter 2019)."""
    weights, mean, square = weights.copy(), np.zeros_like(weights), np.zeros_like(weights)
    for t, gradient in enumerate(gradients, start=1):
        norm = np.sqrt((gradient**2).sum(axis=1, keepdims=True))
        given = gradient if clip is None else np.where(norm > clip, gradient * clip / norm, gradient)
        mean = BETA1 * mean + (1 - BETA1) * given
        square = BETA2 * square + (1 - BETA2) * given**2
        corrected = mean / (1 - BETA1**t), square / (1 - BETA2**t)
        weights = weights * (1 - lr[:, None] * decay) - lr[:, None] * corrected[0] / (np.sqrt(corrected[1]) + EPSILON)
    return weights, mean, square


@pytest.mark.parametrize("clip", [None, 1.0])
def test_the_optimiser_is_adamw_and_clips_large_gradients_only(clip):
    """Three models whose gradients have norms of 0.05, 0.5 and 50."""
    generator = np.random.default_rng(0)
    start = generator.standard_normal((3, 32))
    gradients = generator.standard_normal((4, 3, 32))
    gradients *= np.array([0.05, 0.5, 50.0])[:, None] / np.sqrt((gradients**2).sum(axis=2, keepdims=True))
    lr = np.array([0.1, 0.01, 0.001])
    weights = torch.tensor(start, dtype=torch.float32)
    state = optimizer.start(weights)
    for gradient in gradients:
        optimizer.step(weights, torch.tensor(gradient, dtype=torch.float32), state, lr=lr, weight_decay=0.2, clip=clip)
    expected = adam(start, gradients, lr=lr, decay=0.2, clip=clip)
    for found, value in zip((weights, state.mean, state.square), expected, strict=True):
        np.testing.assert_allclose(found.numpy(), value, rtol=2e-4, atol=1e-7)
    assert state.steps.tolist() == [4, 4, 4]


def test_the_readable_update_is_adamw_too():
    generator = np.random.default_rng(1)
    start, gradients, lr = (
        generator.standard_normal((2, 5)),
        generator.standard_normal((3, 2, 5)),
        np.array([0.1, 0.02]),
    )
    weights, mean, square = (torch.tensor(each) for each in (start, 0 * start, 0 * start))
    for t, gradient in enumerate(gradients, start=1):
        size, root = lr / (1 - BETA1**t), np.full(2, np.sqrt(1 - BETA2**t))
        scales = (torch.tensor(each) for each in (np.ones(2), size, root, 1 - lr * 0.3))
        optimizer.update_reference(weights, torch.tensor(gradient), mean, square, *scales)
    for found, value in zip((weights, mean, square), adam(start, gradients, lr=lr, decay=0.3), strict=True):
        np.testing.assert_allclose(found.numpy(), value, rtol=1e-9)


def test_models_keep_their_own_moments():
    state = optimizer.AdamState(torch.arange(6.0).view(3, 2), torch.arange(6.0, 12.0).view(3, 2), np.array([4, 5, 6]))
    kept = optimizer.keep(state, [2, 0])
    assert kept.mean.tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert kept.square.tolist() == [[10.0, 11.0], [6.0, 7.0]]
    assert kept.steps.tolist() == [6, 4]


class Batches:
    """Two steps an epoch."""

    def epoch(self):
        return [np.arange(2), np.arange(2)]


def test_a_cosine_falls_from_step_to_step():
    clock = Clock(Batches(), Fit(epochs=4, lr=2.0, schedule="cosine"))
    rates = []
    for _ in range(4):
        for _ in range(2):
            rates.append(clock.lr)
            clock.next_batch()
            ended = clock.add_loss(1.0)
        assert ended
        clock.end_epoch(math.nan)
    assert rates == pytest.approx([1 + math.cos(math.pi * step / 8) for step in range(8)])
    assert Clock(Batches(), Fit(lr=2.0)).lr == 2.0


def test_a_job_stops_when_validation_has_not_fallen_for_as_long_as_its_patience():
    clock = Clock(Batches(), Fit(epochs=10, patience=2))
    ends = []
    for validation in (5.0, 3.0, 4.0, 2.0, 2.5, 2.0):
        for step in (1.0, 4.0):
            clock.next_batch()
            clock.add_loss(step * validation)
        ends.append(clock.end_epoch(validation))
    assert ends == [(True, False), (True, False), (False, False), (True, False), (False, False), (False, True)]
    assert (clock.best_loss, clock.best_epoch) == (2.0, 4)
    assert clock.losses == [(2.5 * each, each) for each in (5.0, 3.0, 4.0, 2.0, 2.5, 2.0)]


def test_without_validation_the_last_epoch_is_the_best():
    clock = Clock(Batches(), Fit(epochs=2, patience=1))
    assert [clock.end_epoch(math.nan), clock.end_epoch(math.nan)] == [(True, False), (True, True)]


def test_scalings_know_the_training_part_alone(job):
    inputs, outcomes = scalings(job, SquaredError())
    seen = job.samples.inputs[job.fold.train.array]
    assert len(job.fold.valid) > 20
    np.testing.assert_allclose(inputs.shift, seen.mean(axis=0))
    np.testing.assert_allclose(inputs.scale, seen.std(axis=0))
    learnt = job.samples.outcomes[job.train_rows]
    assert (outcomes.shift[0], outcomes.scale[0]) == pytest.approx((learnt.mean(), learnt.std()))


def sampler_of(job):
    blueprint = MODEL.blueprint(NextReturn())
    return Sampler(job, blueprint, *scalings(job, blueprint.head))


def test_an_epoch_shuffles_the_training_rows_and_validation_has_its_own(job):
    sampler = sampler_of(job)
    first, second = (np.concatenate(sampler.epoch()) for _ in range(2))
    assert np.sort(first).tolist() == job.train_rows.tolist() == np.sort(second).tolist()
    assert first.tolist() != second.tolist() and first.tolist() != job.train_rows.tolist()
    assert sampler.validation().tolist() == job.valid_rows.tolist()


def test_a_batch_that_is_not_full_counts_what_is_in_it(job):
    sampler = sampler_of(job)
    ((x, y, weight),) = Batch(1, sampler, 8, CPU).arrays
    sampler.fill_training(job.train_rows[:8], x, y, weight)
    assert weight.ravel().tolist() == [1.0] * 8
    rows = job.train_rows[10:13]
    sampler.fill_training(rows, x, y, weight)
    assert weight.ravel().tolist() == [1.0] * 3 + [0.0] * 5
    inputs, outcomes = scalings(job, SquaredError())
    for place, row in enumerate(rows):
        np.testing.assert_allclose(
            x[:, :, place], inputs.apply(job.samples.inputs[row - 3 : row + 1]), rtol=1e-5, atol=1e-5
        )
        assert y[place, 0, 0] == pytest.approx(outcomes.apply(job.samples.lessons[row])[0], rel=1e-5)
    assert not x[:, :, 3:].any()


def test_the_loss_is_a_mean_over_what_counts():
    terms = torch.tensor([[1.0, 2.0], [30.0, 5.0]]).view(1, 1, 2, 2)  # (N, S, B, tail)
    weight = torch.tensor([[1.0, 1.0], [0.0, 3.0]]).view(2, 2, 1)  # (B, tail, N)
    assert loss(SquaredError(), terms, weight).item() == pytest.approx((1 + 2 + 3 * 5) / 5)


def test_masks_move_from_step_to_step_and_losses_must_be_finite(job):
    fleet = _Fleet([job], MODEL.blueprint(NextReturn()), device=CPU)
    before = fleet._mixed(1)
    assert before.tolist() == ((fleet.keys + 0x85EBCA6B) & 0x7FFFFFFF).tolist()
    fleet.steps = 3
    assert fleet._mixed(1).tolist() == ((fleet.keys + 3 * 0x9E3779B1 + 0x85EBCA6B) & 0x7FFFFFFF).tolist()
    for value in (math.nan, math.inf):
        with pytest.raises(ConfigError, match=f"is {value} after 3 steps"):
            fleet._note(0, value)


def test_the_weights_kept_are_those_of_the_best_epoch(job):
    blueprint = MODEL.blueprint(NextReturn())
    (whole,) = train([job], blueprint)
    best = int(np.argmin(whole.losses[:, 1])) + 1
    assert best < len(whole.losses)  # it went on, and got worse
    shorter = replace(blueprint, fit=replace(blueprint.fit, epochs=best))
    (again,) = train([job], shorter)
    assert np.array_equal(again.losses, whole.losses[:best])
    assert all(torch.equal(again.weights[name], value) for name, value in whole.weights.items())
