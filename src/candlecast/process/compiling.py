"""The one way in which the package compiles functions by Numba: kept on disk where there is a place, and never without a result.

Numba keeps what it compiled beside the source, or in a folder of the user's; `NUMBA_CACHE_DIR` names another. Where none can be
written to, as in a container without a home, each process compiles for itself.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)
Function = Callable[..., Any]


def compiled(*signature: str, calls: Iterable[str | Path] = (), **options: Any) -> Callable[[Function], Any]:
    """A decorator: the function compiled, without the GIL, at its first call, or at once for a `signature` of Numba's.

    calls: files of the functions that it calls elsewhere. Numba looks at a function's own file only to find out whether what
    it kept is still right, so the others' contents are part of the name it is kept by. `options` are those of `numba.njit`.

    >>> @compiled()
    ... def doubled(x):
    ...     return 2 * x
    >>> doubled(21), doubled.py_func(21)
    (42, 42)
    """
    options = {"nogil": True, **options}

    def decorate(function: Function) -> Any:
        njit = _njit()
        own = function.__qualname__
        function.__qualname__ = f"{own}-{_digest(tuple(map(Path, calls)))}"
        try:
            return njit(*signature, cache=True, **options)(function)
        except RuntimeError:  # of Numba, for no place to keep it; any other comes again
            _say_once()
            return njit(*signature, **options)(function)
        finally:
            function.__qualname__ = own

    return decorate


def internal(function: Function, *, is_inlined: bool = False) -> Any:
    """A function that only compiled code calls, or that is pasted into it.

    It does without Python wrappers, which would double the time to compile it, and is kept with what calls it.
    """
    inlining = {"forceinline": True} if is_inlined else {}
    return _njit()(no_cpython_wrapper=True, no_cfunc_wrapper=True, **inlining)(function)


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
        "compiled code cannot be kept, as no folder for it can be written to: each process compiles anew, which takes up to "
        "some minutes; set NUMBA_CACHE_DIR to a folder that can"
    )
