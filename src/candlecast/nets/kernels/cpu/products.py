"""Rows of lanes: reading and writing tensors as rows, packing weights, and the register tiles of every product.

A row is one feature, unit or gate of one time step, for the batch entries of one shard. A place is (model, shard, time).
Scratch is matrices of rows, (N, L) with L lanes; packed weights are (N, ROWS). Nothing here allocates.
"""

from collections.abc import Iterator, Sequence

from torch import Tensor

from candlecast.nets.kernels.cpu.vector import (
    LANES,
    add_outer,
    add_scaled,
    compiled,
    internal,
    load,
    splat,
    store,
    store_sums,
    zeros,
)

ROWS = 8  # rows of a `multiply` tile; what is left over in the end takes a tile of half as many where that is enough
HALF = ROWS // 2
LEFT, RIGHT = (4, 6) if LANES == 16 else (2, 4)  # rows of both sides in a `weight_gradient` tile
_TILE = LEFT * RIGHT


def given(grads: Sequence[Tensor | None], *states: Tensor) -> Iterator[Tensor]:
    """The gradients of the last outputs (K, B, tail, H) and of states like `states`; zeros, or no outputs, for None."""
    grad_h, *others = grads
    yield states[0].unsqueeze(2)[:, :, :0] if grad_h is None else grad_h
    for grad, state in zip(others, states, strict=True):
        yield state.new_zeros(()).expand_as(state) if grad is None else grad


@compiled("i8(i8, i8)")
def padded(size, block):
    """The smallest multiple of `block` that holds `size`."""
    return (size + block - 1) // block * block


@internal
def split(rows, count):
    """The first `count` rows, and the others."""
    return rows[:count], rows[count:]


@internal
def split_steps(rows, steps, count):
    """The first `steps` times `count` rows as (T, count, L), and the others."""
    return rows[: steps * count].reshape(steps, count, LANES), rows[steps * count :]


@internal
def fill(rows, value):
    """Every lane of every row is `value`."""
    for n in range(rows.shape[0]):
        store(splat(value), rows, (n,))


@internal
def read_rows(array, place, rows):
    """rows[f] = the lanes of array (K, B, T, F) at `place`, feature f; lanes past the batch are 0."""
    model, shard, time = place
    batch = shard * LANES
    width = array.shape[1] - batch
    if width >= LANES and array.strides[1] == 4:
        for f in range(array.shape[3]):
            store(load(array, (model, batch, time, f)), rows, (f,))
    else:
        for lane in range(LANES):
            for f in range(array.shape[3]):
                rows[f, lane] = array[model, batch + lane, time, f] if lane < width else 0


@internal
def read_gradient(grad_h, place, steps, rows):
    """rows = the gradient of h_t at `place`, of which grad_h (K, B, tail, H) has the last `tail` of T = `steps`; else 0."""
    model, shard, time = place
    silent = steps - grad_h.shape[2]
    if time >= silent:
        read_rows(grad_h, (model, shard, time - silent), rows)
    elif time == silent - 1:  # and then for all steps before
        fill(rows, 0)


@internal
def read_inputs(x, h, h0, place, rows):
    """rows = (x_t, 1, h_{t-1}) at `place`: what the weights of that step were multiplied with."""
    model, shard, time = place
    features = x.shape[3]
    read_rows(x, place, rows)
    fill(rows[features : features + 1], 1)
    if time:
        read_rows(h, (model, shard, time - 1), rows[features + 1 :])
    else:
        read_rows(h0, (model, shard, 0), rows[features + 1 :])


@internal
def write_rows(rows, array, place):
    """array (K, T, F, B) at `place` = the first F rows, without the lanes past the batch."""
    model, shard, time = place
    batch = shard * LANES
    width = array.shape[3] - batch
    for f in range(array.shape[2]):
        if width >= LANES:
            store(load(rows, (f,)), array, (model, time, f, batch))
        else:
            for lane in range(width):
                array[model, time, f, batch + lane] = rows[f, lane]


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
