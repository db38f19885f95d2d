"""A policy: the position fed back, paid for what it earns after costs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from candlecast.dataset.folds import Holdout, WalkForward
from candlecast.errors import ConfigError
from candlecast.features import Features, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.heads.policy import NetReturn
from candlecast.models import Policy
from candlecast.recipes import describe, restore
from candlecast.sources import synthetic
from candlecast.targets import Direction, NextReturn, Several, Volatility
from candlecast.walkforward import plan_jobs, walk_forward

FEATURES = Features(log_return(), log_range())
FIT = Fit(epochs=2, batch=4, chunk=10)
POLICIES = [
    Policy(layers=0, window=7, training=FIT),
    Policy(cell="lstm", hidden=4, layers=2, dropout=0.3, window=7, training=FIT),
    Policy(hidden=4, objective="utility", window=7, training=FIT),
]


def jobs_of(model, candles, *, folds=1, seeds=1):
    return plan_jobs(model, candles, features=FEATURES, folds=WalkForward(folds=folds), seeds=range(seeds))


def results(model, jobs):
    return {fitted.job.key: fitted for fitted in model.fit(jobs)}


def same(a, b):
    a, b = a.tensors(), b.tensors()
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def by_hand(job, tensors, rows):
    """Moody and Saffell's F_t = tanh(w x_t + u F_{t-1} + b) over bars, from a burn-in of 6 bars before the first row."""
    weights = {name: tensors[f"net.position.{name}"].astype(np.float64) for name in ("w_x", "w_h", "b")}
    held, values = 0.0, []
    for row in range(rows[0] - 6, rows[-1] + 1):
        x = (job.samples.inputs[row] - tensors["inputs.shift"]) / tensors["inputs.scale"]
        held = np.tanh(x @ weights["w_x"] + held * weights["w_h"][0] + weights["b"])[0]
        values.append(held)
    return np.array(values[6:])


@pytest.mark.parametrize("model", POLICIES, ids=["paper", "lstm", "gru"])
def test_a_policy_does_not_depend_on_its_fleet_or_on_threads(model, market):
    jobs = jobs_of(model, market, folds=2, seeds=2)
    together = results(model, jobs)
    threads = torch.get_num_threads()
    try:
        for job, count in ((jobs[0], 1), (jobs[-1], 3)):
            torch.set_num_threads(count)
            assert same(results(model, [job])[job.key], together[job.key])
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("model", POLICIES, ids=["paper", "lstm", "gru"])
def test_bar_by_bar_is_the_batch(model, market):
    (job,) = jobs_of(model, market)
    (net,) = model.fit([job])
    rows = job.test_rows
    batch = net.forecast(job.samples, rows)
    state, streamed = net.start(), []
    for row in range(rows[0] - 6, rows[-1] + 1):
        state, prediction = net.step(state, job.samples.inputs[row])
        streamed.append((prediction.columns["position"][0], prediction.mean[0]))
    assert np.isnan(streamed[:6]).all()
    np.testing.assert_allclose(np.array(streamed[6:])[:, 0], batch.columns["position"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.array(streamed[6:])[:, 1], batch.mean, rtol=1e-5, atol=1e-9)


def test_without_layers_it_is_the_papers_trader(market):
    (job,) = jobs_of(POLICIES[0], market)
    (net,) = POLICIES[0].fit([job])
    position = net.forecast(job.samples, job.test_rows).columns["position"]
    np.testing.assert_allclose(position, by_hand(job, net.tensors(), job.test_rows), rtol=1e-4, atol=1e-6)


def test_the_future_moves_no_position_and_no_weight(market, other_future):
    model = POLICIES[2]
    (job,) = jobs_of(model, market)
    (net,) = model.fit([job])
    rows = job.test_rows
    (learnt,) = model.fit(jobs_of(model, other_future(market, rows[0] - 1)))
    assert same(net, learnt)  # the slope, too
    samples = jobs_of(model, other_future(market, int(rows[40])))[0].samples
    before, after = (net.forecast(each, rows).columns["position"] for each in (job.samples, samples))
    assert np.array_equal(before[:41], after[:41])
    assert not np.array_equal(before[41:], after[41:])


def test_a_split_without_validation_is_learnt(market):
    walked = walk_forward(POLICIES[0], market, features=FEATURES, folds=Holdout(0.8))
    assert walked.frame["position"].is_between(-1.0, 1.0).all()


def test_what_was_learnt_is_restored(market):
    assert all(restore(describe(model)) == model for model in POLICIES)
    (job,) = jobs_of(POLICIES[1], market)
    (net,) = POLICIES[1].fit([job])
    again = POLICIES[1].restore(job, net.tensors())
    first, second = (each.forecast(job.samples, job.test_rows) for each in (net, again))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.columns["position"], second.columns["position"])


def test_the_mean_is_what_positions_implied_in_training(market):
    (job,) = jobs_of(POLICIES[0], market)
    (net,) = POLICIES[0].fit([job])
    held = net.forecast(job.samples, job.fit_rows).columns["position"]
    slope, *_ = np.linalg.lstsq(held[:, None], job.samples.outcomes[job.fit_rows], rcond=None)
    prediction = net.forecast(job.samples, job.test_rows)
    np.testing.assert_allclose(prediction.mean, slope[0] * prediction.columns["position"], rtol=1e-9)


@pytest.mark.parametrize("objective", ["sharpe", "utility"])
@pytest.mark.parametrize("cost_bps", [0.0, 30.0])
def test_the_gradient_is_that_of_the_formula(objective, cost_bps):
    """dL/dp_t by hand: a position earns y_t, pays for its own change, and is what the next one is changed from."""
    generator = np.random.default_rng(4)
    p, y = np.tanh(generator.standard_normal(40)), 0.02 * generator.standard_normal(40)
    head = NetReturn(objective, cost_bps, risk_aversion=3.0)
    path = torch.tensor(p, requires_grad=True)
    before = torch.cat([path.new_zeros(1), path[:-1]])
    outputs = torch.stack([path, before], -1)[None, :, None]  # (B, T, N, 2)
    terms = head.terms(outputs, torch.tensor(y)[None, :, None])
    loss = head.loss(terms.mean((0, 1, 2)))
    loss.backward()

    cost, change = cost_bps / 1e4, np.diff(p, prepend=0.0)
    r = p * np.expm1(y) - cost * np.abs(change)
    m, v, n = r.mean(), r.var(), len(r)
    sign = cost * np.sign(change)
    if objective == "sharpe":
        s = np.sqrt(v + 1e-12)
        assert loss.item() == pytest.approx(-m / s, rel=1e-9)
        weight = -(1 / s - m * (r - m) / s**3) / n  # dL/dr_t = -(B - A r_t) / (B - A^2)^{3/2} / n
        np.testing.assert_allclose(weight, -((r**2).mean() - m * r) / v**1.5 / n, rtol=1e-6)
    else:
        assert loss.item() == pytest.approx(-1e4 * (m - 1.5 * v), rel=1e-9)
        weight = -1e4 * (1 - 3.0 * (r - m)) / n
    expected = weight * (np.expm1(y) - sign) + np.append((weight * sign)[1:], 0.0)
    np.testing.assert_allclose(path.grad.numpy(), expected, rtol=1e-6, atol=1e-12)


def test_a_sharpe_ratio_of_nothing_held_has_a_gradient():
    outputs = torch.zeros(1, 8, 1, 2, requires_grad=True)
    head = NetReturn()
    head.loss(head.terms(outputs, 0.01 * torch.randn(1, 8, 1)).mean((0, 1, 2))).backward()
    assert torch.isfinite(outputs.grad).all()


def test_planted_reversion_is_held_and_costs_are_heeded():
    """A position that follows the oracle, positive after costs, and changed less where changes cost more."""
    world = synthetic.mean_reversion(3_000, seed=3, share=1.0, persistence=0.7)
    returns = np.expm1(np.append(np.diff(np.log(world.candles.close)), 0.0))
    turnover = {}
    for cost_bps in (0.0, 20.0, 100.0):
        model = Policy(hidden=8, window=8, cost_bps=cost_bps, training=Fit(epochs=15, batch=4, chunk=64, lr=0.01))
        forecast = walk_forward(model, world.candles, features=FEATURES, folds=WalkForward(folds=1)).frame
        held = forecast["position"].to_numpy()
        rows = np.searchsorted(world.candles.close_time, forecast["time"].dt.replace_time_zone(None).to_numpy())
        change = np.abs(np.diff(held, prepend=0.0))
        turnover[cost_bps] = change.mean() / np.abs(held).mean()  # per unit held: a Sharpe ratio knows no size
        if cost_bps <= 20:
            assert np.corrcoef(held, world.mean[rows])[0, 1] > 0.6
            assert (held * returns[rows] - cost_bps / 1e4 * change).mean() > 1e-4
    assert turnover[0.0] > 1.1 * turnover[20.0] > 1.2 * turnover[100.0]


@pytest.mark.parametrize("target", [NextReturn(2), Direction(), Volatility(), Several(NextReturn(1), NextReturn(5))])
def test_only_the_next_return_is_learnt(target, market):
    with pytest.raises(ConfigError, match=r"expected NextReturn\(horizon=1\).*Leave target out"):
        plan_jobs(POLICIES[0], market, features=FEATURES, target=target)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cell": "elman"}, "cell is 'elman'.*Change Policy"),
        ({"layers": -1}, "layers is -1; expected a whole number of layers, 0 or more"),
        ({"objective": "sortino"}, "objective is 'sortino'"),
        ({"cost_bps": -1.0}, "cost_bps is -1.0; expected 0 to 1,000 basis points"),
        ({"risk_aversion": -1.0}, "risk_aversion is -1.0"),
        ({"training": Fit(sampling="windows")}, 'trained on windows.*sampling="sequence"'),
    ],
)
def test_policies_that_mean_nothing(parameters, message):
    with pytest.raises(ConfigError, match=message):
        Policy(**parameters)
