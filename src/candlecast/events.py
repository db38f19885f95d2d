"""Progress events: what long work tells whoever listens. The library never prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a stage are finished; `detail` says what is being worked on."""

    stage: str
    done: float
    total: float
    detail: str = ""


Listener = Callable[[Progress], None]


def ignore(event: Progress) -> None:
    """A listener that does nothing."""
