"""Simple recurrence on CPU: the time loop each way, compiled. Equation in `reference.rnn`.

K model, B batch, S shard, L lanes, T time, F feature, H hidden. Rows of a step: z_t = (x_t, 1, h_{t-1}), so that the bias
is one more row of weights, and its gradient one more row of theirs.
"""

from collections.abc import Sequence

from numba import njit
from torch import Tensor

from candlecast.nets.kernels.cpu.products import (
    LEFT,
    RIGHT,
    ROWS,
    add_shards,
    fill,
    keep,
    multiply,
    pack_columns,
    pack_rows,
    padded,
    read_rows,
    weight_gradient,
    write_rows,
)
from candlecast.nets.kernels.cpu.threads import share
from candlecast.nets.kernels.cpu.vector import LANES, load, splat, store, tanh
from candlecast.nets.kernels.functions import Kernel


@njit(
    "void(i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,:,::1], f4[:,::1], f4[:,::1])",
    nogil=True,
    cache=True,
)
def _forward_shards(first, last, x, h0, w_x, w_h, b, h, packed, scratch):
    """Pieces first to last of the K S shards; packed and scratch are zeros."""
    steps, features, hidden = x.shape[2], x.shape[3], h0.shape[3]
    shards = (x.shape[1] + LANES - 1) // LANES
    depth = features + 1 + hidden
    z, after = scratch[:depth], scratch[depth:]
    fill(z[features : features + 1], 1)
    for item in range(first, last):
        model, shard = item // shards, item % shards
        if item == first or shard == 0:
            pack_columns(w_x[model], packed, depth, 0)
            pack_columns(b[model], packed, depth, features)
            pack_columns(w_h[model], packed, depth, features + 1)
        read_rows(h0, (model, shard, 0), z[features + 1 :])
        for t in range(steps):
            read_rows(x, (model, shard, t), z)
            multiply(packed, z, after)
            for j in range(hidden):
                store(tanh(load(after, (j,))), z, (features + 1 + j,))
            write_rows(z[features + 1 :], h, (model, shard, t))


@njit(
    "void(i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,::1], f4[:,:,::1],"
    "f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1])",
    nogil=True,
    cache=True,
)
def _backward_shards(
    first, last, grad_h, x, h0, h, w_x, w_h, dx, dh0, parts, packed_x, packed_h, kept_z, kept_delta, scratch
):  # fmt: skip
    """Pieces first to last of the K S shards; packed and scratch are zeros, parts the weight gradients per shard."""
    steps, features, hidden = x.shape[2], x.shape[3], h0.shape[3]
    shards = (x.shape[1] + LANES - 1) // LANES
    depth = features + 1 + hidden
    z, rest = scratch[:depth], scratch[depth:]
    after, rest = rest[:hidden], rest[hidden:]
    delta, rest = rest[:hidden], rest[hidden:]
    grad, rest = rest[:hidden], rest[hidden:]
    dh, dx_t = rest[: packed_h.shape[0] // hidden * ROWS], rest[packed_h.shape[0] // hidden * ROWS :]
    fill(z[features : features + 1], 1)
    one = splat(1)
    for item in range(first, last):
        model, shard = item // shards, item % shards
        if item == first or shard == 0:
            pack_rows(w_x[model], packed_x, hidden, 0)
            pack_rows(w_h[model], packed_h, hidden, 0)
        fill(dh, 0)
        for t in range(steps - 1, -1, -1):
            read_rows(grad_h, (model, shard, t), grad)
            read_rows(h, (model, shard, t), after)
            for j in range(hidden):
                h_j = load(after, (j,))
                store((load(dh, (j,)) + load(grad, (j,))) * (one - h_j * h_j), delta, (j,))
            multiply(packed_h, delta, dh)
            if dx.size:
                multiply(packed_x, delta, dx_t)
                write_rows(dx_t, dx, (model, shard, t))
            read_rows(x, (model, shard, t), z)
            if t:
                read_rows(h, (model, shard, t - 1), z[features + 1 :])
            else:
                read_rows(h0, (model, shard, 0), z[features + 1 :])
            keep(z, kept_z, t, steps, LEFT)
            keep(delta, kept_delta, t, steps, RIGHT)
        write_rows(dh, dh0, (model, shard, 0))
        weight_gradient(kept_z, kept_delta, steps, parts[item])


def _forward(x: Tensor, h0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """h (K, B, T, H), its batch contiguous in memory, and an empty tape: h is what backward reads."""
    models, batch, steps, features = x.shape
    hidden = h0.shape[-1]
    width, depth = padded(hidden, ROWS), features + 1 + hidden
    h = x.new_empty(models, steps, hidden, batch)
    arrays = [
        a.numpy(force=True)
        for a in (x, h0.unsqueeze(2), w_x.contiguous(), w_h.contiguous(), b.unsqueeze(1).contiguous(), h)
    ]

    def work(first: int, last: int) -> None:
        packed = x.new_zeros(width // ROWS * depth, ROWS)
        scratch = x.new_zeros(depth + width, LANES)
        _forward_shards(first, last, *arrays, packed.numpy(), scratch.numpy())

    share(work, models * -(-batch // LANES))
    return h.permute(0, 3, 1, 2), x.new_empty(models, 0)


def _backward(
    grads: Sequence[Tensor | None], _: Tensor, h: Tensor, inputs: Sequence[Tensor], needs_x: bool
) -> tuple[Tensor, ...]:
    x, h0, w_x, w_h, b = inputs
    models, batch, steps, features = x.shape
    shards, hidden = -(-batch // LANES), h0.shape[-1]
    grad_h = x.new_zeros(()).expand_as(h) if grads[0] is None else grads[0]
    dx = x.new_empty(models, steps, features, batch) if needs_x else x.new_empty(models, 0, 0, 0)
    dh0 = x.new_empty(models, 1, hidden, batch)
    height, width = padded(features + 1 + hidden, LEFT), padded(hidden, RIGHT)
    parts = x.new_empty(models * shards, height, width)
    arrays = [
        a.numpy(force=True)
        for a in (grad_h, x, h0.unsqueeze(2), h, w_x.contiguous(), w_h.contiguous(), dx, dh0, parts)
    ]
    lines = features + 1 + hidden + 3 * hidden + padded(hidden, ROWS) + padded(features, ROWS)

    def work(first: int, last: int) -> None:
        packed_x = x.new_zeros(padded(features, ROWS) // ROWS * hidden, ROWS)
        packed_h = x.new_zeros(padded(hidden, ROWS) // ROWS * hidden, ROWS)
        kept_z, kept_delta = x.new_empty(height * steps, LANES), x.new_empty(width * steps, LANES)
        scratch = x.new_zeros(lines, LANES)
        own = (a.numpy() for a in (packed_x, packed_h, kept_z, kept_delta, scratch))
        _backward_shards(first, last, *arrays, *own)

    share(work, models * shards)
    dw_x, db, dw_h = x.new_empty(w_x.shape), x.new_empty(models, 1, hidden), x.new_empty(w_h.shape)
    by_shard = parts.unflatten(0, (models, shards)).numpy()
    row = 0
    for out in (dw_x, db, dw_h):
        add_shards(by_shard, row, 0, out.numpy(), 0, models)
        row += out.shape[1]
    return dx.permute(0, 3, 1, 2), dh0.squeeze(1).mT, dw_x, dw_h, db.squeeze(1)


KERNEL = Kernel(_forward, _backward)
