"""What the recipes of nets share: they are trained in fleets and restored from their tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from candlecast.events import Listener, ignore
from candlecast.fleet.settings import Fit
from candlecast.jobs import Job

if TYPE_CHECKING:
    from torch import nn

    from candlecast.fleet.fitted import FittedNet


class NetModel(ABC):
    """A recipe of a net: `build` makes one, `window` is how many bars a forecast looks at, `training` how it is trained."""

    window: int
    training: Fit

    @property
    def is_seeded(self) -> bool:
        """Whether trainings with other seeds give other results: those of nets do."""
        return True

    @abstractmethod
    def build(self, inputs: int) -> nn.Module:
        """A fresh net for one job, reading `inputs` columns."""

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[FittedNet]:
        """Train all jobs as one fleet."""
        from candlecast.fleet.train import train

        yield from train(jobs, self.build, self.training, window=self.window, progress=progress)

    def restore(self, job: Job, tensors: Mapping[str, np.ndarray]) -> FittedNet:
        """What was learnt of the job, from its `tensors()`."""
        from candlecast.fleet.fitted import FittedNet

        return FittedNet.from_tensors(job, self.training, self.window, self.build, tensors)
