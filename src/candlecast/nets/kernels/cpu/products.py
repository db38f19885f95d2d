"""Rows of lanes: reading and writing tensors as rows, packing weights, and the register tiles of every product.

A row is one feature, unit or gate of one time step, for the batch entries of one shard. L lanes, T time.
"""

import numpy as np
from numba import njit

from candlecast.nets.kernels.cpu.vector import LANES, add_outer, add_scaled, load, store, store_sums, zeros

ROWS = 8  # rows of a `multiply` tile
LEFT, RIGHT = (4, 6) if LANES == 16 else (3, 4)  # rows of both sides in a `weight_gradient` tile
_TILE = LEFT * RIGHT


@njit
def blocks(size, block):
    """Number of blocks that hold `size`."""
    return (size + block - 1) // block


@njit
def zero_rows(count):
    """(count, L) zeros on cache lines of their own."""
    raw = np.zeros(count * LANES + 16, np.float32)
    skip = (-raw.ctypes.data % 64) // 4
    return raw[skip : skip + count * LANES].reshape(count, LANES)


@njit
def read_rows(array, index, rows):
    """rows[f] = the lanes of array (K, B, T, F) at index (model, shard, time), feature f; lanes past the batch are left."""
    model, shard, time = index
    batch = shard * LANES
    width = min(LANES, array.shape[1] - batch)
    if width == LANES and array.strides[1] == 4:
        for f in range(array.shape[3]):
            store(load(array, (model, batch, time, f)), rows, (f,))
    else:
        for lane in range(width):
            for f in range(array.shape[3]):
                rows[f, lane] = array[model, batch + lane, time, f]


@njit
def write_rows(rows, array, index):
    """array (K, T, F, B) at index (model, shard, time) = the first F rows, without the lanes past the batch."""
    model, shard, time = index
    batch = shard * LANES
    width = min(LANES, array.shape[3] - batch)
    for f in range(array.shape[2]):
        if width == LANES:
            store(load(rows, (f,)), array, (model, time, f, batch))
        else:
            for lane in range(width):
                array[model, time, f, batch + lane] = rows[f, lane]


@njit
def pack_columns(weights, packed, first):
    """For products weights' rows: packed[c // ROWS, first + r, c % ROWS] = weights[r, c]."""
    for r in range(weights.shape[0]):
        for c in range(weights.shape[1]):
            packed[c // ROWS, first + r, c % ROWS] = weights[r, c]


@njit
def pack_rows(weights, packed, first):
    """For products weights rows: packed[r // ROWS, first + c, r % ROWS] = weights[r, c]."""
    for r in range(weights.shape[0]):
        for c in range(weights.shape[1]):
            packed[r // ROWS, first + c, r % ROWS] = weights[r, c]


@njit
def multiply(packed, rows, out):
    """out[n] = sum over k of packed[n // ROWS, k, n % ROWS] rows[k]; out has a whole number of blocks."""
    for block in range(packed.shape[0]):
        sums = zeros(ROWS)
        for k in range(packed.shape[1]):
            sums = add_scaled(sums, packed, (block, k), load(rows, (k,)))
        for n in range(ROWS):
            store(sums[n], out, (block * ROWS + n,))


@njit
def keep(rows, kept, time):
    """kept[n // size, time, n % size] = rows[n], for a weight gradient over all time steps: blocks of `size` rows."""
    size = kept.shape[2]
    for n in range(rows.shape[0]):
        store(load(rows, (n,)), kept, (n // size, time, n % size))


@njit
def weight_gradient(left, right, out):
    """out[m, n] = sum over time and lanes of left[m] right[n], in blocks as `keep` made them (blocks, T, rows, L)."""
    for b in range(right.shape[0]):
        for a in range(left.shape[0]):
            sums = zeros(_TILE)
            for time in range(left.shape[1]):
                sums = add_outer(sums, left, (a, time), right, (b, time), RIGHT)
            store_sums(sums, out, (a * LEFT, b * RIGHT), RIGHT)


@njit
def add_shards(parts, corner, out):
    """out (R, C) = the sum over shards, in order, of parts (S, .., ..) from `corner` on."""
    row, column = corner
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            total = parts[0, row + r, column + c]
            for shard in range(1, parts.shape[0]):
                total += parts[shard, row + r, column + c]
            out[r, c] = total
