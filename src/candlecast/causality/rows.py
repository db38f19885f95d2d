"""Whether values go by the number of the row: the same bars have other values where the table begins later.

Asked of candles that repeat, from a start at the same place of the repetition: what a function has seen before a bar, such as a
sum, a peak or a smoothed mean, is then the same after a while, and what still differs belongs to rows.
"""

from __future__ import annotations

import numpy as np

from candlecast.causality.compare import informative

ROWS_LATER = (840, 360, 120)  # bars cut off at the start: multiples of the repetition and of nearly any period
SETTLED = 0.4  # share of the rows, the first, in which values may still depend on where the table begins
SHARE = 0.05  # of the rows after that: more of them that differ in what depends on no price are no start of a count
EXPLAINED = 0.9  # least share of the variance that the values of the same bars explain, in what depends on prices
FEW = 10  # different rows from which on it counts


def goes_by_rows(own: np.ndarray, late: np.ndarray, *, is_clock: bool) -> bool:
    """Whether values from a later start, `own`, are no longer those of the same bars, `late`; both (time,).

    Of what depends on no price, the values are compared; of the rest, whether one is an affine function of the other, as a sum
    from the first bar on is.
    """
    first = int(SETTLED * len(own))
    one, two = own[first:], late[first:]
    rows = np.isfinite(one) & np.isfinite(two)
    one, two = one[rows], two[rows]
    tolerance = 1e-9 * (np.abs(one) + np.abs(two))
    differs = np.abs(one - two) > tolerance
    if differs.sum() < FEW or not informative(one).any():
        return False
    if is_clock:
        rated = informative(one) | informative(two)
        return bool(differs.mean() > SHARE or 2 * (differs & rated).sum() > rated.sum())
    if not np.ptp(one) > 0:
        return False
    if not np.ptp(two) > 0:
        return True
    return bool(np.corrcoef(one, two)[0, 1] ** 2 < EXPLAINED)
