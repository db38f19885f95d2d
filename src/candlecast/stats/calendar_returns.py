"""Returns of an account by month and year."""

from __future__ import annotations

import numpy as np


def monthly_returns(times: np.ndarray, equity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Simple returns of each calendar month, one row per year.

    Args:
        times: when each equity was known (datetime64), in order, (time,).
        equity: (time,), of which the first is the start of the record.

    Returns:
        years (rows,) int64, and returns (rows, 12), NaN for months outside the record. The first and the last month are
        those parts that the record has. A month's last bar is the last at or before the first moment of the next one, so that
        a day that closes at midnight belongs to the month it was in. 0 after ruin.

    >>> times = np.array(["2023-12-31", "2024-01-15", "2024-02-01", "2024-03-01"], dtype="datetime64[us]")
    >>> years, returns = monthly_returns(times, np.array([100.0, 105.0, 110.0, 99.0]))
    >>> years.tolist(), returns[0, :3].round(3).tolist()
    ([2024], [0.1, -0.1, nan])
    """
    before_midnight = np.asarray(times, dtype="datetime64[us]") - np.timedelta64(1, "us")
    months = before_midnight.astype("datetime64[M]").astype(int)
    if len(months) < 2:
        return np.empty(0, int), np.empty((0, 12))
    last = np.flatnonzero(np.append(months[1:-1] != months[2:], True)) + 1  # last row of each month of the returns
    ends = np.concatenate([[0], last])
    equity = np.asarray(equity, dtype=float)
    before, after = equity[ends[:-1]], equity[ends[1:]]
    growth = np.divide(after, before, out=np.ones(len(after)), where=before > 0) - 1.0
    year, month = np.divmod(months[last], 12)
    years = np.arange(year[0], year[-1] + 1)
    table = np.full((len(years), 12), np.nan)
    table[year - year[0], month] = growth
    return years + 1970, table


def yearly_returns(monthly: np.ndarray) -> np.ndarray:
    """Simple return of each row of twelve months, compounded over those that are known. Shape (years,).

    >>> yearly_returns(np.array([[0.1, -0.1] + [np.nan] * 10])).round(3).tolist()
    [-0.01]
    """
    return np.prod(1.0 + np.nan_to_num(monthly), axis=1) - 1.0
