"""Learners for recurrent nets on CPU: the works of a step are recorded once, and run again at each step.

For a small net, the bookkeeping of autograd takes a third of the time of its arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeGuard

import numpy as np
import torch

from candlecast.fleet.batching import Batch, Filling
from candlecast.fleet.losses import MIN_WEIGHT, gradients, loss, terms
from candlecast.fleet.optimizer import Adam
from candlecast.fleet.workspace import Workspace
from candlecast.heads import Elementwise, Head
from candlecast.nets import Recurrent
from candlecast.nets.kernels import Chain, recorded, share

Kernel = Callable[[int, int, int], None]  # thread, first and last item


class Ends(NamedTuple):
    """What a step does before and after the passes: fill the batch, and update the weights."""

    filling: Filling | None = None
    adam: Adam | None = None

    @property
    def before(self) -> list[Kernel]:
        """Works for each model."""
        return [] if self.filling is None else [self.filling.fill]

    @property
    def after(self) -> list[Kernel]:
        """The same."""
        return [] if self.adam is None else [self.adam.update]


ALONE = Ends()  # of passes alone


class Recorded:
    """The learner for any head: between the two passes, autograd differentiates the loss by the outputs."""

    def __init__(self, net: Recurrent, head: Head, workspace: Workspace, ends: Ends = ALONE) -> None:
        self.head, self.batch = head, workspace.batch
        self.passes = _Passes(net, workspace, lasting=True)
        models = len(workspace.weights)
        self.first = _noted(models, *ends.before).then(self.passes.forward)
        self.second = self.passes.backward.then(_noted(models, self.passes.write_gradients, *ends.after))

    def learn(self, seeds: Sequence[int]) -> Sequence[float]:
        self.first.run()
        outputs = self.passes.outputs.detach().requires_grad_()
        losses = loss(self.head, terms(self.head, outputs, self.batch.y), self.batch.weight)
        (slopes,) = gradients(losses, [outputs])
        self.passes.slopes.copy_(slopes)
        self.second.run()
        return losses.tolist()


class RecordedWithLoss:
    """The learner for a head that knows the derivatives of its terms: the whole step is one chain of work.

    What is left of a shard in the cache by one work is still there for the next, and threads wait for each other once a step.
    """

    def __init__(self, net: Recurrent, head: Elementwise, workspace: Workspace, ends: Ends = ALONE) -> None:
        self.passes = _Passes(net, workspace, lasting=False)
        self.loss = _BatchLoss(head, self.passes, workspace.batch)
        models = len(workspace.weights)
        self.whole = (
            _noted(models, *ends.before, self.loss.weigh)
            .then(self.passes.forward)
            .then(_noted(self.loss.items, self.loss.differentiate))
            .then(self.passes.backward)
            .then(_noted(models, self.passes.write_gradients, *ends.after))
        )

    def learn(self, seeds: Sequence[int]) -> Sequence[float]:
        self.whole.run()
        return self.loss.values().tolist()


def _noted(items: int, *kernels: Kernel) -> Chain:
    """These works for so many items, recorded."""
    with recorded() as chain:
        for kernel in kernels:
            share(kernel, items)
    return chain


def knows_slopes(head: Head) -> TypeGuard[Elementwise]:
    """Whether a head's slopes are those of its loss: not where a subclass overrides `terms` or `loss`, and not `slopes`."""
    if not isinstance(head, Elementwise) or type(head).loss is not Head.loss:
        return False
    said, known = (next(kind for kind in type(head).__mro__ if name in vars(kind)) for name in ("terms", "slopes"))
    return issubclass(known, said)


class _Passes:
    """Both passes of a net for K models: `forward` computes `outputs` (K, B, tail, N O). From their `slopes`, the derivatives
    of the loss by each output, `backward` computes the gradients.
    """

    def __init__(self, net: Recurrent, workspace: Workspace, *, lasting: bool) -> None:
        tensors, batch = {**workspace.params, **workspace.buffers}, workspace.batch
        with recorded() as self.forward:
            self.outputs, vjp = net.vjp(tensors, batch.x, batch.y.shape[-2], lasting=lasting)
        self.slopes = torch.empty_like(self.outputs)
        with recorded() as self.backward:
            found = vjp(self.slopes)
        self._results = [(workspace.gradients[name].numpy(), gradient.numpy()) for name, gradient in found.items()]

    def write_gradients(self, thread: int, first: int, last: int) -> None:
        """Copy the gradients of the models first to last to the workspace."""
        for place, found in self._results:
            place[first:last] = found[first:last]


class _BatchLoss:
    """The loss of K models on the outcomes of a batch, and its derivatives."""

    def __init__(self, head: Elementwise, passes: _Passes, batch: Batch) -> None:
        from candlecast.nets.kernels.cpu.vector import LANES

        self.head = head
        self.outputs, self.slopes = passes.outputs.numpy(), passes.slopes.numpy()  # (K, B, tail, N O)
        self.y, self.weight = batch.y.numpy(), batch.weight.numpy()  # (K, B, tail, N)
        self.terms, self.shares = np.empty(self.y.shape), np.empty(self.y.shape)
        models, size, *_ = self.y.shape
        self.lanes, self.shards = LANES, -(-size // LANES)
        self.items = models * self.shards

    def weigh(self, thread: int, first: int, last: int) -> None:
        """Compute the share of each outcome in the loss of the models first to last."""
        weight = self.weight[first:last]
        count = weight.sum((1, 2), keepdims=True, dtype=np.float64)  # (K, 1, 1, N)
        np.divide(weight, np.maximum(count, MIN_WEIGHT) * count.shape[-1], out=self.shares[first:last])

    def differentiate(self, thread: int, first: int, last: int) -> None:
        """Terms and slopes of the shards first to last of all K models. Each is computed alone, so it depends on no other."""
        for item in range(first, last):
            model, shard = divmod(item, self.shards)
            place = model, slice(shard * self.lanes, (shard + 1) * self.lanes)
            y = self.y[place].astype(np.float64)
            outputs = self.outputs[place].astype(np.float64).reshape(*y.shape, self.head.outputs)
            with np.errstate(all="ignore"):  # a loss that is not finite is reported by the trainer
                self.terms[place], slopes = self.head.slopes(outputs, y)
                self.slopes[place] = (slopes * self.shares[place][..., None]).reshape(*y.shape[:2], -1)

    def values(self) -> np.ndarray:
        """The loss of each model: (K,)."""
        with np.errstate(all="ignore"):
            return (self.terms * self.shares).reshape(len(self.terms), -1).sum(1)
