"""The check of a model: no lookahead, the same for a seed, alone or with other jobs, and restored as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.causality.markets import another_path
from candlecast.causality.models import numbers, require_unmoved
from candlecast.dataset.folds import WalkForward
from candlecast.dataset.forecast import Forecast
from candlecast.dataset.jobs import Job
from candlecast.dataset.prediction import Prediction
from candlecast.errors import CandlecastError, ConfigError
from candlecast.features import Features, log_range, log_return
from candlecast.models import Fitted, Model
from candlecast.recipes import describe
from candlecast.sources import synthetic
from candlecast.targets import NextReturn, Target
from candlecast.walkforward import forecast_frame, plan_jobs

BARS = 420
GROUPING = 1e-4  # of the forecasts' size: sums of other lengths may round otherwise


def check_model(
    model: Model,
    candles: Candles | None = None,
    *,
    features: Features | None = None,
    target: Target | None = None,
    seed: int = 0,
) -> None:
    """Raise unless a model is causal and repeatable; it is fitted a handful of times on two folds.

    Every job comes back once, with a forecast for each row: float64, finite, its columns those of the forecast table. The
    same job fitted again, by itself, gives the same bytes, and other seeds give others where the model `is_seeded`. Candles
    after the training part change nothing of what is learnt, candles after a bar nothing of the forecasts up to it.
    `restore` from `tensors()` forecasts the same, and rows asked for in parts get what they get together, to rounding
    (a net that carries its memory from bar to bar is not asked that). The recipe can be written as JSON.

    `candles` are a synthetic market with injected momentum, `features` the last return and range, `target` the next return
    when not given. Raises LookaheadError naming the bar; ConfigError for the rest; and whatever the model itself raises.

    >>> import candlecast as cc
    >>> check_model(cc.LinearRegression())
    """
    market = synthetic.ar1(BARS, seed=seed, phi=0.4, interval="1h").candles if candles is None else candles
    jobs = _jobs(model, market, features, target, seed)
    found = _fitted(model, jobs)
    first = jobs[0]
    forecasts = {job.key: _forecast(found[job.key], job) for job in jobs}
    Forecast(pl.concat([forecast_frame(each, model.name) for each in found.values()]), first.samples.horizon)
    json.dumps(describe(model))
    again = _fitted(model, [first])[first.key]
    _require_same(model, forecasts[first.key], _forecast(again, first), "is fitted again, by itself")
    if model.is_seeded and len(jobs) > 1:
        twin = next(job for job in jobs if job.fold.index == first.fold.index and job.seed != first.seed)
        is_same = numbers(forecasts[first.key]).tobytes() == numbers(forecasts[twin.key]).tobytes()
        if is_same and _has_learnt_the_same(found[first.key], found[twin.key]):
            raise _wrong(
                model,
                "forecasts the same with two seeds, and says that it is seeded",
                expected="another result for another seed",
                remedy="Draw its random numbers from the job's seed, or let is_seeded be False",
            )
    restored = model.restore(first, found[first.key].tensors())
    _require_same(model, forecasts[first.key], _forecast(restored, first), "is restored from its tensors")
    _require_any_grouping(model, found[first.key], first, forecasts[first.key])
    _require_no_lookahead(model, found[first.key], first, forecasts[first.key], seed)


def _has_learnt_the_same(one: Fitted, other: Fitted) -> bool:
    """Whether all tensors are equal; nets whose additions were all shrunk away forecast the same and have learnt otherwise."""
    mine, others = one.tensors(), other.tensors()
    return mine.keys() == others.keys() and all(
        np.array_equal(mine[name], others[name], equal_nan=True) for name in mine
    )


def _jobs(model: Model, candles: Candles, features: Features | None, target: Target | None, seed: int) -> list[Job]:
    return plan_jobs(
        model,
        candles,
        features=features or Features(log_return(), log_range()),
        target=target or NextReturn(),
        folds=WalkForward(folds=2),
        seeds=range(seed, seed + 2),
    )


def _fitted(model: Model, jobs: list[Job]) -> dict[str, Fitted]:
    found = list(model.fit(jobs, progress=lambda event: None))
    keys = sorted(fitted.job.key for fitted in found)
    if keys != sorted(job.key for job in jobs):
        raise _wrong(
            model,
            f"gave back {len(keys)} results for {len(jobs)} jobs",
            expected="each job once",
            remedy="Yield one fitted result per job",
        )
    return {fitted.job.key: fitted for fitted in found}


def _forecast(fitted: Fitted, job: Job, rows: np.ndarray | None = None) -> Prediction:
    """The forecasts of some rows, all test rows when not given, well formed."""
    rows = job.test_rows if rows is None else rows
    prediction = fitted.forecast(job.samples, rows)
    for name, values in {"mean": prediction.mean, **prediction.columns}.items():
        found = np.asarray(values)
        if found.shape != rows.shape or found.dtype != np.float64:
            raise ConfigError(
                f"forecasts of {job.words} have {name} of shape {found.shape} and type {found.dtype}",
                expected=f"{rows.shape} and float64, one number per row",
                remedy="Return one forecast per row",
            )
        if not np.isfinite(found).all():
            row = int(rows[np.flatnonzero(~np.isfinite(found))[0]])
            raise ConfigError(
                f"forecasts of {job.words} have {name} {found[~np.isfinite(found)][0]} at bar {row:,}",
                expected="finite numbers wherever the window is whole",
                remedy="Look for a division by zero, or for a fit that diverged",
            )
    return prediction


def _require_same(model: Model, one: Prediction, other: Prediction, when: str) -> None:
    before, after = numbers(one), numbers(other)
    if before.shape != after.shape or not np.array_equal(before, after):
        apart = np.abs(before - after).max() if before.shape == after.shape else np.nan
        raise _wrong(
            model,
            f"forecasts otherwise when it {when}: {apart:.3g} apart",
            expected="the same bytes, which depend on the job alone",
            remedy="Draw random numbers from the job's seed, keep nothing between fits, and give out all that is learnt",
        )


def _require_any_grouping(model: Model, fitted: Fitted, job: Job, whole: Prediction) -> None:
    training = getattr(model, "training", None)
    if getattr(training, "sampling", "windows") == "sequence":
        return
    rows = job.test_rows
    parts = [rows[:1], rows[1:8], rows[8:]]
    pieces = np.concatenate([numbers(_forecast(fitted, job, part)) for part in parts if len(part)], axis=1)
    apart = np.abs(pieces - numbers(whole)).max()
    if apart > GROUPING * max(np.abs(numbers(whole)).max(), np.abs(job.samples.outcomes[job.fit_rows]).max()):
        raise _wrong(
            model,
            f"forecasts rows otherwise in parts than together: {apart:.3g} apart",
            expected="each row's forecast to depend on its own window alone",
            remedy="Keep means over the batch, noise and state out of forecasting",
        )


def _require_no_lookahead(model: Model, fitted: Fitted, job: Job, whole: Prediction, seed: int) -> None:
    """Candles are changed after a forecast bar, then after the bars that are trained on."""
    samples, rows = job.samples, job.test_rows
    generator = np.random.default_rng(seed)
    bar = int(rows[len(rows) // 2])
    changed = _samples(model, job, another_path(samples.candles, bar, generator))
    upto = len(rows) // 2 + 1
    before, after = numbers(whole), numbers(fitted.forecast(changed.samples, rows))
    require_unmoved(model, before[:, :upto], after[:, :upto], rows=rows, bar=bar)
    last = int(job.fold.test.first) - 1
    later = _samples(model, job, another_path(samples.candles, last, generator))
    (trained,) = _fitted(model, [later]).values()
    after = numbers(trained.forecast(samples, rows))
    require_unmoved(model, before, after, rows=rows, bar=last, is_learnt=True)


def _samples(model: Model, job: Job, candles: Candles) -> Job:
    """The same job on other candles."""
    samples = job.samples
    jobs = plan_jobs(
        model,
        candles,
        features=samples.features,
        target=samples.target,
        folds=WalkForward(folds=2),
        seeds=[job.seed],
        window=samples.window,
    )
    return replace(next(other for other in jobs if other.fold.index == job.fold.index), fold=job.fold)


def _wrong(model: Model, wrong: str, *, expected: str, remedy: str) -> CandlecastError:
    return ConfigError(f"model {model.name} {wrong}", expected=expected, remedy=remedy)
