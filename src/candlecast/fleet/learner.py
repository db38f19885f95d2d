"""How models learn from a batch: their losses, and the gradients of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from candlecast.fleet.batching import Batch
from candlecast.fleet.executor import Company
from candlecast.fleet.layout import Layout, Stack
from candlecast.fleet.losses import gradients, loss, terms
from candlecast.fleet.recorded_passes import Recorded, RecordedWithLoss, knows_slopes
from candlecast.heads import Head
from candlecast.nets import Recurrent


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
    if type(net) is Recurrent and net.is_fused and batch.x.device.type == "cpu":
        if knows_slopes(head):
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
        found = gradients(losses, list(self.params.values()))
        for place, gradient in zip(self.gradients.values(), found, strict=True):
            place.copy_(gradient)
        return losses.tolist()
