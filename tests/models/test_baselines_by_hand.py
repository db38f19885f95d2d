"""Baselines and the judge of a search in closed form."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from candlecast.dataset.folds import WalkForward
from candlecast.dataset.samples import make_samples
from candlecast.features import Features, log_range, log_return
from candlecast.models import HAR, Drift, LinearRegression, Ridge
from candlecast.models.wrappers.search import _error, _seed
from candlecast.sources import synthetic
from candlecast.targets import NextReturn, Price, Volatility
from candlecast.walkforward import plan_jobs

FEATURES = Features(log_return(), log_range())
CANDLES = synthetic.ar1(300, seed=2, phi=0.3).candles
JOBS = plan_jobs(Ridge(), CANDLES, features=FEATURES, folds=WalkForward(folds=2), target=NextReturn(2))


def test_ridge_shrinks_by_a_share_of_the_rows():
    """(X'X + a n I) b = X'y, of columns in standard units and less their means."""
    job = JOBS[0]
    (fitted,) = Ridge(alpha=0.3).fit([job])
    seen, rows = job.samples.inputs[job.fold.fit.array], job.fit_rows
    scaled = (job.samples.inputs - seen.mean(axis=0)) / seen.std(axis=0)
    x, y = scaled[rows], job.samples.outcomes[rows]
    centred = x - x.mean(axis=0)
    slope = np.linalg.solve(centred.T @ centred + 0.3 * len(rows) * np.eye(2), centred.T @ (y - y.mean()))
    expected = y.mean() + (scaled[job.test_rows] - x.mean(axis=0)) @ slope
    np.testing.assert_allclose(fitted.forecast(job.samples, job.test_rows).mean, expected, rtol=1e-6)


def test_drift_is_the_mean_of_training_and_validation_alone():
    job = JOBS[0]
    (fitted,) = Drift().fit([job])
    assert len(job.fit_rows) > len(job.train_rows)
    expected = job.samples.outcomes[job.fit_rows].mean()
    assert fitted.forecast(job.samples, job.test_rows[:1]).mean == pytest.approx([expected])


def test_the_error_of_a_try_is_relative_to_naive_and_of_known_outcomes():
    job = JOBS[1]
    assert not job.samples.is_known[job.test_rows].all()
    rows = job.test_rows[job.samples.is_known[job.test_rows]]
    outcome = job.samples.outcomes[rows]
    half = SimpleNamespace(forecast=lambda samples, asked: SimpleNamespace(mean=0.5 * samples.outcomes[asked]))
    assert _error(half, job) == pytest.approx(0.25)
    nothing = SimpleNamespace(forecast=lambda samples, asked: SimpleNamespace(mean=np.full(len(asked), 0.01)))
    assert _error(nothing, job) == pytest.approx(np.sum((outcome - 0.01) ** 2) / np.sum(outcome**2))


def test_every_job_is_searched_by_draws_of_its_own():
    seeds = {_seed(job) for job in (*JOBS, replace(JOBS[0], seed=5))}
    assert len(seeds) == 3 and _seed(JOBS[0]) == _seed(replace(JOBS[0]))


def test_har_reads_the_means_of_the_last_day_week_and_month():
    """Of ln ln(H / L): the last one, the last 5 and the last 22, with a constant."""
    samples = make_samples(CANDLES, features=FEATURES, target=Volatility(), window=1)
    ranges = np.log(np.log(CANDLES.high / CANDLES.low))
    found = HAR()._regressors(samples)
    for bar in (21, 22, 100, 299):
        expected = [1.0, ranges[bar], ranges[bar - 4 : bar + 1].mean(), ranges[bar - 21 : bar + 1].mean()]
        assert found[bar] == pytest.approx(expected)
    assert found[2] == pytest.approx([1.0, ranges[2], ranges[:3].mean(), ranges[:3].mean()])  # of those there are


def test_linear_adds_what_it_learnt_to_the_naive_forecast():
    job = plan_jobs(LinearRegression(), CANDLES, features=FEATURES, folds=WalkForward(folds=1), target=Price())[0]
    (fitted,) = LinearRegression().fit([job])
    x, rows = np.column_stack([np.ones(len(CANDLES)), job.samples.inputs]), job.fit_rows
    slope = np.linalg.lstsq(x[rows], job.samples.outcomes[rows] - CANDLES.close[rows], rcond=None)[0]
    expected = CANDLES.close[job.test_rows] + x[job.test_rows] @ slope
    np.testing.assert_allclose(fitted.forecast(job.samples, job.test_rows).mean, expected, rtol=1e-9)
