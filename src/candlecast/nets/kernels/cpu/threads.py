"""Work shared among threads that sleep between calls.

OpenMP pools spin after each parallel region. With torch's own pool active, that would take the cores from the work.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from queue import SimpleQueue
from typing import Any

import torch

PIECES = 4  # of each thread, or more, so that a slow thread does not delay the others
MAXIMUM = 2  # items in a piece of a chain: what more of them keep is not in the cache any longer when it is needed
Work = tuple[Callable[..., None], tuple[Any, ...]]  # a kernel and its arguments


class Chain:
    """Works noted to be done by a number of threads, once or again and again on the same memory.

    Works for the same number of items follow each other piece by piece: a thread does all of them on its piece while that
    is in its cache, and waits for no other thread in between. So an item may read what earlier works made of the same
    item, and what works for other numbers of items, first noted before its own, made of any. `then` is a limit: what
    follows it reads all that comes before.
    """

    def __init__(self, count: int) -> None:
        self.threads = count
        self._stages: list[tuple[int, list[Work]]] = []  # numbers of items, and the works for so many

    def note(self, items: int, work: Work) -> None:
        """Append a work for so many items."""
        for number, works in self._stages:
            if number == items:
                works.append(work)
                return
        self._stages.append((items, [work]))

    def then(self, other: Chain) -> Chain:
        """The works of both, those of the other last."""
        if other.threads != self.threads:
            raise ValueError(f"works for {self.threads} threads and for {other.threads} make no chain")
        both = Chain(self.threads)
        for items, works in self._stages + other._stages:
            if both._stages and both._stages[-1][0] == items:
                both._stages[-1][1].extend(works)
            else:
                both._stages.append((items, list(works)))
        return both

    def run(self) -> None:
        """Do all works."""
        with threads(self.threads):
            for items, works in self._stages:
                _run(items, works, piece(items))


_chain: ContextVar[Chain | None] = ContextVar("chain", default=None)
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
    return max(1, min(_threads(), items))


def _threads() -> int:
    chain = _chain.get()
    return chain.threads if chain else _count.get() or torch.get_num_threads()


@contextmanager
def recorded() -> Iterator[Chain]:
    """Within the block `share` only notes its work, `chained` blocks and all, for as many threads as there are now.

    The caller runs the chain.
    """
    chain = Chain(_threads())
    token = _chain.set(chain)
    try:
        yield chain
    finally:
        _chain.reset(token)


@contextmanager
def chained() -> Iterator[None]:
    """Within the block `share` only notes its work, which is all done at the end of the block."""
    if _chain.get() is not None:  # recorded
        yield
        return
    with recorded() as chain:
        yield
    chain.run()


def piece(items: int) -> int:
    """How many items a thread of a chain takes at a time: few, for their sake; see `Chain`."""
    return min(MAXIMUM, max(1, items // (threads_for(items) * PIECES)))


def share(kernel: Callable[..., None], items: int, *args: Any) -> None:
    """Run kernel(thread, first, last, *args) on pieces of range(items), by `threads_for(items)` threads, this one included.

    `thread` counts them from 0. The kernel must release the GIL to gain. Its first error is raised here, after all
    threads have stopped. In a `chained` or `recorded` block the work is put off.
    """
    chain = _chain.get()
    if chain is None:
        count = threads_for(items)
        _run(items, [(kernel, args)], max(1, items if count == 1 else items // (count * PIECES)))
    else:
        chain.note(items, (kernel, args))


def _run(items: int, works: Sequence[Work], size: int) -> None:
    count = threads_for(items)
    if count == 1:
        for first in range(0, items, size):
            for kernel, args in works:
                kernel(0, first, min(first + size, items), *args)
        return
    pieces = iter(range(0, items, size))
    ends: SimpleQueue[BaseException | None] = SimpleQueue()

    def drain(thread: int) -> None:
        error = None
        try:
            for first in pieces:
                for kernel, args in works:
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
