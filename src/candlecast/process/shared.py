"""Temporary changes of state that all threads share: made by the first block, undone when the last block ends."""

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
    """A change of process state that holds while any thread is in a `block` of it.

    If each block restored what it found, one that began inside another block and ended after it would restore the change
    itself. Blocks can be nested, and end with an error as well.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._open: list[int] = []  # the thread of each block
        hold_at_fork(self._lock, self._forget_others)

    @abstractmethod
    def make(self) -> None:
        """Make the change, or the missing part of it. Called at the beginning of every block."""

    @abstractmethod
    def undo(self) -> None:
        """Restore what the first `make` found. Called at the end of the last block."""

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
    """Make a fork wait for the lock, so that no child inherits it held by a thread that does not exist there.

    `in_child` is called in the child before it releases its copy of the lock.
    """

    def release() -> None:
        lock.__exit__(None, None, None)

    def release_in_child() -> None:
        in_child()
        release()

    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(before=lock.__enter__, after_in_parent=release, after_in_child=release_in_child)


def drop_filters(is_meant: Callable[[tuple[Any, ...]], bool]) -> None:
    """Remove entries (action, message, category, module, line) from Python's list of warning filters."""
    filters: Any = warnings.filters
    filters[:] = [entry for entry in filters if not is_meant(entry)]


_ignored: ContextVar[tuple[type[Warning], ...]] = ContextVar("ignored", default=())


class _OfThisThread(type):
    def __subclasscheck__(cls, category: type) -> bool:
        return issubclass(category, _ignored.get())


class IgnoredHere(Warning, metaclass=_OfThisThread):
    """In Python's list of warning filters, matches the categories that the current thread ignores."""


class _Filter(Shared):
    """The filter that ignores `IgnoredHere`, before all others. Other changes of the list are kept."""

    def make(self) -> None:
        if not warnings.filters or warnings.filters[0][2] is not IgnoredHere:
            warnings.simplefilter("ignore", IgnoredHere)

    def undo(self) -> None:
        drop_filters(lambda entry: entry[2] is IgnoredHere)


_filter = _Filter()


@contextmanager
def ignoring(*categories: type[Warning]) -> Iterator[None]:
    """Ignore warnings of these categories within the block, in this thread only.

    `warnings.catch_warnings` changes the filters of all threads; used in two threads at once, it leaves them changed.

    >>> with ignoring(UserWarning):
    ...     warnings.warn("ignored", UserWarning)
    """
    token = _ignored.set((*_ignored.get(), *categories))
    try:
        with _filter.block():
            yield
    finally:
        _ignored.reset(token)
