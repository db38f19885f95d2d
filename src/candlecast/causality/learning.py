"""Whether a model learns from its training rows: one that forecasts the same without them was fitted elsewhere.

What it was fitted to may be the candles that it is judged on. The training rows are exchanged among each other, column by column,
so that what scales them stays as it is; then the outcomes are mirrored as well; then the candles are replaced, for a model that
reads them. One that forecasts the same each time has learnt nothing there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from candlecast.candles import Candles
from candlecast.causality.agreement import EXACT, moved, numbers, rounding, spreads
from candlecast.causality.usercode import sees_arrays_only
from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import make_samples
from candlecast.errors import LookaheadError
from candlecast.events import ignore
from candlecast.models import Model, NetModel, Pooled
from candlecast.targets import components

MINIMUM = 20  # forecasts for a comparison
LAGS = 16  # bars back at which a forecast may be a multiple of one number
SAME = 1e-9  # share of the variance that may remain where it is


def require_learnt(model: Model, job: Job, before: np.ndarray, other: Candles, *, name: str) -> None:
    """Raise LookaheadError for a model whose forecasts of a job stay the same whatever its training rows are.

    A constant forecast passes, and so does a multiple of one input, of a recent return or of a recent outcome: a rule of thumb.
    A pretrained model, which has an attribute `trained_until`, the end of its training data, is not asked.

    Args:
        model: without wrappers.
        job: on any candles.
        before: its forecasts of the job's test rows once it was fitted to it, as `numbers` gives them.
        other: as many candles, of other prices.
        name: of the model that walks, for messages.
    """
    if hasattr(model, "trained_until"):  # a study judges it on later bars alone, and refuses one without a date
        return
    parts = components(job.samples.target)
    if len(parts) > 1:  # models take the outcomes of one of several targets from the candles
        job = job.of(parts[0])
        before = _forecast(model, job, job)
    samples, rows = job.samples, job.test_rows
    last = int(max(job.fit_rows[-1], job.train_rows[-1], *job.valid_rows[-1:]))
    later = np.flatnonzero(rows - samples.window + 1 > last)
    if (
        len(later) < MINIMUM
        or not (spreads(before[:, later]) > rounding(before[:, later], samples.naive[rows[later]])).any()
    ):
        return
    if _is_of_one_number(before[0, later], job, rows[later]):
        return
    ways = ["exchanged"] if isinstance(model, NetModel | Pooled) else ["exchanged", "mirrored"]
    ways += [] if sees_arrays_only(model) else ["replaced"]
    allowed = np.maximum(EXACT * spreads(before), rounding(before, samples.naive[rows]))
    for way in ways:
        try:
            after = _forecast(model, _otherwise(job, way, other, last), job)
        except Exception:  # rows that it refuses: it reads them
            return
        if moved(before[:, later], after[:, later], allowed) is not None:
            return
    raise LookaheadError(
        f"model {name} forecasts the same whatever its training rows and their outcomes are: it learns nothing in the walk, so "
        "what it knows may come from the bars that it forecasts",
        expected="a model that is fitted to the training rows of each job",
        remedy="Fit it in fit(); make a fixed formula a feature, whose weight cc.LinearRegression() learns; a pretrained model "
        "is judged on bars after the last day of its training data, which it declares as trained_until",
    )


def _forecast(model: Model, learnt: Job, job: Job) -> np.ndarray:
    """What the model forecasts of a job's test rows once it was fitted to another job."""
    (fitted,) = model.fit([learnt], progress=ignore)
    return numbers(fitted.forecast(job.samples, job.test_rows), job.samples.naive[job.test_rows])


def _otherwise(job: Job, way: str, other: Candles, last: int) -> Job:
    """The job with other rows up to the last one that it learns from."""
    samples = job.samples
    if way == "replaced":
        made = make_samples(other, features=samples.features, target=samples.target, window=samples.window)
        return replace(job, samples=made)
    known = np.flatnonzero(samples.is_complete[: last + 1] & samples.is_known[: last + 1])
    return exchanged(job, known, is_mirrored=way == "mirrored")


def exchanged(job: Job, known: np.ndarray, *, is_mirrored: bool) -> Job:
    """The job with the `known` rows exchanged among each other, column by column; with mirrored outcomes, where asked for."""
    samples, generator = job.samples, np.random.default_rng(0)
    inputs, y = samples.inputs.copy(), samples.y.copy()
    for column in range(inputs.shape[1]):
        inputs[known, column] = inputs[generator.permutation(known), column]
    order = generator.permutation(known)
    if samples.target.kind == "value":
        surprises = y[order, 0] - samples.naive[order]
        y[known, 0] = samples.naive[known] + (-surprises if is_mirrored else surprises)
    else:
        y[known, 0] = y[order, 0] if not is_mirrored else (samples.target.kind == "probability") - y[order, 0]
    return replace(job, samples=replace(samples, inputs=inputs, y=y))


def _is_of_one_number(forecast: np.ndarray, job: Job, rows: np.ndarray) -> bool:
    """Whether forecasts, (rows,), are an affine function of one input, return or outcome that was known at each row."""
    samples = job.samples
    returns = np.diff(np.log(samples.candles.close), prepend=np.nan)
    known = np.concatenate([np.full(samples.horizon, np.nan), samples.outcomes[: -samples.horizon]])
    candidates = np.column_stack([samples.inputs, returns, known])
    return is_of_one_number(forecast, candidates, rows, lags=max(LAGS, samples.window))


def is_of_one_number(forecast: np.ndarray, candidates: np.ndarray, rows: np.ndarray, *, lags: int) -> bool:
    """Whether forecasts, (rows,), are an affine function of one column of `candidates` at one of the last `lags` bars."""
    for lag in range(lags):
        past = candidates[np.maximum(rows - lag, 0)]
        past = past[:, np.isfinite(past).all(axis=0) & (np.ptp(past, axis=0) > 0)]
        if not past.shape[1]:
            continue
        x, y = past - past.mean(axis=0), forecast - forecast.mean()
        share = (x.T @ y) ** 2 / ((x**2).sum(axis=0) * (y @ y))
        if (share > 1 - SAME).any():
            return True
    return False
