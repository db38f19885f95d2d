"""Walk forward: train on each fold's past, forecast its future, for every asset and seed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import polars as pl

from candlecast.causality import ModelCheck, require_causal_features, require_causal_target
from candlecast.dataset.folds import Folds, WalkForward, check_folds, require_folds
from candlecast.dataset.forecast import Forecast
from candlecast.dataset.jobs import Job
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import Samples, make_samples
from candlecast.errors import ConfigError, NotEnoughDataError, calling, is_whole
from candlecast.events import Listener, ignore
from candlecast.features import Features, standard_features
from candlecast.models import Fitted, Model, Pooled
from candlecast.models.model import require_learnable
from candlecast.sources.files import as_assets
from candlecast.targets import NextReturn, Target, label, lead, memory, parts
from candlecast.walkforward.empty_folds import require_rows

HIGHEST_SEED = 2**31 - 1

logger = logging.getLogger(__name__)


class Keeper(Protocol):
    """Where finished jobs are kept, so that long work continues after an interruption."""

    def load(self, model: Model, job: Job) -> Mapping[str, np.ndarray] | None:
        """What a fitted job gave as `tensors()`, if it was kept."""
        ...

    def keep(self, model: Model, fitted: Fitted) -> None:
        """Keep a finished job."""
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
    seeds: Iterable[int] = range(1),
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
    target = NextReturn() if target is None else target
    parts = watch_forward(
        model, candles, features=features, target=target, folds=folds, seeds=seeds, window=window, progress=progress
    )
    return Forecast.joined([part.frame for part in parts], lead(target).horizon)


def watch_forward(
    model: Model,
    candles: Any,
    *,
    features: Features | None = None,
    target: Target | None = None,
    folds: Folds | None = None,
    seeds: Iterable[int] = range(1),
    window: int = 1,
    keeper: Keeper | None = None,
    progress: Listener = ignore,
) -> Iterator[FoldForecast]:
    """The same walk, one finished job at a time, in the order in which they end.

    With a `keeper`, jobs that it kept are not fitted again, and the others are kept as they end. A job's result depends
    on the job alone, so that it makes no difference to any result; those of a `Pooled` net of several assets, which do not, are
    not kept.
    """
    jobs = plan_jobs(model, candles, features=features, target=target, folds=folds, seeds=seeds, window=window)
    if isinstance(model, Pooled) and len({job.symbol for job in jobs}) > 1:
        keeper = None  # its jobs are no results of their own
    kept = {job.key: keeper.load(model, job) for job in jobs} if keeper else {}
    for job in jobs:
        if (tensors := kept.get(job.key)) is not None:
            fitted = model.restore(job, tensors)
            yield FoldForecast(job, fitted, forecast_frame(fitted, model.name))
    left = [job for job in jobs if kept.get(job.key) is None]
    logger.info("%s: %d jobs, %d of them kept from before", model.name, len(jobs), len(jobs) - len(left))
    check = ModelCheck(model)
    for fitted in model.fit(left, progress=progress) if left else ():
        check(fitted)
        if keeper:
            keeper.keep(model, fitted)
        yield FoldForecast(fitted.job, fitted, forecast_frame(fitted, model.name))


def plan_jobs(
    model: Model,
    candles: Any,
    *,
    features: Features | None = None,
    target: Target | None = None,
    folds: Folds | None = None,
    seeds: Iterable[int] = range(1),
    window: int = 1,
) -> list[Job]:
    """Every (asset, fold, seed) training of a walk; one seed when the model does not depend on it.

    `window`: the longest window of the models that are compared, so that all of them get the same rows and folds.

    Raises as `walk_forward`, but for what only a fit shows.
    """
    target = NextReturn() if target is None else target
    require_learnable(model, target)
    assets = as_assets(candles)
    seeds = list(seeds) if model.is_seeded else list(seeds)[:1]
    if not assets or not seeds:
        raise ConfigError(
            f"a walk over {len(assets)} assets and {len(seeds)} seeds",
            expected="at least one of each",
            remedy="Use seeds=range(1)",
        )
    doubled = {asset.symbol for asset in assets if sum(other.symbol == asset.symbol for other in assets) > 1}
    if doubled:
        raise ConfigError(
            f"two assets are called {sorted(doubled)[0]}", expected="a symbol each", remedy="Rename one with symbol=..."
        )
    require_seeds(seeds)
    folds = WalkForward() if folds is None else folds
    require_folds(folds)
    chosen = {asset.symbol: features or standard_features(asset.interval) for asset in assets}
    if len({each.columns for each in chosen.values()}) > 1:
        raise ConfigError(
            "the assets have standard features of different columns, because their intervals differ",
            expected="the same features for all",
            remedy="Name them with features=cc.Features(...)",
        )
    jobs = []
    for asset in assets:
        asset.require_sound()
        require_causal_features(chosen[asset.symbol], asset)
        require_causal_target(target, asset)
        samples = make_samples(
            asset,
            features=chosen[asset.symbol],
            target=target,
            window=max(window, model.window),
        )
        times = asset.close_time
        reach = samples.window - 1 + max(samples.features.warmup, memory(target))
        try:
            with calling(f"split of {type(folds).__name__}", expected="a tuple of Fold", remedy="Correct it"):
                divided = folds.split(times, samples.usable, horizon=target.horizon, memory=reach)
            checked = check_folds(divided, times, horizon=target.horizon)
        except NotEnoughDataError as error:
            wrong = f"the {len(asset):,} candles of {asset.symbol} are too few for these folds: {error.wrong}"
            raise NotEnoughDataError(wrong, expected=error.expected, remedy=error.remedy) from error
        planned = [Job(samples, fold, seeds[0]) for fold in checked]
        require_rows(planned)
        jobs += [replace(job, seed=seed) for job in planned for seed in seeds]
    return jobs


def require_seeds(seeds: Iterable[object]) -> None:
    """Raise ConfigError for what is no seed."""
    for seed in seeds:
        if not is_whole(seed, 0) or seed > HIGHEST_SEED:  # type: ignore[operator]
            raise ConfigError(
                f"seed is {seed!r}",
                expected=f"a whole number from 0 to {HIGHEST_SEED:,}",
                remedy="Use seed=0, or seeds=range(5)",
            )


def forecast_frame(fitted: Fitted, model: str) -> pl.DataFrame:
    """The rows of the forecast table that one fitted job gives for its own test part."""
    job, samples = fitted.job, fitted.job.samples
    rows = job.test_rows
    first, *others = parts(samples.target)
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
    columns = _forecast_columns(job.of(first), prediction, is_known)
    for target in others:
        name = label(target)
        further = _forecast_columns(job.of(target), prediction.others[name], is_known)
        further["known_at"] = _known_at(samples, target, rows, is_known)
        columns |= {f"{column}@{name}": series for column, series in further.items()}
    return frame.with_columns(**columns)


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
