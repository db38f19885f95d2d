"""Simple recurrence on CPU: the time loop each way, compiled. Equation in `reference.rnn`.

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
from candlecast.nets.kernels.cpu.vector import LANES, compiled, load, splat, store, tanh
from candlecast.nets.kernels.functions import Kernel


@compiled(
    "void(i8, i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:,::1],"
    "f4[:,:,::1], f4[:,:,::1])"
)
def _forward_shards(thread, first, last, x, h0, w_x, w_h, b, h, packed, scratch):
    """Items first to last of the K S shards; each thread has its part of packed and scratch."""
    steps, features, hidden = x.shape[2], x.shape[3], h0.shape[3]
    shards, depth = padded(x.shape[1], LANES) // LANES, features + 1 + hidden
    weights = packed[thread]
    z, sums = split(scratch[thread], depth)
    after = z[features + 1 :]
    fill(z[features : features + 1], 1)
    for item in range(first, last):
        model, shard = item // shards, item % shards
        if item == first or shard == 0:
            pack_columns(w_x[model], weights, depth, 0)
            pack_columns(b[model], weights, depth, features)
            pack_columns(w_h[model], weights, depth, features + 1)
        read_rows(h0, (model, shard, 0), after)
        for t in range(steps):
            read_rows(x, (model, shard, t), z)
            multiply(weights, z, sums, hidden)
            for j in range(hidden):
                store(tanh(load(sums, (j,))), after, (j,))
            write_rows(after, h, (model, shard, t))


@compiled(
    "void(i8, i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:], f4[:,:,:],"
    "f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])"
)
def _backward_shards(thread, first, last, grad_h, grad_last, x, h0, h, w_x, w_h, dx, dh0, parts, packed, scratch):
    """Items first to last of the K S shards; parts (K S, .., ..) are their gradients of w_x, b, w_h, one below the other."""
    steps, features, hidden = x.shape[2], x.shape[3], h0.shape[3]
    shards = padded(x.shape[1], LANES) // LANES
    weights, count = packed[thread], hidden + (features if dx.size else 0)
    z, rest = split_steps(scratch[thread], steps, parts.shape[1])
    deltas, rest = split_steps(rest, steps, parts.shape[2])
    after, rest = split(rest, hidden)
    grad, product = split(rest, hidden)  # the product's rows: gradients of h_{t-1} and of x_t
    dh = product[:hidden]
    one = splat(1)
    for item in range(first, last):
        model, shard = item // shards, item % shards
        if item == first or shard == 0:
            pack_rows(w_h[model], weights, 0)
            if dx.size:
                pack_rows(w_x[model], weights, hidden)
        read_rows(grad_last, (model, shard, 0), dh)
        for t in range(steps - 1, -1, -1):
            read_gradient(grad_h, (model, shard, t), steps, grad)
            read_rows(h, (model, shard, t), after)
            delta = deltas[t, :hidden]
            for j in range(hidden):
                h_j = load(after, (j,))
                store((load(dh, (j,)) + load(grad, (j,))) * (one - h_j * h_j), delta, (j,))
            multiply(weights, delta, product, count)
            if dx.size:
                write_rows(product[hidden:], dx, (model, shard, t))
            read_inputs(x, h, h0, (model, shard, t), z[t])
        write_rows(dh, dh0, (model, shard, 0))
        weight_gradient(z, deltas, parts[item])


def _forward(x: Tensor, h0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """h (K, B, T, H), its batch contiguous in memory, and an empty tape: h is what backward reads."""
    models, batch, steps, features = x.shape
    hidden, shards, depth = h0.shape[-1], -(-batch // LANES), features + 1 + h0.shape[-1]
    wide, threads = padded(hidden, ROWS), threads_for(models * shards)
    arrays = (
        *(x, h0.unsqueeze(2), w_x, w_h, b.unsqueeze(1)),
        h := empty(models, steps, hidden, batch),
        empty(threads, wide // ROWS * depth, ROWS),
        empty(threads, depth + wide, LANES),
    )
    share(_forward_shards, models * shards, *(a.numpy(force=True) for a in arrays))
    return h.permute(0, 3, 1, 2), x.new_empty(models, 0)


def _backward(
    grads: Sequence[Tensor | None], _: Tensor, h: Tensor, inputs: Sequence[Tensor], needs_x: bool
) -> tuple[Tensor, ...]:
    x, h0, w_x, w_h, _ = inputs
    models, batch, steps, features = x.shape
    shards, hidden = -(-batch // LANES), h0.shape[-1]
    threads = threads_for(models * shards)
    grad_h, grad_last = given(grads, h0)
    height, width = padded(features + 1 + hidden, LEFT), padded(hidden, RIGHT)
    wide = padded(hidden + features, ROWS)
    lines = (height + width) * steps + 2 * hidden + wide
    arrays = (
        *(grad_h, grad_last.unsqueeze(2), x, h0.unsqueeze(2), h, w_x, w_h),
        dx := empty(models, *((steps, features, batch) if needs_x else (0, 0, 0))),
        dh0 := empty(models, 1, hidden, batch),
        parts := empty(models * shards, height, width),
        empty(threads, wide // ROWS * hidden, ROWS),
        empty(threads, lines, LANES),
    )
    share(_backward_shards, models * shards, *(a.numpy(force=True) for a in arrays))
    summed = empty(models, features + 1 + hidden, hidden)
    share(add_shards, models, parts.numpy(), summed.numpy())
    dw_x, db, dw_h = summed.split((features, 1, hidden), dim=1)
    return dx.permute(0, 3, 1, 2), dh0.squeeze(1).mT, dw_x, dw_h, db.squeeze(1)


KERNEL = Kernel(_forward, _backward)
