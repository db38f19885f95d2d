"""LSTM on CPU: the time loop each way, compiled. Equations in `reference.lstm`.

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
from candlecast.nets.kernels.cpu.vector import LANES, fma, load, sigmoid, splat, store, tanh
from candlecast.nets.kernels.functions import Kernel


@njit
def _activate(tape, c, h):
    """One step: gates in the tape's first 4H rows become i, f, g, o; the new c goes to its last H rows; h is written."""
    hidden = c.shape[0]
    for j in range(hidden):
        i = sigmoid(load(tape, (j,)))
        f = sigmoid(load(tape, (hidden + j,)))
        g = tanh(load(tape, (2 * hidden + j,)))
        o = sigmoid(load(tape, (3 * hidden + j,)))
        new = fma(f, load(c, (j,)), i * g)
        store(i, tape, (j,))
        store(f, tape, (hidden + j,))
        store(g, tape, (2 * hidden + j,))
        store(o, tape, (3 * hidden + j,))
        store(new, tape, (tape.shape[0] - hidden + j,))
        store(new, c, (j,))
        store(o * tanh(new), h, (j,))


@njit(
    "void(i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1],"
    "f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,:,:,::1], f4[:,::1], f4[:,::1])",
    nogil=True,
    cache=True,
)
def _forward_shards(first, last, x, h0, c0, w_x, w_h, b, h, c_last, tape, packed, scratch):
    """Pieces first to last of the K S shards; packed and scratch are zeros."""
    shards, steps, features, hidden = tape.shape[1], x.shape[2], x.shape[3], h0.shape[3]
    depth = features + 1 + hidden
    z, c = scratch[:depth], scratch[depth:]
    fill(z[features : features + 1], 1)
    for item in range(first, last):
        model, shard = item // shards, item % shards
        if item == first or shard == 0:
            pack_columns(w_x[model], packed, depth, 0)
            pack_columns(b[model], packed, depth, features)
            pack_columns(w_h[model], packed, depth, features + 1)
        read_rows(h0, (model, shard, 0), z[features + 1 :])
        read_rows(c0, (model, shard, 0), c)
        for t in range(steps):
            read_rows(x, (model, shard, t), z)
            multiply(packed, z, tape[model, shard, t])
            _activate(tape[model, shard, t], c, z[features + 1 :])
            write_rows(z[features + 1 :], h, (model, shard, t))
        write_rows(c, c_last, (model, shard, 0))


@njit
def _differentiate(tape, before, grad_h, dh, dc, delta):
    """One step back: delta (4H rows: before the activations); dc of this step becomes that of the step before."""
    hidden = dc.shape[0]
    one = splat(1)
    for j in range(hidden):
        i = load(tape, (j,))
        f = load(tape, (hidden + j,))
        g = load(tape, (2 * hidden + j,))
        o = load(tape, (3 * hidden + j,))
        tanh_c = tanh(load(tape, (tape.shape[0] - hidden + j,)))
        dh_j = load(dh, (j,)) + load(grad_h, (j,))
        dc_j = fma(dh_j * o, one - tanh_c * tanh_c, load(dc, (j,)))
        store(dc_j * g * i * (one - i), delta, (j,))
        store(dc_j * load(before, (j,)) * f * (one - f), delta, (hidden + j,))
        store(dc_j * i * (one - g * g), delta, (2 * hidden + j,))
        store(dh_j * tanh_c * o * (one - o), delta, (3 * hidden + j,))
        store(dc_j * f, dc, (j,))


@njit(
    "void(i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:,::1],"
    "f4[:,:,::1], f4[:,:,::1], f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,::1],"
    "f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1])",
    nogil=True,
    cache=True,
)
def _backward_shards(
    first, last, grad_h, grad_c, x, h0, c0, h, tape, w_x, w_h, dx, dh0, dc0, parts,
    packed_x, packed_h, kept_z, kept_delta, scratch,
):  # fmt: skip
    """Pieces first to last of the K S shards; packed and scratch are zeros, parts the weight gradients per shard."""
    shards, steps, features, hidden = tape.shape[1], x.shape[2], x.shape[3], h0.shape[3]
    depth = features + 1 + hidden
    z, rest = scratch[:depth], scratch[depth:]
    delta, rest = rest[: 4 * hidden], rest[4 * hidden :]
    dc, rest = rest[:hidden], rest[hidden:]
    start, rest = rest[:hidden], rest[hidden:]
    grad, rest = rest[:hidden], rest[hidden:]
    dh, dx_t = rest[: packed_h.shape[0] // (4 * hidden) * ROWS], rest[packed_h.shape[0] // (4 * hidden) * ROWS :]
    fill(z[features : features + 1], 1)
    for item in range(first, last):
        model, shard = item // shards, item % shards
        if item == first or shard == 0:
            pack_rows(w_x[model], packed_x, 4 * hidden, 0)
            pack_rows(w_h[model], packed_h, 4 * hidden, 0)
        read_rows(c0, (model, shard, 0), start)
        read_rows(grad_c, (model, shard, 0), dc)
        fill(dh, 0)
        for t in range(steps - 1, -1, -1):
            read_rows(grad_h, (model, shard, t), grad)
            before = tape[model, shard, t - 1, tape.shape[3] - hidden :] if t else start
            _differentiate(tape[model, shard, t], before, grad, dh, dc, delta)
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
        write_rows(dc, dc0, (model, shard, 0))
        weight_gradient(kept_z, kept_delta, steps, parts[item])


def _forward(x: Tensor, h0: Tensor, c0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """h (K, B, T, H), its batch contiguous in memory; c_T (K, B, H); tape (K, S, T, 4H padded + H, L)."""
    models, batch, steps, features = x.shape
    hidden = h0.shape[-1]
    shards, width, depth = -(-batch // LANES), padded(4 * hidden, ROWS), features + 1 + hidden
    h = x.new_empty(models, steps, hidden, batch)
    c_last = x.new_empty(models, 1, hidden, batch)
    tape = x.new_empty(models, shards, steps, width + hidden, LANES)
    inputs = (x, h0.unsqueeze(2), c0.unsqueeze(2), w_x.contiguous(), w_h.contiguous(), b.unsqueeze(1).contiguous())
    arrays = [a.numpy(force=True) for a in (*inputs, h, c_last, tape)]

    def work(first: int, last: int) -> None:
        packed = x.new_zeros(width // ROWS * depth, ROWS)
        scratch = x.new_zeros(depth + hidden, LANES)
        _forward_shards(first, last, *arrays, packed.numpy(), scratch.numpy())

    share(work, models * shards)
    return h.permute(0, 3, 1, 2), c_last.squeeze(1).mT, tape


def _backward(
    grads: Sequence[Tensor | None], tape: Tensor, h: Tensor, inputs: Sequence[Tensor], needs_x: bool
) -> tuple[Tensor, ...]:
    x, h0, c0, w_x, w_h, b = inputs
    models, batch, steps, features = x.shape
    shards, hidden = tape.shape[1], h0.shape[-1]
    zero = x.new_zeros(())
    grad_h, grad_c = (zero.expand_as(a) if g is None else g for g, a in zip(grads, (h, c0), strict=True))
    dx = x.new_empty(models, steps, features, batch) if needs_x else x.new_empty(models, 0, 0, 0)
    dh0, dc0 = x.new_empty(2, models, 1, hidden, batch)
    height, width = padded(features + 1 + hidden, LEFT), padded(4 * hidden, RIGHT)
    parts = x.new_empty(models * shards, height, width)
    read = (grad_h, grad_c.unsqueeze(2), x, h0.unsqueeze(2), c0.unsqueeze(2), h, tape, w_x.contiguous(), w_h.contiguous())
    arrays = [a.numpy(force=True) for a in (*read, dx, dh0, dc0, parts)]
    lines = features + 1 + hidden + 4 * hidden + 3 * hidden + padded(hidden, ROWS) + padded(features, ROWS)

    def work(first: int, last: int) -> None:
        packed_x = x.new_zeros(padded(features, ROWS) // ROWS * 4 * hidden, ROWS)
        packed_h = x.new_zeros(padded(hidden, ROWS) // ROWS * 4 * hidden, ROWS)
        kept_z, kept_delta = x.new_empty(height * steps, LANES), x.new_empty(width * steps, LANES)
        scratch = x.new_zeros(lines, LANES)
        own = (a.numpy() for a in (packed_x, packed_h, kept_z, kept_delta, scratch))
        _backward_shards(first, last, *arrays, *own)

    share(work, models * shards)
    dw_x, db, dw_h = x.new_empty(w_x.shape), x.new_empty(models, 1, 4 * hidden), x.new_empty(w_h.shape)
    by_shard = parts.unflatten(0, (models, shards)).numpy()
    row = 0
    for out in (dw_x, db, dw_h):
        add_shards(by_shard, row, 0, out.numpy(), 0, models)
        row += out.shape[1]
    return dx.permute(0, 3, 1, 2), dh0.squeeze(1).mT, dc0.squeeze(1).mT, dw_x, dw_h, db.squeeze(1)


KERNEL = Kernel(_forward, _backward)
