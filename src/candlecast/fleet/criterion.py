"""`Criterion`: the loss of K models on a batch, from their parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from candlecast.fleet.batching import Batch
from candlecast.fleet.executor import Executor
from candlecast.fleet.losses import loss, terms
from candlecast.fleet.parameter_layout import ModelTensors, ParameterLayout
from candlecast.fleet.workspace import Workspace
from candlecast.heads import Head


class Criterion:
    """The loss by which nets like `net` are trained and validated: that of a head, on their outputs."""

    def __init__(self, net: nn.Module, head: Head) -> None:
        self.net, self.head, self.layout, self.executor = net, head, ParameterLayout.of(net), Executor(net)

    def losses(self, seeds: Sequence[int], workspace: Workspace) -> Tensor:
        """Training losses of the models, (K,); with dropout, and differentiable by `workspace.params`.

        `seeds`: of the random numbers that each model's net draws itself.
        """
        params, buffers, batch = workspace.params, workspace.buffers, workspace.batch
        return self.executor(self._loss, seeds, params, buffers, batch.x, batch.y, batch.weight)

    @torch.no_grad()
    def terms(self, seeds: Sequence[int], params: ModelTensors, buffers: ModelTensors, batch: Batch) -> Tensor:
        """What the head averages for each outcome, without dropout: (K, N, S, B, tail)."""
        self.net.eval()
        return self.executor(self._terms, seeds, params, buffers, batch.x, batch.y)

    def _loss(self, params: ModelTensors, buffers: ModelTensors, x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        return loss(self.head, self._terms(params, buffers, x, y), weight)

    def _terms(self, params: ModelTensors, buffers: ModelTensors, x: Tensor, y: Tensor) -> Tensor:
        outputs = self.executor.outputs(self.layout.with_tied(params), buffers, x, y.shape[-2])
        return terms(self.head, outputs, y)
