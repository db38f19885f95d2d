"""Products of rows of lanes: packing weights, and the register tiles.

Rows are matrices (N, L) with L lanes; packed weights are (N, ROWS). Nothing here allocates.
"""

from candlecast.nets.kernels.cpu.rows import START
from candlecast.nets.kernels.cpu.vector import (
    LANES,
    add_outer,
    add_scaled,
    compiled,
    internal,
    load,
    store,
    store_sums,
    zeros,
)

ROWS = 8  # rows of a `multiply` tile; what is left over in the end takes a tile of half as many where that is enough
HALF = ROWS // 2
LEFT, RIGHT = (4, 6) if LANES == 16 else (2, 4)  # rows of both sides in a `weight_gradient` tile
_TILE = LEFT * RIGHT


@compiled("i8(i8, i8)")
def padded(size, block):
    """The smallest multiple of `block` that holds `size`."""
    return (size + block - 1) // block * block


@internal
def pack_columns(weights, packed, depth, first):
    """For a product weights' rows: block c // ROWS of `depth` has weights[r, c] at [first + r, c % ROWS]."""
    whole = weights.shape[1] // ROWS
    for r in range(weights.shape[0]):
        for block in range(whole):
            for n in range(ROWS):
                packed[block * depth + first + r, n] = weights[r, block * ROWS + n]
        for c in range(whole * ROWS, weights.shape[1]):
            packed[whole * depth + first + r, c % ROWS] = weights[r, c]


@internal
def pack_rows(weights, packed, first):
    """For a product weights rows: with row n = first + r, block n // ROWS has weights[r, c] at [c, n % ROWS]."""
    depth = weights.shape[1]
    for r in range(weights.shape[0]):
        block, lane = (first + r) // ROWS, (first + r) % ROWS
        for c in range(depth):
            packed[block * depth + c, lane] = weights[r, c]


@internal
def pack_forward(w_x, b, w_h, packed):
    """For the product of z = (x, 1, h): the rows of w_x, b and w_h, one below the other."""
    features = w_x.shape[0]
    depth = features + 1 + w_h.shape[0]
    pack_columns(w_x, packed, depth, START)
    pack_columns(b, packed, depth, features)
    pack_columns(w_h, packed, depth, features + 1)


@internal
def pack_backward(w_x, w_h, packed, needs_x):
    """For the product that gives the gradients of h and, below them, of x."""
    pack_rows(w_h, packed, START)
    if needs_x:
        pack_rows(w_x, packed, w_h.shape[0])


@internal
def multiply(packed, rows, out, count):
    """out[n] = sum over k of packed[n // ROWS depth + k, n % ROWS] rows[k] for n up to `count`; depth is the number of rows.

    Rows of `out` up to padded(count, ROWS) may be written.
    """
    depth = rows.shape[0]
    whole = (count + HALF - 1) // ROWS
    for block in range(whole):
        sums = zeros(ROWS)
        for k in range(depth):
            sums = add_scaled(sums, packed, (block * depth + k,), load(rows, (k,)))
        for n in range(ROWS):
            store(sums[n], out, (block * ROWS + n,))
    if whole * ROWS < count:
        half = zeros(HALF)
        for k in range(depth):
            half = add_scaled(half, packed, (whole * depth + k,), load(rows, (k,)))
        for n in range(HALF):
            store(half[n], out, (whole * ROWS + n,))


@internal
def weight_gradient(left, right, out):
    """out[m, n] = sum over time and lanes of left[:, m] times right[:, n], which are (T, rows, L)."""
    for b in range(out.shape[1] // RIGHT):
        for a in range(out.shape[0] // LEFT):
            sums = zeros(_TILE)
            for t in range(left.shape[0]):
                sums = add_outer(sums, left, (t, a * LEFT), right, (t, b * RIGHT), RIGHT)
            store_sums(sums, out, (a * LEFT, b * RIGHT), RIGHT)


@compiled("void(i8, i8, i8, f4[:,:,::1], f4[:,:,::1])")
def add_shards(thread, first, last, parts, out):
    """out[k, r, c] = the sum over shards s, in order, of parts[k S + s, r, c], for models k from first to last."""
    shards = parts.shape[0] // out.shape[0]
    for k in range(first, last):
        for r in range(out.shape[1]):
            for c in range(out.shape[2]):
                total = parts[k * shards, r, c]
                for s in range(1, shards):
                    total += parts[k * shards + s, r, c]
                out[k, r, c] = total
