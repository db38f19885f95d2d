"""Torch on one thread: for sums that do not depend on how many there are, and for work too small to divide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from candlecast.nets import kernels


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch itself on one thread, so that its sums do not depend on how many there are; the kernels keep all of them."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with kernels.threads(count):
            yield
    finally:
        torch.set_num_threads(count)
