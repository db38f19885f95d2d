"""How K models make a step: the fastest way for the net."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import torch

from candlecast.fleet.criterion import Criterion
from candlecast.fleet.losses import gradients
from candlecast.fleet.recorded_passes import ALONE, Ends, Recorded, RecordedWithLoss, knows_slopes
from candlecast.fleet.workspace import Workspace
from candlecast.nets import Recurrent
from candlecast.nets.kernels import share


class Learner(Protocol):
    """Makes the steps of a workspace, from what it holds at each call."""

    def learn(self, seeds: Sequence[int]) -> Sequence[float]:
        """Fill the batch, compute the loss of each model, write `gradients` of the workspace, and update the weights.

        `seeds`: of random numbers that a net draws itself. Raises ConfigError for a loss that does not depend on the
        parameters.
        """
        ...


def learner(criterion: Criterion, workspace: Workspace, ends: Ends = ALONE) -> Learner:
    """The fastest learner for the net. Without `ends` it learns what the batch holds, and changes no weight."""
    criterion.net.train()
    net, head = criterion.net, criterion.head
    if type(net) is Recurrent and net.is_fused and workspace.batch.x.device.type == "cpu":
        if knows_slopes(head):
            return RecordedWithLoss(net, head, workspace, ends)
        return Recorded(net, head, workspace, ends)
    return ByAutograd(criterion, workspace, ends)


class ByAutograd:
    """The learner for any net."""

    def __init__(self, criterion: Criterion, workspace: Workspace, ends: Ends = ALONE) -> None:
        self.criterion, self.workspace, self.ends = criterion, workspace, ends

    def learn(self, seeds: Sequence[int]) -> Sequence[float]:
        if self.ends.filling is not None:
            share(self.ends.filling.fill, len(self.workspace.weights))
            self.workspace.batch.send()
        losses = self.criterion.losses(seeds, self.workspace)
        found = gradients(losses, list(self.workspace.params.values()))
        with torch.no_grad():  # the places are views, and older versions of torch copy nothing to them otherwise
            for place, gradient in zip(self.workspace.gradients.values(), found, strict=True):
                place.copy_(gradient)
        if self.ends.adam is not None:
            self.ends.adam.step()
        return losses.tolist()


class OnDemand:
    """A learner that takes its memory at the first `learn`, and returns it on `release` until the next one."""

    def __init__(self, criterion: Criterion, workspace: Workspace, ends: Ends = ALONE) -> None:
        self._make = partial(learner, criterion, workspace, ends)
        self._learner: Learner | None = None

    def learn(self, seeds: Sequence[int]) -> Sequence[float]:
        if self._learner is None:
            self._learner = self._make()
        return self._learner.learn(seeds)

    def release(self) -> None:
        """Free the memory of the recorded passes."""
        self._learner = None
