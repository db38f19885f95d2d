"""`deterministic_fit`: how fitting libraries are called, without their warnings and on one thread."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from candlecast.process.shared import Shared, ignoring

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@contextmanager
def deterministic_fit() -> Iterator[None]:
    """No warnings inside the block, and linear algebra on one thread, so that sums do not depend on how many there are.

    Both hold for the calling thread; of libraries whose number of threads is one for the whole process, for all of it.
    """
    with _process_wide.block(), _process_wide.others.limit(limits=1), ignoring(Warning):
        yield


class _ProcessWide(Shared):
    """On one thread: every BLAS library of which the number of threads is one for all threads of the process.

    `others`: the libraries of which it is each thread's own, among them OpenMP.
    """

    others: ThreadpoolController
    _found: ThreadpoolController

    def __init__(self) -> None:
        super().__init__()
        self._modules = 0  # that were imported when the libraries were looked for
        self._limited: dict[str, tuple[Any, int]] = {}  # by path: the library, and the number it had

    def make(self) -> None:
        """Limit those that are not, also if they were loaded while a block was open."""
        there = self._loaded()
        found = {
            library: library.num_threads
            for library in there.lib_controllers
            if library.user_api == "blas" and library.num_threads != 1 and library.filepath not in self._limited
        }
        done = _set(dict.fromkeys(found, 1)) if found else []
        self._limited |= {library.filepath: (library, found[library]) for library in done}
        paths = [library.filepath for library in there.lib_controllers if library.filepath not in self._limited]
        self.others = there.select(filepath=paths)

    def _loaded(self) -> ThreadpoolController:
        """The libraries of the process, looked for again once another module was imported: reading the list takes longer than
        a small fit.
        """
        if self._modules != len(sys.modules):
            from threadpoolctl import ThreadpoolController

            self._found = ThreadpoolController()
            self._modules = len(sys.modules)
        return self._found

    def undo(self) -> None:
        if self._limited:
            _set(dict(self._limited.values()))
        self._limited.clear()


_process_wide = _ProcessWide()


def _set(numbers: Mapping[Any, int]) -> list[Any]:
    """Set each library's number of threads in a thread that ends with it; the libraries for which this thread sees it.

    threadpoolctl lets one thread at a time control OpenBLAS, until that one ends or is made to let go.
    """

    def run() -> None:
        for library, threads in numbers.items():
            library.set_num_threads(threads)
            if library.num_threads != threads and hasattr(library, "clear_controlling_thread"):
                library.clear_controlling_thread(force=True)
                library.set_num_threads(threads)

    other = threading.Thread(target=run)
    other.start()
    other.join()
    return [library for library, threads in numbers.items() if library.num_threads == threads]
