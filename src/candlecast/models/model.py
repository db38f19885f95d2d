"""What a model is: a recipe that is fitted to jobs, and the fitted model of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

import numpy as np

from candlecast.dataset.jobs import Job
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError, listed
from candlecast.events import Listener
from candlecast.sources.source import moment
from candlecast.targets import Target
from candlecast.targets.target import require_target

PARTS = ("name", "window", "is_seeded", "fit", "restore")  # what every model has


class Fitted(Protocol):
    """A model as fitted to one job."""

    @property
    def job(self) -> Job:
        """The job it was learnt from."""
        ...

    @property
    def losses(self) -> np.ndarray:
        """Training and validation loss of each epoch, (epoch, 2); no rows where nothing is trained by epochs."""
        ...

    def forecast(self, samples: Samples, rows: np.ndarray) -> Prediction:
        """Forecasts in the target's units.

        Args:
            samples: of the asset to forecast.
            rows: bars at whose close the forecasts are made, int64, rising, each with a complete window.

        Returns:
            One forecast for each row.
        """
        ...

    def tensors(self) -> Mapping[str, np.ndarray]:
        """All that `Model.restore` needs, by name; empty for a model that is fitted again faster than it is read."""
        ...


class Model(Protocol):
    """A recipe: its constructor is its whole configuration, and it holds nothing that was learnt.

    One whose forecasts have a `position` says so by an attribute more, `learns_position = True`.
    """

    @property
    def name(self) -> str:
        """Short lower-case name for tables."""
        ...

    @property
    def window(self) -> int:
        """Bars that a forecast looks at."""
        ...

    @property
    def is_seeded(self) -> bool:
        """Whether results depend on the seed; if not, one seed stands for all."""
        ...

    def fit(self, jobs: Sequence[Job], *, progress: Listener) -> Iterator[Fitted]:
        """Fit the model to every job, from the job's own training rows.

        Args:
            jobs: trainings with the same features and target.
            progress: receives events while the model is fitted.

        Returns:
            One fitted model for each job, in any order.
        """
        ...

    def restore(self, job: Job, tensors: Mapping[str, np.ndarray]) -> Fitted:
        """What `fit` made of the job, from its `tensors()`."""
        ...


@runtime_checkable
class RequiresTarget(Protocol):
    """A model that can learn some targets only."""

    def require_target(self, target: Target) -> None:
        """Raise ConfigError for a target that it cannot learn."""
        ...


def require_model(model: object) -> None:
    """Raise ConfigError for what is no model: a name of one, its class, or an object that lacks a part of a model."""
    lacking = [part for part in PARTS if not hasattr(model, part)]
    if not isinstance(model, type) and not lacking:
        return
    is_nearly = not isinstance(model, type) and len(lacking) < len(PARTS) - 1
    raise ConfigError(
        f"model is {model!r}" + (f", without {listed(lacking)}" if is_nearly else ""),
        expected=f"a model, with {', '.join(PARTS)}" if is_nearly else "a model",
        remedy=f"Add {lacking[0]} to {type(model).__name__}"
        if is_nearly
        else "Make one, such as cc.LSTM() or cc.Naive()",
    )


def require_learnable(model: Model, target: Target) -> None:
    """Raise ConfigError, before anything is trained, for what is no model, no target, or no target of this model."""
    require_model(model)
    require_target(target)
    if isinstance(model, RequiresTarget):
        model.require_target(target)


def judged_from(models: Iterable[Model]) -> datetime | None:
    """The moment from which on models that walk together may be judged; None where all bars may be.

    A pretrained model has an attribute `trained_until`, the last day of the data that it was trained on (ISO text), which may
    hold any bar up to the end of that day. Raises ConfigError where one has no date: none of its bars can be judged.
    """
    births = []
    for model in models:
        require_model(model)
        while hasattr(model, "model"):
            model = model.model  # type: ignore[attr-defined]  # noqa: PLW2901 - within a wrapper
        if not hasattr(model, "trained_until"):
            continue
        declared = model.trained_until  # type: ignore[attr-defined]
        if declared is None:
            raise ConfigError(
                f"{model.name} has no declared end of its training data, so that no bar can be judged",
                expected="the last day of what it was trained on, as its makers declare it",
                remedy='Say trained_until="2025-06-30", or look at its forecasts with cc.walk_forward',
            )
        is_day = isinstance(declared, str) and len(declared.strip()) <= len("2025-06-30")
        births.append(moment(declared, "trained_until") + timedelta(days=is_day))
    return max(births, default=None)


def learns_position(model: Model) -> bool:
    """Whether a model says what to hold by itself, so that no rule has to guess it from a forecast."""
    return getattr(model, "learns_position", False) is True
