"""Walk forward: train on each fold's past, forecast its future, for every asset and seed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from candlecast.causality import ModelCheck
from candlecast.dataset.folds import Folds
from candlecast.dataset.forecast import SIGNAL, Forecast
from candlecast.dataset.jobs import Job
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import Samples
from candlecast.events import Listener, ignore
from candlecast.features import Features
from candlecast.models import Fitted, Model, Pooled
from candlecast.models.model import require_model
from candlecast.targets import Target, components, label, primary
from candlecast.walkforward.plan import WalkPlan

logger = logging.getLogger(__name__)


class CheckpointStore(Protocol):
    """Where fitted jobs are stored, so that long work continues after an interruption."""

    def load(self, model: Model, job: Job) -> Mapping[str, np.ndarray] | None:
        """The `tensors()` of a fitted job; None if it is not stored."""
        ...

    def save(self, model: Model, fitted: Fitted) -> None:
        """Store a fitted job."""
        ...


@dataclass(frozen=True, eq=False)
class FoldForecast:
    """One finished job: what it learnt, and its rows of the forecast table."""

    job: Job
    fitted: Fitted
    frame: pl.DataFrame


def walk_forward(
    model: Model,
    candles: Any,
    *,
    features: Features | None = None,
    target: Target | None = None,
    folds: Folds | None = None,
    seeds: int | Iterable[int] = 1,
    window: int = 1,
    progress: Listener = ignore,
) -> Forecast:
    """Forecast every test row of every fold with a model that was trained on the fold's past only.

    `candles` of one asset or several (`Candles`, frames or paths of files); `features` the standard ones and `target` the
    next return when not given; `folds`
    five walk-forward parts when not given. Every (asset, fold, seed) is a training of its own. `window` is the longest
    window of the models to be compared (this one's when shorter), so that all of them get the same rows and folds.

    Features, target and model that are not candlecast's own are checked first, on these candles: what is computed from
    later candles, or found by date, price or row number instead of being computed from them, is refused; see
    `candlecast.causality`. So is a fold with nothing to learn or to forecast.

    Raises CandleError, ConfigError, NotEnoughDataError or LookaheadError.
    """
    plan = WalkPlan.of(features=features, target=target, folds=folds, seeds=seeds, window=window)
    parts = walk_by_plan(plan, model, candles, progress=progress)
    return Forecast.joined([part.frame for part in parts], primary(plan.target).horizon)


def watch_forward(
    model: Model,
    candles: Any,
    *,
    features: Features | None = None,
    target: Target | None = None,
    folds: Folds | None = None,
    seeds: int | Iterable[int] = 1,
    window: int = 1,
    checkpoints: CheckpointStore | None = None,
    progress: Listener = ignore,
) -> Iterator[FoldForecast]:
    """The walk of `walk_forward`, one finished job at a time, in the order in which they end.

    Jobs stored in `checkpoints` are not fitted again, and the others are stored as they end. A job's result depends on the job
    alone, so that this changes no result; jobs of a `Pooled` net of several assets, whose results do not, are not stored.
    """
    plan = WalkPlan.of(features=features, target=target, folds=folds, seeds=seeds, window=window)
    yield from walk_by_plan(plan, model, candles, checkpoints=checkpoints, progress=progress)


def walk_by_plan(
    plan: WalkPlan,
    model: Model,
    candles: Any,
    *,
    name: str | None = None,
    checkpoints: CheckpointStore | None = None,
    progress: Listener = ignore,
) -> Iterator[FoldForecast]:
    """The walk of a model by a plan; as `watch_forward`. `name`: that of the model in the tables, its own when not given."""
    require_model(model)
    yield from walk_jobs(model, plan.jobs(model, candles), name=name, checkpoints=checkpoints, progress=progress)


def walk_jobs(
    model: Model,
    jobs: Sequence[Job],
    *,
    name: str | None = None,
    checkpoints: CheckpointStore | None = None,
    progress: Listener = ignore,
) -> Iterator[FoldForecast]:
    """The walk of a model whose jobs are planned (`WalkPlan.of_model`); as `walk_by_plan`."""
    name = model.name if name is None else name
    if isinstance(model, Pooled) and len({job.symbol for job in jobs}) > 1:
        checkpoints = None  # its jobs are no results of their own
    stored = {job: checkpoints.load(model, job) for job in jobs} if checkpoints else {}
    for job in jobs:
        if (tensors := stored.get(job)) is not None:
            fitted = model.restore(job, tensors)
            yield FoldForecast(job, fitted, forecast_frame(fitted, name))
    left = [job for job in jobs if stored.get(job) is None]
    logger.info("%s: %d jobs, %d of them restored from checkpoints", model.name, len(jobs), len(jobs) - len(left))
    check = ModelCheck(model)
    for fitted in model.fit(left, progress=progress) if left else ():
        check(fitted)
        if checkpoints:
            checkpoints.save(model, fitted)
        yield FoldForecast(fitted.job, fitted, forecast_frame(fitted, name))


def forecast_frame(fitted: Fitted, model: str, *, job: Job | None = None) -> pl.DataFrame:
    """The rows of the forecast table that one fitted job gives for its own test part, or for that of another `job`."""
    job = fitted.job if job is None else job
    samples = job.samples
    rows = job.test_rows
    first, *others = components(samples.target)
    prediction = fitted.forecast(samples, rows)
    is_known = samples.is_known[rows]
    frame = pl.DataFrame(
        {
            "time": samples.candles.frame["close_time"].gather(rows),
            "known_at": _known_at(samples, first, rows, is_known),
            "symbol": pl.repeat(job.symbol, len(rows), eager=True),
            "model": pl.repeat(model, len(rows), eager=True),
            "fold": pl.repeat(job.fold.index, len(rows), eager=True, dtype=pl.Int32),
            "seed": pl.repeat(job.seed, len(rows), eager=True, dtype=pl.Int32),
        }
    )
    columns = _forecast_columns(job.of(first), prediction, is_known) | _signal_columns(fitted, len(rows))
    for target in others:
        name = label(target)
        further = _forecast_columns(job.of(target), prediction.others[name], is_known)
        further["known_at"] = _known_at(samples, target, rows, is_known)
        columns |= {f"{column}@{name}": series for column, series in further.items()}
    return frame.with_columns(**columns)


def _signal_columns(fitted: Fitted, rows: int) -> dict[str, pl.Series]:
    """What rules know of a model's signal before they act on it: its moments over the rows that the model was fitted on."""
    return {
        name: pl.repeat(value, rows, eager=True, dtype=pl.Float64)
        for name, value in zip(SIGNAL, moments_of(fitted), strict=True)
    }


def moments_of(fitted: Fitted) -> tuple[float, float, float]:
    """The moments of a model's signal over the rows that it was fitted on; see `signal_moments`.

    Each stretch of them is forecast by itself, so that no memory is carried through tested bars.
    """
    job = fitted.job.of(primary(fitted.job.samples.target))
    samples, stretches = job.samples, job.fit_stretches
    mean = samples.naive.copy()
    for stretch in stretches:
        mean[stretch] = fitted.forecast(fitted.job.samples, stretch).mean
    signal = samples.target.expected_return(mean, samples.candles)
    if np.isnan(signal).all():
        signal = mean
    return signal_moments([signal[stretch][np.isfinite(signal[stretch])] for stretch in stretches])


def signal_moments(stretches: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Mean, standard deviation and first autocorrelation of a signal in stretches (time,); 0 where it is constant.

    >>> signal_moments([np.array([1.0, 2.0, 3.0, 2.0])])
    (2.0, 0.7071067811865476, 0.0)
    """
    whole = np.concatenate(stretches)
    mean, std = float(whole.mean()), float(whole.std())
    deviations = [stretch - mean for stretch in stretches]
    products = np.concatenate([each[1:] * each[:-1] for each in deviations])
    persistence = float(products.mean()) / std**2 if std and len(products) else 0.0
    return mean, std, min(max(persistence, -1.0), 1.0)


def _known_at(samples: Samples, target: Target, rows: np.ndarray, is_known: np.ndarray) -> pl.Series:
    """When the outcomes of a target are known; null where they are not yet."""
    times = pl.Series(samples.known_at(target)[rows]).dt.replace_time_zone("UTC")
    return times.zip_with(pl.Series(is_known), pl.Series([None]))


def _forecast_columns(job: Job, prediction: Prediction, is_known: np.ndarray) -> dict[str, pl.Series]:
    """The columns of one target, for the test rows of a job of which `is_known` says whether the outcome is."""
    samples, rows = job.samples, job.test_rows
    mean = samples.naive.copy()
    mean[rows] = prediction.mean
    learnt, naive = samples.outcomes[job.fit_rows], samples.naive[job.fit_rows]
    figures = {
        "mean": mean[rows],
        "naive": samples.naive[rows],
        "target": np.where(is_known, samples.outcomes[rows], np.nan),
        "expected_return": samples.target.expected_return(mean, samples.candles)[rows],
        "naive_error": np.full(len(rows), np.abs(learnt - naive).mean()),
        "train_mean": np.full(len(rows), learnt.mean()),
        **prediction.columns,
    }
    return {name: pl.Series(values, dtype=pl.Float64, nan_to_null=True) for name, values in figures.items()}
