"""`PipelineCase`: a study or a pipeline of functions, and whether and where it leaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.folds import WalkForward
from candlecast.dataset.jobs import Job
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import Samples
from candlecast.events import Listener, ignore
from candlecast.features import Feature, Features, log_return
from candlecast.models import LinearRegression, Naive
from candlecast.sources import synthetic
from candlecast.study import Study

BARS = 600


@dataclass(frozen=True)
class PipelineCase:
    """A pipeline by name. `make()` gives a study, or a function of candles that returns the tables of its stages.

    stage: the first stage that knows later candles; None for a clean pipeline. why: what is wrong, or looks so.
    """

    name: str
    make: Callable[[], Any]
    why: str
    stage: str | None = None

    @staticmethod
    def candles(seed: int = 0) -> Candles:
        """Hourly candles on which each pipeline trades."""
        return synthetic.ar1(BARS, seed=seed, phi=0.2, interval="1h").candles


def study(**parts: Any) -> Study:
    """A small study; what is not given is a linear model of returns in two folds."""
    usual = {"model": LinearRegression(), "features": Features(log_return()), "folds": WalkForward(folds=2)}
    return Study(**{**usual, "baselines": (Naive(),), "seeds": 1, **parts})


def of_feature(compute: Callable[[Candles], np.ndarray], *, warmup: int = 0) -> Callable[[], Study]:
    """A study with one feature beside returns."""
    return lambda: study(features=Features(log_return(), Feature("own", compute, warmup)))


@dataclass(frozen=True)
class OwnModel:
    """Least squares by functions of the user's.

    learn(job, jobs): weights (column,), from a job and all jobs of the walk. forecast(weights, samples, rows): (row,).
    """

    learn: Callable[[Job, Sequence[Job]], np.ndarray]
    forecast: Callable[[np.ndarray, Samples, np.ndarray], np.ndarray] = field(
        default=lambda weights, samples, rows: samples.naive[rows] + design(samples, rows) @ weights
    )
    name: str = "own"
    window: int = 1
    is_seeded: bool = False

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[OwnFitted]:
        """Learn each job."""
        for job in jobs:
            yield OwnFitted(job, self.learn(job, jobs), self.forecast)

    def restore(self, job: Job, tensors: Mapping[str, np.ndarray]) -> OwnFitted:
        """What was learnt, from its weights."""
        return OwnFitted(job, tensors["weights"], self.forecast)


@dataclass(frozen=True, eq=False)
class OwnFitted:
    """What `OwnModel` learnt of a job."""

    job: Job
    weights: np.ndarray
    read: Callable[[np.ndarray, Samples, np.ndarray], np.ndarray]
    losses: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))

    def forecast(self, samples: Samples, rows: np.ndarray) -> Prediction:
        """Forecasts of the rows."""
        return Prediction(self.read(self.weights, samples, rows))

    def tensors(self) -> Mapping[str, np.ndarray]:
        """The weights."""
        return {"weights": self.weights}


def design(samples: Samples, rows: np.ndarray) -> np.ndarray:
    """Inputs of the rows and a constant, (row, column + 1)."""
    return np.column_stack([samples.inputs[rows], np.ones(len(rows))])


def least_squares(samples: Samples, rows: np.ndarray) -> np.ndarray:
    """Weights of the outcome's difference to naive on the rows, (column + 1,)."""
    outcomes = (samples.outcomes - samples.naive)[rows]
    return np.linalg.lstsq(design(samples, rows), outcomes, rcond=None)[0]
