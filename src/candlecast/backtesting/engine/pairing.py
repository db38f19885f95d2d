"""Pairing of executions into round trips, from flat to flat; compiled in `compiled.run_pair`."""

from __future__ import annotations

import numpy as np

from candlecast.backtesting.filters import closes

COLUMNS = 15


def pair(fills: np.ndarray, splits: np.ndarray, bars: int, mark: float, trips: np.ndarray) -> int:
    """Write one row per round trip to `trips` (rows, COLUMNS); gives their number.

    `fills` as written by `compiled.run_targets`, in order; `splits` (rows, 2): bar and ratio; a trip that is open at the
    end exits at the price `mark` on the last bar. Columns: bar and whether at the open, of the entry and of the exit;
    side; units entered; value of entries and of exits; fees; slippage; reason of entry and of exit; whether open; lowest
    and highest price of its executions, and the mark. Units and prices count as after the splits before the exit.
    """
    count, held, side, coming = 0, 0.0, 0.0, 0
    trip = np.empty(COLUMNS)
    for field in range(COLUMNS):  # assigning rows whole would take four seconds to compile
        trip[field] = 0.0
    for row in range(len(fills)):
        while coming < len(splits) and splits[coming, 0] <= fills[row, 0]:
            held *= splits[coming, 1]
            trip[5] *= splits[coming, 1]
            trip[13] /= splits[coming, 1]
            trip[14] /= splits[coming, 1]
            coming += 1
        direction = 1.0 if fills[row, 3] > 0.0 else -1.0
        whole = abs(fills[row, 3])
        left = whole
        if held > 0.0 and direction != side:
            closing = held if closes(left, -held) else min(left, held)
            left = closing if closes(left, -held) else left
            trip[13], trip[14] = min(trip[13], fills[row, 4]), max(trip[14], fills[row, 4])
            held -= closing
            left -= closing
            trip[7] += closing * fills[row, 4]
            trip[8] += fills[row, 5] * closing / whole
            trip[9] += fills[row, 6] * closing / whole
            if held == 0.0:
                trip[2], trip[3], trip[11], trip[12] = fills[row, 0], fills[row, 1], fills[row, 7], 0.0
                for field in range(COLUMNS):
                    trips[count, field] = trip[field]
                count += 1
        if left > 0.0:
            if held == 0.0:
                for field in range(COLUMNS):
                    trip[field] = 0.0
                side = direction
                trip[0], trip[1], trip[4], trip[10] = fills[row, 0], fills[row, 1], side, fills[row, 7]
                trip[13], trip[14] = fills[row, 4], fills[row, 4]
            trip[13], trip[14] = min(trip[13], fills[row, 4]), max(trip[14], fills[row, 4])
            held += left
            trip[5] += left
            trip[6] += left * fills[row, 4]
            trip[8] += fills[row, 5] * left / whole
            trip[9] += fills[row, 6] * left / whole
    while coming < len(splits):
        held *= splits[coming, 1]
        trip[5] *= splits[coming, 1]
        trip[13] /= splits[coming, 1]
        trip[14] /= splits[coming, 1]
        coming += 1
    if held > 0.0:
        trip[7] += held * mark
        trip[2], trip[3], trip[11], trip[12] = bars - 1, 0.0, 0.0, 1.0
        trip[13], trip[14] = min(trip[13], mark), max(trip[14], mark)
        for field in range(COLUMNS):
            trips[count, field] = trip[field]
        count += 1
    return count
