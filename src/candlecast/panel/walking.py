"""The walk of a model through a panel: one calendar of folds for all assets, one net for all of them or one for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl

from candlecast.dataset.coverage import left_out
from candlecast.dataset.folds import Fold, Folds, check_folds, require_folds
from candlecast.dataset.forecast import Forecast
from candlecast.dataset.jobs import Job
from candlecast.dataset.rows import Rows
from candlecast.dataset.training_parts import train_by_place
from candlecast.errors import NotEnoughDataError, calling
from candlecast.events import Listener, ignore
from candlecast.features import Features
from candlecast.models import Baseline, Fitted, Model, NetModel, Pooled
from candlecast.panel.samples import PanelSamples, Stack, stacked

POOL = "all assets"  # the name of their one training
FEWEST = 2  # assets at a moment that can be compared


@dataclass(frozen=True, eq=False)
class PanelJob:
    """One training: a fold and a seed of all assets, or of the one in `places`; `job` is it as models read it."""

    job: Job
    fold: Fold
    places: tuple[int, ...]

    @property
    def stack(self) -> Stack:
        """The rows that it learns from."""
        return cast("Stack", self.job.samples)


@dataclass(frozen=True, eq=False)
class PanelFold:
    """A finished training, and its forecasts: `moments`, `places` and `values` (rows,)."""

    job: PanelJob
    fitted: Fitted
    moments: np.ndarray
    places: np.ndarray
    values: np.ndarray


def is_pooled(model: Model) -> bool:
    """Whether a model learns from all assets at once: `Pooled` nets, and every model that is no net."""
    return isinstance(model, (Pooled, Baseline))


def learner(model: Model) -> Model:
    """What is trained: the net within `Pooled`, or the model itself."""
    return model.model if isinstance(model, Pooled) else model


def reach_of(model: Model) -> int:
    """Bars before a row that its training reads: the window, and the chunk of nets that are sampled in sequence."""
    inner = learner(model)
    chunk = inner.training.longest_chunk if isinstance(inner, NetModel) and inner.training.sampling == "sequence" else 0
    return model.window + chunk


def folds_of(samples: PanelSamples, folds: Folds, features: Features) -> tuple[Fold, ...]:
    """The folds of a panel, in moments: each part begins and ends at one moment for every asset.

    Raises ConfigError, NotEnoughDataError, or LookaheadError for labels that cross a boundary.
    """
    require_folds(folds)
    times, horizon = samples.panel.times, samples.horizon
    reach = samples.window - 1 + max(features.on(each).warmup for each in samples.panel.assets[:1])
    with calling(f"split of {type(folds).__name__}", expected="a tuple of Fold", remedy="Correct it"):
        divided = folds.split(times, samples.usable, horizon=horizon, memory=reach)
    return check_folds(divided, times, horizon=horizon)


def panel_jobs(samples: PanelSamples, model: Model, folds: Sequence[Fold], seeds: Sequence[int]) -> list[PanelJob]:
    """Every training of a walk; those of an asset without a row to learn from in a fold are left out.

    Raises NotEnoughDataError for a fold in which there is nothing to learn from or to forecast.
    """
    chosen = seeds if learner(model).is_seeded else [seeds[0]]
    assets = len(samples.assets)
    groups = [tuple(range(assets))] if is_pooled(model) else [(place,) for place in range(assets)]
    found = []
    for fold in folds:
        tested = marked(fold.test, len(samples.panel))
        if not (samples.is_complete & tested[:, None]).any():
            raise _nothing(samples, fold, "test on", fold.test)
        made = [job for group in groups if (job := _job(samples, model, fold, group)) is not None]
        if not made:
            raise _nothing(samples, fold, "train on", fold.train)
        found += [PanelJob(_seeded(job.job, seed), fold, job.places) for job in made for seed in chosen]
    return found


def walk_panel(
    samples: PanelSamples,
    model: Model,
    folds: Sequence[Fold],
    seeds: Sequence[int],
    *,
    progress: Listener = ignore,
) -> Iterator[PanelFold]:
    """Train a model on each fold of a panel, and forecast its test part: one finished training at a time."""
    jobs = panel_jobs(samples, model, folds, seeds)
    by_key = {job.job.key: job for job in jobs}
    tested: dict[tuple[int, tuple[int, ...]], Stack] = {}
    for fitted in learner(model).fit([job.job for job in jobs], progress=progress):
        job = by_key[fitted.job.key]
        key = job.fold.index, job.places
        if key not in tested:
            tested[key] = tested_stack(samples, model, job)
        yield forecast_of(job, fitted, tested[key], len(samples.panel))


def forecast_of(job: PanelJob, fitted: Fitted, stack: Stack, moments: int) -> PanelFold:
    """The forecasts of a fold's test part by a fitted model."""
    rows = stack.forecastable_at(marked(job.fold.test, moments))
    values = fitted.forecast(cast("Any", stack), rows).mean if len(rows) else np.empty(0)
    return PanelFold(job, fitted, stack.moment[rows], stack.place[rows], np.asarray(values, np.float64))


def forecast_table(samples: PanelSamples, parts: Sequence[PanelFold], *, model: str) -> Forecast:
    """The forecasts of finished trainings as the table that every evaluation reads."""
    panel, horizon = samples.panel, samples.horizon
    known = np.full(len(panel), np.datetime64("NaT", "us"))
    known[: len(panel) - horizon] = panel.times[horizon:]
    symbols = np.array(panel.symbols)
    frames = []
    for part in parts:
        outcome = samples.outcomes[part.moments, part.places]
        times = pl.Series(panel.times[part.moments]).dt.replace_time_zone("UTC")
        known_at = pl.Series(known[part.moments]).dt.replace_time_zone("UTC")
        rows = len(part.moments)
        frames.append(
            pl.DataFrame(
                {
                    "time": times,
                    "known_at": known_at.zip_with(pl.Series(np.isfinite(outcome)), pl.Series([None])),
                    "symbol": pl.Series(symbols[part.places], dtype=pl.String),
                    "model": pl.repeat(model, rows, eager=True),
                    "fold": pl.repeat(part.job.fold.index, rows, eager=True, dtype=pl.Int32),
                    "seed": pl.repeat(part.job.job.seed, rows, eager=True, dtype=pl.Int32),
                    "mean": pl.Series(part.values, nan_to_null=True),
                    "naive": pl.repeat(samples.target.level, rows, eager=True, dtype=pl.Float64),
                    "target": pl.Series(outcome, nan_to_null=True),
                    "expected_return": pl.repeat(None, rows, eager=True, dtype=pl.Float64),
                }
            )
        )
    return Forecast.joined(frames, horizon)


def scores_of(forecast: Forecast, samples: PanelSamples) -> np.ndarray:
    """What a forecast says of each asset, higher for a higher return, its seeds averaged: (time, asset), NaN where nothing."""
    panel = samples.panel
    frame = forecast.frame.group_by("time", "symbol").agg(pl.col("mean").mean())
    rows = np.searchsorted(panel.times, frame["time"].dt.replace_time_zone(None).to_numpy())
    places = {symbol: place for place, symbol in enumerate(panel.symbols)}
    columns = frame["symbol"].replace_strict(places, return_dtype=pl.Int64).to_numpy()
    found = np.full(panel.bars.shape, np.nan)
    found[rows, columns] = frame["mean"].to_numpy() * samples.target.direction
    return np.where(panel.is_member, found, np.nan)


def marked(rows: Rows, size: int) -> np.ndarray:
    """Whether each moment is among the rows, bool (size,)."""
    found = np.zeros(size, dtype=bool)
    found[rows.array] = True
    return found


def fold_table(samples: PanelSamples, parts: Sequence[PanelFold]) -> pl.DataFrame:
    """One row for each fold, as that of a study of one asset; `assets_trained` and `assets_tested` count assets."""
    times = pl.Series(samples.panel.times).dt.replace_time_zone("UTC")
    folds = {part.job.fold.index: part.job.fold for part in parts}
    could = samples.is_complete.sum(axis=1) >= FEWEST
    missed = left_out([folds[index].test for index in sorted(folds)], could, horizon=samples.horizon)
    after = dict(zip(sorted(folds), missed, strict=True))
    by_place = train_by_place(list(folds.values()))
    rows: dict[int, dict[str, Any]] = {}
    for part in parts:
        fold = part.job.fold
        row = rows.setdefault(
            fold.index,
            {
                "fold": fold.index,
                "train_first": times[fold.train.first],
                "train_last": times[fold.fit.last],
                "test_first": times[fold.test.first],
                "test_last": times[fold.test.last],
                "train_bars": len(fold.fit),
                "test_bars": len(fold.test),
                "left_out": int(after[fold.index]),
                "by_place": by_place,
                "train_rows": 0,
                "assets_trained": 0,
                "assets_tested": 0,
            },
        )
        if part.job.job.seed == parts[0].job.job.seed:
            stack, fit = part.job.stack, part.job.job.fit_rows
            row["train_rows"] += len(fit)
            row["assets_trained"] += len(np.unique(stack.place[fit]))
            row["assets_tested"] += len(np.unique(part.places))
    return pl.DataFrame([rows[index] for index in sorted(rows)])


def loss_table(parts: Sequence[PanelFold]) -> pl.DataFrame:
    """One row for each training and epoch: `fold`, `seed`, `epoch`, `train`, `valid`; means over the assets of nets of each."""
    schema = {"fold": pl.Int32, "seed": pl.Int32, "epoch": pl.Int32, "train": pl.Float64, "valid": pl.Float64}
    rows = [
        (part.job.fold.index, part.job.job.seed, epoch, train, valid)
        for part in parts
        for epoch, (train, valid) in enumerate(part.fitted.losses, start=1)
    ]
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table.group_by("fold", "seed", "epoch").mean().sort("fold", "seed", "epoch")


def tensors_of(parts: Sequence[PanelFold]) -> dict[str, Mapping[str, np.ndarray]]:
    """What each training learnt, by its key."""
    return {part.job.job.key: part.fitted.tensors() for part in parts}


def _job(samples: PanelSamples, model: Model, fold: Fold, places: Sequence[int]) -> PanelJob | None:
    """The first seed's training of a fold; None where these assets have nothing to learn from."""
    reach, moments = reach_of(model), len(samples.panel)
    last = max(fold.fit.last, fold.train.last)
    name = POOL if len(places) > 1 else samples.panel.symbols[places[0]]
    try:
        stack = stacked(samples, places, fold.train.first, last, reach=reach, name=name)
    except NotEnoughDataError:
        return None
    train, valid = (stack.learnable_at(marked(part, moments)) for part in (fold.train, fold.valid))
    if not len(train):
        return None
    end = len(stack)
    divided = Fold(fold.index, Rows.of(train), Rows.of(valid), range(end, end + 1))
    return PanelJob(Job(cast("Any", stack), divided, 0), fold, tuple(places))


def _seeded(job: Job, seed: int) -> Job:
    return Job(job.samples, job.fold, seed)


def tested_stack(samples: PanelSamples, model: Model, job: PanelJob) -> Stack:
    """The rows of a fold's test part, and the bars before them that a forecast reads."""
    test = job.fold.test
    try:
        return stacked(samples, job.places, test.first, test.last, reach=reach_of(model), name=job.job.symbol)
    except NotEnoughDataError:  # an asset that ended before
        return stacked(samples, job.places, 0, test.last, reach=reach_of(model), name=job.job.symbol)


def _nothing(samples: PanelSamples, fold: Fold, name: str, part: Rows) -> NotEnoughDataError:
    times = samples.panel.times
    first, last = (str(times[row])[:10] for row in (part.first, part.last))
    return NotEnoughDataError(
        f"fold {fold.index} has nothing to {name} from {first} to {last} ({len(part):,} moments): no member has a whole window "
        + ("there" if name == "test on" else "with a known outcome there"),
        expected="in each part of each fold members with whole windows",
        remedy="Use fewer folds, a shorter window, or give assets of that time",
    )
