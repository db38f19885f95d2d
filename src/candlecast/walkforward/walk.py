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
from candlecast.dataset.repeated import Repeated
from candlecast.events import Listener, ignore
from candlecast.features import Features
from candlecast.models import Fitted, Model, Pooled
from candlecast.models.model import require_model
from candlecast.targets import Target, components, label, primary
from candlecast.walkforward.plan import WalkPlan

logger = logging.getLogger(__name__)
VOID = ("sigma", "position")  # null columns of most models


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
    repeated = Repeated()
    for job in jobs:
        if (tensors := stored.get(job)) is not None:
            fitted = model.restore(job, tensors)
            yield FoldForecast(job, fitted, forecast_frame(fitted, name, repeated=repeated))
    left = [job for job in jobs if stored.get(job) is None]
    logger.info("%s: %d jobs, %d of them restored from checkpoints", model.name, len(jobs), len(jobs) - len(left))
    check = ModelCheck(model)
    for fitted in model.fit(left, progress=progress) if left else ():
        check(fitted)
        if checkpoints:
            checkpoints.save(model, fitted)
        yield FoldForecast(fitted.job, fitted, forecast_frame(fitted, name, repeated=repeated))


def forecast_frame(
    fitted: Fitted,
    model: str,
    *,
    job: Job | None = None,
    repeated: Repeated | None = None,
    moments: tuple[float, float, float] | None = None,
) -> pl.DataFrame:
    """The rows of the forecast table that one fitted job gives for its own test part, or for that of another `job`.

    `repeated`: columns of one value that the table shares with others of the same walk. `moments`: `moments_of` the fitted job,
    where they are computed already.
    """
    job = fitted.job if job is None else job
    repeated = Repeated() if repeated is None else repeated
    samples = job.samples
    rows = job.test_rows
    first, *others = components(samples.target)
    prediction = fitted.forecast(samples, rows)
    is_known = samples.is_known[rows]
    closes = samples.candles.frame["close_time"]
    frame = pl.DataFrame(
        {
            "time": samples.column("time", job.fold.test, lambda: closes.gather(rows)),
            "known_at": _known_at(job, first, is_known),
            "symbol": repeated.of(job.symbol, len(rows), pl.String),
            "model": repeated.of(model, len(rows), pl.String),
            "fold": repeated.of(job.fold.index, len(rows), pl.Int32),
            "seed": repeated.of(job.seed, len(rows), pl.Int32),
        }
    )
    columns = _forecast_columns(job.of(first), prediction, is_known, repeated)
    columns |= {name: repeated.of(None, len(rows), pl.Float64) for name in VOID if name not in columns}
    moments = moments_of(fitted) if moments is None else moments
    columns |= {name: repeated.of(value, len(rows), pl.Float64) for name, value in zip(SIGNAL, moments, strict=True)}
    for target in others:
        name = label(target)
        further = _forecast_columns(job.of(target), prediction.others[name], is_known, repeated)
        further["known_at"] = _known_at(job, target, is_known)
        columns |= {f"{column}@{name}": series for column, series in further.items()}
    return frame.with_columns(**columns)


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


def _known_at(job: Job, target: Target, is_known: np.ndarray) -> pl.Series:
    """When the outcomes of a target are known at the test rows of a job; null where they are not yet."""

    def made() -> pl.Series:
        times = pl.Series(job.samples.known_at(target)[job.test_rows]).dt.replace_time_zone("UTC")
        return times.zip_with(pl.Series(is_known), pl.Series([None]))

    return job.samples.column(f"known_at@{label(target)}", job.fold.test, made)


def _forecast_columns(
    job: Job, prediction: Prediction, is_known: np.ndarray, repeated: Repeated
) -> dict[str, pl.Series]:
    """The columns of one target, for the test rows of a job of which `is_known` says whether the outcome is."""
    samples, rows, part = job.samples, job.test_rows, job.fold.test
    mean = samples.naive.copy()
    mean[rows] = prediction.mean
    learnt, naive = samples.outcomes[job.fit_rows], samples.naive[job.fit_rows]
    expected = samples.target.expected_return(mean, samples.candles)
    said = _numbers(mean[rows])
    measured = {"naive_error": float(np.abs(learnt - naive).mean()), "train_mean": float(learnt.mean())}
    return {
        "mean": said,
        "naive": samples.column("naive", part, lambda: _numbers(samples.naive[rows])),
        "target": samples.column("target", part, lambda: _numbers(np.where(is_known, samples.outcomes[rows], np.nan))),
        "expected_return": said if expected is mean else _numbers(expected[rows]),
        **{
            name: repeated.of(None if np.isnan(value) else value, len(rows), pl.Float64)
            for name, value in measured.items()
        },
        **{name: _numbers(values) for name, values in prediction.columns.items()},
    }


def _numbers(values: np.ndarray) -> pl.Series:
    return pl.Series(values, dtype=pl.Float64, nan_to_null=True)
