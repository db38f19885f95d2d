"""How the nets of a fleet are made: each from the seed of its job, and fit to be trained."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from candlecast.dataset.jobs import Job, job_generator
from candlecast.errors import ConfigError
from candlecast.fleet.net_spec import Blueprint
from candlecast.nets.layers.weights import drawn_from, globally_seeded


def build(blueprint: Blueprint, job: Job, columns: int) -> nn.Module:
    """The net of a job for that many columns, as it is before training. Raises ConfigError if it has no parameters, or of
    another type than float32.
    """
    net = seeded(blueprint, columns, int(job_generator(job, purpose=0).integers(2**31)))
    types = {name: parameter.dtype for name, parameter in net.named_parameters()}
    if not types:
        raise ConfigError(
            "the net has no parameters",
            expected="at least one to train",
            remedy="Keep layers as attributes of the module",
        )
    for name, dtype in types.items():
        if dtype != torch.float32:
            raise ConfigError(
                f"the net's parameter {name} is {str(dtype).removeprefix('torch.')}",
                expected="float32, in which fleets train",
                remedy="Leave .double(), .half() and other types out of the factory",
            )
    return net


def seeded(blueprint: Blueprint, columns: int, seed: int) -> nn.Module:
    """A fresh net for that many columns; equal seeds give equal nets, whatever other threads draw or make meanwhile."""
    with drawn_from(seed) if blueprint.draws_apart else globally_seeded(seed):
        return blueprint.build(columns)


def forecasting(blueprint: Blueprint) -> AbstractContextManager[None]:
    """Within the block a net forecasts: what one of another maker draws even then is the same each time, and nobody else's."""
    return nullcontext() if blueprint.draws_apart else globally_seeded(0)


def require_own_weights(net: nn.Module, other: nn.Module) -> None:
    """Raise ConfigError when two nets, made one after the other, share a parameter."""
    own = {id(parameter) for parameter in net.parameters()}
    shared = [name for name, parameter in other.named_parameters() if id(parameter) in own]
    if shared:
        raise ConfigError(
            f"the factory gave two nets with the same parameter {shared[0]}",
            expected="a fresh net at each call, since every training has weights of its own",
            remedy="Make all modules inside the factory",
        )
