"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache


def return_memory() -> None:
    """Give back what was freed but is kept for later by the C library: hundreds of MB after work on a million bars.

    Takes some milliseconds. Only glibc keeps so much; elsewhere nothing happens.
    """
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], object] | None:
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
