"""How the gradients of K models are computed: the fastest way for the net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from candlecast.fleet.criterion import Criterion
from candlecast.fleet.losses import gradients
from candlecast.fleet.recorded_passes import Recorded, RecordedWithLoss, knows_slopes
from candlecast.fleet.workspace import Workspace
from candlecast.nets import Recurrent


class Learner(Protocol):
    """Computes losses and gradients of a workspace, from what it holds at each call."""

    def learn(self, seeds: Sequence[int]) -> Sequence[float]:
        """The loss of each model; writes `gradients` of the workspace. `seeds`: of random numbers that a net draws itself.

        Raises ConfigError for a loss that does not depend on the parameters.
        """
        ...


def learner(criterion: Criterion, workspace: Workspace) -> Learner:
    """The fastest learner for the net."""
    criterion.net.train()
    net, head = criterion.net, criterion.head
    if type(net) is Recurrent and net.is_fused and workspace.batch.x.device.type == "cpu":
        return RecordedWithLoss(net, head, workspace) if knows_slopes(head) else Recorded(net, head, workspace)
    return ByAutograd(criterion, workspace)


class ByAutograd:
    """The learner for any net."""

    def __init__(self, criterion: Criterion, workspace: Workspace) -> None:
        self.criterion, self.workspace = criterion, workspace

    def learn(self, seeds: Sequence[int]) -> Sequence[float]:
        losses = self.criterion.losses(seeds, self.workspace)
        found = gradients(losses, list(self.workspace.params.values()))
        with torch.no_grad():  # the places are views, and older versions of torch copy nothing to them otherwise
            for place, gradient in zip(self.workspace.gradients.values(), found, strict=True):
                place.copy_(gradient)
        return losses.tolist()


class OnDemand:
    """A learner that takes its memory at the first `learn`, and returns it on `release` until the next one."""

    def __init__(self, criterion: Criterion, workspace: Workspace) -> None:
        self.criterion, self.workspace = criterion, workspace
        self._learner: Learner | None = None

    def learn(self, seeds: Sequence[int]) -> Sequence[float]:
        if self._learner is None:
            self._learner = learner(self.criterion, self.workspace)
        return self._learner.learn(seeds)

    def release(self) -> None:
        """Free the memory of the recorded passes."""
        self._learner = None
