"""Sums of ridge regressions to which rows are added one by one, and what they forecast, compiled."""

from __future__ import annotations

import numpy as np

from candlecast.process.compiling import compiled, internal

TINY = 1e-12  # least pivot, as a share of the largest diagonal element


@internal
def _add(sums: np.ndarray, row: np.ndarray) -> None:
    for i in range(len(row)):
        factor = row[i]
        for j in range(len(row)):
            sums[i, j] += factor * row[j]


@internal
def _solve(matrix: np.ndarray, right: np.ndarray) -> None:
    """Cholesky in place: `right` becomes matrix^-1 right. The matrix is positive definite but for rounding."""
    size, largest = len(right), 0.0
    for i in range(size):
        largest = max(largest, matrix[i, i])
    for k in range(size):
        pivot = np.sqrt(max(matrix[k, k], TINY * largest))
        matrix[k, k] = pivot
        for j in range(k + 1, size):
            matrix[k, j] /= pivot
        for i in range(k + 1, size):
            factor = matrix[k, i]
            for j in range(i, size):
                matrix[i, j] -= factor * matrix[k, j]
    for k in range(size):  # U' z = right
        right[k] /= matrix[k, k]
        for j in range(k + 1, size):
            right[j] -= matrix[k, j] * right[k]
    for k in range(size - 1, -1, -1):  # U w = z
        total = right[k]
        for j in range(k + 1, size):
            total -= matrix[k, j] * right[j]
        right[k] = total / matrix[k, k]


@internal
def _fit(
    sums: np.ndarray, penalty: float, share: float, naive: float, horizon: float, target: int, found: np.ndarray
) -> None:
    """Constant and weights (1 + C,) of one target, shrunk as `fit_linear_part` shrinks them."""
    columns, rows = len(found) - 1, sums[0, 0]
    y = len(sums) - target
    level = sums[0, y] / rows
    found[:] = 0.0
    if share != 0.0:
        about, right = np.empty((columns, columns)), np.empty(columns)
        for i in range(columns):
            mean = sums[0, 1 + i] / rows
            for j in range(columns):
                about[i, j] = sums[1 + i, 1 + j] - mean * sums[0, 1 + j]
            about[i, i] += penalty * rows
            right[i] = sums[1 + i, y] - mean * sums[0, y]
        _solve(about, right)
        for i in range(columns):
            found[1 + i] = share * right[i]
    if not np.isnan(naive):
        gap = level - naive
        error = (sums[y, y] - level * sums[0, y]) / rows**2 * horizon
        level = naive + gap * max(0.0, 1.0 - error / gap**2) if gap != 0.0 else naive
    for i in range(columns):
        level -= sums[0, 1 + i] / rows * found[1 + i]
    found[0] = level


@compiled()
def add_rows(sums: np.ndarray, rows: np.ndarray) -> None:
    """Add the products of each row of `rows` (time, D) to `sums` (D, D), in place."""
    for t in range(len(rows)):
        _add(sums, rows[t])


@compiled()
def advance(
    sums: np.ndarray,
    coefficients: np.ndarray,
    fresh: np.ndarray,
    learns: np.ndarray,
    fits: np.ndarray,
    x: np.ndarray,
    rules: tuple[float, np.ndarray, np.ndarray, np.ndarray, float],
    out: np.ndarray,
) -> None:
    """Bar by bar: learn what became known, fit anew where it is due, and forecast.

    Args:
        sums: over one, columns and outcomes (1 + C + N, 1 + C + N); changed in place.
        coefficients: (1 + C, N); changed in place.
        fresh: one, columns and outcomes of the row whose outcomes become known at each bar, (time, 1 + C + N).
        learns: whether they are learnt, bool (time,).
        fits: whether the regression is fitted anew at the bar, bool (time,).
        x: columns of each bar, (time, C).
        rules: decay, penalty (N,), share (N,), constant naive forecast or NaN (N,), horizon.
        out: forecasts, (time, N); written.
    """
    decay, penalty, share, naive, horizon = rules
    targets, columns = coefficients.shape[1], x.shape[1]
    own = np.empty(1 + columns)
    for t in range(len(x)):
        if learns[t]:
            if decay != 1.0:
                sums *= decay
            _add(sums, fresh[t])
        if fits[t]:
            for n in range(targets):
                _fit(sums, penalty[n], share[n], naive[n], horizon, targets - n, own)
                coefficients[:, n] = own
        for n in range(targets):
            total = coefficients[0, n]
            for j in range(columns):
                total += x[t, j] * coefficients[1 + j, n]
            out[t, n] = total
