"""Naive, drift and linear forecasts: what every model has to beat, made by the same walk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from candlecast.errors import ConfigError
from candlecast.events import Listener, ignore
from candlecast.features import fit_scaling
from candlecast.jobs import Job
from candlecast.windows import Samples, windows


@dataclass(frozen=True, eq=False)
class FittedBaseline:
    """A baseline's forecasting function for one job."""

    job: Job
    predict: Callable[[Samples, np.ndarray], np.ndarray]
    losses: np.ndarray = field(default_factory=lambda: np.empty((0, 2)), init=False)

    def forecast(self, samples: Samples, rows: np.ndarray) -> np.ndarray:
        """Forecasts made at the close of `rows`, in the target's units; float64, shape (rows,)."""
        return self.predict(samples, rows)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Nothing: a baseline is made again faster than it is read."""
        return {}


@dataclass(frozen=True)
class Naive:
    """The target's naive forecast: the price stays, the odds are even, the next range is the last one."""

    name: str = field(default="naive", init=False)
    window: int = field(default=1, init=False)
    is_seeded: bool = field(default=False, init=False)

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[FittedBaseline]:
        for job in jobs:
            yield FittedBaseline(job, lambda samples, rows: samples.naive[rows])


@dataclass(frozen=True)
class Drift:
    """Naive plus the mean difference between outcome and naive in the training part."""

    name: str = field(default="drift", init=False)
    window: int = field(default=1, init=False)
    is_seeded: bool = field(default=False, init=False)

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[FittedBaseline]:
        for job in jobs:
            learnt = job.samples.outcomes[job.fit_rows] - job.samples.naive[job.fit_rows]
            drift = float(learnt.mean())
            yield FittedBaseline(job, lambda samples, rows, drift=drift: samples.naive[rows] + drift)


@dataclass(frozen=True)
class LinearRegression:
    """Least squares on the same features, of the last `window` bars; the outcome is learnt as its difference to naive.

    Where a chance is forecast: logistic regression.
    """

    window: int = 1
    name: str = field(default="linear", init=False)
    is_seeded: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ConfigError(
                f"window is {self.window}", expected="1 bar or more", remedy="Use LinearRegression(window=1)"
            )

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[FittedBaseline]:
        for job in jobs:
            yield FittedBaseline(job, self._learn(job))

    def _learn(self, job: Job) -> Callable[[Samples, np.ndarray], np.ndarray]:
        from sklearn import linear_model

        samples, rows = job.samples, job.fit_rows
        scaling = fit_scaling(samples.features.scalers, samples.inputs[job.fold.fit.start : job.fold.fit.stop])
        outcomes = samples.outcomes[rows]

        def regressors(samples: Samples, rows: np.ndarray) -> np.ndarray:
            views = windows(samples.inputs, self.window)[rows - self.window + 1]  # (rows, window, column)
            return scaling.apply(views).reshape(len(rows), -1)

        if samples.target.kind == "probability":
            if np.ptp(outcomes) == 0:
                return lambda _, rows: np.full(len(rows), outcomes[0])
            classifier = linear_model.LogisticRegression(C=1.0).fit(regressors(samples, rows), outcomes)
            return lambda samples, rows: classifier.predict_proba(regressors(samples, rows))[:, 1]
        regression = linear_model.LinearRegression().fit(regressors(samples, rows), outcomes - samples.naive[rows])
        return lambda samples, rows: samples.naive[rows] + regression.predict(regressors(samples, rows))
