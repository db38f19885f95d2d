"""`Memory`: what was computed for a page, kept until what it was computed from has changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Memory(Generic[T]):
    """The last `most` values by key, each with the stamp of what it was made from; one is made at a time.

    >>> memory = Memory(1)
    >>> memory("a", 1, lambda: "made"), memory("a", 1, lambda: "again"), memory("a", 2, lambda: "again")
    ('made', 'made', 'again')
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.RLock()
        self._held: OrderedDict[Hashable, tuple[Any, T]] = OrderedDict()

    def __call__(self, key: Hashable, stamp: Any, make: Callable[[], T]) -> T:
        """The value kept for a key with this stamp, or a new one. Raises what `make` raises, and keeps nothing then."""
        with self._lock:
            if key in self._held and self._held[key][0] == stamp:
                self._held.move_to_end(key)
                return self._held[key][1]
            made = make()
            self._held[key] = stamp, made
            self._held.move_to_end(key)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
            return made


def stamp_of(*paths: Path) -> tuple[tuple[int, int, int] | None, ...]:
    """What changes when a file is written or replaced: time, size and place on the disk; None for one that is not there."""
    stamps = []
    for path in paths:
        try:
            found = path.stat()
            stamps.append((found.st_mtime_ns, found.st_size, found.st_ino))
        except (OSError, ValueError):
            stamps.append(None)
    return tuple(stamps)
