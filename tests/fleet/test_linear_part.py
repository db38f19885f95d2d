"""The linear part of nets and how much of a net is kept: by hand, on worlds with and without an edge, and restored."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from candlecast.dataset.folds import Holdout, WalkForward
from candlecast.features import Features, Scaling, log_range, log_return
from candlecast.fleet.batching import Sampler, linear_part, scalings
from candlecast.fleet.linear_part import BLOCKS, PENALTIES, LinearPart, shrinkage
from candlecast.fleet.settings import Fit
from candlecast.heads import Bernoulli, Gaussian, Labels, Quantiles, SquaredError, StudentT
from candlecast.heads.classes import inside
from candlecast.models import GRU, LSTM, MinGRU, Policy, Pooled, Torch
from candlecast.recipes import describe, restore
from candlecast.sources import synthetic
from candlecast.study.presets import tutorial
from candlecast.targets import Direction, NextReturn, Several, Volatility
from candlecast.walkforward import plan_jobs

FEATURES = Features(log_return(), log_range(), log_return(5))
SHORT = Fit(epochs=2, lr=3e-3)


def job_of(world, model=None, *, target=None, folds=None):
    (job,) = plan_jobs(
        model or LSTM(hidden=4, window=4),
        world.candles,
        features=FEATURES,
        target=target,
        folds=folds or WalkForward(folds=1),
    )
    return job


def part_of(job, model=None) -> LinearPart:
    spec = (model or LSTM(hidden=4, window=4)).net_spec(job.samples.target)
    found = linear_part(job, spec, *scalings(job, spec.head))
    assert found is not None
    return found


def test_shrinkage_by_hand():
    assert shrinkage(20.0, 20.0, 1.0) == pytest.approx(1 - 1 / 20)
    assert shrinkage(10.0, 20.0, 1.0) == pytest.approx(0.5 * (1 - 20 / 100))
    assert shrinkage(40.0, 20.0, 1.0) == pytest.approx(1 - 20 / 1600)  # no slope above 1
    assert shrinkage(10.0, 20.0, 1.0, doubt=5.0) == 0.0
    assert shrinkage(-1.0, 20.0, 1.0) == shrinkage(0.0, 0.0, 1.0) == 0.0


def test_a_strong_signal_is_the_regression_of_all_rows():
    world = synthetic.ar1(1_500, seed=1, phi=0.6)
    job = job_of(world)
    part = part_of(job)
    inputs, outcomes = scalings(job, SquaredError())
    rows = np.concatenate([job.train_rows, job.valid_rows])
    x = np.column_stack([np.ones(len(rows)), inputs.apply(job.samples.inputs[rows])])
    exact = np.linalg.lstsq(x, outcomes.apply(job.samples.y[rows]), rcond=None)[0]
    np.testing.assert_allclose(part.weights[0], exact[1], rtol=0.03)
    assert abs(part.weights[1:]).max() < 0.1


def test_a_weak_signal_is_the_ridge_regression_times_what_its_forecasts_of_other_blocks_earn():
    world = synthetic.ar1(900, seed=7, phi=0.2)
    job = job_of(world)
    part = part_of(job)
    inputs, outcomes = scalings(job, SquaredError())
    rows = np.sort(np.concatenate([job.train_rows, job.valid_rows]))
    x, y = inputs.apply(job.samples.inputs[rows]), outcomes.apply(job.samples.y[rows])[:, 0]
    bounds = np.linspace(0, len(y), BLOCKS + 1).astype(int)

    def ridge(chosen, penalty):
        about = x[chosen] - x[chosen].mean(axis=0)
        square = about.T @ about + penalty * chosen.sum() * np.eye(x.shape[1])
        return np.linalg.solve(square, about.T @ (y[chosen] - y[chosen].mean()))

    best = None
    for penalty in PENALTIES:
        product = square = total = 0.0
        for first, last in itertools.pairwise(bounds):
            others = np.ones(len(y), dtype=bool)
            others[max(first - 1, 0) : last + 1] = False
            said = (x[first:last] - x[others].mean(axis=0)) @ ridge(others, penalty)
            outcome = y[first:last] - y[others].mean()
            product, square, total = product + said @ outcome, square + said @ said, total + outcome @ outcome
        gain = 2 * product - square
        if best is None or gain > best[0]:
            best = gain, penalty, shrinkage(product, square, (total - gain) / len(y))
    assert 0.05 < best[2] < 0.95
    np.testing.assert_allclose(part.weights[:, 0], best[2] * ridge(np.ones(len(y), dtype=bool), best[1]), rtol=1e-8)


def test_nothing_is_said_where_nothing_is_learnt():
    """On random walks regressions and nets are zero in most trainings, and what is left is small."""
    shares, weights, levels = [], [], []
    for seed in range(8):
        job = job_of(synthetic.random_walk(800, seed=seed))
        net = next(iter(LSTM(hidden=4, window=4, training=SHORT).fit([job])))
        shares.append(net.kept[0])
        weights.append(np.abs(net.linear.weights).max())
        levels.append(abs(net.outcomes.undo(net.linear.constant)[0]))
    assert sum(share == 0.0 for share in shares) >= 5
    assert sum(weight == 0.0 for weight in weights) >= 4 and max(weights) < 0.2
    assert sum(level < 1e-12 for level in levels) >= 3  # a mean within its standard error is none


def test_no_row_after_the_training_part_is_read():
    world = synthetic.ar1(900, seed=3, phi=0.3)
    job = job_of(world)
    inputs, y = job.samples.inputs.copy(), job.samples.y.copy()
    last = job.fold.fit.last
    inputs[last + 1 :] = 7.0
    y[last + 1 :] = -7.0
    other = replace(job, samples=replace(job.samples, inputs=inputs, y=y))
    one, two = part_of(job), part_of(other)
    assert np.array_equal(one.weights, two.weights) and np.array_equal(one.constant, two.constant)


def test_a_row_is_forecast_to_the_same_bits_alone_and_among_others():
    generator = np.random.default_rng(0)
    part = LinearPart(generator.normal(size=2), generator.normal(size=(9, 2)))
    x = generator.normal(size=(1_001, 9))
    whole = part.forecast(x)
    assert all(np.array_equal(part.forecast(x[row : row + 1])[0], whole[row]) for row in range(0, 1_001, 77))
    np.testing.assert_allclose(whole, part.constant + x @ part.weights)


def test_rows_that_are_scaled_part_by_part_have_the_same_bits(monkeypatch):
    monkeypatch.setattr("candlecast.fleet.linear_part.PART", 7)
    generator = np.random.default_rng(0)
    part = LinearPart(generator.normal(size=2), generator.normal(size=(4, 2)))
    x, scaling = generator.normal(size=(30, 4)), Scaling(generator.normal(size=4), generator.uniform(1, 2, 4))
    x[[0, 3, 11], [0, 1, 2]] = np.nan, np.inf, -np.inf
    expected = part.forecast((x - scaling.shift) / scaling.scale)
    assert np.array_equal(part.of(x, scaling), expected)
    rows = np.array([2, 3, 5, 8, 11, 12, 20, 21, 29])
    assert np.array_equal(part.of(x, scaling, rows), expected[rows])


HEADS = [SquaredError(), Gaussian(), StudentT(), Quantiles((0.1, 0.5, 0.9))]


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
def test_forecast_is_linear_part_and_what_is_kept_of_the_net(head):
    world = synthetic.ar1(700, seed=5, phi=0.5)
    model = GRU(hidden=4, window=4, training=replace(SHORT, sampling="windows"), head=head)
    job = job_of(world, model)
    net = next(iter(model.fit([job])))
    rows = job.test_rows
    half = replace(net, kept=np.array([0.5]))
    alone = replace(net, kept=np.array([0.0]))
    whole, some, none = (each.forecast(job.samples, rows) for each in (replace(net, kept=None), half, alone))
    np.testing.assert_allclose(some.mean, (whole.mean + none.mean) / 2, atol=1e-12)
    scaled = net.inputs.apply(job.samples.inputs[rows])
    np.testing.assert_allclose(none.mean, net.outcomes.undo(net.linear.forecast(scaled))[:, 0], atol=1e-12)
    for name, column in whole.columns.items():  # the distribution moves with its location, and keeps its shape
        moved = 0.0 if name == "sigma" else none.mean - whole.mean
        np.testing.assert_allclose(none.columns[name], column + moved, atol=1e-12)
    again = model.restore(job, net.tensors())
    assert np.array_equal(again.forecast(job.samples, rows).mean, net.forecast(job.samples, rows).mean)


def test_several_targets_have_parts_of_their_own():
    world = synthetic.ar1(900, seed=6, phi=0.5)
    target = Several(NextReturn(1), NextReturn(3))
    model = LSTM(hidden=4, window=4, training=SHORT)
    job = job_of(world, model, target=target)
    net = next(iter(model.fit([job])))
    assert net.linear.weights.shape == (3, 2) and net.kept.shape == (2,)
    own = part_of(job_of(world, model, target=NextReturn(1), folds=WalkForward(folds=1, purge=3)), model)
    np.testing.assert_allclose(net.linear.weights[:, 0], own.weights[:, 0], rtol=0.2, atol=0.02)


def test_who_adds_to_a_linear_part():
    assert LSTM().training.linear is True and MinGRU().training.shrink is True
    assert Policy().training.linear is False and Torch(lambda inputs: None).training.shrink is False
    assert LSTM(training=Fit(linear=False)).training.linear is False
    for head, adds in ((Bernoulli(), True), (Bernoulli(balanced=True), False), (Labels(), False)):
        spec = LSTM(head=head).net_spec(Direction())
        assert (spec.adds_linear, spec.is_shrunk) == (adds, adds)
    preset = tutorial().model
    assert (preset.training.linear, preset.training.shrink) == (False, False)


def test_a_chance_is_what_the_regression_and_the_net_say_together():
    world = synthetic.ar1(900, seed=5, phi=0.4)
    model = GRU(hidden=4, window=4, training=replace(SHORT, sampling="windows"))
    job = job_of(world, model, target=Direction())
    net = next(iter(model.fit([job])))
    rows = job.test_rows
    q = net.linear.forecast(net.inputs.apply(job.samples.inputs[rows]))[:, 0]
    shift = net.outcomes.shift[0]
    none, half, whole = (
        replace(net, kept=np.array([kept])).forecast(job.samples, rows).mean for kept in (0.0, 0.5, 1.0)
    )
    np.testing.assert_allclose(none, inside(q + shift), atol=1e-12)
    is_plain = (np.minimum(none, whole) > 0.05) & (np.maximum(none, whole) < 0.95)
    np.testing.assert_allclose(half[is_plain], (none + whole)[is_plain] / 2, atol=1e-12)
    np.testing.assert_allclose(whole, replace(net, kept=None).forecast(job.samples, rows).mean, atol=1e-12)
    learnt = Sampler(job, net.spec, net.inputs, net.outcomes, net.linear)._y[job.train_rows, 0]
    y = net.outcomes.apply(job.samples.y[job.train_rows])[:, 0]
    by_regression = net.linear.of(job.samples.inputs, net.inputs, job.train_rows)[:, 0]
    np.testing.assert_allclose(learnt, y - by_regression + 0.5, atol=1e-6)
    assert is_plain.sum() > 50 and np.ptp(q) > 0.1 and whole.min() > 0.0 and whole.max() < 1.0
    again = model.restore(job, net.tensors())
    assert np.array_equal(again.forecast(job.samples, rows).mean, net.forecast(job.samples, rows).mean)


def test_a_net_that_was_trained_without_a_regression_forecasts_its_own_chance():
    world = synthetic.ar1(600, seed=5, phi=0.4)
    model = GRU(hidden=4, window=4, training=replace(SHORT, sampling="windows"))
    job = job_of(world, model, target=Direction())
    net = next(iter(model.fit([job])))
    earlier = {name: value for name, value in net.tensors().items() if name != "kept" and not name.startswith("linear")}
    alone = model.restore(job, earlier)
    outputs = alone._outputs(job.samples, job.test_rows)[:, 0]
    expected = 1 / (1 + np.exp(-outputs)) + net.outcomes.shift[0]
    np.testing.assert_allclose(alone.forecast(job.samples, job.test_rows).mean, expected, atol=1e-12)


def test_recipes_of_earlier_versions_forecast_alone():
    described = describe(LSTM())
    old = {name: value for name, value in described["training"].items() if name not in ("linear", "shrink")}
    restored = restore(described | {"training": old})
    assert (restored.training.linear, restored.training.shrink) == (False, False)
    assert restore(described) == LSTM()


def test_without_validation_the_net_is_kept_whole():
    world = synthetic.ar1(600, seed=7, phi=0.5)
    model = LSTM(hidden=4, window=4, training=SHORT)
    net = next(iter(model.fit([job_of(world, model, folds=Holdout(0.8))])))
    assert net.kept is None and net.linear is not None


def test_volatility_is_learnt_beyond_the_regression():
    world = synthetic.garch(3_000, seed=8, alpha=0.3, beta=0.6)
    model = LSTM(hidden=8, window=16, training=Fit(epochs=30, lr=1e-2, batch=4))
    job = job_of(world, model, target=Volatility())
    net = next(iter(model.fit([job])))
    rows = job.test_rows[job.samples.is_known[job.test_rows]]
    outcome = job.samples.outcomes[rows]
    own, linear = (
        float(np.mean((each.forecast(job.samples, rows).mean - outcome) ** 2))
        for each in (net, replace(net, kept=np.zeros(1)))
    )
    assert net.kept[0] > 0.3 and own < linear


def test_a_pool_keeps_one_share_for_all():
    worlds = [replace(synthetic.ar1(600, seed=seed, phi=0.4).candles, symbol=f"A{seed}") for seed in (1, 2)]
    model = Pooled(LSTM(hidden=4, window=4, training=SHORT))
    jobs = plan_jobs(model, worlds, features=FEATURES, folds=WalkForward(folds=1))
    one, two = model.fit(jobs)
    assert np.array_equal(one.net.kept, two.net.kept)
    for fitted in (one, two):
        again = model.restore(fitted.job, fitted.tensors())
        rows = fitted.job.test_rows
        assert np.array_equal(
            again.forecast(fitted.job.samples, rows).mean, fitted.forecast(fitted.job.samples, rows).mean
        )
        momentum = np.corrcoef(fitted.forecast(fitted.job.samples, rows).mean, fitted.job.samples.inputs[rows, 0])[0, 1]
        assert momentum > 0.8
