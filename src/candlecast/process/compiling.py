"""Compilation by Numba for the whole package, with a cache on disk where one can be written.

Numba caches compiled code beside the source, or in a folder of the user's; `NUMBA_CACHE_DIR` names another. If none can be
written to, as in a container without a home folder, each process compiles for itself.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)
Function = Callable[..., Any]


def compiled(*signature: str, calls: Iterable[str | Path] = (), **options: Any) -> Callable[[Function], Any]:
    """A decorator that compiles a function, without the GIL, at its first call, or at once for a `signature` of Numba's.

    calls: files of the compiled functions that it calls in other modules. Numba checks only a function's own file to see
    whether the cache is still valid, so the name in the cache has a digest of the other files. `options`: see `numba.njit`.

    >>> @compiled()
    ... def doubled(x):
    ...     return 2 * x
    >>> doubled(21), doubled.py_func(21)
    (42, 42)
    """
    options = {"nogil": True, **options}

    def decorate(function: Function) -> Any:
        _require_to_be_found_again(function)
        njit = _njit()
        own = function.__qualname__
        function.__qualname__ = f"{own}-{_digest(tuple(map(Path, calls)))}"
        try:
            return njit(*signature, cache=True, **options)(function)
        except RuntimeError:  # Numba found no folder for its cache; any other error is raised again below
            _say_once()
            return njit(*signature, **options)(function)
        finally:
            function.__qualname__ = own

    return decorate


def _require_to_be_found_again(function: Function) -> None:
    """What a function encloses is part of its name in the cache, and a compiled function is another one in each process."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if callable(cell.cell_contents) and not isinstance(cell.cell_contents, type):
            raise TypeError(
                f"{function.__qualname__} encloses {name}, so every process would compile it again; expected a function "
                "that it calls to be a name of its module. Define both in a module"
            )


def internal(function: Function, *, is_inlined: bool = False) -> Any:
    """A function that only compiled code calls, or that is inlined in it.

    It has no Python wrappers, which would double the time to compile it, and is cached with its callers.
    """
    inlining = {"forceinline": True} if is_inlined else {}
    return _njit()(no_cpython_wrapper=True, no_cfunc_wrapper=True, **inlining)(function)


@dataclass(frozen=True)
class CacheState:
    """Where compiled code is kept. `folder`: None where none can be written. `is_reused`: whether it was read from there."""

    folder: Path | None
    is_reused: bool


def cache_state(function: Any) -> CacheState:
    """What became of a function of `compiled`, which has been compiled; nothing where NUMBA_DISABLE_JIT is set."""
    stats = getattr(function, "stats", None)
    if stats is None:
        return CacheState(None, is_reused=False)
    return CacheState(Path(stats.cache_path) if stats.cache_path else None, bool(stats.cache_hits))


def _njit() -> Any:
    from numba import njit

    return njit


@cache
def _digest(files: tuple[Path, ...]) -> str:
    found = 0
    for file in files:
        try:
            found = zlib.crc32(file.read_bytes(), found)
        except OSError:  # a package without its sources
            found = zlib.crc32(file.name.encode(), found)
    return f"{found:08x}"


@cache
def _say_once() -> None:
    logger.warning(
        "compiled code cannot be cached: no folder for it is writable, and each process compiles again, which takes up to some "
        "minutes; set NUMBA_CACHE_DIR to a writable folder"
    )
