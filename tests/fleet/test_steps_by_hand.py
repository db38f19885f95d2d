"""One step of training by hand: the optimiser, the clock of a job, its scalings, its batches and its loss."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from candlecast.dataset.folds import Fold, WalkForward
from candlecast.errors import ConfigError
from candlecast.features import Features, log_range, log_return
from candlecast.fleet import job_progress, optimizer
from candlecast.fleet.batching import Batch, Sampler, scalings
from candlecast.fleet.building import build
from candlecast.fleet.losses import loss
from candlecast.fleet.settings import Fit
from candlecast.fleet.trainer import Fleet, _step_seeds, init, step, train
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
    state, place = optimizer.start(weights), torch.empty_like(weights)
    made = optimizer.Adam(weights, place, state, weight_decay=0.2, clip=clip)
    for gradient in gradients:
        place.copy_(torch.tensor(gradient))
        made.begin(lr)
        made.step()
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
        scales = [torch.tensor(each) for each in (np.ones(2), size, root, 1 - lr * 0.3)]
        optimizer.update_reference(weights, torch.tensor(gradient), mean, square, scales=scales)
    for found, value in zip((weights, mean, square), adam(start, gradients, lr=lr, decay=0.3), strict=True):
        np.testing.assert_allclose(found.numpy(), value, rtol=1e-9)


def test_models_keep_their_own_moments():
    state = optimizer.AdamState(torch.arange(6.0).view(3, 2), torch.arange(6.0, 12.0).view(3, 2), np.array([4, 5, 6]))
    kept = optimizer.keep(state, [2, 0])
    assert kept.mean.tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert kept.square.tolist() == [[10.0, 11.0], [6.0, 7.0]]
    assert kept.steps.tolist() == [6, 4]


def test_a_chunk_is_as_long_as_the_training_part_warrants():
    """16 bars up to 512 steps an epoch of 16 sequences each, then 32, then 64."""
    rows = [1, 131_072, 131_073, 262_144, 262_145, 10**8]
    assert [Fit().chunk_of(each) for each in rows] == [16, 16, 32, 32, 64, 64]
    assert [Fit(batch=32).chunk_of(each) for each in rows] == [16, 16, 16, 16, 32, 64]
    assert {Fit(chunk=24).chunk_of(each) for each in rows} == {24}
    assert (Fit().longest_chunk, Fit(chunk=24).longest_chunk) == (64, 24)


BATCHES = [np.arange(2), np.arange(2)]  # two steps an epoch


def test_a_cosine_falls_from_step_to_step():
    fit = Fit(epochs=4, lr=2.0, schedule="cosine")
    progress, rates = job_progress.start(BATCHES), []
    for _ in range(4):
        for _ in range(2):
            assert not progress.is_epoch_over
            rates.append(job_progress.step_size(progress, fit))
            progress = job_progress.step(progress, 1.0)
        assert progress.is_epoch_over
        progress, _ = job_progress.end_epoch(progress, math.nan, fit)
        progress = job_progress.next_epoch(progress, BATCHES)
    assert rates == pytest.approx([1 + math.cos(math.pi * step / 8) for step in range(8)])
    assert job_progress.step_size(job_progress.start(BATCHES), Fit(lr=2.0)) == 2.0


def test_a_job_stops_when_validation_has_not_fallen_for_as_long_as_its_patience():
    fit = Fit(epochs=10, patience=2)
    progress, ends = job_progress.start(BATCHES), []
    for validation in (5.0, 3.0, 4.0, 2.0, 2.5, 2.0):
        progress = job_progress.next_epoch(progress, BATCHES)
        for share in (1.0, 4.0):
            progress = job_progress.step(progress, share * validation)
        progress, epoch = job_progress.end_epoch(progress, validation, fit)
        ends.append((epoch.is_best, epoch.is_last))
    assert ends == [(True, False), (True, False), (False, False), (True, False), (False, False), (False, True)]
    assert (progress.best_loss, progress.best_epoch) == (2.0, 4)
    assert list(progress.losses) == [(2.5 * each, each) for each in (5.0, 3.0, 4.0, 2.0, 2.5, 2.0)]


def test_without_validation_the_last_epoch_is_the_best():
    fit = Fit(epochs=2, patience=1)
    first, epoch = job_progress.end_epoch(job_progress.start(BATCHES), math.nan, fit)
    assert epoch == (True, False)
    _, epoch = job_progress.end_epoch(job_progress.next_epoch(first, BATCHES), math.nan, fit)
    assert epoch == (True, True)


def test_scalings_know_the_training_part_alone(job):
    inputs, outcomes = scalings(job, SquaredError())
    seen = job.samples.inputs[job.fold.train.array]
    assert len(job.fold.valid) > 20
    np.testing.assert_allclose(inputs.shift, seen.mean(axis=0))
    np.testing.assert_allclose(inputs.scale, seen.std(axis=0))
    learnt = job.samples.outcomes[job.train_rows]
    assert (outcomes.shift[0], outcomes.scale[0]) == pytest.approx((learnt.mean(), learnt.std()))


def sampler_of(job):
    spec = MODEL.net_spec(NextReturn())
    return Sampler(job, spec, *scalings(job, spec.head))


def test_an_epoch_shuffles_the_training_rows_and_validation_has_its_own(job):
    sampler = sampler_of(job)
    first, second = (np.concatenate(sampler.epoch()) for _ in range(2))
    assert np.sort(first).tolist() == job.train_rows.tolist() == np.sort(second).tolist()
    assert first.tolist() != second.tolist() and first.tolist() != job.train_rows.tolist()
    assert sampler.validation().tolist() == job.valid_rows.tolist()


def test_seeds_of_a_fold_share_what_does_not_depend_on_the_seed(job):
    other = replace(job, seed=job.seed + 1)
    alone, shared = sampler_of(other), sampler_of(job).again(other)
    for first, second in zip(alone.epoch(), shared.epoch(), strict=True):
        assert np.array_equal(first, second)
    spec = MODEL.net_spec(NextReturn())
    again = Fold(job.fold.index, job.fold.train, job.fold.valid, job.fold.test)
    fleet = Fleet.of([job, other, replace(job, fold=again)], spec, build(spec, job, 2), device=CPU)
    (one, pair, linear), (two, *others), (third, *_) = zip(
        fleet.samplers, fleet.scalings, fleet.linear_parts, strict=True
    )
    assert one._y is two._y and one._generator is not two._generator and others == [pair, linear]
    assert third._y is not one._y and np.array_equal(third._y, one._y)


def test_a_batch_that_is_not_full_counts_what_is_in_it(job):
    sampler = sampler_of(job)
    (slot,) = Batch(1, sampler.shape, 8, CPU).slots
    x, y, weight = slot
    sampler.fill(sampler.train, job.train_rows[:8], slot)
    assert weight.ravel().tolist() == [1.0] * 8
    rows = job.train_rows[10:13]
    sampler.fill(sampler.train, rows, slot)
    assert weight.ravel().tolist() == [1.0] * 3 + [0.0] * 5
    inputs, outcomes = scalings(job, SquaredError())
    for place, row in enumerate(rows):
        np.testing.assert_allclose(
            x[:, :, place], inputs.apply(job.samples.inputs[row - 3 : row + 1]), rtol=1e-5, atol=1e-5
        )
        assert y[place, 0, 0] == pytest.approx(outcomes.apply(job.samples.y[row])[0], rel=1e-5)
    assert not x[:, :, 3:].any()


def test_the_loss_is_a_mean_over_what_counts():
    terms = torch.tensor([[1.0, 2.0], [30.0, 5.0]]).view(1, 1, 2, 2)  # (N, S, B, tail)
    weight = torch.tensor([[1.0, 1.0], [0.0, 3.0]]).view(2, 2, 1)  # (B, tail, N)
    assert loss(SquaredError(), terms, weight).item() == pytest.approx((1 + 2 + 3 * 5) / 5)


class Learner:
    """Each loss is a given value. Keeps the seeds that it is given."""

    def __init__(self, value: float) -> None:
        self.value, self.seeds = value, []

    def learn(self, seeds):
        self.seeds.append(seeds)
        return [self.value for _ in seeds]


def test_masks_move_from_step_to_step_and_losses_must_be_finite(job):
    spec = MODEL.net_spec(NextReturn())
    fleet = Fleet.of([job], spec, build(spec, job, job.samples.inputs.shape[1]), device=CPU)
    state = init(fleet)
    before = _step_seeds(state, 1)
    assert before.tolist() == ((state.seeds + 0x85EBCA6B) & 0x7FFFFFFF).tolist()
    state = state._replace(steps=3)
    after = ((state.seeds + 3 * 0x9E3779B1 + 0x85EBCA6B) & 0x7FFFFFFF).tolist()
    assert _step_seeds(state, 1).tolist() == after != before.tolist()
    for value in (math.nan, math.inf):
        learner = Learner(value)
        with pytest.raises(ConfigError, match=f"is {value} after 3 steps"):
            step(fleet, state._replace(steps=2, learner=learner))
        source = len(fleet.dropout_keys) * 0x85EBCA6B
        assert learner.seeds == [((state.seeds + 2 * 0x9E3779B1 + source) & 0x7FFFFFFF).tolist()]


def test_the_weights_kept_are_those_of_the_best_epoch(job):
    spec = MODEL.net_spec(NextReturn())
    (whole,) = train([job], spec)
    best = int(np.argmin(whole.losses[:, 1])) + 1
    assert best < len(whole.losses)  # it went on, and got worse
    shorter = replace(spec, fit=replace(spec.fit, epochs=best))
    (again,) = train([job], shorter)
    assert np.array_equal(again.losses, whole.losses[:best])
    assert all(torch.equal(again.weights[name], value) for name, value in whole.weights.items())
