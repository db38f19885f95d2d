"""Memory that comes back: large tensors from buffers that earlier tensors gave back.

Fresh pages come from the system zeroed, one fault each; for the activations of a fleet that costs about as much as the
arithmetic on them. So a buffer outlives its tensor, and waits here for the next of about its size.
"""

import math
import threading
import weakref

import numpy as np
import torch
from torch import Tensor

_SMALL = 2**15  # below this many floats malloc reuses memory by itself
_lock = threading.RLock()  # a finalizer may run inside the critical section
_waiting: list[np.ndarray] = []  # oldest first; together no more floats than were ever lent at once
_lent = 0
_most_lent = 0


def empty(*shape: int) -> Tensor:
    """An uninitialised float32 tensor that starts on a cache line."""
    global _lent, _most_lent
    size = math.prod(shape)
    if size < _SMALL:
        return torch.empty(shape)
    with _lock:
        fits = [n for n, buffer in enumerate(_waiting) if size <= buffer.size <= 2 * size]
        buffer = _waiting.pop(min(fits, key=lambda n: _waiting[n].size)) if fits else _aligned(size)
        _lent += buffer.size
        _most_lent = max(_most_lent, _lent)
    lease = buffer[:size]  # this view dies with the tensor
    weakref.finalize(lease, _give_back, buffer).atexit = False
    return torch.from_numpy(lease).view(shape)


def _give_back(buffer: np.ndarray) -> None:
    global _lent
    with _lock:
        _lent -= buffer.size
        _waiting.append(buffer)
        while sum(b.size for b in _waiting) > _most_lent:
            _waiting.pop(0)


def _aligned(size: int) -> np.ndarray:
    raw = np.empty(size + 16, np.float32)
    skip = -raw.ctypes.data % 64 // 4
    return raw[skip : skip + size]
