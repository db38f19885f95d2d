"""Torch on one thread: for sums that do not depend on how many there are, and for work too small to divide."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from candlecast.nets import kernels
from candlecast.shared import hold_at_fork


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch itself on one thread, so that its sums do not depend on how many there are; the kernels keep all of them.

    It holds for the calling thread. Blocks can be nested, and end in any order among threads.
    """
    if threading.get_ident() in _before:
        yield
        return
    count = _enter()
    try:
        with kernels.threads(count):
            yield
    finally:
        with _lock:
            torch.set_num_threads(_before.pop(threading.get_ident()))


_lock = threading.RLock()
_before: dict[int, int] = {}  # of each thread that is in a block: the number it had before
hold_at_fork(_lock, lambda: [_before.pop(thread) for thread in [*_before] if thread != threading.get_ident()])


def _enter() -> int:
    """Torch's number of threads is each thread's own, but one that comes to torch for the first time takes over what any
    thread has set last. So another thread sets the usual number again at once, and a thread that has come in between gets
    it when it enters a block itself.
    """
    with _lock:
        own = torch.get_num_threads()
        count = max(_before.values()) if own == 1 and _before else own
        torch.set_num_threads(1)
        if count > 1:
            other = threading.Thread(target=torch.set_num_threads, args=(count,))
            other.start()
            other.join()
        _before[threading.get_ident()] = count
    return count
