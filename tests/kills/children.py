"""Tasks in child processes that are killed at a chosen moment, however fast the machine is.

A moment is a number of events (files opened, renamed or removed, folders made, databases opened; see the audit events of
Python) and a short time after the last of them, for work between events. A process that has loaded candlecast and done no
work forks the children, so that each costs a few milliseconds.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVENTS = ("open", "os.", "sqlite3.", "shutil.", "fcntl.", "socket.", "tempfile.")
TESTS = str(Path(__file__).parents[1])


@dataclass(frozen=True)
class Moments:
    """The times of an undisturbed task's events, in seconds since its start, and its end."""

    events: list[float]
    end: float

    def draw(self, dice: random.Random) -> tuple[int, float]:
        """A moment of the task, each equally likely: a number of events, and seconds after the last of them."""
        at = dice.uniform(0.0, self.end)
        count = bisect_right(self.events, at)
        return count, at - (self.events[count - 1] if count else 0.0)


@dataclass(frozen=True)
class Children:
    """A process that forks a child for each task; `kills.tasks` holds the tasks."""

    process: subprocess.Popen[str]

    def time(self, task: str, *values: Any) -> Moments:
        """Do a task whole; the moments at which it could be killed."""
        answer = self._ask(task, values, None)
        assert answer["status"] == 0, answer["error"]
        return Moments(answer["events"], answer["end"])

    def kill(self, task: str, *values: Any, moment: tuple[int, float]) -> bool:
        """Begin a task and kill it at a moment; False if it ended before."""
        answer = self._ask(task, values, moment)
        assert answer["status"] in (0, -signal.SIGKILL), answer["error"]
        return answer["status"] != 0

    def _ask(self, task: str, values: tuple[Any, ...], moment: tuple[int, float] | None) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps([task, values, moment]), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


@contextmanager
def children() -> Iterator[Children]:
    """A process that forks children, until the block ends."""
    code = f"import sys; sys.path.insert(0, {TESTS!r}); from kills.children import serve; serve()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Children(process)
        assert process.stdin is not None
        process.stdin.close()


def serve() -> None:
    """Answer each line of standard input (a task, its values, and when to kill it) with a line of what became of it."""
    tasks = importlib.import_module("kills.tasks")
    answers = os.fdopen(os.dup(1), "w")  # tasks print what they like
    for line in sys.stdin:
        task, values, moment = json.loads(line)
        with open_pipe() as (reader, writer):
            child = os.fork()
            if child == 0:
                _perform(getattr(tasks, task), values, moment, writer)
            os.close(writer)
            said = b"".join(iter(lambda: os.read(reader, 1 << 16), b""))
            _, status = os.waitpid(child, 0)
        answer = {"status": os.waitstatus_to_exitcode(status), "error": said.decode(errors="replace")}
        if answer["status"] == 0:
            answer |= json.loads(said)
        print(json.dumps(answer), file=answers, flush=True)


@contextmanager
def open_pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe; the end to write to is closed in the block."""
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        os.close(reader)


def _perform(task: Any, values: list[Any], moment: tuple[int, float] | None, writer: int) -> None:
    """Do a task in this child, and end it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    times: list[float] = []
    began, is_armed = time.perf_counter(), False

    def watch(event: str, _: object) -> None:
        nonlocal is_armed
        if is_armed or not event.startswith(EVENTS):
            return
        times.append(time.perf_counter() - began)
        if moment is not None and len(times) == moment[0]:
            is_armed = True
            _die_after(moment[1])

    try:
        sys.addaudithook(watch)
        if moment is not None and moment[0] == 0:
            is_armed = True
            _die_after(moment[1])
        with suppress_success():
            task(*values)
        is_armed, end = True, time.perf_counter() - began
        with os.fdopen(writer, "w") as file:
            json.dump({"events": times, "end": end}, file)
        os._exit(0)
    except BaseException:
        with os.fdopen(writer, "w") as file:
            file.write(traceback.format_exc())
        os._exit(1)


@contextmanager
def suppress_success() -> Iterator[None]:
    """Go on after a command that exits with 0."""
    try:
        yield
    except SystemExit as ended:
        if ended.code:
            raise


def _die_after(seconds: float) -> None:
    """Kill this process after that time; at once for less than a tenth of a millisecond."""
    if seconds < 1e-4:
        os.kill(os.getpid(), signal.SIGKILL)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
    timer.daemon = True
    timer.start()
