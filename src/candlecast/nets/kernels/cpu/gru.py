"""GRU on CPU: the time loop each way, compiled. Equations in `reference.gru`.

K model, B batch, S shard, L lanes, T time, F feature, H hidden. Rows of a step: z_t = (x_t, 1, h_{t-1}). The first F + 1
of them meet W and b_x, the last 1 + H meet U and b_h, so that a bias is one more row of weights.
"""

from collections.abc import Sequence

from torch import Tensor

from candlecast.nets.kernels.cpu.memory import empty
from candlecast.nets.kernels.cpu.products import (
    LEFT,
    RIGHT,
    ROWS,
    add_shards,
    fill,
    given,
    multiply,
    pack_columns,
    pack_rows,
    padded,
    read_gradient,
    read_inputs,
    read_rows,
    split,
    split_steps,
    weight_gradient,
    write_rows,
)
from candlecast.nets.kernels.cpu.threads import share, threads_for
from candlecast.nets.kernels.cpu.vector import LANES, compiled, fma, internal, load, sigmoid, splat, store, tanh
from candlecast.nets.kernels.functions import Kernel


@internal
def _activate(from_x, from_h, tape, h):
    """One step: the tape becomes r, z, n and h_{t-1} U_n + b_hn; h_{t-1} becomes h_t."""
    hidden = tape.shape[0] // 4
    for j in range(hidden):
        r = sigmoid(load(from_x, (j,)) + load(from_h, (j,)))
        z = sigmoid(load(from_x, (hidden + j,)) + load(from_h, (hidden + j,)))
        n_h = load(from_h, (2 * hidden + j,))
        n = tanh(fma(r, n_h, load(from_x, (2 * hidden + j,))))
        store(r, tape, (j,))
        store(z, tape, (hidden + j,))
        store(n, tape, (2 * hidden + j,))
        store(n_h, tape, (3 * hidden + j,))
        store(fma(z, load(h, (j,)) - n, n), h, (j,))


@compiled(
    "void(i8, i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:],"
    "f4[:,:,:,::1], f4[:,:,:,:,::1], f4[:,:,::1], f4[:,:,::1])"
)
def _forward_shards(thread, first, last, x, h0, w_x, w_h, b_x, b_h, h, tape, packed, scratch):
    """Items first to last of the K S shards; each thread has its part of packed and scratch."""
    shards, steps, features, hidden = tape.shape[1], x.shape[2], x.shape[3], h0.shape[3]
    wide = padded(3 * hidden, ROWS)
    weights_x, weights_h = split(packed[thread], wide // ROWS * (features + 1))
    z, rest = split(scratch[thread], features + 1 + hidden)
    from_x, from_h = split(rest, wide)
    after = z[features + 1 :]
    fill(z[features : features + 1], 1)
    for item in range(first, last):
        model, shard = item // shards, item % shards
        if item == first or shard == 0:
            pack_columns(w_x[model], weights_x, features + 1, 0)
            pack_columns(b_x[model], weights_x, features + 1, features)
            pack_columns(b_h[model], weights_h, 1 + hidden, 0)
            pack_columns(w_h[model], weights_h, 1 + hidden, 1)
        read_rows(h0, (model, shard, 0), after)
        for t in range(steps):
            read_rows(x, (model, shard, t), z)
            multiply(weights_x, z[: features + 1], from_x, 3 * hidden)
            multiply(weights_h, z[features:], from_h, 3 * hidden)
            _activate(from_x, from_h, tape[model, shard, t], after)
            write_rows(after, h, (model, shard, t))


@internal
def _differentiate(tape, before, grad_h, dh, delta_x, delta_h):
    """One step back: both deltas (3H rows: of x_t W + b_x and of h_{t-1} U + b_h); dh becomes what z passes on."""
    hidden = tape.shape[0] // 4
    one = splat(1)
    for j in range(hidden):
        r = load(tape, (j,))
        z = load(tape, (hidden + j,))
        n = load(tape, (2 * hidden + j,))
        n_h = load(tape, (3 * hidden + j,))
        dh_j = load(dh, (j,)) + load(grad_h, (j,))
        dn = dh_j * (one - z) * (one - n * n)
        dr = dn * n_h * r * (one - r)
        dz = dh_j * (load(before, (j,)) - n) * z * (one - z)
        store(dr, delta_x, (j,))
        store(dr, delta_h, (j,))
        store(dz, delta_x, (hidden + j,))
        store(dz, delta_h, (hidden + j,))
        store(dn, delta_x, (2 * hidden + j,))
        store(dn * r, delta_h, (2 * hidden + j,))
        store(dh_j * z, dh, (j,))


@compiled(
    "void(i8, i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:,::1], f4[:,:,:],"
    "f4[:,:,:],"
    "f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])"
)
def _backward_shards(
    thread, first, last, grad_h, grad_last, x, h0, h, tape, w_x, w_h, dx, dh0, parts_x, parts_h, packed, scratch
):
    """Items first to last of the K S shards; parts (K S, .., ..) are their gradients of w_x above b_x, and b_h above w_h."""
    shards, steps, features, hidden = tape.shape[1], x.shape[2], x.shape[3], h0.shape[3]
    gates = 3 * hidden
    weights_h, weights_x = split(packed[thread], padded(hidden, ROWS) // ROWS * gates)
    z, rest = split_steps(scratch[thread], steps, max(parts_x.shape[1], features + parts_h.shape[1]))
    deltas_x, rest = split_steps(rest, steps, parts_x.shape[2])
    deltas_h, rest = split_steps(rest, steps, parts_h.shape[2])
    grad, rest = split(rest, hidden)
    dh, rest = split(rest, hidden)
    product, dx_t = split(rest, padded(hidden, ROWS))
    for item in range(first, last):
        model, shard = item // shards, item % shards
        if item == first or shard == 0:
            pack_rows(w_h[model], weights_h, 0)
            pack_rows(w_x[model], weights_x, 0)
        read_rows(grad_last, (model, shard, 0), dh)
        for t in range(steps - 1, -1, -1):
            read_gradient(grad_h, (model, shard, t), steps, grad)
            delta_x, delta_h, before = deltas_x[t, :gates], deltas_h[t, :gates], z[t, features + 1 :]
            read_inputs(x, h, h0, (model, shard, t), z[t])
            _differentiate(tape[model, shard, t], before, grad, dh, delta_x, delta_h)
            multiply(weights_h, delta_h, product, hidden)
            for j in range(hidden):
                store(load(dh, (j,)) + load(product, (j,)), dh, (j,))
            if dx.size:
                multiply(weights_x, delta_x, dx_t, features)
                write_rows(dx_t, dx, (model, shard, t))
        write_rows(dh, dh0, (model, shard, 0))
        weight_gradient(z, deltas_x, parts_x[item])
        weight_gradient(z[:, features:], deltas_h, parts_h[item])


def _forward(x: Tensor, h0: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor) -> tuple[Tensor, Tensor]:
    """h (K, B, T, H), its batch contiguous in memory; tape (K, S, T, 4H, L): r, z, n, h_{t-1} U_n + b_hn."""
    models, batch, steps, features = x.shape
    hidden, shards, depth = h0.shape[-1], -(-batch // LANES), features + 1 + h0.shape[-1]
    wide, threads = padded(3 * hidden, ROWS), threads_for(models * shards)
    arrays = (
        *(x, h0.unsqueeze(2), w_x, w_h, b_x.unsqueeze(1), b_h.unsqueeze(1)),
        h := empty(models, steps, hidden, batch),
        tape := empty(models, shards, steps, 4 * hidden, LANES),
        empty(threads, wide // ROWS * (depth + 1), ROWS),
        empty(threads, depth + 2 * wide, LANES),
    )
    share(_forward_shards, models * shards, *(a.numpy(force=True) for a in arrays))
    return h.permute(0, 3, 1, 2), tape


def _backward(
    grads: Sequence[Tensor | None], tape: Tensor, h: Tensor, inputs: Sequence[Tensor], needs_x: bool
) -> tuple[Tensor, ...]:
    x, h0, w_x, w_h, _, _ = inputs
    models, batch, steps, features = x.shape
    shards, hidden, gates = tape.shape[1], h0.shape[-1], w_h.shape[-1]
    threads = threads_for(models * shards)
    grad_h, grad_last = given(grads, h0)
    height_x, height_h, width = padded(features + 1, LEFT), padded(1 + hidden, LEFT), padded(gates, RIGHT)
    wide_h, wide_x = padded(hidden, ROWS), padded(features, ROWS)
    lines = (max(height_x, features + height_h) + 2 * width) * steps + 2 * hidden + wide_h + wide_x
    arrays = (
        *(grad_h, grad_last.unsqueeze(2), x, h0.unsqueeze(2), h, tape, w_x, w_h),
        dx := empty(models, *((steps, features, batch) if needs_x else (0, 0, 0))),
        dh0 := empty(models, 1, hidden, batch),
        parts_x := empty(models * shards, height_x, width),
        parts_h := empty(models * shards, height_h, width),
        empty(threads, (wide_h + wide_x) // ROWS * gates, ROWS),
        empty(threads, lines, LANES),
    )
    share(_backward_shards, models * shards, *(a.numpy(force=True) for a in arrays))
    summed_x, summed_h = empty(models, features + 1, gates), empty(models, 1 + hidden, gates)
    for parts, summed in ((parts_x, summed_x), (parts_h, summed_h)):
        share(add_shards, models, parts.numpy(), summed.numpy())
    (dw_x, db_x), (db_h, dw_h) = summed_x.split((features, 1), dim=1), summed_h.split((1, hidden), dim=1)
    return dx.permute(0, 3, 1, 2), dh0.squeeze(1).mT, dw_x, dw_h, db_x.squeeze(1), db_h.squeeze(1)


KERNEL = Kernel(_forward, _backward)
