"""LSTM on CPU: the time loop each way, compiled. Equations in `reference.lstm`.

K model, B batch, S shard, L lanes, T time, F feature, H hidden. Rows of a step: z_t = (x_t, 1, h_{t-1}), so that the bias
is one more row of weights, and its gradient one more row of theirs.
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


@compiled(
    "void(i8, i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:],"
    "f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,:,:,::1], f4[:,:,::1], f4[:,:,::1])"
)
def _forward_shards(thread, first, last, x, h0, c0, w_x, w_h, b, h, c_last, tape, packed, scratch):
    """Items first to last of the K S shards; each thread has its part of packed and scratch."""
    shards, steps, features, hidden = tape.shape[1], x.shape[2], x.shape[3], h0.shape[3]
    depth = features + 1 + hidden
    weights = packed[thread]
    z, rest = split(scratch[thread], depth)
    c, _ = split(rest, hidden)
    after = z[features + 1 :]
    fill(z[features : features + 1], 1)
    for item in range(first, last):
        model, shard = item // shards, item % shards
        if item == first or shard == 0:
            pack_columns(w_x[model], weights, depth, 0)
            pack_columns(b[model], weights, depth, features)
            pack_columns(w_h[model], weights, depth, features + 1)
        read_rows(h0, (model, shard, 0), after)
        read_rows(c0, (model, shard, 0), c)
        for t in range(steps):
            read_rows(x, (model, shard, t), z)
            multiply(weights, z, tape[model, shard, t], 4 * hidden)
            _activate(tape[model, shard, t], c, after)
            write_rows(after, h, (model, shard, t))
        write_rows(c, c_last, (model, shard, 0))


@internal
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


@compiled(
    "void(i8, i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:],"
    "f4[:,:,:,:,::1],"
    "f4[:,:,:], f4[:,:,:], f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])"
)
def _backward_shards(
    thread, first, last, grad_h, grad_last, grad_c, x, h0, c0, h, tape, w_x, w_h, dx, dh0, dc0, parts, packed, scratch
):
    """Items first to last of the K S shards; parts (K S, .., ..) are their gradients of w_x, b, w_h, one below the other."""
    shards, steps, features, hidden = tape.shape[1], x.shape[2], x.shape[3], h0.shape[3]
    gates = 4 * hidden
    weights, count = packed[thread], hidden + (features if dx.size else 0)
    z, rest = split_steps(scratch[thread], steps, parts.shape[1])
    deltas, rest = split_steps(rest, steps, parts.shape[2])
    dc, rest = split(rest, hidden)
    start, rest = split(rest, hidden)
    grad, product = split(rest, hidden)  # the product's rows: gradients of h_{t-1} and of x_t
    dh = product[:hidden]
    for item in range(first, last):
        model, shard = item // shards, item % shards
        if item == first or shard == 0:
            pack_rows(w_h[model], weights, 0)
            if dx.size:
                pack_rows(w_x[model], weights, hidden)
        read_rows(c0, (model, shard, 0), start)
        read_rows(grad_c, (model, shard, 0), dc)
        read_rows(grad_last, (model, shard, 0), dh)
        for t in range(steps - 1, -1, -1):
            read_gradient(grad_h, (model, shard, t), steps, grad)
            before = tape[model, shard, t - 1, tape.shape[3] - hidden :] if t else start
            delta = deltas[t, :gates]
            _differentiate(tape[model, shard, t], before, grad, dh, dc, delta)
            multiply(weights, delta, product, count)
            if dx.size:
                write_rows(product[hidden:], dx, (model, shard, t))
            read_inputs(x, h, h0, (model, shard, t), z[t])
        write_rows(dh, dh0, (model, shard, 0))
        write_rows(dc, dc0, (model, shard, 0))
        weight_gradient(z, deltas, parts[item])


def _forward(x: Tensor, h0: Tensor, c0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """h (K, B, T, H), its batch contiguous in memory; c_T (K, B, H); tape (K, S, T, 4H padded + H, L)."""
    models, batch, steps, features = x.shape
    hidden, shards, depth = h0.shape[-1], -(-batch // LANES), features + 1 + h0.shape[-1]
    gates, threads = padded(4 * hidden, ROWS), threads_for(models * shards)
    arrays = (
        *(x, h0.unsqueeze(2), c0.unsqueeze(2), w_x, w_h, b.unsqueeze(1)),
        h := empty(models, steps, hidden, batch),
        c_last := empty(models, 1, hidden, batch),
        tape := empty(models, shards, steps, gates + hidden, LANES),
        empty(threads, gates // ROWS * depth, ROWS),
        empty(threads, depth + hidden, LANES),
    )
    share(_forward_shards, models * shards, *(a.numpy(force=True) for a in arrays))
    return h.permute(0, 3, 1, 2), c_last.squeeze(1).mT, tape


def _backward(
    grads: Sequence[Tensor | None], tape: Tensor, h: Tensor, inputs: Sequence[Tensor], needs_x: bool
) -> tuple[Tensor, ...]:
    x, h0, c0, w_x, w_h, _ = inputs
    models, batch, steps, features = x.shape
    shards, hidden, gates = tape.shape[1], h0.shape[-1], w_h.shape[-1]
    threads = threads_for(models * shards)
    grad_h, *grads_last = given(grads, h0, c0)
    height, width = padded(features + 1 + hidden, LEFT), padded(gates, RIGHT)
    wide = padded(hidden + features, ROWS)
    lines = (height + width) * steps + 3 * hidden + wide
    arrays = (
        *(grad_h, *(grad.unsqueeze(2) for grad in grads_last), x, h0.unsqueeze(2), c0.unsqueeze(2), h, tape),
        *(w_x, w_h),
        dx := empty(models, *((steps, features, batch) if needs_x else (0, 0, 0))),
        dh0 := empty(models, 1, hidden, batch),
        dc0 := empty(models, 1, hidden, batch),
        parts := empty(models * shards, height, width),
        empty(threads, wide // ROWS * gates, ROWS),
        empty(threads, lines, LANES),
    )
    share(_backward_shards, models * shards, *(a.numpy(force=True) for a in arrays))
    summed = empty(models, features + 1 + hidden, gates)
    share(add_shards, models, parts.numpy(), summed.numpy())
    dw_x, db, dw_h = summed.split((features, 1, hidden), dim=1)
    return dx.permute(0, 3, 1, 2), dh0.squeeze(1).mT, dc0.squeeze(1).mT, dw_x, dw_h, db.squeeze(1)


KERNEL = Kernel(_forward, _backward)
