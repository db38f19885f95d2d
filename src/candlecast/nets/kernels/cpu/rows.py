"""Rows of lanes: reading them from tensors, writing them back, and passing them on through a dropout mask.

A row is one feature, unit or gate of one time step, for the batch entries of one shard. A place is (model, shard, time).
The rows of a shard lie in one block (N, L), a number of them for each time step; which ones a function means is said by
the `line` of the first, and by the `stride` from one step to the next.
"""

import numpy as np

from candlecast.nets.kernels.cpu.vector import LANES, compiled, dropped, internal, load, prefetch, splat, store
from candlecast.nets.kernels.hashing import KEY_STRIDE

START = np.int64(0)  # in place of a literal 0, for which numba would compile what takes it once more
_U32, _KEY_STRIDE = np.uint32, np.uint32(KEY_STRIDE)


@internal
def split(rows, count):
    """The first `count` rows, and the others."""
    return rows[:count], rows[count:]


@internal
def split_steps(rows, steps, count):
    """The first `steps` times `count` rows as (T, count, L), and the others."""
    return rows[: steps * count].reshape(steps, count, LANES), rows[steps * count :]


@internal
def shards_of(batch):
    """How many shards a batch makes."""
    return (batch + LANES - 1) // LANES


@internal
def fill(rows, value):
    """Every lane of every row is `value`."""
    for n in range(rows.shape[0]):
        store(splat(value), rows, (n,))


@internal
def fetch(rows):
    """Have these rows in the cache soon: asked for a time step ahead, while the products of the step before are made."""
    for n in range(rows.shape[0]):
        prefetch(rows, (n,))


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
def read_state(array, place, rows):
    """The same of a state's gradient (K, B, 1, H), which is 0 where the array is empty."""
    if array.size:
        read_rows(array, place, rows)
    else:
        fill(rows, 0)


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
def home(item, first, thread, size):
    """The block of an item: its own, or, where a piece of work has `size` of them, one of its thread's."""
    return thread * size + item - first if size else item


@internal
def first_place(model, shard, keys):
    """Where the hashes of a shard begin."""
    return _U32(_U32(_U32(keys[model]) * _KEY_STRIDE) + _U32(shard * LANES))


@internal
def pass_step(rows, out, step, first, batch, threshold, scale):
    """Rows of a time step to `out`, masked; `first` as of `first_place`. Without a threshold there is no mask."""
    count = out.shape[0]
    if threshold:
        for n in range(count):
            place = _U32(first + _U32((step * count + n) * batch))
            store(dropped(load(rows, (n,)), place, threshold, scale), out, (n,))
    else:
        for n in range(count):
            store(load(rows, (n,)), out, (n,))


@compiled("void(i8, i8, i8, f4[:,:,:,:], f4[:,:,::1], i8, i8, i8, i4[:], u4, f4, f4[:,:,::1])")
def read_batch(thread, first, last, array, blocks, size, line, stride, keys, threshold, scale, scratch):
    """A tensor (K, B, T, F) into rows of the shards from first to last, masked. `blocks` (N, lines, L), see `home`."""
    batch, steps, count = array.shape[1], array.shape[2], array.shape[3]
    shards = shards_of(batch)
    rows = scratch[thread]
    for item in range(first, last):
        model, shard = item // shards, item % shards
        start, block = first_place(model, shard, keys), blocks[home(item, first, thread, size)]
        for t in range(steps):
            at = line + t * stride
            read_rows(array, (model, shard, t), rows)
            pass_step(rows, block[at : at + count], t, start, batch, threshold, scale)


@compiled("void(i8, i8, i8, f4[:,:,::1], i8, i8, i8, f4[:,:,:,::1], i4[:], u4, f4, f4[:,:,::1])")
def write_batch(thread, first, last, blocks, size, line, stride, out, keys, threshold, scale, scratch):
    """Rows of the shards from first to last to `out` (K, T, F, B), masked."""
    steps, count, batch = out.shape[1], out.shape[2], out.shape[3]
    shards = shards_of(batch)
    rows = scratch[thread, :count]
    for item in range(first, last):
        model, shard = item // shards, item % shards
        start, block = first_place(model, shard, keys), blocks[home(item, first, thread, size)]
        for t in range(steps):
            pass_step(block[line + t * stride :], rows, t, start, batch, threshold, scale)
            write_rows(rows, out, (model, shard, t))


@compiled("void(i8, i8, i8, f4[:,:,::1], i8, i8, i8, i8, i8, i8, i8, i8, i4[:], u4, f4)")
def pass_batch(
    thread,
    first,
    last,
    blocks,
    size,
    below,
    below_stride,
    above,
    above_stride,
    steps,
    count,
    batch,
    keys,
    threshold,
    scale,
):
    """Rows of the shards from first to last to other rows of the same block, masked: from one layer to the next."""
    shards = shards_of(batch)
    for item in range(first, last):
        model, shard = item // shards, item % shards
        rows, start = blocks[home(item, first, thread, size)], first_place(model, shard, keys)
        for t in range(steps):
            at = above + t * above_stride
            pass_step(rows[below + t * below_stride :], rows[at : at + count], t, start, batch, threshold, scale)
