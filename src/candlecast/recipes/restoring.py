"""The parts of a study, made again from the recipe of its run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from candlecast.errors import RunError, listed


@contextmanager
def restoring(recipe: Mapping[str, Any], needed: Sequence[str], *, remedy: str) -> Iterator[None]:
    """Within it the parts of a recipe are restored.

    Raises RunError for a recipe that lacks one of the parts needed, and, with the `remedy`, for code of a user's, which is
    never stored.
    """
    absent = [name for name in needed if name not in recipe]
    if absent:
        raise RunError(
            f"the recipe of the run has no {listed(absent)}",
            expected=listed(needed, most=len(needed)),
            remedy="Take the run from where it was made",
        )
    try:
        yield
    except RunError as error:
        raise RunError(
            f"the run stores your own code by name only ({error.wrong})",
            expected="the study that was run",
            remedy=remedy,
        ) from error
