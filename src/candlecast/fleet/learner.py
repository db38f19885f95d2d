"""How models learn from a batch: their losses, and the gradients of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from candlecast.errors import ConfigError
from candlecast.fleet.batches import Batch
from candlecast.fleet.company import Company
from candlecast.fleet.layout import Layout, Stack
from candlecast.heads import Elementwise, Head
from candlecast.nets import Recurrent
from candlecast.nets.kernels import recorded, share

FEWEST = 1e-6  # weight of a batch in which no outcome counts


class Learner(Protocol):
    """Reads what a batch, parameters and buffers hold at each call."""

    def learn(self, draws: Sequence[int]) -> list[float]:
        """The loss of each model; writes its gradients. `draws`: seeds for what a net draws by itself.

        Raises ConfigError for a loss that does not depend on the parameters.
        """
        ...


def learner(judge: Judge, params: Stack, buffers: Stack, batch: Batch, gradients: Stack) -> Learner:
    """The fastest learner for the net. `params` are leaves, and all tensors stay in their place."""
    judge.net.train()
    net, head = judge.net, judge.head
    if isinstance(net, Recurrent) and net.is_fused and batch.x.device.type == "cpu":
        if isinstance(head, Elementwise):
            return RecordedWithLoss(net, head, params, buffers, batch, gradients)
        return Recorded(net, head, params, buffers, batch, gradients)
    return ByAutograd(judge, params, buffers, batch, gradients)


class Judge:
    """What a net's forecasts for many models are worth to its head."""

    def __init__(self, net: nn.Module, head: Head, layout: Layout) -> None:
        self.net, self.head, self.layout, self.company = net, head, layout, Company(net)

    def losses(self, draws: Sequence[int], params: Stack, buffers: Stack, batch: Batch) -> Tensor:
        """Of the net as it is, in training: (K,)."""
        return self.company(self._loss, draws, params, buffers, batch.x, batch.y, batch.weight)

    @torch.no_grad()
    def terms(self, draws: Sequence[int], params: Stack, buffers: Stack, batch: Batch) -> Tensor:
        """What the head averages, of each outcome and without dropout: (K, N, S, B, tail)."""
        self.net.eval()
        return self.company(self._terms, draws, params, buffers, batch.x, batch.y)

    def _loss(self, params: Stack, buffers: Stack, x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        return loss(self.head, self._terms(params, buffers, x, y), weight)

    def _terms(self, params: Stack, buffers: Stack, x: Tensor, y: Tensor) -> Tensor:
        outputs = self.company.outputs(self.layout.everywhere(params), buffers, x, y.shape[-2])
        return terms(self.head, outputs, y)


class ByAutograd:
    """The learner for any net."""

    def __init__(self, judge: Judge, params: Stack, buffers: Stack, batch: Batch, gradients: Stack) -> None:
        self.judge, self.params, self.buffers, self.batch, self.gradients = judge, params, buffers, batch, gradients

    def learn(self, draws: Sequence[int]) -> list[float]:
        losses = self.judge.losses(draws, self.params, self.buffers, self.batch)
        found = _gradients(losses, list(self.params.values()))
        for place, gradient in zip(self.gradients.values(), found, strict=True):
            if gradient is None:
                place.zero_()
            else:
                place.copy_(gradient)
        return losses.tolist()


class Recorded:
    """The learner for recurrent nets on CPU: both passes are worked out once, and done again at each step.

    Only the loss is autograd's, whose bookkeeping for all of a small net takes as long as a third of its arithmetic.
    """

    lasting = True

    def __init__(
        self, net: Recurrent, head: Head, params: Stack, buffers: Stack, batch: Batch, gradients: Stack
    ) -> None:
        self.head, self.batch = head, batch
        with recorded() as self.forward:
            self.outputs, vjp = net.vjp({**params, **buffers}, batch.x, batch.y.shape[-2], lasting=self.lasting)
        self.gradient = torch.empty_like(self.outputs)
        with recorded() as self.backward:
            found = vjp(self.gradient)
        self.results = [(gradients[name], gradient) for name, gradient in found.items()]

    def learn(self, draws: Sequence[int]) -> list[float]:
        losses = self._run()
        for place, found in self.results:
            place.copy_(found)
        return losses.tolist()

    def _run(self) -> Tensor | np.ndarray:
        """Both passes; the loss of each model."""
        self.forward.run()
        outputs = self.outputs.detach().requires_grad_()
        losses = loss(self.head, terms(self.head, outputs, self.batch.y), self.batch.weight)
        (gradient,) = _gradients(losses, [outputs])
        self.gradient.copy_(torch.zeros_like(outputs) if gradient is None else gradient)
        self.backward.run()
        return losses


class RecordedWithLoss(Recorded):
    """The same for a head that knows the derivatives of its terms: both passes are one chain of works.

    What a shard of the batch leaves in the cache on its way there is still in it on its way back.
    """

    head: Elementwise
    lasting = False

    def __init__(
        self, net: Recurrent, head: Elementwise, params: Stack, buffers: Stack, batch: Batch, gradients: Stack
    ) -> None:
        from candlecast.nets.kernels.cpu.vector import LANES

        super().__init__(net, head, params, buffers, batch, gradients)
        self.y, self.weight = batch.y.numpy(), batch.weight.numpy()  # (K, B, tail, N)
        self.terms, self.shares = np.empty(self.y.shape), np.empty(self.y.shape)
        self.values, self.slopes = self.outputs.numpy(), self.gradient.numpy()  # (K, B, tail, N O)
        models, size, *_ = self.y.shape
        self.lanes, self.shards = LANES, -(-size // LANES)
        with recorded() as differentiate:
            share(self._differentiate, models * self.shards)
        self.whole = self.forward.then(differentiate).then(self.backward)

    def _run(self) -> Tensor | np.ndarray:
        count = self.weight.sum((1, 2), keepdims=True, dtype=np.float64)  # (K, 1, 1, N)
        np.divide(self.weight, np.maximum(count, FEWEST) * count.shape[-1], out=self.shares)
        self.whole.run()
        return (self.terms * self.shares).reshape(len(self.terms), -1).sum(1)

    def _differentiate(self, thread: int, first: int, last: int) -> None:
        """Items first to last of the K S shards: their terms, and the loss by their outputs."""
        while first < last:
            model, shard = divmod(first, self.shards)
            count = min(last - first, self.shards - shard)
            place = model, slice(shard * self.lanes, (shard + count) * self.lanes)
            y = self.y[place]
            outputs = self.values[place].astype(np.float64).reshape(*y.shape, self.head.outputs)
            with np.errstate(all="ignore"):  # what is not finite is found in the loss
                self.terms[place], slopes = self.head.slopes(outputs, y)
            self.slopes[place] = (slopes * self.shares[place][..., None]).reshape(*y.shape[:2], -1)
            first += count


def terms(head: Head, outputs: Tensor, y: Tensor) -> Tensor:
    """What a head averages, from outputs (..., B, tail, N O) and outcomes y (..., B, tail, N): (..., N, S, B, tail)."""
    return head.terms(outputs.unflatten(-1, (y.shape[-1], head.outputs)), y).movedim((-2, -1), (-4, -3))


def loss(head: Head, terms: Tensor, weight: Tensor) -> Tensor:
    """A head's loss on the outcomes that count: terms (..., N, S, B, tail), weight (..., B, tail, N) -> (...)."""
    share = weight.movedim(-1, -3)  # (..., N, B, tail)
    total = (terms * share.unsqueeze(-3)).sum((-2, -1))  # (..., N, S)
    count = share.sum((-2, -1)).clamp(min=FEWEST)  # (..., N)
    return head.loss(total / count.unsqueeze(-1)).mean(-1)


def _gradients(losses: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Of each model's loss by its own inputs: those of the sum, since a loss depends on no others. None: on none at all."""
    if not losses.requires_grad:
        raise ConfigError(
            "the loss does not depend on the net's parameters",
            expected="a forward that computes its outputs from them",
            remedy="Leave detach(), torch.no_grad() and NumPy out of it",
        )
    return torch.autograd.grad(losses.sum(), inputs, allow_unused=True)
