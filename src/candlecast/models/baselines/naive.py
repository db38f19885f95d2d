"""Baselines, which every model has to beat on the same walk: naive, drift and linear regression."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from candlecast.dataset.jobs import Job, Unpickled
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import Samples, windows
from candlecast.errors import ConfigError
from candlecast.events import Listener, Progress, ignore
from candlecast.features import fit_scaling
from candlecast.models.deterministic import deterministic_fit
from candlecast.parameters import require_kinds
from candlecast.targets import Target, components, label
from candlecast.targets.sides import sides_of

# samples and rows -> forecasts in the target's units: the mean alone, (rows,), or a whole prediction
Predict = Callable[[Samples, np.ndarray], np.ndarray | Prediction]


@dataclass(frozen=True, eq=False)
class FittedBaseline(Unpickled):
    """A baseline's forecasting functions for one job: one for each of its targets."""

    job: Job
    predict: tuple[Predict, ...]
    losses: np.ndarray = field(default_factory=lambda: np.empty((0, 2)), init=False)

    def forecast(self, samples: Samples, rows: np.ndarray) -> Prediction:
        """Forecasts made at the close of `rows`, in the target's units."""
        targets = components(samples.target)
        found = (p(samples.of(t), rows) for p, t in zip(self.predict, targets, strict=True))
        each = [one if isinstance(one, Prediction) else Prediction(one) for one in found]
        return replace(each[0], others={label(t): other for t, other in zip(targets[1:], each[1:], strict=True)})

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Nothing: fitting a baseline again is faster than reading it."""
        return {}


class Baseline(ABC):
    """A model that learns each job by itself, at once, and the same for every seed."""

    name: str
    window: int
    is_seeded: bool
    domain: ClassVar[str] = "any target"  # what it forecasts, in words

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[FittedBaseline]:
        """Learn every job from its own training rows."""
        for done, job in enumerate(jobs, start=1):
            yield self.restore(job, {})
            progress(Progress("fit", done, len(jobs), job.words))

    def restore(self, job: Job, tensors: Mapping[str, np.ndarray]) -> FittedBaseline:
        """The same, fitted again: each target by itself."""
        self.require_target(job.samples.target)
        return FittedBaseline(job, tuple(self.learn(job.of(target)) for target in components(job.samples.target)))

    def fits(self, target: Target) -> bool:
        """Whether such a target can be forecast in this way."""
        return True

    def require_target(self, target: Target) -> None:
        """Raise ConfigError for a target that cannot be forecast in this way."""
        for each in components(target):
            if not self.fits(each):
                raise ConfigError(
                    f"{self.name} forecasts {self.domain}, and the target is {each.name}",
                    expected="a target of that kind",
                    remedy="Use cc.LinearRegression(), which learns any target from features",
                )

    @abstractmethod
    def learn(self, job: Job) -> Predict:
        """The forecasting function that the job's training rows give."""


@dataclass(frozen=True)
class Naive(Baseline):
    """The target's naive forecast: the price stays, the odds are even, the next range is the last one."""

    name: str = field(default="naive", init=False)
    window: int = field(default=1, init=False)
    is_seeded: bool = field(default=False, init=False)

    def learn(self, job: Job) -> Predict:
        return lambda samples, rows: samples.naive[rows]


@dataclass(frozen=True)
class Drift(Baseline):
    """Naive plus the mean difference between outcome and naive in the training part."""

    name: str = field(default="drift", init=False)
    window: int = field(default=1, init=False)
    is_seeded: bool = field(default=False, init=False)

    def learn(self, job: Job) -> Predict:
        drift = float((job.samples.outcomes[job.fit_rows] - job.samples.naive[job.fit_rows]).mean())
        return lambda samples, rows: samples.naive[rows] + drift


@dataclass(frozen=True)
class LinearRegression(Baseline):
    """Least squares on the same features, of the last `window` bars; the outcome is learnt as its difference to naive.

    For a probability: logistic regression on the outcomes that are of either class (`targets.sides`).
    """

    window: int = 1
    name: str = field(default="linear", init=False)
    is_seeded: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.window < 1:
            raise ConfigError(
                f"window is {self.window}", expected="1 bar or more", remedy="Use LinearRegression(window=1)"
            )

    def learn(self, job: Job) -> Predict:
        from sklearn import linear_model

        samples, rows, inputs = job.samples, job.fit_rows, regressors(job, self.window)
        outcomes = samples.outcomes[rows]
        if samples.target.kind == "probability":
            sides = sides_of(outcomes, samples.naive[rows])
            if not sides.has_both:
                return lambda samples, rows: sides.forecast(np.full(len(rows), sides.only), samples.naive[rows])
            with deterministic_fit():
                classifier = linear_model.LogisticRegression(C=1.0)
                classifier.fit(inputs(samples, rows[sides.teaches]), sides.classes)
            return lambda samples, rows: sides.forecast(
                classifier.predict_proba(inputs(samples, rows))[:, 1], samples.naive[rows]
            )
        with deterministic_fit():
            regression = linear_model.LinearRegression().fit(inputs(samples, rows), outcomes - samples.naive[rows])
        return lambda samples, rows: samples.naive[rows] + regression.predict(inputs(samples, rows))


def regressors(job: Job, window: int) -> Callable[[Samples, np.ndarray], np.ndarray]:
    """Features of the last `window` bars in one row each, (rows, window x column), scaled by the job's training part."""
    scaling = fit_scaling(job.samples.scalers, job.fold.fit.of_all(job.samples.inputs))

    def inputs(samples: Samples, rows: np.ndarray) -> np.ndarray:
        views = windows(samples.inputs, window)[rows - window + 1]  # (rows, window, column)
        return scaling.apply(views).reshape(len(rows), -1)

    return inputs
