"""Dense layers on CPU: y = x W + b of a few rows for many models, by the tiles of the recurrent kernels.

K model, B batch, S shard, L lanes, T time, I input, O output. Rows of a step: z = (x, 1), so that the bias is one more row
of weights, and its gradient one more row of theirs. All on the calling thread: to wake another takes longer than the work.
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
from candlecast.nets.kernels.cpu.vector import LANES, compiled


@compiled("void(f4[:,:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:,::1], f4[:,::1], f4[:,::1])")
def _forward(x, w, b, y, packed, scratch):
    inputs = x.shape[3]
    z, product = split(scratch, inputs + 1)
    fill(z[inputs:], 1)
    for model in range(x.shape[0]):
        pack_columns(w[model], packed, inputs + 1, START)
        pack_columns(b[model], packed, inputs + 1, inputs)
        for shard in range(padded(x.shape[1], LANES) // LANES):
            for t in range(x.shape[2]):
                read_rows(x, (model, shard, t), z)
                multiply(packed, z, product, w.shape[2])
                write_rows(product, y, (model, shard, t))


@compiled("void(f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:], f4[:,:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,::1])")
def _backward(dy, x, w, dx, parts, packed, scratch):
    """parts (K, .., ..) are the gradients of w and b, one below the other."""
    steps, inputs, outputs = x.shape[2], x.shape[3], w.shape[2]
    shards = padded(x.shape[1], LANES) // LANES
    z, rest = split_steps(scratch, shards * steps, parts.shape[1])
    deltas, product = split_steps(rest, shards * steps, parts.shape[2])
    for model in range(x.shape[0]):
        pack_rows(w[model], packed, START)
        for shard in range(shards):
            for t in range(steps):
                at = shard * steps + t
                read_rows(x, (model, shard, t), z[at])
                fill(z[at, inputs : inputs + 1], 1)
                read_rows(dy, (model, shard, t), deltas[at])
                multiply(packed, deltas[at, :outputs], product, inputs)
                write_rows(product, dx, (model, shard, t))
        weight_gradient(z, deltas, parts[model])


def forward(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """x (K, B, T, I), w (K, I, O), b (K, O) -> y (K, B, T, O), its batch contiguous in memory."""
    models, batch, steps, inputs = x.shape
    outputs = w.shape[2]
    wide = padded(outputs, ROWS)
    arrays = (
        *(x, w, b.unsqueeze(1)),
        y := empty(models, steps, outputs, batch),
        empty(wide // ROWS * (inputs + 1), ROWS),
        empty(inputs + 1 + wide, LANES),
    )
    _forward(*(array.numpy(force=True) for array in arrays))
    return y.permute(0, 3, 1, 2)


def backward(dy: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, w and b from that of y (K, B, T, O)."""
    models, batch, steps, inputs = x.shape
    outputs = w.shape[2]
    height, width, wide = padded(inputs + 1, LEFT), padded(outputs, RIGHT), padded(inputs, ROWS)
    lines = -(-batch // LANES) * steps * (height + width) + wide
    arrays = (
        *(dy, x, w),
        dx := empty(models, steps, inputs, batch),
        parts := empty(models, height, width),
        empty(wide // ROWS * outputs, ROWS),
        empty(lines, LANES),
    )
    _backward(*(array.numpy(force=True) for array in arrays))
    return dx.permute(0, 3, 1, 2), parts[:, :inputs, :outputs], parts[:, inputs, :outputs]
