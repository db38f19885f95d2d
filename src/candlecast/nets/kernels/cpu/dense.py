"""Dense layers on CPU: y = x W + b of a few rows for many models, by the tiles of the recurrent kernels.

K model, B batch, S shard, L lanes, T time, I input, O output. A model is one piece of work. Rows of a step: z = (x, 1), so
that the bias is one more row of weights, and its gradient one more row of theirs.
"""

from __future__ import annotations

from torch import Tensor

from candlecast.nets.kernels.cpu.memory import empty
from candlecast.nets.kernels.cpu.products import (
    LEFT,
    RIGHT,
    ROWS,
    multiply,
    pack_columns,
    pack_rows,
    padded,
    weight_gradient,
)
from candlecast.nets.kernels.cpu.rows import START, fill, read_rows, split, split_steps, write_rows
from candlecast.nets.kernels.cpu.threads import share, threads_for
from candlecast.nets.kernels.cpu.vector import LANES, compiled


@compiled("void(i8, i8, i8, f4[:,:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1])")
def _forward(thread, first, last, x, w, b, y, packed, scratch):
    """Models first to last; each thread has its part of packed and scratch."""
    inputs, weights = x.shape[3], packed[thread]
    z, product = split(scratch[thread], inputs + 1)
    fill(z[inputs:], 1)
    for model in range(first, last):
        pack_columns(w[model], weights, inputs + 1, START)
        pack_columns(b[model], weights, inputs + 1, inputs)
        for shard in range(padded(x.shape[1], LANES) // LANES):
            for t in range(x.shape[2]):
                read_rows(x, (model, shard, t), z)
                multiply(weights, z, product, w.shape[2])
                write_rows(product, y, (model, shard, t))


@compiled("void(i8, i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])")
def _backward(thread, first, last, dy, x, w, dx, parts, packed, scratch):
    """Models first to last; parts (K, .., ..) are their gradients of w and b, one below the other."""
    steps, inputs, outputs, weights = x.shape[2], x.shape[3], w.shape[2], packed[thread]
    shards = padded(x.shape[1], LANES) // LANES
    z, rest = split_steps(scratch[thread], shards * steps, parts.shape[1])
    deltas, product = split_steps(rest, shards * steps, parts.shape[2])
    for model in range(first, last):
        pack_rows(w[model], weights, START)
        for shard in range(shards):
            for t in range(steps):
                at = shard * steps + t
                read_rows(x, (model, shard, t), z[at])
                fill(z[at, inputs : inputs + 1], 1)
                read_rows(dy, (model, shard, t), deltas[at])
                multiply(weights, deltas[at, :outputs], product, inputs)
                write_rows(product, dx, (model, shard, t))
        weight_gradient(z, deltas, parts[model])


def forward(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """x (K, B, T, I), w (K, I, O), b (K, O) -> y (K, B, T, O), its batch contiguous in memory."""
    models, batch, steps, inputs = x.shape
    outputs, threads = w.shape[2], threads_for(models)
    wide = padded(outputs, ROWS)
    arrays = (
        *(x, w, b.unsqueeze(1)),
        y := empty(models, steps, outputs, batch),
        empty(threads, wide // ROWS * (inputs + 1), ROWS),
        empty(threads, inputs + 1 + wide, LANES),
    )
    _forward(0, 0, models, *(array.numpy(force=True) for array in arrays))
    return y.permute(0, 3, 1, 2)


def backward(dy: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, w and b from that of y (K, B, T, O)."""
    models, batch, steps, inputs = x.shape
    outputs, threads = w.shape[2], threads_for(models)
    height, width, wide = padded(inputs + 1, LEFT), padded(outputs, RIGHT), padded(inputs, ROWS)
    lines = -(-batch // LANES) * steps * (height + width) + wide
    arrays = (
        *(dy, x, w),
        dx := empty(models, steps, inputs, batch),
        parts := empty(models, height, width),
        empty(threads, wide // ROWS * outputs, ROWS),
        empty(threads, lines, LANES),
    )
    _backward(0, 0, models, *(array.numpy(force=True) for array in arrays))
    return dx.permute(0, 3, 1, 2), parts[:, :inputs, :outputs], parts[:, inputs, :outputs]
