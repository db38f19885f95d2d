"""Where tasks are computed: in this process, or in processes of this machine. See `ray_workers` for a cluster."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Protocol

from candlecast.errors import RunError
from candlecast.scan.messages import answered
from candlecast.scan.worker import READY, receive, send

LIMITS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)  # each names the threads of a library that a worker uses
STARTS = 3  # processes in succession that end before they are ready, after which no more are started
GRACE_SECONDS = 2.0  # that an idle worker has to end by itself


class Workers(Protocol):
    """Computes messages of tasks, each to a message of its outcome."""

    @property
    def capacity(self) -> int:
        """Tasks that are computed at once."""
        ...

    def start(self, number: int, message: bytes) -> None:
        """Begin a task. Call it only while fewer than `capacity` are in progress."""
        ...

    def next(self) -> tuple[int, bytes | None]:
        """The number and the outcome of the next task that ends; None where its worker ended before it."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...


class Here:
    """Tasks computed in this process, one after the other, with all of its threads."""

    capacity = 1

    def __init__(self) -> None:
        self._waiting: list[tuple[int, bytes]] = []

    def start(self, number: int, message: bytes) -> None:
        """Keep a task until `next`."""
        self._waiting.append((number, message))

    def next(self) -> tuple[int, bytes | None]:
        """Compute a task."""
        number, message = self._waiting.pop(0)
        return number, answered(message)

    def close(self) -> None:
        """Forget tasks that were not computed."""
        self._waiting.clear()


class Processes:
    """Tasks computed in processes of this machine, each with its share of the threads.

    processes: how many. threads: of each. A process that ends, for whatever reason, is replaced when the next task begins.
    """

    def __init__(self, processes: int, *, threads: int) -> None:
        self.capacity, self.threads = processes, threads
        self._ended: queue.Queue[tuple[int, bytes | None]] = queue.Queue()
        self._ready: set[int] = set()
        self._failed = 0  # starts in succession
        self._idle: list[subprocess.Popen[bytes]] = []
        self._busy: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, number: int, message: bytes) -> None:
        """Send a task to an idle process, or to a new one."""
        worker = None
        while self._idle and worker is None:
            worker = self._idle.pop()
            if worker.poll() is not None:
                worker = None
        worker = worker or self._begin()
        self._busy[number] = worker
        threading.Thread(target=self._compute, args=(number, worker, message), daemon=True).start()

    def next(self) -> tuple[int, bytes | None]:
        """Wait for a task to end. Raises RunError where processes end before they are ready."""
        while True:
            try:
                number, answer = self._ended.get(timeout=0.5)  # a wait without an end is deaf to Ctrl-C on Windows
            except queue.Empty:
                continue
            worker = self._busy.pop(number)
            if answer is None:
                _end(worker)
                self._count_start(worker)
            else:
                self._idle.append(worker)
            return number, answer

    def _count_start(self, worker: subprocess.Popen[bytes]) -> None:
        """Raise RunError for the last of several processes that ended by themselves before they were ready."""
        if worker.pid in self._ready:
            self._failed = 0
        elif worker.returncode > 0:  # below zero where a signal ended it
            self._failed += 1
        if self._failed >= STARTS:
            raise RunError(
                f"{self._failed} processes in succession ended before they were ready",
                expected="processes that can import candlecast",
                remedy="See what they wrote to standard error, or use workers=1",
            )

    def close(self) -> None:
        """End all processes, those at work too."""
        for worker in self._busy.values():
            worker.kill()
        for worker in (*self._idle, *self._busy.values()):
            _end(worker)
        self._idle, self._busy = [], {}

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes."""
        return [worker.pid for worker in (*self._idle, *self._busy.values())]

    def _begin(self) -> subprocess.Popen[bytes]:
        worker = subprocess.Popen(
            [sys.executable, "-c", "from candlecast.scan.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | dict.fromkeys(LIMITS, str(self.threads)) | {"PYTHONPATH": _paths()},
            start_new_session=True,  # Ctrl-C is for the process that scans, which ends its workers
        )
        assert worker.stdin is not None
        with suppress(OSError):
            send(worker.stdin, "\0".join(sys.path).encode())
        return worker

    def _compute(self, number: int, worker: subprocess.Popen[bytes], message: bytes) -> None:
        assert worker.stdin is not None
        assert worker.stdout is not None
        answer = None
        with suppress(OSError, ValueError):
            if worker.pid not in self._ready and receive(worker.stdout) == READY:
                self._ready.add(worker.pid)
            if worker.pid in self._ready:
                send(worker.stdin, message)
                answer = receive(worker.stdout)
        self._ended.put((number, answer))


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))  # type: ignore[attr-defined]
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def _paths() -> str:
    """Where modules are found, for a new process."""
    return os.pathsep.join(path for path in sys.path if path and "\0" not in path)


def _end(worker: subprocess.Popen[bytes]) -> None:
    """End a process that has nothing to do, or is dead."""
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.close()
    try:
        worker.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
