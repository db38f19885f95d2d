"""Whether a model keeps anything between fits: on a market of other prices, one job is fitted again after a later one.

The prices are drawn anew for each check in a process, so that nothing that was kept before can hide what is kept now. The
market is small, since a model that remembers does so there as well; one that needs more rows gets as many as in its walk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np

from candlecast.candles import Candles
from candlecast.causality.agreement import AGREEING, moved, numbers, rounding, spreads
from candlecast.causality.learning import require_learnt
from candlecast.causality.markets import unseen
from candlecast.dataset.folds import WalkForward
from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples, make_samples
from candlecast.errors import ConfigError, LookaheadError
from candlecast.events import ignore
from candlecast.models import Model, NetModel, Pooled
from candlecast.targets import memory

BARS = 300  # beyond what features and windows need
EPOCHS = 1  # of a net: what it keeps between fits shows after one


def require_stateless(model: Model, job: Job, *, name: str, seed: int = 0) -> None:
    """Raise unless a job forecasts the same when it is fitted again after a later job, and what it forecasts is learnt.

    Raises LookaheadError for a model that keeps something, or learns nothing (see `require_learnt`); ConfigError for one that
    gives other forecasts anyway, or that cannot be fitted on other prices.
    """
    model = shortened(model)
    failure: Exception | None = None
    for candles in _markets(job.samples, seed):
        try:
            first, later = _jobs(job, candles)
            before = _learnt(model, first)
            together = [] if isinstance(model, NetModel | Pooled) else [first]
            beside = _learnt(model, later, *together)
            again = _learnt(model, first)
        except Exception as error:  # too few rows for this model, or whatever a user's code raises
            failure = error
            continue
        (before, again), naive = (before[0], again[0]), first.samples.naive[first.test_rows]
        allowed = np.maximum(AGREEING * spreads(before), rounding(before, naive))
        found = next(filter(None, (moved(before, after, allowed) for after in (again, *beside[1:]))), None)
        if found is None:
            require_learnt(model, first, before, unseen(first.samples.candles, seed), name=name)
            return
        if moved(again, _learnt(model, first)[0], allowed) is not None:
            raise ConfigError(
                f"model {name} gives other forecasts each time it is fitted to the same job ({found.before:.6g}, then "
                f"{found.after:.6g} above naive), so whether it looks ahead cannot be checked",
                expected="the same forecasts for the same job",
                remedy="Draw random numbers from the job's seed, and keep nothing between fits",
            )
        raise LookaheadError(
            f"model {name} forecasts {found.before:.6g} above naive, and {found.after:.6g} for the same job when a later job "
            "was fitted before: it keeps something between fits",
            expected="what is learnt from the training rows of the job alone",
            remedy="Make a fresh object for each fit, and keep no data in classes, modules or closures",
        )
    raise ConfigError(
        f"model {name} fails on other prices ({type(failure).__name__}: {str(failure)[:200]}), so whether it keeps something "
        "between fits cannot be checked",
        expected="a model that can be fitted to any candles",
        remedy="Try it with candlecast.testing.check_model",
    )


def _markets(samples: Samples, seed: int) -> Iterator[Candles]:
    """Other prices that no earlier check has used: on a short stretch, then on all bars."""
    candles = samples.candles
    bars = BARS + samples.window + 2 * max(samples.features.warmup, memory(samples.target)) + 4 * samples.horizon
    first = max(len(candles) - bars, 0)
    for part in (candles[first:], candles):
        yield unseen(part, seed)


def _jobs(job: Job, candles: Candles) -> tuple[Job, Job]:
    """Two jobs of which the later one learns from what the earlier one is tested on."""
    given = job.samples
    samples = make_samples(candles, features=given.features, target=given.target, window=given.window)
    reach = given.window - 1 + max(given.features.warmup, memory(given.target))
    folds = WalkForward(folds=2).split(candles.close_time, samples.usable, horizon=given.horizon, memory=reach)
    first, later = (replace(job, samples=samples, fold=fold) for fold in folds)
    return first, later


def _learnt(model: Model, *jobs: Job) -> list[np.ndarray]:
    """Forecasts of each of the jobs, once all of them were fitted together."""
    found = {id(fitted.job): fitted for fitted in model.fit(jobs, progress=ignore)}
    asked = [(found[id(job)], job.samples, job.test_rows) for job in jobs]
    return [numbers(fitted.forecast(samples, rows), samples.naive[rows]) for fitted, samples, rows in asked]


def shortened(model: Any) -> Any:
    """A net that is trained for few epochs; any other model as it is."""
    if isinstance(model, Pooled):
        return replace(model, model=shortened(model.model))
    if isinstance(model, NetModel) and is_dataclass(model):
        training = model.training
        return replace(model, training=replace(training, epochs=min(training.epochs, EPOCHS)))
    return model
