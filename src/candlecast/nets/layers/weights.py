"""Random initial weights of a net, from a generator of its own, or from torch's global ones under a lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

import torch
from torch import Tensor, nn

from candlecast.process.shared import hold_at_fork

_generator: ContextVar[torch.Generator | None] = ContextVar("generator", default=None)  # None: torch's global one
_is_drawn: ContextVar[bool] = ContextVar("is_drawn", default=True)
_global = threading.RLock()
hold_at_fork(_global)


def glorot(inputs: int, outputs: int) -> nn.Parameter:
    """Weights (I, O), uniform within sqrt(6 / (I + O)) of zero (Glorot and Bengio 2010)."""
    return _drawn(nn.init.xavier_uniform_, inputs, outputs)


def orthogonal(inputs: int, outputs: int) -> nn.Parameter:
    """Weights (I, O), a random matrix with orthonormal rows or columns (Saxe, McClelland and Ganguli 2014)."""
    return _drawn(nn.init.orthogonal_, inputs, outputs)


def uniform(*shape: int, within: float) -> nn.Parameter:
    """Weights of this shape, uniform within that distance of zero."""
    return _drawn(partial(nn.init.uniform_, a=-within, b=within), *shape)


def _drawn(draw: Callable[..., Tensor], *shape: int) -> nn.Parameter:
    weights = torch.empty(shape)
    return nn.Parameter(draw(weights, generator=_generator.get()) if _is_drawn.get() else weights)


@contextmanager
def undrawn() -> Iterator[None]:
    """Within the block, the functions of this module give weights of any value, for a net whose weights are loaded at once."""
    token = _is_drawn.set(False)
    try:
        yield
    finally:
        _is_drawn.reset(token)


@contextmanager
def locally_seeded(seed: int) -> Iterator[None]:
    """Within the block, the functions of this module draw weights from a local generator with that seed.

    They are the weights that torch's global generator gives after `torch.manual_seed(seed)`, which is not touched.
    """
    token = _generator.set(torch.Generator().manual_seed(seed))
    try:
        yield
    finally:
        _generator.reset(token)


@contextmanager
def globally_seeded(seed: int) -> Iterator[None]:
    """For code that draws from torch's global generators: within the block they are seeded, and restored after it.

    One block at a time in the whole process; a thread that has one may begin others inside it. What threads without a block
    draw meanwhile comes from the seeded generators too: torch has no way to prevent that. GPUs are seeded once they are in use.
    """
    has_gpus = torch.cuda.is_initialized()
    devices = range(torch.cuda.device_count() if has_gpus else 0)
    with _global, torch.random.fork_rng(devices=devices):
        if has_gpus:
            torch.manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)
        token = _generator.set(None)
        try:
            yield
        finally:
            _generator.reset(token)
