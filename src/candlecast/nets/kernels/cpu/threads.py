"""Work shared among threads that sleep between calls.

OpenMP pools spin after each parallel region; beside torch's own pool that would take the cores from the work itself.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from queue import SimpleQueue
from typing import Any

import torch

_count: ContextVar[int | None] = ContextVar("threads", default=None)  # None: as torch


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within the block, CPU kernels use `count` threads; otherwise as many as torch (`torch.get_num_threads()`).

    Torch's idle OpenMP threads go on spinning for some milliseconds after an op and take the cores from these threads. A
    loop of many kernel calls is fastest with all cores here and `torch.set_num_threads(1)`.
    """
    token = _count.set(count)
    try:
        yield
    finally:
        _count.reset(token)


def threads_for(items: int) -> int:
    """The number of threads that `share` gives so many items."""
    return max(1, min(_count.get() or torch.get_num_threads(), items))


def share(kernel: Callable[..., None], items: int, *args: Any) -> None:
    """Run kernel(thread, first, last, *args) on pieces of range(items), by `threads_for(items)` threads, this one included.

    `thread` counts them from 0. The kernel must release the GIL to gain. Its first error is raised here, after all
    threads have stopped.
    """
    count = threads_for(items)
    if count == 1:
        return kernel(0, 0, items, *args)
    size = max(1, items // (count * 4))  # four pieces per thread or more: a slow thread does not hold up the others
    pieces = iter(range(0, items, size))
    ends: SimpleQueue[BaseException | None] = SimpleQueue()

    def drain(thread: int) -> None:
        error = None
        try:
            for first in pieces:
                kernel(thread, first, min(first + size, items), *args)
        except BaseException as raised:
            error = raised
        ends.put(error)

    _workers.start(count - 1)
    for thread in range(1, count):
        _workers.tasks.put(partial(drain, thread))
    drain(0)
    for error in [ends.get() for _ in range(count)]:
        if error is not None:
            raise error
    return None


class _Workers:
    """Threads that wait for tasks, as many as were ever asked for."""

    def __init__(self) -> None:
        self.tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.lock = threading.Lock()
        self.started = 0

    def start(self, count: int) -> None:
        with self.lock:
            for number in range(self.started, count):
                threading.Thread(target=self.serve, name=f"candlecast-kernel-{number}", daemon=True).start()
            self.started = max(self.started, count)

    def serve(self) -> None:
        while True:
            self.tasks.get()()


_workers = _Workers()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_workers.__init__)  # in a forked child the threads are gone
