"""How many cases are tried in all, which of them each test takes, and the limits that every case keeps to.

A case costs from one millisecond (a ledger) to half a second (a workbook, which has a process of its own), so the kinds share
a number of cases by weight. `CANDLECAST_FUZZ` is that number, `CANDLECAST_FUZZ_FIRST` the number of the first case of each
kind, which is also its seed: a failure names it. Each kind is cut into SHARDS tests, which processes can take from each other.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from candlecast.errors import CandlecastError

CASES = int(os.environ.get("CANDLECAST_FUZZ", "4000"))
FIRST = int(os.environ.get("CANDLECAST_FUZZ_FIRST", "0"))
WEIGHTS = {"ledger": 0.5155, "text": 0.24, "binary": 0.165, "answer": 0.045, "run": 0.03, "workbook": 0.0045}
SHARDS = 4
MAX_SECONDS = 10.0  # of CPU time of one case, its child processes included: as long on a busy machine as on an idle one
MAX_KIB = 1 << 20  # by which one case may raise the memory that the process has held, and what a child process may hold

try:
    import resource
except ImportError:  # Windows
    resource = None


def seeds(kind: str, shard: int) -> range:
    """Numbers of the cases of a kind that one of its tests takes."""
    return range(FIRST + shard, FIRST + round(CASES * WEIGHTS[kind]), SHARDS)


class Failures:
    """What cases did that none may do: another error than a CandlecastError, too much time or memory, an odd message."""

    def __init__(self) -> None:
        self.found: list[str] = []

    @contextmanager
    def case(self, *name: object) -> Iterator[None]:
        """Run one case within the limits; whatever it does wrong is noted."""
        before, began = peak_kib(), cpu_seconds()
        try:
            with _stopped_after(MAX_SECONDS):
                yield
        except CandlecastError as error:
            if not str(error).isprintable() or len(str(error)) > 5_000 or "; expected " not in str(error):
                self.note(name, f"an odd message: {str(error)[:300]!r}")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.note(name, traceback.format_exc(limit=-4))
        if cpu_seconds() - began > MAX_SECONDS:
            self.note(name, f"took {cpu_seconds() - began:.0f} s")
        if peak_kib() - before > MAX_KIB:
            self.note(name, f"took {(peak_kib() - before) >> 10:,} MiB")
        if peak_kib_of_children() > max(MAX_KIB, peak_kib()):
            self.note(name, f"took {peak_kib_of_children() >> 10:,} MiB in a child process")

    def note(self, name: tuple[object, ...], what: str) -> None:
        """Note what a case did wrong."""
        self.found.append(f"{' '.join(map(str, name))}: {what}")

    def require_none(self) -> None:
        """Fail with all that was noted."""
        assert not self.found, "\n".join(self.found)


def peak_kib() -> int:
    """The most memory that this process has held so far; 0 where the system does not say."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if resource else 0


def peak_kib_of_children() -> int:
    """The most memory that a child process held which has ended; a child begins with the peak of its parent."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if resource else 0


def cpu_seconds() -> float:
    """CPU time of this process and of its child processes that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


@contextmanager
def _stopped_after(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in a block of Python code that takes more CPU time than that, where the system can."""
    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {seconds:.0f} s of CPU time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)
