"""Work shared among threads that sleep between calls.

OpenMP pools spin after each parallel region; beside torch's own pool that would take the cores from the work itself.
"""

import os
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any

import torch

_tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
_started = 0
_lock = threading.Lock()


def threads_for(count: int) -> int:
    """The number of threads that `share` gives `count` items."""
    return max(1, min(torch.get_num_threads(), count))


def share(kernel: Callable[..., None], count: int, *args: Any) -> None:
    """Run kernel(thread, first, last, *args) on pieces of range(count), by `threads_for(count)` threads, this one included.

    `thread` counts them from 0. The kernel must release the GIL to gain. Its first error is raised here, after all
    threads have stopped.
    """
    threads = threads_for(count)
    if threads == 1:
        return kernel(0, 0, count, *args)
    size = -(-count // (threads * 4))  # four pieces per thread, so that a slow thread does not hold up the others
    pieces = iter(range(0, count, size))
    ends: SimpleQueue[BaseException | None] = SimpleQueue()

    def drain(thread: int) -> None:
        error = None
        try:
            for first in pieces:
                kernel(thread, first, min(first + size, count), *args)
        except BaseException as raised:
            error = raised
        ends.put(error)

    _start_workers(threads - 1)
    for thread in range(1, threads):
        _tasks.put(partial(drain, thread))
    drain(0)
    for error in [ends.get() for _ in range(threads)]:
        if error is not None:
            raise error
    return None


def _start_workers(count: int) -> None:
    global _started
    with _lock:
        for number in range(_started, count):
            threading.Thread(target=_serve, name=f"candlecast-kernel-{number}", daemon=True).start()
        _started = max(_started, count)


def _serve() -> None:
    while True:
        _tasks.get()()


def _forget_workers() -> None:
    """In a forked child the workers are gone."""
    global _started, _lock, _tasks
    _started, _lock, _tasks = 0, threading.Lock(), SimpleQueue()


os.register_at_fork(after_in_child=_forget_workers)
