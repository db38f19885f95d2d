"""Dense layers on CPU: y = x W + b of a few rows for many models, by the tiles of the recurrent kernels.

K model, B batch, S shard, L lanes, T time, I input, O output. Rows of a step: z = (x, 1), so that the bias is one more row
of weights, and its gradient one more row of theirs.
"""

from __future__ import annotations

from torch import Tensor

from candlecast.nets.kernels.cpu.memory import empty
from candlecast.nets.kernels.cpu.products import (
    LEFT,
    RIGHT,
    ROWS,
    add_shards,
    multiply,
    pack_columns,
    pack_rows,
    padded,
    weight_gradient,
)
from candlecast.nets.kernels.cpu.rows import START, fill, read_rows, shards_of, split, split_steps, write_rows
from candlecast.nets.kernels.cpu.threads import chained, share, threads_for
from candlecast.nets.kernels.cpu.vector import LANES, compiled


@compiled("void(i8, i8, i8, f4[:,:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1])")
def _forward(thread, first, last, x, w, b, y, packed, scratch):
    """Items first to last of the K S shards; each thread has its part of packed and scratch."""
    inputs, shards = x.shape[3], shards_of(x.shape[1])
    weights = packed[thread]
    z, product = split(scratch[thread], inputs + 1)
    fill(z[inputs:], 1)
    for item in range(first, last):
        model, shard = item // shards, item % shards
        if item == first or shard == 0:
            pack_columns(w[model], weights, inputs + 1, START)
            pack_columns(b[model], weights, inputs + 1, inputs)
        for t in range(x.shape[2]):
            read_rows(x, (model, shard, t), z)
            multiply(weights, z, product, w.shape[2])
            write_rows(product, y, (model, shard, t))


@compiled("void(i8, i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])")
def _backward(thread, first, last, dy, x, w, dx, parts, packed, scratch):
    """parts (K S, .., ..) are the items' gradients of w and b, one below the other."""
    steps, inputs, outputs = x.shape[2], x.shape[3], w.shape[2]
    shards = shards_of(x.shape[1])
    weights = packed[thread]
    z, rest = split_steps(scratch[thread], steps, parts.shape[1])
    deltas, product = split_steps(rest, steps, parts.shape[2])
    for item in range(first, last):
        model, shard = item // shards, item % shards
        if item == first or shard == 0:
            pack_rows(w[model], weights, START)
        for t in range(steps):
            read_rows(x, (model, shard, t), z[t])
            fill(z[t, inputs : inputs + 1], 1)
            read_rows(dy, (model, shard, t), deltas[t])
            multiply(weights, deltas[t, :outputs], product, inputs)
            write_rows(product, dx, (model, shard, t))
        weight_gradient(z, deltas, parts[item])


def forward(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """x (K, B, T, I), w (K, I, O), b (K, O) -> y (K, B, T, O), its batch contiguous in memory."""
    models, batch, steps, inputs = x.shape
    outputs = w.shape[2]
    items, wide = models * -(-batch // LANES), padded(outputs, ROWS)
    threads = threads_for(items)
    arrays = (
        *(x, w, b.unsqueeze(1)),
        y := empty(models, steps, outputs, batch),
        empty(threads, wide // ROWS * (inputs + 1), ROWS),
        empty(threads, inputs + 1 + wide, LANES),
    )
    share(_forward, items, *(array.numpy(force=True) for array in arrays))
    return y.permute(0, 3, 1, 2)


def backward(dy: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, w and b from that of y (K, B, T, O)."""
    models, batch, steps, inputs = x.shape
    outputs = w.shape[2]
    items, height, width, wide = (
        models * -(-batch // LANES),
        padded(inputs + 1, LEFT),
        padded(outputs, RIGHT),
        padded(inputs, ROWS),
    )
    threads = threads_for(items)
    arrays = (
        *(dy, x, w),
        dx := empty(models, steps, inputs, batch),
        parts := empty(items, height, width),
        empty(threads, wide // ROWS * outputs, ROWS),
        empty(threads, steps * (height + width) + wide, LANES),
    )
    with chained():
        share(_backward, items, *(array.numpy(force=True) for array in arrays))
        share(add_shards, models, parts.numpy(), (summed := empty(models, inputs + 1, outputs)).numpy())
    return dx.permute(0, 3, 1, 2), summed[:, :inputs], summed[:, inputs]
