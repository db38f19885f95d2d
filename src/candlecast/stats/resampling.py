"""The compiled part of the bootstrap: random blocks, what is summed over them, and what an account makes of them.

Importing this file imports Numba. The functions fill their last arguments. `state` begins the random numbers of a path,
uint64; `scale` times an exponential variable, rounded up, is the length of a block.
"""

from __future__ import annotations

import math

import numpy as np

from candlecast.process.compiling import compiled


@compiled()
def _advance(state: np.uint64) -> tuple[np.uint64, float]:
    """SplitMix64 (Steele, Lea and Flood 2014): the next state, and a number in [0, 1)."""
    state += np.uint64(0x9E3779B97F4A7C15)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return state, (z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@compiled()
def _block(state: np.uint64, scale: float, n: int) -> tuple[np.uint64, int, int]:
    """First row and length, at most n, of a random block."""
    state, chance = _advance(state)
    length = 1
    if scale != 0.0:
        state, other = _advance(state)
        length += int(min(math.log(1.0 - other) * scale, n - 1))
    return state, int(chance * n), length


@compiled()
def stationary_rows(state: np.uint64, scale: float, rows: np.ndarray) -> None:
    """Row numbers of one path; int64 (time,)."""
    n, t = len(rows), 0
    while t < n:
        state, row, length = _block(state, scale, n)
        for _ in range(min(length, n - t)):
            rows[t] = row
            row = row + 1 if row + 1 < n else 0
            t += 1


@compiled()
def stationary_means(states: np.ndarray, scale: float, sums: np.ndarray, means: np.ndarray) -> None:
    """Column means over each path, (paths, k), from the sums of all rows before each row, (time + 1, k)."""
    n, columns = len(sums) - 1, sums.shape[1]
    for path in range(len(states)):
        state, t = states[path], 0
        means[path] = 0.0
        while t < n:
            state, row, length = _block(state, scale, n)
            length = min(length, n - t)
            stop = min(row + length, n)
            wrapped = row + length - stop  # rows of the block beyond the end, which wrap to the start
            for column in range(columns):
                means[path, column] += sums[stop, column] - sums[row, column] + sums[wrapped, column]
            t += length
        means[path] /= n


@compiled()
def stationary_moments(states: np.ndarray, scale: float, returns: np.ndarray, out: np.ndarray) -> None:
    """Of each path, (paths, 5): growth, mean, standard deviation (NaN for one return), downside, maximum drawdown.

    Deviations are taken from the first return of the path, so that those of equal returns are exactly zero.
    """
    n = len(returns)
    for path in range(len(states)):
        state, t = states[path], 0
        growth = peak = 1.0
        total = squares = losses = fall = first = 0.0
        while t < n:
            state, row, length = _block(state, scale, n)
            if t == 0:
                first = returns[row]
            for _ in range(min(length, n - t)):
                value = returns[row]
                deviation, loss = value - first, min(value, 0.0)
                total += deviation
                squares += deviation * deviation
                losses += loss * loss
                growth *= 1.0 + value
                peak = max(peak, growth)
                fall = max(fall, 1.0 - growth / peak)
                row = row + 1 if row + 1 < n else 0
                t += 1
        out[path, 0] = growth
        out[path, 1] = first + total / n
        out[path, 2] = math.sqrt(max(squares - total * total / n, 0.0) / (n - 1)) if n > 1 else math.nan
        out[path, 3] = math.sqrt(losses / n)
        out[path, 4] = fall


@compiled()
def block_moments(states: np.ndarray, sums: np.ndarray, count: int, mean: np.ndarray, covariance: np.ndarray) -> None:
    """Mean (paths, k) and covariance (paths, k, k) of `count` rows of sums (time, k), each drawn with equal probability."""
    n, columns = sums.shape
    for path in range(len(states)):
        state = states[path]
        mean[path] = 0.0
        covariance[path] = 0.0
        for _ in range(count):
            state, chance = _advance(state)
            row = int(chance * n)
            for i in range(columns):
                mean[path, i] += sums[row, i]
                for j in range(i + 1):
                    covariance[path, i, j] += sums[row, i] * sums[row, j]
        mean[path] /= count
        for i in range(columns):
            for j in range(i + 1):
                covariance[path, i, j] = covariance[path, i, j] / count - mean[path, i] * mean[path, j]
                covariance[path, j, i] = covariance[path, i, j]
