"""The linear part of nets, refitted in the test part: by hand, from known outcomes alone, in a stream, and in stored recipes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from candlecast.dataset.folds import PurgedKFold, WalkForward
from candlecast.dataset.samples import make_samples
from candlecast.errors import ConfigError, RunError
from candlecast.features import (
    Features,
    calendar,
    intraday_calendar,
    leverage_effect,
    log_range,
    log_return,
    rsi,
    trend_strength,
)
from candlecast.fleet.fitted import FittedNet
from candlecast.fleet.refitting import FADING, LEAST_PENALTY, LESS
from candlecast.fleet.settings import Fit
from candlecast.models import GRU, LSTM, Pooled
from candlecast.recipes import describe, restore
from candlecast.sources import synthetic
from candlecast.targets import NextReturn, Several, Volatility
from candlecast.walkforward import plan_jobs

FEATURES = Features(
    log_return(),
    rsi(5),
    log_range(),
    log_range(5),
    leverage_effect(),
    trend_strength(3),
    calendar("1h"),
    intraday_calendar("1h"),
)
SHORT = Fit(epochs=1, batch=8, lr=3e-3)
TARGETS = [Volatility(), Volatility(3), Several(Volatility(1), Volatility(4))]
NAMES = ["1 bar", "3 bars", "several"]


@pytest.fixture(scope="module")
def gapped():
    """Hourly bars whose volatility changes, with gaps, some of them in the test part."""
    candles = synthetic.garch(420, seed=4, alpha=0.3, beta=0.6, interval="1h").candles
    rows = [row for row in range(420) if row not in (100, 101, 300, 301, 302, 351)]
    return replace(candles, frame=candles.frame[rows])


def fitted_to(candles, *, target=TARGETS[0], training=SHORT, features=FEATURES, folds=None, model=LSTM) -> FittedNet:
    recipe = model(hidden=3, window=5, training=training)
    job = plan_jobs(recipe, candles, features=features, target=target, folds=folds or WalkForward(folds=2))[-1]
    return next(iter(recipe.fit([job])))


def linear_of(net, samples, rows) -> np.ndarray:
    """The scaled forecasts of the refitted linear part."""
    assert net.refitting is not None
    return net.refitting.forecast(samples, rows)


def ridge(x, y, weight, penalty, share) -> tuple[float, np.ndarray]:
    """Constant and weights of a weighted ridge regression."""
    rows = weight.sum()
    mean_x, mean_y = weight @ x / rows, weight @ y / rows
    around = (x - mean_x) * weight[:, None]
    weights = share * np.linalg.solve(
        around.T @ (x - mean_x) + penalty * rows * np.eye(x.shape[1]), around.T @ (y - mean_y)
    )
    return mean_y - mean_x @ weights, weights


def by_hand(net, row: int, own: list[int], target: int) -> float:
    """The scaled forecast at a row, from all outcomes known at the last refit. `own`: columns of the slow regression."""
    job, samples = net.job, net.job.samples
    first, bars = job.fold.test.first, 24
    at = first + (row - first) // bars * bars
    learnt = np.sort(np.concatenate([job.train_rows, job.valid_rows]))
    fresh = np.arange(learnt[-1] + 1, at - samples.horizon + 1)
    fresh = fresh[samples.is_complete[fresh] & samples.is_known[fresh]]
    rows = np.concatenate([learnt, fresh])
    x, y = net.inputs.apply(samples.inputs), net.outcomes.apply(samples.y)[:, target]
    fading = np.concatenate([np.full(len(learnt), len(fresh)), np.arange(len(fresh))[::-1]])
    penalty, share = net.linear.penalty[target], net.linear.share[target]
    slow, weights = ridge(x[rows][:, own], y[rows], np.ones(len(rows)), LEAST_PENALTY, share)
    found = [slow + x[row, own] @ weights]
    for times in FADING:
        constant, weights = ridge(x[rows], y[rows], 0.5 ** (times / len(learnt) * fading), penalty * LESS, share)
        found.append(constant + x[row] @ weights)
    return float(np.mean(found))


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_forecasts_are_those_of_three_regressions_by_hand(gapped, target):
    net = fitted_to(gapped, target=target)
    names = net.job.samples.features.columns
    own = [n for n, name in enumerate(names) if not name.startswith(("log_return", "rsi"))]
    assert len(own) == len(names) - 2
    rows = net.job.test_rows
    found = linear_of(net, net.job.samples, rows)
    for place in (0, 1, 23, 24, 60, len(rows) - 1):
        for each, value in enumerate(found[place]):
            assert value == pytest.approx(by_hand(net, int(rows[place]), own, each), abs=1e-8)


def test_without_regressors_of_har_all_read_all_columns(gapped):
    net = fitted_to(gapped, features=Features(log_return(), rsi(5)))
    fast, medium, slow = net.refitting.regressions
    assert fast.columns.tolist() == medium.columns.tolist() == slow.columns.tolist() == [0, 1]
    assert fast.decay < medium.decay < slow.decay == 1.0


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_a_forecast_rests_on_outcomes_known_by_then(gapped, target):
    """Other candles from a bar on: forecasts up to that bar are the same, later ones are not."""
    net = fitted_to(gapped, target=target)
    samples, rows = net.job.samples, net.job.test_rows
    cut = int(rows[len(rows) // 2])
    other = synthetic.garch(len(gapped) - cut - 1, seed=9, alpha=0.3, beta=0.6, interval="1h").candles.frame
    names = ["open", "high", "low", "close"]
    frame = gapped.frame.with_columns(
        **{name: np.concatenate([gapped.frame[name][: cut + 1], other[name].to_numpy() * 3.0]) for name in names}
    )
    changed = make_samples(
        replace(gapped, frame=frame), features=samples.features, target=samples.target, window=samples.window
    )
    one, two = linear_of(net, samples, rows), linear_of(net, changed, rows)
    assert np.array_equal(one[rows <= cut], two[rows <= cut])
    assert not np.allclose(one[rows > cut], two[rows > cut])


def test_bits_do_not_depend_on_what_is_asked_together(gapped):
    net = fitted_to(gapped)
    samples, rows = net.job.samples, net.job.test_rows
    whole = linear_of(net, samples, rows)
    for part in (rows[:1], rows[10:37], rows[-1:], rows[::7]):
        assert np.array_equal(linear_of(net, samples, part), whole[np.searchsorted(rows, part)])
    shorter = make_samples(
        gapped[: rows[50] + 1], features=samples.features, target=samples.target, window=samples.window
    )
    assert np.array_equal(linear_of(net, shorter, rows[:51]), whole[:51])
    later = make_samples(gapped[250:], features=samples.features, target=samples.target, window=samples.window)
    np.testing.assert_allclose(linear_of(net, later, rows[60:] - 250), whole[60:], rtol=1e-7, atol=1e-7)  # of their RSI
    before = net.job.valid_rows[-5:]
    assert np.array_equal(
        linear_of(net, samples, before), net.linear.forecast(net.inputs.apply(samples.inputs[before]))
    )


@pytest.mark.parametrize("model", [LSTM, GRU], ids=["LSTM", "GRU"])
@pytest.mark.parametrize("sampling", ["sequence", "windows"])
@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_bar_by_bar_is_the_batch(gapped, target, sampling, model):
    net = fitted_to(gapped, target=target, training=replace(SHORT, sampling=sampling), model=model)
    samples, rows = net.job.samples, net.job.test_rows
    rows = rows[samples.candles.segments[rows] == samples.candles.segments[rows[-1]]]
    batch, begin = net.forecast(samples, rows).mean, int(rows[0]) - samples.window + 1
    state, streamed = net.start(begin), []
    for row in range(begin, int(rows[-1]) + 1):
        past = row - samples.horizon
        known = samples.y[past] if samples.is_known[past] else None
        state, prediction = net.step(state, samples.inputs[row], known)
        streamed.append(float(prediction.mean[0]))
    scale = net.outcomes.scale[0] * 1e-6
    np.testing.assert_allclose(streamed[samples.window - 1 :], batch, rtol=2e-6, atol=scale)


def test_the_state_is_a_value(gapped):
    net = fitted_to(gapped)
    start = net.start(net.job.fold.test.first)
    before = [part.copy() for part in (*start.refit.sums, *start.refit.coefficients)]
    for _ in range(2):
        state = start
        for row in net.job.test_rows[:30]:
            state, _ = net.step(state, net.job.samples.inputs[row], net.job.samples.y[row - 1])
    assert all(
        np.array_equal(*pair) for pair in zip(before, (*start.refit.sums, *start.refit.coefficients), strict=True)
    )
    assert state.refit.row == start.refit.row + 30
    assert net.start().refit is None  # as trained


def test_refitting_follows_what_changes():
    """Volatility falls to a third after the training part, which no row of it shows: a refitted level follows."""
    candles = synthetic.random_walk(900, seed=3, interval="1h").candles
    factor = np.where(np.arange(900) < 560, 1.0, 1 / 3)
    middle = 100.0
    frame = candles.frame.with_columns(
        **{
            name: middle * (candles.frame[name].to_numpy() / candles.frame["open"].to_numpy()) ** factor
            for name in ("high", "low", "close")
        },
        open=np.full(900, middle),
    )
    candles = replace(candles, frame=frame)
    features = Features(log_return(), rsi(5))  # that do not know the range
    kept, refitted = (
        fitted_to(candles, features=features, folds=WalkForward(folds=1), training=replace(SHORT, refit=refit))
        for refit in ("never", "1d")
    )
    rows = kept.job.test_rows[kept.job.samples.is_known[kept.job.test_rows]]
    errors = [
        float(np.mean((net.forecast(net.job.samples, rows).mean - net.job.samples.outcomes[rows]) ** 2))
        for net in (kept, refitted)
    ]
    assert errors[1] < 0.5 * errors[0]


def test_who_refits(gapped):
    def refit(model, target):
        return model.net_spec(target).refit

    assert refit(LSTM(), Volatility()) == "1d" and refit(LSTM(), NextReturn()) is None
    assert refit(LSTM(training=Fit(refit="1w")), NextReturn()) == "1w"
    assert refit(LSTM(training=Fit(refit="never")), Volatility()) is None
    later = fitted_to(gapped, training=replace(SHORT, refit="never"))
    assert later.refitting is None and "linear.penalty" not in later.tensors()
    alone = fitted_to(gapped, training=replace(SHORT, linear=False))
    assert alone.refitting is None
    with pytest.raises(ConfigError, match=r'refit is \'often\'; expected a span such as "1d", "never" or None'):
        Fit(refit="often")


def test_folds_that_know_later_bars_do_not_refit(gapped):
    recipe = LSTM(hidden=3, window=5, training=SHORT)
    jobs = plan_jobs(recipe, gapped, features=FEATURES, target=Volatility(), folds=PurgedKFold(3))
    for net in recipe.fit([job for job in jobs if not job.fold.is_in_time_order]):
        assert net.refitting is None


def test_a_pool_does_not_refit(gapped):
    other = replace(gapped, symbol="B")
    model = Pooled(LSTM(hidden=3, window=5, training=SHORT))
    jobs = plan_jobs(model, [gapped, other], features=FEATURES, target=Volatility(), folds=WalkForward(folds=1))
    for fitted in model.fit(jobs):
        assert fitted.net.refitting is None and "linear.penalty" not in fitted.tensors()
        again = model.restore(fitted.job, fitted.tensors())
        rows = fitted.job.test_rows
        assert np.array_equal(
            again.forecast(fitted.job.samples, rows).mean, fitted.forecast(fitted.job.samples, rows).mean
        )


def test_what_was_learnt_is_restored_to_the_same_bits(gapped):
    net = fitted_to(gapped)
    rows = net.job.test_rows
    again = FittedNet.from_tensors(net.job, net.spec, net.tensors())
    assert np.array_equal(again.forecast(net.job.samples, rows).mean, net.forecast(net.job.samples, rows).mean)
    without = {name: value for name, value in net.tensors().items() if name != "linear.share"}
    with pytest.raises(RunError, match=r"linear\.share of .* is not there"):
        FittedNet.from_tensors(net.job, net.spec, without)


def test_recipes_and_weights_of_earlier_versions_stay_as_trained(gapped):
    described = describe(LSTM())
    old = {name: value for name, value in described["training"].items() if name != "refit"}
    assert restore(described | {"training": old}).training.refit == "never"
    assert restore(described) == LSTM()
    net = fitted_to(gapped)
    tensors = {name: value for name, value in net.tensors().items() if name not in ("linear.penalty", "linear.share")}
    old_net = FittedNet.from_tensors(net.job, net.spec, tensors)
    assert old_net.refitting is None
