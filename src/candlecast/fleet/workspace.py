"""`Workspace`: the memory in which K models train. It stays in place, so that passes over it can be recorded once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from candlecast.fleet.batching import Batch
from candlecast.fleet.parameter_layout import ModelTensors, ParameterLayout


class Workspace(NamedTuple):
    """What each step reads and writes.

    weights, gradient: one row for each model (K, P).
    params, gradients: views of these by name (K, ...); the params are leaves of autograd.
    buffers: the nets' buffers by name (K, ...), among them the keys of dropout.
    batch: sequences, outcomes and their weights.
    """

    weights: Tensor
    gradient: Tensor
    params: ModelTensors
    gradients: ModelTensors
    buffers: ModelTensors
    batch: Batch


def workspace(layout: ParameterLayout, weights: Tensor, buffers: ModelTensors, batch: Batch) -> Workspace:
    """Memory for the models whose parameters are the rows of `weights` (K, P), which are not copied."""
    gradient = torch.zeros_like(weights)
    params = {name: value.requires_grad_() for name, value in layout.views(weights).items()}
    return Workspace(weights, gradient, params, layout.views(gradient), buffers, batch)


def select(tensors: ModelTensors, models: Tensor) -> ModelTensors:
    """Copies of the tensors of some models only; `models` are their places, int64."""
    return {name: value[models] for name, value in tensors.items()}
