"""Learners for recurrent nets on CPU: both passes are worked out once, and done again at each step.

Autograd's bookkeeping for all of a small net takes as long as a third of its arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np
import torch

from candlecast.fleet.batching import Batch
from candlecast.fleet.layout import Stack
from candlecast.fleet.losses import MINIMUM, gradients, loss, terms
from candlecast.heads import Elementwise, Head
from candlecast.nets import Recurrent
from candlecast.nets.kernels import recorded, share


class Recorded:
    """The learner for any head: autograd differentiates the loss by the outputs, in between the two passes."""

    def __init__(
        self, net: Recurrent, head: Head, params: Stack, buffers: Stack, batch: Batch, gradients: Stack
    ) -> None:
        self.head, self.batch = head, batch
        self.passes = _Passes(net, params, buffers, batch, gradients, lasting=True)

    def learn(self, draws: Sequence[int]) -> list[float]:
        self.passes.forward.run()
        outputs = self.passes.outputs.detach().requires_grad_()
        losses = loss(self.head, terms(self.head, outputs, self.batch.y), self.batch.weight)
        (slopes,) = gradients(losses, [outputs])
        self.passes.slopes.copy_(slopes)
        self.passes.backward.run()
        self.passes.hand_over()
        return losses.tolist()


class RecordedWithLoss:
    """The learner for a head that knows the derivatives of its terms: both passes are one chain of works.

    What a shard of the batch leaves in the cache on its way there is still in it on its way back.
    """

    def __init__(
        self, net: Recurrent, head: Elementwise, params: Stack, buffers: Stack, batch: Batch, gradients: Stack
    ) -> None:
        self.passes = _Passes(net, params, buffers, batch, gradients, lasting=False)
        self.charge = _Charge(head, self.passes, batch)
        with recorded() as between:
            share(self.charge.differentiate, self.charge.items)
        self.whole = self.passes.forward.then(between).then(self.passes.backward)

    def learn(self, draws: Sequence[int]) -> list[float]:
        self.charge.weigh()
        self.whole.run()
        self.passes.hand_over()
        return self.charge.losses().tolist()


def knows_slopes(head: Head) -> TypeGuard[Elementwise]:
    """Whether a head's slopes are those of its loss: not where a class has changed what its base charges, and them not."""
    if not isinstance(head, Elementwise) or type(head).loss is not Head.loss:
        return False
    said, known = (next(kind for kind in type(head).__mro__ if name in vars(kind)) for name in ("terms", "slopes"))
    return issubclass(known, said)


class _Passes:
    """Both passes of a net for K models: `forward` makes `outputs` (K, B, tail, N O), and from their `slopes`, the loss by
    each of them, `backward` makes the gradients.
    """

    def __init__(
        self, net: Recurrent, params: Stack, buffers: Stack, batch: Batch, gradients: Stack, *, lasting: bool
    ) -> None:
        with recorded() as self.forward:
            self.outputs, vjp = net.vjp({**params, **buffers}, batch.x, batch.y.shape[-2], lasting=lasting)
        self.slopes = torch.empty_like(self.outputs)
        with recorded() as self.backward:
            found = vjp(self.slopes)
        self.results = [(gradients[name], gradient) for name, gradient in found.items()]

    def hand_over(self) -> None:
        """Copy the gradients to where they are wanted."""
        for place, found in self.results:
            place.copy_(found)


class _Charge:
    """What a head charges K models for the outcomes of a batch, and the slopes of that."""

    def __init__(self, head: Elementwise, passes: _Passes, batch: Batch) -> None:
        from candlecast.nets.kernels.cpu.vector import LANES

        self.head = head
        self.outputs, self.slopes = passes.outputs.numpy(), passes.slopes.numpy()  # (K, B, tail, N O)
        self.y, self.weight = batch.y.numpy(), batch.weight.numpy()  # (K, B, tail, N)
        self.terms, self.shares = np.empty(self.y.shape), np.empty(self.y.shape)
        models, size, *_ = self.y.shape
        self.lanes, self.shards = LANES, -(-size // LANES)
        self.items = models * self.shards

    def weigh(self) -> None:
        """Find the share of each outcome in the loss."""
        count = self.weight.sum((1, 2), keepdims=True, dtype=np.float64)  # (K, 1, 1, N)
        np.divide(self.weight, np.maximum(count, MINIMUM) * count.shape[-1], out=self.shares)

    def differentiate(self, thread: int, first: int, last: int) -> None:
        """Terms and slopes of items first to last of the K S shards, each by itself: so they depend on no other."""
        for item in range(first, last):
            model, shard = divmod(item, self.shards)
            place = model, slice(shard * self.lanes, (shard + 1) * self.lanes)
            y = self.y[place].astype(np.float64)
            outputs = self.outputs[place].astype(np.float64).reshape(*y.shape, self.head.outputs)
            with np.errstate(all="ignore"):  # what is not finite is found in the loss
                self.terms[place], slopes = self.head.slopes(outputs, y)
                self.slopes[place] = (slopes * self.shares[place][..., None]).reshape(*y.shape[:2], -1)

    def losses(self) -> np.ndarray:
        """The loss of each model: (K,)."""
        with np.errstate(all="ignore"):
            return (self.terms * self.shares).reshape(len(self.terms), -1).sum(1)
