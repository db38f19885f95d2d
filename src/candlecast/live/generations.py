"""`Generation`: the fitted models that forecast from one bar on: those of a fold from its test part on, or trained later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from candlecast.dataset.folds import are_in_time_order
from candlecast.dataset.jobs import Job
from candlecast.errors import ConfigError
from candlecast.models import Fitted, Model
from candlecast.study.fitted import Parts
from candlecast.study.result import StudyResult
from candlecast.walkforward.plan import WalkPlan
from candlecast.walkforward.walk import moments_of


@dataclass(frozen=True, eq=False)
class Generation:
    """Fitted models, one for each seed.

    index: the fold's number, or the next one for models that were trained later.
    since: close of the first bar that they forecast, datetime64[us].
    jobs: their trainings.
    fitted: what each learnt.
    """

    index: int
    since: np.datetime64
    jobs: tuple[Job, ...]
    fitted: tuple[Fitted, ...]

    @cached_property
    def moments(self) -> dict[int, tuple[float, float, float]]:
        """The moments of each model's signal over the rows that it was fitted on, by seed."""
        return {job.seed: moments_of(fitted) for job, fitted in zip(self.jobs, self.fitted, strict=True)}

    @property
    def trained_until(self) -> np.datetime64:
        """Close of the last bar that they learnt from."""
        job = self.jobs[0]
        return job.samples.candles.close_time[job.fold.fit.last]


def generations_of(result: StudyResult, parts: Parts, *, after: np.datetime64) -> list[Generation]:
    """The folds of a run that forecast bars from `after` on: the one that tests the bar after it, and all later ones.

    Raises ConfigError for folds that learn from bars after their test part, whose models could not have traded them.
    """
    seeds = result.forecast.seeds
    plan = WalkPlan(parts.features, result.target, parts.folds, (seeds[0],), int(result.recipe["window"]))
    jobs = sorted(plan.jobs(parts.model, result.candles), key=lambda job: job.fold.test.first)
    if not are_in_time_order(job.fold for job in jobs):
        raise ConfigError(
            f"the folds are {type(parts.folds).__name__}, whose models know bars after those that they forecast",
            expected="folds in the order of time",
            remedy="Run the study with cc.WalkForward() for paper trading",
        )
    times = result.candles.close_time
    starts = [times[job.fold.test.first] for job in jobs]
    first = max(int(np.searchsorted(np.array(starts), after, side="right")) - 1, 0)
    return [_restored(result, parts.model, job, seeds) for job in jobs[first:]]


def _restored(result: StudyResult, model: Model, job: Job, seeds: Sequence[int]) -> Generation:
    own = tuple(replace(job, seed=seed) for seed in seeds)
    fitted = tuple(model.restore(each, result.tensors.get(each.key, {})) for each in own)
    since = result.candles.close_time[job.fold.test.first]
    return Generation(job.fold.index, since, own, fitted)
