"""What the recipes of nets share: they are trained in fleets and restored from their tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from candlecast.dataset.jobs import Job
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError
from candlecast.events import Listener, ignore
from candlecast.fleet.net_spec import NetSpec
from candlecast.fleet.settings import NEVER, Fit
from candlecast.heads import Head, usual_head
from candlecast.parameters import is_whole, require_kinds, require_parameters
from candlecast.targets import Target, Volatility, components

if TYPE_CHECKING:
    from torch import nn

    from candlecast.fleet.fitted import FittedNet

Forecaster = Callable[[Samples, np.ndarray], Prediction]
BY_WINDOW = Fit(batch=32)  # usual for nets that carry no memory from bar to bar
USUAL_REFIT = "1d"  # of the linear part, for volatility

USUAL: dict[str, tuple[Callable[[Any], bool], str]] = {  # parameters that several nets have: what each can be
    "hidden": (is_whole, "a whole number of units, 1 or more"),
    "layers": (is_whole, "a whole number of layers, 1 or more"),
    "dropout": (lambda share: isinstance(share, Real) and 0 <= float(share) < 1, "a share in [0, 1)"),
    "window": (is_whole, "a whole number of bars, 1 or more"),
    "training": (lambda training: isinstance(training, Fit), "a Fit(...)"),
    "head": (lambda head: head is None or isinstance(head, Head), "a head such as Gaussian(), or None"),
}


class NetModel(ABC):
    """A recipe of a net: `build` makes one.

    window: bars that a forecast reads.
    training: how it is trained.
    head: the loss, and what the outputs stand for; the target's default when None.
    has_memory: whether the net carries a state from bar to bar, so that it can be sampled in sequence.
    is_supported: whether it adds to a linear part and is shrunk where `training` leaves that open.
    """

    window: int
    training: Fit
    head: Head | None
    name: str
    has_memory: ClassVar[bool] = True
    is_supported: ClassVar[bool] = True
    uses_local_rng: ClassVar[bool] = False

    def __init_subclass__(cls, *, uses_local_rng: bool = False) -> None:
        """`uses_local_rng`: see `NetSpec`. It holds for the class itself, not for classes derived from it."""
        super().__init_subclass__()
        cls.uses_local_rng = uses_local_rng

    @property
    def is_seeded(self) -> bool:
        """Whether trainings with other seeds give other results: those of nets do."""
        return True

    @abstractmethod
    def build(self, inputs: int, outputs: int) -> nn.Module:
        """A fresh net for one job, reading `inputs` columns and giving `outputs` numbers per forecast."""

    def __post_init__(self) -> None:
        self.require({})

    def require(self, checks: Mapping[str, tuple[bool, str]]) -> None:
        """Raise ConfigError for a parameter that cannot mean anything: one of the `USUAL` ones, or of `checks`.

        What `training` leaves open becomes what is usual for the net.
        """
        require_kinds(self)
        usual = {
            name: (is_fine(getattr(self, name)), expected)
            for name, (is_fine, expected) in USUAL.items()
            if hasattr(self, name)
        }
        require_parameters(self, {**usual, **checks})
        usual_training = {
            "sampling": "sequence" if self.has_memory else "windows",
            "linear": self.is_supported,
            "shrink": self.is_supported,
        }
        left_open = {name: value for name, value in usual_training.items() if getattr(self.training, name) is None}
        object.__setattr__(self, "training", replace(self.training, **left_open))
        if self.training.sampling == "sequence" and not self.has_memory:
            raise ConfigError(
                f"{self.name} is to be sampled in sequence, but carries no memory from bar to bar",
                expected='Fit(sampling="windows")',
                remedy="Change the sampling, or use a recurrent net such as cc.LSTM",
            )

    def require_target(self, target: Target) -> None:
        """Raise ConfigError for a target that the head cannot learn."""
        self.net_spec(target).head.require(target)

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[FittedNet]:
        """Train all jobs as one fleet."""
        from candlecast.fleet.device import enough_memory
        from candlecast.fleet.fitted import FittedNet
        from candlecast.fleet.shrinking import shrunk
        from candlecast.fleet.trainer import train

        spec = self.net_spec(jobs[0].samples.target)
        trained = enough_memory(self.name, train(jobs, spec, progress=progress))
        for job, weights, inputs, outcomes, linear, losses in trained:
            net = FittedNet(jobs[job], spec, weights, inputs, outcomes, losses, linear)
            (net,) = shrunk([net], [(net.job.samples, net.job.valid_rows)]) if spec.is_shrunk else (net,)
            yield self.measured(net, net.forecast)

    def measured(self, net: FittedNet, forecast: Forecaster) -> FittedNet:
        """A trained net with what is measured by its forecasts on its training rows: nothing, unless overridden."""
        return net

    def restore(self, job: Job, tensors: Mapping[str, np.ndarray]) -> FittedNet:
        """What was learnt of the job, from its `tensors()`."""
        from candlecast.fleet.fitted import FittedNet

        return FittedNet.from_tensors(job, self.net_spec(job.samples.target), tensors)

    def without_lr(self) -> Self:
        """The same recipe at the usual step size: what recipes that differ in nothing else have in common."""
        recipe: Any = self
        return replace(recipe, training=replace(self.training, lr=Fit().lr))

    def net_spec(self, target: Target) -> NetSpec:
        """How nets for this target are made, read and trained."""
        head = self.head or usual_head(target)
        outputs = head.outputs * len(components(target))
        return NetSpec(
            lambda inputs: self.build(inputs, outputs),
            head,
            self.window,
            self.training,
            uses_local_rng=self.uses_local_rng,
            refit=self._refit(target),
        )

    def _refit(self, target: Target) -> str | None:
        """The span after which the linear part is fitted anew; None for never."""
        usual = USUAL_REFIT if all(isinstance(each, Volatility) for each in components(target)) else NEVER
        span = self.training.refit or usual
        return None if span == NEVER else span
