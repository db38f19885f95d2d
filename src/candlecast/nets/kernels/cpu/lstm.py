"""LSTM: its time loop forward and backward, compiled. Equations in `reference.lstm`.

K model, B batch, S shard, L lanes, T time, F feature, H hidden. Rows of a step: z_t = (x_t, 1, h_{t-1}), so that the bias
is one more row of weights and its gradient one more row of theirs.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from candlecast.nets.kernels.cpu.products import (
    LEFT,
    RIGHT,
    ROWS,
    add_shards,
    blocks,
    keep,
    multiply,
    pack_columns,
    pack_rows,
    read_rows,
    weight_gradient,
    write_rows,
    zero_rows,
)
from candlecast.nets.kernels.cpu.vector import LANES, fma, load, sigmoid, splat, store, tanh
from candlecast.nets.kernels.functions import Kernel

_ONE = np.float32(1)


@njit
def _activate(tape, c, h, hidden):
    """One step: gates in the tape's first 4H rows become i, f, g, o; the new c joins them; h is written."""
    cells = tape.shape[0] - hidden
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
        store(new, tape, (cells + j,))
        store(new, c, (j,))
        store(o * tanh(new), h, (j,))


@njit
def _forward_shard(inputs, packed, outputs, model, shard):
    x, h0, c0 = inputs
    h, c_last, tape = outputs
    features, hidden = x.shape[3], h0.shape[3]
    z = zero_rows(features + 1 + hidden)
    c = zero_rows(hidden)
    z[features] = _ONE
    x_t, h_t = z[:features], z[features + 1 :]
    read_rows(h0, (model, shard, 0), h_t)
    read_rows(c0, (model, shard, 0), c)
    for t in range(x.shape[2]):
        read_rows(x, (model, shard, t), x_t)
        step = tape[model, shard, t]
        multiply(packed[model], z, step)
        _activate(step, c, h_t, hidden)
        write_rows(h_t, h, (model, shard, t))
    write_rows(c, c_last, (model, shard, 0))


@njit(
    "void(f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1],"
    "f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,:,:,::1])",
    parallel=True,
    nogil=True,
    cache=True,
)
def _forward_all(x, h0, c0, w_x, w_h, b, h, c_last, tape):
    models, shards = tape.shape[:2]
    features, hidden = w_x.shape[1], w_h.shape[1]
    packed = np.zeros((models, blocks(4 * hidden, ROWS), features + 1 + hidden, ROWS), np.float32)
    for model in prange(models):
        pack_columns(w_x[model], packed[model], 0)
        pack_columns(b[model], packed[model], features)
        pack_columns(w_h[model], packed[model], features + 1)
    for item in prange(models * shards):
        _forward_shard((x, h0, c0), packed, (h, c_last, tape), item // shards, item % shards)


@njit
def _differentiate(tape, before, dh, dc, delta):
    """One step back: delta (4H rows, before the activations) from dh and dc of this step; dc becomes that of the last."""
    hidden = dc.shape[0]
    cells = tape.shape[0] - hidden
    one = splat(_ONE)
    for j in range(hidden):
        i = load(tape, (j,))
        f = load(tape, (hidden + j,))
        g = load(tape, (2 * hidden + j,))
        o = load(tape, (3 * hidden + j,))
        tanh_c = tanh(load(tape, (cells + j,)))
        dh_j = load(dh, (j,))
        dc_j = fma(dh_j * o, one - tanh_c * tanh_c, load(dc, (j,)))
        store(dc_j * g * i * (one - i), delta, (j,))
        store(dc_j * load(before, (j,)) * f * (one - f), delta, (hidden + j,))
        store(dc_j * i * (one - g * g), delta, (2 * hidden + j,))
        store(dh_j * tanh_c * o * (one - o), delta, (3 * hidden + j,))
        store(dc_j * f, dc, (j,))


@njit
def _backward_shard(grads, saved, packed, outputs, model, shard):
    grad_h, grad_c = grads
    x, h0, c0, h, tape = saved
    packed_x, packed_h = packed
    dx, dh0, dc0, parts = outputs
    steps, features, hidden = x.shape[2], x.shape[3], h0.shape[3]
    kept_z = zero_rows(blocks(features + 1 + hidden, LEFT) * steps * LEFT).reshape(-1, steps, LEFT, LANES)
    kept_delta = zero_rows(blocks(4 * hidden, RIGHT) * steps * RIGHT).reshape(-1, steps, RIGHT, LANES)
    z = zero_rows(features + 1 + hidden)
    z[features] = _ONE
    delta = zero_rows(4 * hidden)
    dx_t = zero_rows(packed_x.shape[1] * ROWS)
    dh = zero_rows(packed_h.shape[1] * ROWS)
    dc = zero_rows(hidden)
    start = zero_rows(hidden)
    grad = zero_rows(hidden)
    read_rows(c0, (model, shard, 0), start)
    read_rows(grad_c, (model, shard, 0), dc)
    for t in range(steps - 1, -1, -1):
        read_rows(grad_h, (model, shard, t), grad)
        for j in range(hidden):
            store(load(dh, (j,)) + load(grad, (j,)), dh, (j,))
        before = tape[model, shard, t - 1, tape.shape[3] - hidden :] if t else start
        _differentiate(tape[model, shard, t], before, dh, dc, delta)
        keep(delta, kept_delta, t)
        multiply(packed_h[model], delta, dh)
        if dx.size:
            multiply(packed_x[model], delta, dx_t)
            write_rows(dx_t, dx, (model, shard, t))
        read_rows(x, (model, shard, t), z[:features])
        if t:
            read_rows(h, (model, shard, t - 1), z[features + 1 :])
        else:
            read_rows(h0, (model, shard, 0), z[features + 1 :])
        keep(z, kept_z, t)
    write_rows(dh, dh0, (model, shard, 0))
    write_rows(dc, dc0, (model, shard, 0))
    weight_gradient(kept_z, kept_delta, parts[model, shard])


@njit(
    "void(f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:,::1],"
    "f4[:,:,::1], f4[:,:,::1],"
    "f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])",
    parallel=True,
    nogil=True,
    cache=True,
)
def _backward_all(grad_h, grad_c, x, h0, c0, h, tape, w_x, w_h, dx, dh0, dc0, dw_x, dw_h, db):
    models, shards = tape.shape[:2]
    features, hidden = w_x.shape[1], w_h.shape[1]
    packed_x = np.zeros((models, blocks(features, ROWS), 4 * hidden, ROWS), np.float32)
    packed_h = np.zeros((models, blocks(hidden, ROWS), 4 * hidden, ROWS), np.float32)
    height, width = blocks(features + 1 + hidden, LEFT) * LEFT, blocks(4 * hidden, RIGHT) * RIGHT
    parts = np.empty((models, shards, height, width), np.float32)
    for model in prange(models):
        pack_rows(w_x[model], packed_x[model], 0)
        pack_rows(w_h[model], packed_h[model], 0)
    for item in prange(models * shards):
        _backward_shard(
            (grad_h, grad_c),
            (x, h0, c0, h, tape),
            (packed_x, packed_h),
            (dx, dh0, dc0, parts),
            item // shards,
            item % shards,
        )
    for model in prange(models):
        add_shards(parts[model], (0, 0), dw_x[model])
        add_shards(parts[model], (features, 0), db[model])
        add_shards(parts[model], (features + 1, 0), dw_h[model])


def _forward(x: Tensor, h0: Tensor, c0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    models, batch, steps, _ = x.shape
    hidden = h0.shape[-1]
    h = x.new_empty(models, steps, hidden, batch)
    c_last = x.new_empty(models, 1, hidden, batch)
    rows = -(-4 * hidden // ROWS) * ROWS + hidden
    tape = x.new_empty(models, -(-batch // LANES), steps, rows, LANES)
    arrays = (x, h0.unsqueeze(2), c0.unsqueeze(2), w_x.contiguous(), w_h.contiguous(), b.unsqueeze(1).contiguous())
    _forward_all(*(a.numpy(force=True) for a in arrays), h.numpy(), c_last.numpy(), tape.numpy())
    return h.permute(0, 3, 1, 2), c_last.squeeze(1).mT, tape


def _backward(
    grads: Sequence[Tensor | None], tape: Tensor, h: Tensor, inputs: Sequence[Tensor], needs_x: bool
) -> tuple[Tensor, ...]:
    x, h0, c0, w_x, w_h, b = inputs
    models, batch, steps, features = x.shape
    hidden = h0.shape[-1]
    grad_h, grad_c = grads
    if grad_h is None:
        grad_h = x.new_zeros(()).expand_as(h)
    if grad_c is None:
        grad_c = x.new_zeros(()).expand_as(c0)
    dx = x.new_empty(models, steps, features, batch) if needs_x else x.new_empty(models, 0, 0, 0)
    dh0, dc0 = x.new_empty(2, models, 1, hidden, batch)
    dw_x, dw_h, db = x.new_empty(w_x.shape), x.new_empty(w_h.shape), x.new_empty(models, 1, 4 * hidden)
    arrays = (
        grad_h,
        grad_c.unsqueeze(2),
        x,
        h0.unsqueeze(2),
        c0.unsqueeze(2),
        h,
        tape,
        w_x.contiguous(),
        w_h.contiguous(),
    )
    _backward_all(*(a.numpy(force=True) for a in (*arrays, dx, dh0, dc0, dw_x, dw_h, db)))
    return dx.permute(0, 3, 1, 2), dh0.squeeze(1).mT, dc0.squeeze(1).mT, dw_x, dw_h, db.squeeze(1)


KERNEL = Kernel(_forward, _backward)
