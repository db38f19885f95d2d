"""`Slip`: a small fault, given as one text in one file that becomes another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Slip:
    """A fault of one file of the package, and the tests that must fail because of it.

    Args:
        name: Package and what is wrong, as `evaluation/timing-dropped`.
        path: File, relative to `src/candlecast`.
        before: Text that occurs exactly once in the file.
        after: Text that replaces it.
        tests: Files or node ids of pytest, relative to the root of the repository.
    """

    name: str
    path: str
    before: str
    after: str
    tests: tuple[str, ...]

    @property
    def package(self) -> str:
        """The part of the name before the slash."""
        return self.name.partition("/")[0]

    def applied(self, text: str) -> str | None:
        """The text with the fault; None if `before` does not occur exactly once.

        >>> Slip("a/plus", "a.py", "x + y", "x - y", ()).applied("return x + y")
        'return x - y'
        """
        return text.replace(self.before, self.after) if text.count(self.before) == 1 else None


def slips(package: str, path: str, tests: str, faults: Iterable[tuple[str, str, str]]) -> list[Slip]:
    """Slips of one file, (name, before, after) each, that the same tests must catch; `tests` are separated by spaces."""
    chosen = tuple(tests.split())
    return [Slip(f"{package}/{name}", path, before, after, chosen) for name, before, after in faults]
