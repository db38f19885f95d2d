"""Work shared among threads by code that releases the GIL, without torch.

Threads are as many as Numba may use: NUMBA_NUM_THREADS, by which the workers of a scan are limited, or the cores of the
process.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def thread_count() -> int:
    """How many threads the process may use."""
    from numba.core import config

    return int(vars(config)["NUMBA_NUM_THREADS"])


def in_parts(work: Callable[[int, int], None], items: int) -> None:
    """Call work(first, last) for a part of range(items) on each thread. Raises what the first part that fails raises.

    >>> found = [0] * 5
    >>> in_parts(lambda first, last: found.__setitem__(slice(first, last), range(first, last)), 5)
    >>> found
    [0, 1, 2, 3, 4]
    """
    parts = max(min(thread_count(), items), 1)
    bounds = [items * part // parts for part in range(parts + 1)]
    if parts == 1:
        work(0, items)
        return
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(work, bounds[:-1], bounds[1:]))
