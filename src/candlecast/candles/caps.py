"""Moves that pile up at one largest size: a vendor's filter of outliers, or a daily price limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from candlecast.candles.ticks import ticks

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

MINIMUM = 5  # moves at the cap
NEAR = 1e-3  # relative: moves whose sizes differ by less are equal
COARSEST = 0.02  # relative: by how much a price that is rounded to a tick may miss the cap
BEYOND = 0.2  # moves beyond the cap for each one at it: dividends, corrections and days without the rule
CROWDED = 5.0  # times as many moves as in the bands of the same width below
BANDS = 3  # of these bands
FAR = 1.0  # robust standard deviations of the moves, at least
SLACK = 1e-9  # relative: rounding of floats


def is_at_cap(candles: Candles) -> np.ndarray:
    """Bool (time,): the move from the close before has a size at which moves in its direction pile up, and that few exceed.

    Real moves have tails: hardly two of the largest are equal. A vendor that takes large moves for errors cuts them to the
    largest one that it allows, and an exchange with a daily price limit stops trading there. The price has not arrived, and
    the next bars go on. Rises and falls are looked at separately, as simple returns, so both may have a cap of their own.
    At a cap there are MINIMUM moves or more, within NEAR of its size or the nearest tick; for each of them at most BEYOND are
    larger, and there are CROWDED times as many as in an equal band below. Retrospective: it describes the table as a whole.
    """
    found = np.zeros(len(candles), dtype=bool)
    if len(candles) <= MINIMUM:
        return found
    move = np.diff(candles.close) / candles.close[:-1]
    least = FAR * 1.4826 * float(np.median(np.abs(move)))
    tick = ticks(candles).typical
    step = tick / candles.close[:-1] if tick > 0 else np.zeros(len(move))
    for sign in (1.0, -1.0):
        size = sign * move
        far = np.flatnonzero((size > least) & (size > 0))
        if len(far) >= MINIMUM:
            found[far[_pile(size[far], step[far])] + 1] = True
    return found


def _pile(size: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Bool (move,): which of these moves are at the cap; none where there is no cap."""
    rising = np.sort(size)
    rank = np.arange(int(BEYOND * len(size)) + 1)  # moves beyond the cap
    cap = rising[::-1][rank]
    width = np.maximum(NEAR * cap, np.minimum(np.median(step), COARSEST * cap))
    edges = (cap * (1 + SLACK), cap - width, cap - (1 + BANDS) * width)
    at_most = [np.searchsorted(rising, edge, side="right") for edge in edges]
    inside, below = at_most[0] - at_most[1], (at_most[1] - at_most[2]) / BANDS
    is_cap = (inside >= MINIMUM) & (rank <= BEYOND * inside) & (inside >= CROWDED * np.maximum(below, 1 / BANDS))
    if not is_cap.any():
        return np.zeros(len(size), dtype=bool)
    best = float(cap[np.where(is_cap, inside, 0).argmax()])
    reach = np.maximum(NEAR * best, np.minimum(step, COARSEST * best))
    return (size > best - reach) & (size <= best * (1 + SLACK))
