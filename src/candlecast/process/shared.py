"""State that all threads of a process share, changed for a while: by the first block that wants it, until the last one ends."""

from __future__ import annotations

import os
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any


class Shared(ABC):
    """A change of the process that holds while any thread is in a `block` of it.

    If each block put back what it found, one that began inside another and ended after it would put back the change itself.
    Blocks can be nested, and an error ends a block like anything else.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._open: list[int] = []  # the thread of each block
        hold_at_fork(self._lock, self._forget_others)

    @abstractmethod
    def make(self) -> None:
        """Make the change, or what is missing of it: called at the beginning of every block."""

    @abstractmethod
    def undo(self) -> None:
        """Put back what the first `make` found: called at the end of the last block."""

    @contextmanager
    def block(self) -> Iterator[None]:
        """The change holds within the block."""
        with self._lock:
            self.make()
            self._open.append(threading.get_ident())
        try:
            yield
        finally:
            with self._lock:
                self._open.remove(threading.get_ident())
                if not self._open:
                    self.undo()

    def _forget_others(self) -> None:
        self._open = [thread for thread in self._open if thread == threading.get_ident()]


def hold_at_fork(lock: AbstractContextManager[bool], in_child: Callable[[], object] = lambda: None) -> None:
    """Let a fork wait for the lock, so that no child begins with it held by a thread that it does not have.

    `in_child` is called in the child before its copy of the lock is free.
    """

    def release() -> None:
        lock.__exit__(None, None, None)

    def release_in_child() -> None:
        in_child()
        release()

    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(before=lock.__enter__, after_in_parent=release, after_in_child=release_in_child)


def drop_filters(is_meant: Callable[[tuple[Any, ...]], bool]) -> None:
    """Take entries (action, message, category, module, line) out of Python's list of filters for warnings."""
    filters: Any = warnings.filters
    filters[:] = [entry for entry in filters if not is_meant(entry)]


_ignored: ContextVar[tuple[type[Warning], ...]] = ContextVar("ignored", default=())


class _OfThisThread(type):
    def __subclasscheck__(cls, category: type) -> bool:
        return issubclass(category, _ignored.get())


class IgnoredHere(Warning, metaclass=_OfThisThread):
    """Stands in Python's list of filters for the categories that the running thread ignores, and for none in the others."""


class _Filter(Shared):
    """The filter that ignores `IgnoredHere`, before all others. What threads do between blocks is left in the list."""

    def make(self) -> None:
        if not warnings.filters or warnings.filters[0][2] is not IgnoredHere:
            warnings.simplefilter("ignore", IgnoredHere)

    def undo(self) -> None:
        drop_filters(lambda entry: entry[2] is IgnoredHere)


_filter = _Filter()


@contextmanager
def ignoring(*categories: type[Warning]) -> Iterator[None]:
    """Warnings of these categories are ignored within the block, in this thread alone.

    `warnings.catch_warnings` changes the filters of all threads, and in two threads at once leaves them changed.

    >>> with ignoring(UserWarning):
    ...     warnings.warn("nobody hears it", UserWarning)
    """
    token = _ignored.set((*_ignored.get(), *categories))
    try:
        with _filter.block():
            yield
    finally:
        _ignored.reset(token)
