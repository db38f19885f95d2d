"""How the nets of a fleet are built: each from the seed of its job, and checked before it trains."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from candlecast.dataset.jobs import TrainingJob, job_generator
from candlecast.errors import ConfigError
from candlecast.fleet.net_spec import NetSpec
from candlecast.fleet.one_thread import one_thread
from candlecast.nets.layers.weights import globally_seeded, locally_seeded, undrawn

FORECAST_SEED = 0  # of random numbers that a net draws outside training


def build(spec: NetSpec, job: TrainingJob, columns: int) -> nn.Module:
    """The untrained net of a job for that many columns. Raises ConfigError for no parameters, or one that is not float32."""
    net = seeded(spec, columns, int(job_generator(job, purpose=0).integers(2**31)))
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


def seeded(spec: NetSpec, columns: int, seed: int) -> nn.Module:
    """A fresh net for that many columns. Equal seeds give equal nets, whatever other threads draw or build meanwhile.

    On one thread: the threads of a decomposition of a small matrix cost more than it does.
    """
    with one_thread(), locally_seeded(seed) if spec.uses_local_rng else globally_seeded(seed):
        return spec.build(columns)


def unfilled(spec: NetSpec, job: TrainingJob, columns: int) -> nn.Module:
    """The net of a job whose weights are loaded next: those of candlecast's nets are not drawn, which costs more than all else.

    A user's factory may draw what is no parameter, so that it is called as for training.
    """
    if not spec.uses_local_rng:
        return build(spec, job, columns)
    with undrawn():
        return spec.build(columns)


def forecasting(spec: NetSpec) -> AbstractContextManager[None]:
    """Context in which a net forecasts: a user's net that draws random numbers even then draws the same ones each time."""
    return nullcontext() if spec.uses_local_rng else globally_seeded(FORECAST_SEED)


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
