"""Applies slips to a copy of the source, one at a time, and runs the tests that must catch them.

The source itself is never touched. Each slip runs in a process that is forked from one which has imported the large third-party
libraries, but nothing of candlecast: this saves most of the start of a test run. A copy is put back after each slip, with its
times of modification and its compiled caches, so that nothing is compiled twice.
"""

from __future__ import annotations

import compileall
import importlib
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .slip import Slip

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = (
    "numpy",
    "polars",
    "scipy.stats",
    "numba",
    "torch",
    "sklearn.linear_model",
    "statsmodels.api",
    "hypothesis",
)
LIMIT_SECONDS = 600.0  # of one slip
PAUSE_SECONDS = 0.2
OPTIONS = (
    "-x",
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "--no-header",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
CAUGHT, SURVIVED, STALE, BROKEN = "caught", "survived", "stale", "broken"


@dataclass(frozen=True)
class Outcome:
    """How a slip ended.

    `state`: caught, survived, stale (its text does not occur exactly once) or broken (its tests could not be run).
    `words`: the last line of pytest, or why it is stale or broken.
    """

    slip: Slip
    state: str
    words: str
    seconds: float


def run(
    slips: Sequence[Slip],
    *,
    root: Path = ROOT,
    jobs: int = 1,
    libraries: Sequence[str] = LIBRARIES,
    tell: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Run each slip's tests on a copy of `root/src`, `jobs` at once; `tell` receives each outcome as soon as it is known.

    libraries: imported once, before the tests of each slip begin in a fork of this process.
    """
    for library in libraries:
        with suppress(ImportError):
            importlib.import_module(library)
    import pytest  # noqa: F401 - for the forked processes

    found: list[Outcome] = []

    def note(outcome: Outcome) -> None:
        found.append(outcome)
        tell(outcome)

    with tempfile.TemporaryDirectory(prefix="slips-") as folder:
        free = [_Copy(root, Path(folder) / str(number)) for number in range(jobs)]
        working: list[_Work] = []
        waiting = list(slips)
        while waiting or working:
            while free and waiting:
                slip = waiting.pop(0)
                text = slip.applied((root / "src" / "candlecast" / slip.path).read_text("utf-8"))
                if text is None or text == slip.before:
                    note(Outcome(slip, STALE, f"its text does not occur exactly once in {slip.path}", 0.0))
                else:
                    working.append(_Work(slip, text, free.pop()))
            for work in [each for each in working if each.is_done()]:
                working.remove(work)
                free.append(work.copy)
                note(work.outcome())
            time.sleep(PAUSE_SECONDS)
    return found


class _Copy:
    """A copy of the source with its compiled caches."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.source = folder / "src"
        shutil.copytree(root / "src", self.source)  # with times of modification, which compiled caches are valid by
        compileall.compile_dir(self.source, quiet=2)

    def write(self, slip: Slip, text: str) -> None:
        """Apply a slip, at another time than that of the file, by which compiled caches know that it has changed."""
        path = self.source / "candlecast" / slip.path
        time = path.stat().st_mtime_ns + 10_000_000_000
        path.write_text(text, "utf-8")
        os.utime(path, ns=(time, time))

    def put_back(self, slip: Slip) -> None:
        """The file of a slip, and every compiled cache that its tests have changed, as they were."""
        path = Path("candlecast") / slip.path
        shutil.copy2(self.root / "src" / path, self.source / path)
        for original in (self.root / "src").rglob("__pycache__/*.nbi"):
            copied = self.source / original.relative_to(self.root / "src")
            if not copied.exists() or copied.stat().st_mtime_ns != original.stat().st_mtime_ns:
                for part in original.parent.glob(f"{original.stem}.*"):
                    shutil.copy2(part, copied.parent)


class _Work:
    """The tests of one slip, in a process of their own."""

    def __init__(self, slip: Slip, text: str, copy: _Copy) -> None:
        self.slip, self.copy = slip, copy
        self.log = copy.folder / "log"
        self.began = time.monotonic()
        self.code: int | None = None
        copy.write(slip, text)
        self.process = os.fork()
        if not self.process:
            _test(slip, copy, self.log)

    def is_done(self) -> bool:
        """Whether the tests have ended; ends them when they take too long."""
        process, status = os.waitpid(self.process, os.WNOHANG)
        if process:
            self.code = os.waitstatus_to_exitcode(status)
        elif time.monotonic() - self.began > LIMIT_SECONDS:
            os.kill(self.process, 9)
            os.waitpid(self.process, 0)
            self.code = 1
        return self.code is not None

    def outcome(self) -> Outcome:
        """What came out; puts the copy back."""
        self.copy.put_back(self.slip)
        lines = [line for line in self.log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
        told = next(
            (line for line in lines if line.startswith(("FAILED", "ERROR"))), lines[-1] if lines else "no output"
        )
        state = {0: SURVIVED, 1: CAUGHT}.get(self.code or 0, BROKEN)
        return Outcome(self.slip, state, told[:160], time.monotonic() - self.began)


def _test(slip: Slip, copy: _Copy, log: Path) -> None:
    """Become a test run of a copy; does not return."""
    code = 3
    try:
        os.chdir(copy.root)
        os.environ["PYTHONPATH"] = str(copy.source)
        sys.path.insert(0, str(copy.source))
        sys.dont_write_bytecode = True
        with log.open("w", encoding="utf-8") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
        import pytest

        code = int(pytest.main([*OPTIONS, *slip.tests]))
    except BaseException:  # shown in the log, and nothing else of the parent runs here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
