"""Heads: their losses are those of the distributions they name, and what they say is what a net was taught."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy import stats as scipy_stats

from candlecast.dataset.folds import WalkForward
from candlecast.dataset.prediction import quantile_column, quantile_level
from candlecast.errors import ConfigError
from candlecast.features import Features, Standard, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.heads import (
    AbsoluteError,
    Bernoulli,
    Gaussian,
    Huber,
    Labels,
    Quantiles,
    SquaredError,
    StudentT,
    usual_head,
)
from candlecast.models import GRU, LSTM, DLinear
from candlecast.recipes import describe, restore
from candlecast.sources import synthetic
from candlecast.targets import Direction, NextReturn, Several, TripleBarrier
from candlecast.walkforward import plan_jobs

HEADS = {
    "value": (SquaredError(), AbsoluteError(), Huber(0.7), Gaussian(), StudentT(5.0), Quantiles((0.1, 0.5, 0.9))),
    "probability": (Bernoulli(), Bernoulli(balanced=True)),
    "label": (Labels(), Labels(balanced=True), Labels(ordinal=True), Labels(ordinal=True, balanced=True)),
}
TARGETS = {"value": NextReturn(), "probability": Direction(), "label": TripleBarrier(3)}
EVERY = [(head, TARGETS[kind]) for kind, heads in HEADS.items() for head in heads]
LSTM_BY = {
    "windows": Fit(epochs=2, batch=32, sampling="windows"),
    "sequence": Fit(epochs=2, batch=8, chunk=8, sampling="sequence"),
}
FEATURES = Features(log_return(), log_range())
named = pytest.mark.parametrize(
    ("head", "target"), EVERY, ids=lambda each: repr(each) if hasattr(each, "kinds") else ""
)


def values_of(head, outputs, y):
    """Terms of one target at single steps: outputs (rows, O) and y (rows,)."""
    return head.terms(outputs[:, None, None], y[:, None, None])[:, 0, 0, 0]


def draw(rows, columns, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2


def test_point_errors():
    outputs, y = torch.tensor([[1.0], [1.0], [-2.0]]), torch.tensor([1.5, 4.0, -2.0])
    torch.testing.assert_close(values_of(SquaredError(), outputs, y), torch.tensor([0.25, 9.0, 0.0]))
    torch.testing.assert_close(values_of(AbsoluteError(), outputs, y), torch.tensor([0.5, 3.0, 0.0]))
    reference = torch.nn.functional.huber_loss(outputs[:, 0], y, reduction="none", delta=0.8)
    torch.testing.assert_close(values_of(Huber(0.8), outputs, y), reference)


def test_normal_and_student_are_log_densities_up_to_a_constant():
    outputs, y = draw(50, 2), draw(50, 1, seed=1)[:, 0]
    spread = torch.nn.functional.softplus(outputs[:, 1]) + 1e-3
    normal = torch.distributions.Normal(outputs[:, 0], spread)
    constant = 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(values_of(Gaussian(), outputs, y) + constant, -normal.log_prob(y))
    student = torch.distributions.StudentT(5.0, outputs[:, 0], spread)
    constant = -scipy_stats.t(5.0).logpdf(0.0)
    torch.testing.assert_close(values_of(StudentT(5.0), outputs, y) + constant, -student.log_prob(y))


@named
@pytest.mark.parametrize("size", [1.0, 50.0])
def test_slopes_are_the_derivatives_of_the_terms(head, target, size):
    outputs = (size * draw(120, head.outputs)).reshape(30, 2, 2, head.outputs)
    y = {
        "value": draw(120, 1, seed=1)[:, 0],
        "probability": torch.arange(120) % 2,
        "label": torch.arange(120) % 3 - 1.0,
    }
    y = y[target.kind].double().reshape(30, 2, 2)
    outputs[0, 0], y[0, 0] = 0.0, 0.0  # a tie, as before training
    outputs.requires_grad_()
    terms = head.terms(outputs, y)
    (expected,) = torch.autograd.grad(terms.sum(), outputs)
    found, slopes = head.slopes(outputs.detach().numpy(), y.numpy())
    np.testing.assert_allclose(found, terms[..., 0].detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(slopes, expected.numpy(), rtol=1e-7, atol=1e-12)


def test_what_normal_and_student_say_is_in_the_targets_units():
    outputs = draw(20, 2).numpy()
    spread = 3.0 * (np.logaddexp(0, outputs[:, 1]) + 1e-3)
    normal = Gaussian().predict(outputs, shift=7.0, scale=3.0)
    np.testing.assert_allclose(normal.mean, 7 + 3 * outputs[:, 0])
    np.testing.assert_allclose(normal.columns["sigma"], spread)
    student = StudentT(5.0).predict(outputs, shift=7.0, scale=3.0)
    reference = scipy_stats.t(5.0, loc=7 + 3 * outputs[:, 0], scale=spread)
    np.testing.assert_allclose(student.columns["sigma"], reference.std())
    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        np.testing.assert_allclose(student.columns[quantile_column(level)], reference.ppf(level))


def test_quantiles_are_charged_by_pinball():
    head = Quantiles((0.1, 0.5, 0.9))
    outputs = torch.tensor([[0.0, math.log(math.e - 1), math.log(math.e - 1)]], dtype=torch.float64)  # 0, 1, 2
    # at y = 1.5: 0.1 x 1.5, 0.5 x 0.5, 0.1 x 0.5
    torch.testing.assert_close(
        values_of(head, outputs, torch.tensor([1.5])), torch.tensor([0.45 / 3], dtype=torch.float64)
    )
    said = head.predict(outputs.numpy(), shift=10.0, scale=2.0)
    np.testing.assert_allclose([said.columns[name][0] for name in ("q10", "q50", "q90")], [10, 12, 14])
    assert said.mean[0] == pytest.approx(12)
    assert Quantiles((0.2, 0.6)).predict(outputs[:, :2].numpy(), shift=0.0, scale=1.0).mean[0] == pytest.approx(0.5)


@given(st.lists(st.floats(-1e3, 1e3), min_size=5, max_size=5), st.floats(1e-6, 1e6))
def test_quantiles_never_cross(outputs, scale):
    said = Quantiles().predict(np.array([outputs]), shift=0.0, scale=scale).columns
    assert (np.diff([said[name][0] for name in ("q05", "q25", "q50", "q75", "q95")]) >= 0).all()


@given(st.lists(st.floats(-700, 700), min_size=3, max_size=3), st.booleans())
def test_chances_sum_to_one(outputs, is_ordinal):
    head = Labels(ordinal=is_ordinal)
    said = head.predict(np.array([outputs[: head.outputs]]), shift=0.0, scale=1.0)
    chances = np.array([said.columns[name][0] for name in ("p_down", "p_flat", "p_up")])
    assert chances.sum() == pytest.approx(1.0, abs=1e-12)
    assert (chances >= 0).all()
    assert said.mean[0] == pytest.approx(chances[2] - chances[0], abs=1e-12)


@pytest.mark.parametrize("head", HEADS["label"][::2], ids=repr)
def test_labels_are_charged_by_the_chance_they_were_given(head):
    outputs, y = draw(60, head.outputs), torch.tensor([-1.0, 0.0, 1.0] * 20)
    said = head.predict(outputs.numpy(), shift=0.0, scale=1.0).columns
    chances = np.column_stack([said[name] for name in ("p_down", "p_flat", "p_up")])
    expected = -np.log(chances[np.arange(60), y.long().numpy() + 1])
    np.testing.assert_allclose(values_of(head, outputs, y).numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("size", [60.0, 1e4])
@pytest.mark.parametrize("head", [Bernoulli(), *HEADS["label"][::2], Gaussian(), StudentT(), Quantiles()], ids=repr)
def test_extreme_outputs_have_finite_losses_and_slopes(head, size):
    for sign in (-1.0, 1.0):
        for y in {"probability": (0.0, 1.0), "label": (-1.0, 0.0, 1.0)}.get(next(iter(head.kinds)), (0.3,)):
            outputs = torch.full((1, head.outputs), sign * size, requires_grad=True)
            loss = values_of(head, outputs, torch.tensor([y])).sum()
            loss.backward()
            assert torch.isfinite(loss)
            assert torch.isfinite(outputs.grad).all()


def test_a_step_that_has_shrunk_to_nothing_can_grow_again():
    outputs = torch.tensor([[0.0, -40.0]], requires_grad=True)
    values_of(Labels(ordinal=True), outputs, torch.tensor([0.0])).sum().backward()
    assert outputs.grad[0, 1] == pytest.approx(-1.0)


def test_chance_is_cross_entropy():
    outputs, y = draw(30, 1), (draw(30, 1, seed=2)[:, 0] > 0).double()
    reference = -torch.distributions.Bernoulli(logits=outputs[:, 0]).log_prob(y)
    torch.testing.assert_close(values_of(Bernoulli(), outputs, y), reference)
    np.testing.assert_allclose(
        Bernoulli().predict(outputs.numpy(), shift=0.0, scale=1.0).mean, torch.sigmoid(outputs[:, 0]).numpy()
    )
    moved = Bernoulli().predict(np.array([[0.0], [30.0]]), shift=0.1, scale=1.0).mean  # never above 1
    np.testing.assert_allclose(moved, [0.6, 1.0])


@named
def test_double_precision_stays(head, target):
    y = torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert values_of(head, draw(2, head.outputs), y).dtype == torch.float64


def learnt(head, y, weight=None, steps=300):
    """Outputs of a constant net that a head taught."""
    outputs = torch.zeros(head.outputs, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([outputs], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    weight = torch.ones_like(y) if weight is None else weight
    for _ in range(steps):
        optimizer.zero_grad()
        means = (head.terms(outputs.expand(len(y), 1, -1), y[:, None]) * weight[:, None, None]).sum(0) / weight.sum()
        head.loss(means)[0].backward()
        optimizer.step()
        schedule.step()
    return head.predict(outputs.detach().numpy()[None], shift=0.0, scale=1.0)


NOISE = torch.tensor(np.random.default_rng(3).standard_t(5.0, 500), dtype=torch.float64)


def test_noise_teaches_mean_median_spread_and_quantiles():
    noise = NOISE.numpy()
    assert learnt(SquaredError(), NOISE).mean[0] == pytest.approx(noise.mean(), abs=1e-3)
    assert learnt(AbsoluteError(), NOISE).mean[0] == pytest.approx(np.median(noise), abs=0.02)
    normal = learnt(Gaussian(), NOISE)
    assert normal.columns["sigma"][0] == pytest.approx(noise.std(), rel=2e-3)
    said = learnt(Quantiles(), NOISE, steps=1_200).columns
    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert said[quantile_column(level)][0] == pytest.approx(np.quantile(noise, level), abs=0.06)
    student = learnt(StudentT(5.0), NOISE)
    _, _, scale = scipy_stats.t.fit(noise, f0=5.0)
    assert student.columns["sigma"][0] == pytest.approx(scale * math.sqrt(5 / 3), rel=5e-3)


@pytest.mark.parametrize("is_ordinal", [False, True])
def test_labels_learn_their_shares_and_balanced_ones_forget_them(is_ordinal):
    y = torch.tensor([-1.0] * 10 + [0.0] * 60 + [1.0] * 30, dtype=torch.float64)
    for head, expected in (
        (Labels(ordinal=is_ordinal), (0.1, 0.6, 0.3)),
        (Labels(ordinal=is_ordinal, balanced=True), (1 / 3, 1 / 3, 1 / 3)),
    ):
        weight = torch.tensor(head.sample_weight(y.numpy(), np.arange(100)))
        said = learnt(head, y, weight, steps=150)
        assert [said.columns[name][0] for name in ("p_down", "p_flat", "p_up")] == pytest.approx(expected, abs=5e-3)


def test_a_balanced_chance_is_even_of_a_rare_outcome():
    y = torch.tensor([1.0] * 10 + [0.0] * 90, dtype=torch.float64)
    assert learnt(Bernoulli(), y).mean[0] == pytest.approx(0.1, abs=1e-3)
    weight = torch.tensor(Bernoulli(balanced=True).sample_weight(y.numpy(), np.arange(100)))
    assert learnt(Bernoulli(balanced=True), y, weight).mean[0] == pytest.approx(0.5, abs=1e-3)


def test_only_training_rows_are_balanced():
    outcomes = np.array([1.0, 0.0, 0.0, 1.0, 1.0, np.nan])
    np.testing.assert_allclose(
        Bernoulli(balanced=True).sample_weight(outcomes, np.arange(3)), [1.5, 0.75, 0.75, 1.5, 1.5, 1.0]
    )


def jobs_of(model, candles, target, folds=3):
    return plan_jobs(model, candles, features=FEATURES, target=target, folds=WalkForward(folds=folds), seeds=range(1))


def same(a, b):
    a, b = a.tensors(), b.tensors()
    return all(np.array_equal(a[name], b[name]) for name in a)


def columns(said):
    return {
        "mean": said.mean,
        **said.columns,
        **{f"{n}@{o}": v for o, p in said.others.items() for n, v in columns(p).items()},
    }


@pytest.mark.parametrize(
    ("head", "target", "sampling"),
    [(*each, "sequence") for each in EVERY] + [(*EVERY[place], "windows") for place in (3, 6, 8)],
    ids=lambda each: repr(each) if hasattr(each, "kinds") else str(each) if isinstance(each, str) else "",
)
def test_a_job_does_not_depend_on_its_fleet_and_streams_and_restores(head, target, sampling, market):
    model = LSTM(hidden=3, window=6, training=LSTM_BY[sampling], head=head)
    jobs = jobs_of(model, market, target)
    together = {fitted.job.key: fitted for fitted in model.fit(jobs)}
    job = jobs[-1]
    (alone,) = model.fit([job])
    assert same(alone, together[job.key])
    rows = job.test_rows[:40]
    batch = columns(alone.forecast(job.samples, rows))
    restored = columns(model.restore(job, alone.tensors()).forecast(job.samples, rows))
    assert all(np.array_equal(batch[name], restored[name]) for name in batch)
    state, streamed = alone.start(), []
    for row in range(rows[0] - model.window + 1, rows[-1] + 1):
        state, said = alone.step(state, job.samples.inputs[row])
        streamed.append(columns(said))
    for name, expected in batch.items():
        found = np.array([said[name][0] for said in streamed[model.window - 1 :]])
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7, err_msg=name)
        assert np.isnan([said[name][0] for said in streamed[: model.window - 1]]).all()


@pytest.mark.parametrize("head", [Gaussian(), Quantiles((0.1, 0.5, 0.9))], ids=repr)
def test_a_vmapped_net_takes_any_head(head, market):
    model = DLinear(window=6, training=Fit(epochs=2, batch=32, sampling="windows"), head=head)
    jobs = jobs_of(model, market, NextReturn())
    together = {fitted.job.key: fitted for fitted in model.fit(jobs)}
    (alone,) = model.fit(jobs[:1])
    assert same(alone, together[jobs[0].key])


def test_several_targets_have_a_distribution_each(market):
    target = Several(NextReturn(1), NextReturn(5))
    model = GRU(hidden=3, window=6, training=LSTM_BY["sequence"], head=Gaussian())
    (job,) = jobs_of(model, market, target, folds=1)
    (fitted,) = model.fit([job])
    said = fitted.forecast(job.samples, job.test_rows)
    assert set(said.others) == {"return_5"}
    ratio = np.median(said.others["return_5"].columns["sigma"]) / np.median(said.columns["sigma"])
    assert 1.5 < ratio < 4.0  # near the root of 5, more with momentum


def test_each_of_several_targets_is_balanced_by_itself(market):
    from candlecast.fleet.batching import Sampler, Slot

    target = Several(Direction(1), Direction(5))
    model = LSTM(hidden=3, window=6, training=LSTM_BY["windows"], head=Bernoulli(balanced=True))
    (job,) = jobs_of(model, market, target, folds=1)
    (fitted,) = model.fit([job])
    sampler = Sampler(job, model.net_spec(target), fitted.inputs, fitted.outcomes)
    rows = job.train_rows
    x, y, weight = (np.zeros(shape, np.float32) for shape in [(6, 2, len(rows)), (len(rows), 1, 2), (len(rows), 1, 2)])
    sampler.fill(sampler.train, rows, Slot(x, y, weight))
    for place in range(2):
        rising, falling = (weight[:, 0, place][y[:, 0, place] == value].sum() for value in (1.0, 0.0))
        assert rising == pytest.approx(falling, rel=1e-4)
        assert weight[:, 0, place].sum() == pytest.approx(len(rows), rel=1e-4)


def test_heads_without_a_name_fit_their_target():
    assert [usual_head(target) for target in TARGETS.values()] == [SquaredError(), Bernoulli(), Labels()]


@pytest.mark.parametrize(
    ("head", "target"), [(Gaussian(), Direction()), (Bernoulli(), NextReturn()), (Labels(), Direction())]
)
def test_a_head_that_does_not_fit_the_target_is_refused(head, target, market):
    model = LSTM(hidden=3, window=6, training=LSTM_BY["windows"], head=head)
    message = f"the head {type(head).__name__} cannot learn the target {target.name}, a .*Leave head out"
    with pytest.raises(ConfigError, match=message):
        list(model.fit(jobs_of(model, market, target, folds=1)))


def test_classes_are_learnt_as_they_are_whatever_the_target_says(market):

    target = replace(TripleBarrier(3))
    object.__setattr__(target, "scaling", Standard())
    model = LSTM(hidden=3, window=6, training=LSTM_BY["windows"])
    (fitted,) = model.fit(jobs_of(model, market, target, folds=1))
    assert fitted.outcomes.shift[0] == 0.0
    assert fitted.outcomes.scale[0] == 1.0


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (lambda: Quantiles((0.5, 0.1)), "levels is .*rising numbers"),
        (lambda: Quantiles((0.0, 0.5)), "levels is .*rising numbers"),
        (lambda: Quantiles([0.1, 0.5]), "levels is .*a tuple, each item a number"),
        (lambda: Quantiles(()), "levels is .*rising numbers"),
        (lambda: StudentT(2.0), "freedom is 2.0; expected a number above 2"),
        (lambda: Huber(0.0), "delta is 0.0; expected a number above 0"),
    ],
)
def test_heads_that_mean_nothing(head, message):
    with pytest.raises(ConfigError, match=message):
        head()


@named
def test_heads_are_described_and_restored(head, target):
    model = LSTM(hidden=3, head=head)
    assert restore(describe(model)) == model


@given(st.floats(1e-9, 1 - 1e-9))
def test_a_quantiles_column_tells_its_level(level):
    assert quantile_level(quantile_column(level)) == level


def test_a_gaussian_net_finds_the_planted_volatility():
    world = synthetic.garch(3_000, seed=4)
    training = Fit(epochs=8, batch=8, lr=1e-2, sampling="sequence", chunk=32)
    model = LSTM(hidden=8, window=16, training=training, head=Gaussian())
    (job,) = jobs_of(model, world.candles, NextReturn(), folds=1)
    (fitted,) = model.fit([job])
    rows = job.test_rows
    sigma = fitted.forecast(job.samples, rows).columns["sigma"]
    assert np.corrcoef(np.log(sigma), np.log(world.volatility[rows]))[0, 1] > 0.7
