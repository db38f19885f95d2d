"""Torch on one thread: for sums that do not depend on how many there are, and for work too small to divide."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

from candlecast.nets import kernels


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch itself on one thread, so that its sums do not depend on how many there are; the kernels keep all of them.

    It holds for the calling thread and for no other. Blocks can be nested.
    """
    if _here.is_inside:
        yield
        return
    count = torch.get_num_threads()
    put_back = _limit()
    _here.is_inside = True
    try:
        with kernels.threads(count):
            yield
    finally:
        put_back()
        _here.is_inside = False


class _Here(threading.local):
    """What is the running thread's own."""

    is_inside = False


_here = _Here()


def _limit() -> Callable[[], None]:
    """Limit this thread; the function that puts back what it had.

    `torch.set_num_threads` would do, if it did not also set what other threads begin with, which they keep for good. So
    its parts are called one by one: OpenMP's number of threads and MKL's, both each thread's own.
    """
    count = torch.get_num_threads()
    had = [(library, library.num_threads) for library in _libraries()]
    for library, _ in had:
        library.set_num_threads(1)
    torchs_mkl = _set_torchs_mkl()
    mkl = torchs_mkl(1)
    is_limited = torch.get_num_threads() == 1
    if not is_limited:  # a build of torch with other threads
        torch.set_num_threads(1)

    def put_back() -> None:
        if not is_limited:
            torch.set_num_threads(count)
        torchs_mkl(mkl)
        for library, threads in had:
            library.set_num_threads(threads)

    return put_back


@cache
def _libraries() -> list[Any]:
    """The libraries that torch may use of which the number of threads is each thread's own."""
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().lib_controllers
    return [library for library in found if library.user_api == "openmp" or library.internal_api == "mkl"]


@cache
def _set_torchs_mkl() -> Callable[[int], int]:
    """Sets the number of threads of the MKL inside torch for this thread, 0 for none of its own, and returns what it was."""
    for path in (Path(torch.__file__).parent / "lib").glob("*torch_cpu.*"):
        with suppress(OSError, AttributeError):
            return ctypes.CDLL(str(path)).MKL_Set_Num_Threads_Local
    return lambda threads: 0
