"""The compiled part of the bootstrap: random blocks, and what is summed over them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np


class Kernels(NamedTuple):
    """Compiled functions that fill their last arguments; `state` begins the random numbers of a path, uint64.

    stationary_rows(state, scale, rows): row numbers of one path, in blocks of geometric length; int64 (time,).
    stationary_means(states, scale, data, means): column means of data (time, k) over each path; (paths, k).
    block_moments(states, sums, count, mean, covariance): of `count` rows of sums (time, 4) drawn with equal chance;
        (paths, 4) and (paths, 4, 4).
    """

    stationary_rows: Callable[..., None]
    stationary_means: Callable[..., None]
    block_moments: Callable[..., None]


@cache
def kernels() -> Kernels:
    """Compiled on first use, then kept on disk."""
    from numba import njit

    @njit(cache=True, inline="always")
    def advance(state):  # noqa: ANN001, ANN202
        """SplitMix64 (Steele, Lea and Flood 2014): the next state, and a number in [0, 1)."""
        state += np.uint64(0x9E3779B97F4A7C15)
        z = state
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        return state, (z >> np.uint64(11)) * (1.0 / 9007199254740992.0)

    @njit(cache=True, inline="always")
    def block(state, scale, n):  # noqa: ANN001, ANN202
        """First row and length of a block: `scale` times an exponential variable, rounded up; at most n."""
        state, chance = advance(state)
        length = 1
        if scale != 0.0:
            state, other = advance(state)
            length += int(min(math.log(1.0 - other) * scale, n - 1))
        return state, int(chance * n), length

    @njit(cache=True)
    def stationary_rows(state, scale, rows):  # noqa: ANN001, ANN202
        n, t = len(rows), 0
        while t < n:
            state, row, length = block(state, scale, n)
            for _ in range(min(length, n - t)):
                rows[t] = row
                row = row + 1 if row + 1 < n else 0
                t += 1

    @njit(cache=True)
    def stationary_means(states, scale, data, means):  # noqa: ANN001, ANN202
        n, columns = data.shape
        for path in range(len(states)):
            state, t = states[path], 0
            while t < n:
                state, row, length = block(state, scale, n)
                for _ in range(min(length, n - t)):
                    for column in range(columns):
                        means[path, column] += data[row, column]
                    row = row + 1 if row + 1 < n else 0
                    t += 1
            for column in range(columns):
                means[path, column] /= n

    @njit(cache=True)
    def block_moments(states, sums, count, mean, covariance):  # noqa: ANN001, ANN202
        n, columns = sums.shape
        for path in range(len(states)):
            state = states[path]
            mean[path] = 0.0
            covariance[path] = 0.0
            for _ in range(count):
                state, chance = advance(state)
                row = int(chance * n)
                for i in range(columns):
                    mean[path, i] += sums[row, i]
                    for j in range(i + 1):
                        covariance[path, i, j] += sums[row, i] * sums[row, j]
            for i in range(columns):
                mean[path, i] /= count
            for i in range(columns):
                for j in range(i + 1):
                    covariance[path, i, j] = covariance[path, i, j] / count - mean[path, i] * mean[path, j]
                    covariance[path, j, i] = covariance[path, i, j]

    return Kernels(stationary_rows, stationary_means, block_moments)
