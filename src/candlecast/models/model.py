"""What a model is: a recipe that learns jobs, and what it gives back for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from candlecast.events import Listener
from candlecast.jobs import Job
from candlecast.prediction import Prediction
from candlecast.windows import Samples


class Fitted(Protocol):
    """What one job learnt."""

    @property
    def job(self) -> Job:
        """The job it was learnt from."""
        ...

    @property
    def losses(self) -> np.ndarray:
        """Training and validation loss of each epoch, (epoch, 2); no rows where nothing is trained by epochs."""
        ...

    def forecast(self, samples: Samples, rows: np.ndarray) -> Prediction:
        """Forecasts made at the close of `rows` (rising), in the target's units."""
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
        """Learn every job from its own training rows; results come in any order."""
        ...

    def restore(self, job: Job, tensors: Mapping[str, np.ndarray]) -> Fitted:
        """What `fit` made of the job, from its `tensors()`."""
        ...


def learns_position(model: Model) -> bool:
    """Whether a model says what to hold by itself, so that no rule has to guess it from a forecast."""
    return getattr(model, "learns_position", False) is True
