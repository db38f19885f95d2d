"""Which bars folds leave untested: what is chosen by the bars that are tested may have been chosen by what happened in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from candlecast.dataset.rows import Rows


def left_out(tests: Sequence[Rows], could: np.ndarray, *, horizon: int) -> np.ndarray:
    """Bars that each test part leaves out after bars of its own, up to the next tested one: int64 (parts,).

    Counted from the first tested bar to the last one whose outcome is known. The rest at the end is not counted where it is
    shorter than the shortest test part, since it is too short for one more. What is before the first tested bar is training.
    A bar after one that several parts test counts for the first of these.

    Args:
        tests: rows of the test parts.
        could: bool (time,), whether a bar has all that a forecast needs.
        horizon: bars until an outcome is known.

    >>> parts = [Rows(range(50, 60), range(65, 70)), Rows(range(80, 95))]
    >>> left_out(parts, np.ones(100, dtype=bool), horizon=1)
    array([15,  0])
    """
    owner = np.full(len(could), -1)
    for place in reversed(range(len(tests))):
        owner[tests[place].array] = place
    tested = np.flatnonzero(owner >= 0)
    due = np.flatnonzero(could[: len(could) - horizon])
    due = due[(owner[due] < 0) & (due > tested[0])]
    rest = due > tested[-1]
    if rest.sum() < min(map(len, tests)):
        due = due[~rest]
    before = tested[np.searchsorted(tested, due) - 1]
    return np.bincount(owner[before], minlength=len(tests))
