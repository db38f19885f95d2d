"""Drawdowns of an account: falls from a running peak, with their lengths."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Drawdown(NamedTuple):
    """A fall from a running peak. Rows of equity: `peak` is its last highest row, `trough` its lowest.

    recovered: the row at which the peak is reached again; None where it is not.
    depth: fall from the peak to the trough, a fraction of the peak.
    """

    peak: int
    trough: int
    recovered: int | None
    depth: float


def drawdown_curve(equity: np.ndarray) -> np.ndarray:
    """Fall from the running peak at each row, 1 - E_t / max_{s<=t} E_s, a fraction of it. Shape (time,).

    >>> drawdown_curve(np.array([100.0, 120.0, 90.0, 130.0])).tolist()
    [0.0, 0.0, 0.25, 0.0]
    """
    equity = np.asarray(equity, dtype=float)
    return 1.0 - equity / np.maximum.accumulate(equity) if len(equity) else equity


def drawdowns(equity: np.ndarray, *, most: int | None = None) -> list[Drawdown]:
    """All drawdowns, the deepest first; the `most` deepest where given.

    A drawdown lasts from a peak until equity reaches it again. Equity that never falls has none.

    >>> drawdowns(np.array([100.0, 80.0, 100.0, 110.0, 99.0]))
    [Drawdown(peak=0, trough=1, recovered=2, depth=0.2), Drawdown(peak=3, trough=4, recovered=None, depth=0.1)]
    """
    equity = np.asarray(equity, dtype=float)
    falls = drawdown_curve(equity)
    is_down = np.concatenate([[False], falls > 0, [False]])
    starts = np.flatnonzero(~is_down[:-1] & is_down[1:])
    ends = np.flatnonzero(is_down[:-1] & ~is_down[1:])
    found = []
    for start, end in zip(starts, ends, strict=True):
        trough = start + int(falls[start:end].argmax())
        recovered = int(end) if end < len(equity) else None
        found.append(Drawdown(int(start) - 1, int(trough), recovered, round(float(falls[trough]), 12)))
    return sorted(found, key=lambda each: -each.depth)[:most]
