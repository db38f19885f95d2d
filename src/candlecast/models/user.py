"""`Torch`: a user's own torch module as a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from candlecast.errors import ConfigError
from candlecast.events import Listener, ignore
from candlecast.fleet.settings import Fit
from candlecast.jobs import Job

if TYPE_CHECKING:
    from torch import nn

    from candlecast.fleet.fitted import FittedNet


@dataclass(frozen=True)
class Torch:
    """Any torch module that maps windows (batch, time, column) to forecasts (batch,) or (batch, 1).

    `factory(inputs)` makes a fresh module for that many columns, so that each job gets its own weights.
    """

    factory: Callable[[int], nn.Module]
    name: str = "torch"
    window: int = 32
    training: Fit = Fit(sampling="windows", batch=32)

    is_seeded: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        if self.training.sampling == "sequence":
            raise ConfigError(
                f"{self.name} is to be sampled in sequence, but a plain module has no memory to carry",
                expected='Fit(sampling="windows")',
                remedy="Change the sampling, or use cc.LSTM, cc.GRU or cc.RNN",
            )

    def build(self, inputs: int) -> nn.Module:
        """A fresh module behind the interface of the fleet, its dropout drawn per job."""
        from candlecast.nets.dropout import seeded
        from candlecast.nets.window import PerWindow

        return seeded(PerWindow(self.factory(inputs)))

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[FittedNet]:
        """Train all jobs as one fleet."""
        from candlecast.fleet.train import train

        yield from train(jobs, self.build, self.training, window=self.window, progress=progress)

    def restore(self, job: Job, tensors: Mapping[str, np.ndarray]) -> FittedNet:
        """What was learnt of the job, from its `tensors()`."""
        from candlecast.fleet.fitted import FittedNet

        return FittedNet.from_tensors(job, self.training, self.window, self.build, tensors)
