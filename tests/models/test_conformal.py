"""Intervals around any model: they hold what they promise, and know nothing that was not known."""

from __future__ import annotations

import numpy as np
import pytest

from candlecast.dataset.folds import Holdout, WalkForward
from candlecast.errors import ConfigError
from candlecast.features import Features, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.heads import Gaussian, Quantiles
from candlecast.models import LSTM, Conformal, Drift, LinearRegression, Naive
from candlecast.recipes import describe, restore
from candlecast.sources import sample, synthetic
from candlecast.targets import Direction, NextReturn, Several, Volatility
from candlecast.walkforward import plan_jobs, walk_forward

TRAINING = Fit(epochs=2, batch=16, sampling="sequence")
FEATURES = Features(log_return(), log_range())


def jobs_of(model, candles, target=None, folds=1):
    return plan_jobs(model, candles, features=FEATURES, target=target or NextReturn(), folds=WalkForward(folds=folds))


def covered(forecast):
    frame = forecast.frame.drop_nulls("target")
    inside = (frame["q05"] <= frame["target"]) & (frame["target"] <= frame["q95"])
    return inside.mean(), (frame["target"] < frame["q05"]).mean()


@pytest.mark.parametrize(
    ("model", "target"),
    [(Naive(), NextReturn(5)), (LinearRegression(), NextReturn()), (LinearRegression(), Volatility())],
)
@pytest.mark.parametrize("market", ["garch", "sp500"])
def test_coverage_is_near_its_promise(model, target, market):
    candles = synthetic.garch(4_000, seed=2).candles if market == "garch" else sample("sp500")
    forecast = walk_forward(Conformal(model), candles, features=FEATURES, target=target, folds=WalkForward(folds=2))
    share, below = covered(forecast)
    assert share == pytest.approx(0.9, abs=0.025)
    assert below == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("head", [None, Gaussian(), Quantiles((0.1, 0.5, 0.9))], ids=repr)
def test_nets_are_wrapped_in_their_fleet(head, market):
    model = Conformal(LSTM(hidden=3, window=6, training=TRAINING, head=head))
    jobs = jobs_of(model, market, folds=3)
    together = {fitted.job.key: fitted for fitted in model.fit(jobs)}
    assert [together[job.key].job is job for job in jobs] == [True] * 3
    job = jobs[1]
    (alone,) = model.fit([job])
    restored = model.restore(job, alone.tensors())
    said = [each.forecast(job.samples, job.test_rows) for each in (alone, together[job.key], restored)]
    for other in said[1:]:
        assert all(np.array_equal(said[0].columns[name], other.columns[name]) for name in ("q05", "q95"))
    assert (said[0].columns["q05"] <= said[0].columns["q95"]).all()
    assert {name for name in said[0].columns if name.startswith("q")} == {"q05", "q95"}


@pytest.mark.parametrize("horizon", [1, 6])
def test_an_interval_uses_no_later_bar(horizon, market, other_future):
    model, target = Conformal(LinearRegression()), NextReturn(horizon)
    (job,) = jobs_of(model, market, target)
    (fitted,) = model.fit([job])
    rows = job.test_rows
    bar = int(rows[100])
    changed = jobs_of(model, other_future(market, bar), target)[0].samples
    before, after = (fitted.forecast(samples, rows).columns for samples in (job.samples, changed))
    for name in ("q05", "q95"):
        assert np.array_equal(before[name][:101], after[name][:101])
        assert not np.array_equal(before[name][101:], after[name][101:])


def test_what_is_asked_for_does_not_change_what_is_said(market):
    model = Conformal(LinearRegression())
    (job,) = jobs_of(model, market)
    (fitted,) = model.fit([job])
    rows = job.test_rows
    whole, few = fitted.forecast(job.samples, rows), fitted.forecast(job.samples, rows[50:200:7])
    for name in ("q05", "q95"):
        np.testing.assert_array_equal(few.columns[name], whole.columns[name][50:200:7])


def test_the_model_never_sees_what_calibrates_it(market):
    model = Conformal(LinearRegression())
    for folds in (WalkForward(folds=1), Holdout(0.7)):
        (job,) = plan_jobs(model, market, features=FEATURES, target=NextReturn(3), folds=folds)
        (fitted,) = model.fit([job])
        assert fitted.fitted.job.fit_rows.max() + 3 < fitted.calibration.min()
        assert fitted.calibration.max() + 3 < job.fold.test.first


def test_by_hand():
    """Nothing adapts: the bound is a plain quantile of the calibration's errors."""
    candles = synthetic.random_walk(400, seed=1).candles
    model = Conformal(Naive(), coverage=0.8, step=0.0, memory=10_000)
    (job,) = jobs_of(model, candles)
    (fitted,) = model.fit([job])
    errors = np.sort(job.samples.outcomes[fitted.calibration])
    rows = fitted.calibration[-1:] + 1  # the one behind: no other outcome is known yet than those of the calibration
    place = int(np.ceil((len(errors) + 1) * 0.9)) - 1
    said = fitted.forecast(job.samples, rows).columns
    assert said["q90"][0] == pytest.approx(errors[place])
    assert said["q10"][0] == pytest.approx(errors[::-1][place])


def test_a_miss_widens_the_next_interval_and_each_hit_narrows_it():
    """Gibbs and Candes (2021), equation 2: a_(t+1) = a_t + step (a - err_t), the upper bound by hand."""
    candles = synthetic.garch(600, seed=1).candles
    model = Conformal(Naive(), coverage=0.8, step=0.05, memory=10_000)
    (job,) = jobs_of(model, candles)
    (fitted,) = model.fit([job])
    rows = np.arange(fitted.calibration[-1] + 1, fitted.calibration[-1] + 60)
    errors, level, missed = job.samples.outcomes[fitted.calibration].tolist(), 0.1, 0
    bounds = fitted.forecast(job.samples, rows).columns["q90"]
    for row, bound in zip(rows, bounds, strict=True):
        place = int(np.ceil((len(errors) + 1) * (1 - level)))
        assert bound == pytest.approx(max(sorted(errors)[min(max(place, 1), len(errors)) - 1], 0.0), abs=1e-12)
        is_missed = bool(job.samples.outcomes[row] > bound)
        level += 0.05 * (0.1 - is_missed)
        errors.append(job.samples.outcomes[row])
        missed += is_missed
    assert 2 <= missed <= 20


def test_several_targets_have_an_interval_each(market):
    forecast = walk_forward(
        Conformal(Drift()),
        market,
        features=FEATURES,
        target=Several(NextReturn(1), NextReturn(5)),
        folds=WalkForward(folds=2),
    )
    later = forecast.at("return_5")
    width = [(each.frame["q95"] - each.frame["q05"]).mean() for each in (forecast, later)]
    assert 1.5 < width[1] / width[0] < 4


def test_recipes(market):
    model = Conformal(LSTM(hidden=3), coverage=0.5)
    assert restore(describe(model)) == model
    assert model.name == "conformal_lstm"
    with pytest.raises(ConfigError, match=r"coverage is 1.0; expected a share in \(0, 1\)"):
        Conformal(Naive(), coverage=1.0)
    with pytest.raises(ConfigError, match="puts intervals around values, and the target direction is a probability"):
        list(Conformal(Naive()).fit(jobs_of(Naive(), market, Direction())))
