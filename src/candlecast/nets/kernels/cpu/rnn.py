"""Simple recurrence on CPU: the time loop each way, compiled. Equation in `reference.rnn`.

K model, B batch, S shard, L lanes, T time, F feature, H hidden. Rows of a step: z_t = (x_t, 1, h_{t-1}), so that the bias
is one more row of weights, and its gradient one more row of theirs.
"""

from torch import Tensor

from candlecast.nets.kernels.cpu.cell import CellKernels, Sizes
from candlecast.nets.kernels.cpu.products import (
    LEFT,
    RIGHT,
    ROWS,
    multiply,
    pack_backward,
    pack_forward,
    padded,
    weight_gradient,
)
from candlecast.nets.kernels.cpu.rows import (
    START,
    fetch,
    fill,
    first_place,
    home,
    pass_step,
    read_rows,
    read_state,
    shards_of,
    split,
    split_steps,
    write_rows,
)
from candlecast.nets.kernels.cpu.single import (
    TILE,
    Single,
    multiply_units,
    pack_units,
    read_units,
    spread,
    tiles,
    vectors,
    write_units,
)
from candlecast.nets.kernels.cpu.stack import LayersOf
from candlecast.nets.kernels.cpu.vector import compiled, load, splat, store, tanh


@compiled(
    "void(i8, i8, i8, f4[:,:,::1], i8, i8, i8, i8, f4[:,:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:],"
    "f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1])"
)
def _forward(thread, first, last, blocks, size, line, height, steps, h0, w_x, w_h, b, h_last, packed, scratch):
    """Items first to last of the K S shards; each thread has its part of packed and scratch."""
    shards, features, hidden = shards_of(h0.shape[1]), w_x.shape[1], w_h.shape[1]
    depth, weights, sums = features + 1 + hidden, packed[thread], scratch[thread]
    for item in range(first, last):
        model, shard, own = item // shards, item % shards, home(item, first, thread, size)
        z, _ = split_steps(blocks[own, line:], steps + 1, height)
        if item == first or shard == 0:
            pack_forward(w_x[model], b[model], w_h[model], weights)
        read_rows(h0, (model, shard, START), z[0, features + 1 :])
        for t in range(steps):
            fill(z[t, features : features + 1], 1)
            multiply(weights, z[t, :depth], sums, hidden)
            for j in range(hidden):
                store(tanh(load(sums, (j,))), z, (t + 1, features + 1 + j))
        write_rows(z[steps, features + 1 :], h_last, (model, shard, START))


@compiled(
    "void(i8, i8, i8, f4[:,:,:], f4[:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:],"
    "f4[:,:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1])"
)
def _single(thread, first, last, x, h0, w_x, w_h, b, out, h_last, packed, scratch):
    """One sequence of the models first to last; see `single.Single`."""
    features, hidden = x.shape[2], w_h.shape[1]
    depth, wide, weights = features + 1 + hidden, vectors(hidden), packed[thread]
    z, rest = split(scratch[thread], depth)
    h, rest = split(rest, wide)
    sums, _ = split(rest, tiles(wide) * TILE)
    fill(z[features : features + 1], 1)
    for model in range(first, last):
        pack_units(w_x[model], hidden, weights, depth, 0)
        pack_units(b[model], hidden, weights, depth, features)
        pack_units(w_h[model], hidden, weights, depth, features + 1)
        spread(h0[model], z, features + 1)
        read_units(h0[model], h)
        for t in range(x.shape[1]):
            spread(x[model, t], z, 0)
            multiply_units(weights, z, sums, wide)
            for j in range(wide):
                store(tanh(load(sums, (j,))), h, (j,))
            write_units(h, out[model, t])
            spread(out[model, t], z, features + 1)
        write_units(h, h_last[model])


@compiled(
    "void(i8, i8, i8, f4[:,:,::1], i8, i8, i8, f4[:,:,:,::1], i8, b1, f4[:,:,:,:], f4[:,:,:], f4[:,:,:],"
    "i8, i4[:], u4, f4, f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])"
)
def _backward(
    thread,
    first,
    last,
    blocks,
    size,
    line,
    height,
    flow,
    silent,
    needs_x,
    grad_last,
    w_x,
    w_h,
    batch,
    keys,
    threshold,
    scale,
    dh0,
    parts,
    packed,
    scratch,
):
    """Items first to last of the K S shards; parts (K S, .., ..) are their gradients of w_x, b, w_h, one below the other."""
    shards, steps, features, hidden = shards_of(batch), flow.shape[1], w_x.shape[1], w_h.shape[1]
    weights, count = packed[thread], hidden + (features if needs_x else 0)
    deltas, rest = split_steps(scratch[thread], steps, parts.shape[2])
    nothing, product = split(rest, hidden)  # the product's rows: gradients of h_{t-1} and of x_t
    dh = product[:hidden]
    one = splat(1)
    fill(nothing, 0)
    for item in range(first, last):
        model, shard, own = item // shards, item % shards, home(item, first, thread, size)
        z, _ = split_steps(blocks[own, line:], steps + 1, height)
        place = first_place(model, shard, keys)
        if item == first or shard == 0:
            pack_backward(w_x[model], w_h[model], weights, needs_x)
        read_state(grad_last, (model, shard, START), dh)
        for t in range(steps - 1, -1, -1):
            grad = flow[own, t] if t >= silent else nothing
            delta = deltas[t, :hidden]
            for j in range(hidden):
                h_j = load(z, (t + 1, features + 1 + j))
                store((load(dh, (j,)) + load(grad, (j,))) * (one - h_j * h_j), delta, (j,))
            if t:
                fetch(z[t - 1])
            multiply(weights, delta, product, count)
            if needs_x:
                pass_step(product[hidden:], flow[own, t, :features], t, place, batch, threshold, scale)
        write_rows(dh, dh0, (model, shard, START))
        weight_gradient(z[:steps], deltas, parts[item])


def _sizes(features: int, hidden: int, steps: int) -> Sizes:
    depth, wide = features + 1 + hidden, padded(hidden, ROWS)
    height, width, both = padded(depth, LEFT), padded(hidden, RIGHT), padded(hidden + features, ROWS)
    return Sizes(
        height=height,
        lines=(steps + 1) * height,
        packed=max(wide // ROWS * depth, both // ROWS * hidden),
        scratch=max(wide, steps * width + hidden + both),
        parts=((height, width),),
        summed=((depth, hidden),),
    )


def _gradients(features: int, summed: Tensor) -> tuple[Tensor, ...]:
    return summed[:, :features], summed[:, features + 1 :], summed[:, features]


KERNEL = LayersOf(CellKernels(_forward, _backward, _sizes, _gradients, Single(_single, gates=1), states=1))
