"""Validation: the loss of models on the validation rows of their jobs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from candlecast.fleet.batching import Batch, Sampler
from candlecast.fleet.building import FORECAST_SEED
from candlecast.fleet.criterion import Criterion
from candlecast.fleet.device import VALIDATION_BATCH
from candlecast.fleet.workspace import Workspace, select


def validation_losses(
    criterion: Criterion, workspace: Workspace, places: Sequence[int], samplers: Sequence[Sampler]
) -> list[float]:
    """Mean validation loss of some models; NaN for a job without validation rows.

    Args:
        criterion: the loss.
        workspace: the weights and buffers of all models.
        places: which models of the workspace.
        samplers: those of the jobs of these models.
    """
    ends = [sampler.validation() for sampler in samplers]
    if not any(map(len, ends)):
        return [math.nan] * len(places)
    device = workspace.weights.device
    size, seeds = VALIDATION_BATCH[device.type], [FORECAST_SEED] * len(places)
    chosen = torch.tensor(places, device=device)
    params = criterion.layout.views(workspace.weights[chosen])
    buffers = select(workspace.buffers, chosen)
    total, count = 0.0, torch.zeros(len(places), 1, dtype=torch.float64)
    for first in range(0, max(map(len, ends)), size):
        batch = Batch(len(places), samplers[0].shape, size, device)
        for sampler, rows, slot in zip(samplers, ends, batch.slots, strict=True):
            if first < len(rows):
                sampler.fill(sampler.valid, rows[first : first + size], slot)
        batch.send()
        terms = criterion.terms(seeds, params, buffers, batch)
        share = batch.weight.movedim(-1, 1).unsqueeze(2)  # (K, N, 1, B, tail)
        total = total + (terms.double() * share).sum((-2, -1)).cpu()  # (K, N, S)
        count = count + batch.weight.double().sum((1, 2)).cpu()  # (K, N)
    return criterion.head.loss(total / count.unsqueeze(-1)).mean(-1).tolist()
