"""`one_thread`: torch on one thread, so that its sums do not depend on the number of threads."""

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
    """Within the block, torch itself runs on one thread; the kernels of `nets.kernels` keep all of theirs.

    It holds for the calling thread alone. Blocks can be nested.
    """
    if _here.is_inside:
        yield
        return
    count = torch.get_num_threads()
    restore = _limit()
    _here.is_inside = True
    try:
        with kernels.threads(count):
            yield
    finally:
        restore()
        _here.is_inside = False


class _Here(threading.local):
    """State of the running thread."""

    is_inside = False


_here = _Here()


def _limit() -> Callable[[], None]:
    """Limit this thread; returns a function that restores its limits.

    `torch.set_num_threads` also sets the number that threads started later have for good. So its two parts are called one
    by one: the number of threads of OpenMP and that of MKL, each of which belongs to one thread.
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

    def restore() -> None:
        if not is_limited:
            torch.set_num_threads(count)
        torchs_mkl(mkl)
        for library, threads in had:
            library.set_num_threads(threads)

    return restore


@cache
def _libraries() -> list[Any]:
    """The libraries that torch may use and whose number of threads each thread sets for itself."""
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().lib_controllers
    return [library for library in found if library.user_api == "openmp" or library.internal_api == "mkl"]


@cache
def _set_torchs_mkl() -> Callable[[int], int]:
    """Sets the number of threads of the MKL inside torch for this thread, 0 for the global one; returns the number before."""
    for path in (Path(torch.__file__).parent / "lib").glob("*torch_cpu.*"):
        with suppress(OSError, AttributeError):
            return ctypes.CDLL(str(path)).MKL_Set_Num_Threads_Local
    return lambda threads: 0
