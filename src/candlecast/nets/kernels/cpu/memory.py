"""Memory that comes back: large tensors from buffers that earlier tensors gave back.

Fresh pages come from the system zeroed, one fault each; for the activations of a fleet that can cost half as much as the
arithmetic on them. So a buffer outlives its tensor, and waits here for the next of about its size.
"""

import math
import os
import threading
import weakref
from collections import deque

import numpy as np
import torch
from torch import Tensor

_SMALL = 2**15  # below this many floats malloc reuses memory by itself


class _Buffers:
    """Buffers waiting to be lent again; together no more floats than were ever lent at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.returned: deque[np.ndarray] = deque()  # finalizers append here, at any moment and on any thread
        self.waiting: list[np.ndarray] = []  # oldest first
        self.lent = 0
        self.most_lent = 0

    def lend(self, size: int) -> np.ndarray:
        with self.lock:
            while self.returned:
                self.waiting.append(self.returned.popleft())
                self.lent -= self.waiting[-1].size
            fits = [n for n, buffer in enumerate(self.waiting) if size <= buffer.size <= 2 * size]
            buffer = self.waiting.pop(min(fits, key=lambda n: self.waiting[n].size)) if fits else _aligned(size)
            self.lent += buffer.size
            self.most_lent = max(self.most_lent, self.lent)
            while sum(b.size for b in self.waiting) > self.most_lent:
                self.waiting.pop(0)
        return buffer


_buffers = _Buffers()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_buffers.__init__)  # a thread that is gone may have held the lock


def empty(*shape: int) -> Tensor:
    """An uninitialised float32 tensor that starts on a cache line."""
    size = math.prod(shape)
    if size < _SMALL:
        return torch.empty(shape)
    buffer = _buffers.lend(size)
    lease = buffer[:size]  # this view dies with the tensor's storage
    weakref.finalize(lease, _buffers.returned.append, buffer).atexit = False
    return torch.from_numpy(lease).view(shape)


def _aligned(size: int) -> np.ndarray:
    raw = np.empty(size + 16, np.float32)
    skip = -raw.ctypes.data % 64 // 4
    return raw[skip : skip + size]
