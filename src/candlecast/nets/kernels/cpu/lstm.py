"""LSTM on CPU: the time loop each way, compiled. Equations in `reference.lstm`.

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
from candlecast.nets.kernels.cpu.vector import compiled, fma, internal, load, sigmoid, splat, store, tanh


@internal
def _activate(gates, before, c, h):
    """One step: gates become i, f, g, o; c and h are written, `before` is the c before."""
    hidden = c.shape[0]
    for j in range(hidden):
        i = sigmoid(load(gates, (j,)))
        f = sigmoid(load(gates, (hidden + j,)))
        g = tanh(load(gates, (2 * hidden + j,)))
        o = sigmoid(load(gates, (3 * hidden + j,)))
        new = fma(f, load(before, (j,)), i * g)
        store(i, gates, (j,))
        store(f, gates, (hidden + j,))
        store(g, gates, (2 * hidden + j,))
        store(o, gates, (3 * hidden + j,))
        store(new, c, (j,))
        store(o * tanh(new), h, (j,))


@compiled(
    "void(i8, i8, i8, f4[:,:,::1], i8, i8, i8, i8, f4[:,:,:,:], f4[:,:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:],"
    "f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1])"
)
def _forward(
    thread, first, last, blocks, size, line, height, steps, h0, c0, w_x, w_h, b, h_last, c_last, packed, scratch
):
    """Items first to last of the K S shards; each thread has its part of packed and scratch."""
    shards, features, hidden = shards_of(h0.shape[1]), w_x.shape[1], w_h.shape[1]
    depth, weights = features + 1 + hidden, packed[thread]
    for item in range(first, last):
        model, shard, own = item // shards, item % shards, home(item, first, thread, size)
        z, rest = split_steps(blocks[own, line:], steps + 1, height)
        gates, rest = split_steps(rest, steps, padded(4 * hidden, ROWS))
        c, _ = split_steps(rest, steps + 1, hidden)
        if item == first or shard == 0:
            pack_forward(w_x[model], b[model], w_h[model], weights)
        read_rows(h0, (model, shard, START), z[0, features + 1 :])
        read_rows(c0, (model, shard, START), c[0])
        for t in range(steps):
            fill(z[t, features : features + 1], 1)
            multiply(weights, z[t, :depth], gates[t], 4 * hidden)
            _activate(gates[t], c[t], c[t + 1], z[t + 1, features + 1 :])
        write_rows(z[steps, features + 1 :], h_last, (model, shard, START))
        write_rows(c[steps], c_last, (model, shard, START))


@compiled(
    "void(i8, i8, i8, f4[:,:,:], f4[:,:], f4[:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:],"
    "f4[:,:,::1], f4[:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1])"
)
def _single(thread, first, last, x, h0, c0, w_x, w_h, b, out, h_last, c_last, packed, scratch):
    """One sequence of the models first to last; see `single.Single`."""
    features, hidden = x.shape[2], w_h.shape[1]
    depth, wide, weights = features + 1 + hidden, vectors(hidden), packed[thread]
    z, rest = split(scratch[thread], depth)
    h, rest = split(rest, wide)
    c, rest = split(rest, wide)
    gates, _ = split(rest, tiles(4 * wide) * TILE)
    fill(z[features : features + 1], 1)
    for model in range(first, last):
        pack_units(w_x[model], hidden, weights, depth, 0)
        pack_units(b[model], hidden, weights, depth, features)
        pack_units(w_h[model], hidden, weights, depth, features + 1)
        spread(h0[model], z, features + 1)
        read_units(h0[model], h)
        read_units(c0[model], c)
        for t in range(x.shape[1]):
            spread(x[model, t], z, 0)
            multiply_units(weights, z, gates, 4 * wide)
            _activate(gates, c, c, h)
            write_units(h, out[model, t])
            spread(out[model, t], z, features + 1)
        write_units(h, h_last[model])
        write_units(c, c_last[model])


@internal
def _differentiate(gates, before, c, grad_h, dh, dc, delta):
    """One step back: delta (4H rows: before the activations); dc of this step becomes that of the step before."""
    hidden = dc.shape[0]
    one = splat(1)
    for j in range(hidden):
        i = load(gates, (j,))
        f = load(gates, (hidden + j,))
        g = load(gates, (2 * hidden + j,))
        o = load(gates, (3 * hidden + j,))
        tanh_c = tanh(load(c, (j,)))
        dh_j = load(dh, (j,)) + load(grad_h, (j,))
        dc_j = fma(dh_j * o, one - tanh_c * tanh_c, load(dc, (j,)))
        store(dc_j * g * i * (one - i), delta, (j,))
        store(dc_j * load(before, (j,)) * f * (one - f), delta, (hidden + j,))
        store(dc_j * i * (one - g * g), delta, (2 * hidden + j,))
        store(dh_j * tanh_c * o * (one - o), delta, (3 * hidden + j,))
        store(dc_j * f, dc, (j,))


@compiled(
    "void(i8, i8, i8, f4[:,:,::1], i8, i8, i8, f4[:,:,:,::1], i8, b1, f4[:,:,:,:], f4[:,:,:,:],"
    "f4[:,:,:], f4[:,:,:], i8, i4[:], u4, f4,"
    "f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])"
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
    grad_c,
    w_x,
    w_h,
    batch,
    keys,
    threshold,
    scale,
    dh0,
    dc0,
    parts,
    packed,
    scratch,
):
    """Items first to last of the K S shards; parts (K S, .., ..) are their gradients of w_x, b, w_h, one below the other."""
    shards, steps, features, hidden = shards_of(batch), flow.shape[1], w_x.shape[1], w_h.shape[1]
    weights, count = packed[thread], hidden + (features if needs_x else 0)
    deltas, rest = split_steps(scratch[thread], steps, parts.shape[2])
    dc, rest = split(rest, hidden)
    nothing, product = split(rest, hidden)  # the product's rows: gradients of h_{t-1} and of x_t
    dh = product[:hidden]
    fill(nothing, 0)
    for item in range(first, last):
        model, shard, own = item // shards, item % shards, home(item, first, thread, size)
        z, rest = split_steps(blocks[own, line:], steps + 1, height)
        gates, rest = split_steps(rest, steps, padded(4 * hidden, ROWS))
        c, _ = split_steps(rest, steps + 1, hidden)
        place = first_place(model, shard, keys)
        if item == first or shard == 0:
            pack_backward(w_x[model], w_h[model], weights, needs_x)
        read_state(grad_c, (model, shard, START), dc)
        read_state(grad_last, (model, shard, START), dh)
        for t in range(steps - 1, -1, -1):
            grad = flow[own, t] if t >= silent else nothing
            delta = deltas[t, : 4 * hidden]
            _differentiate(gates[t], c[t], c[t + 1], grad, dh, dc, delta)
            if t:
                fetch(gates[t - 1])
                fetch(c[t - 1])
                fetch(z[t - 1])
            multiply(weights, delta, product, count)
            if needs_x:
                pass_step(product[hidden:], flow[own, t, :features], t, place, batch, threshold, scale)
        write_rows(dh, dh0, (model, shard, START))
        write_rows(dc, dc0, (model, shard, START))
        weight_gradient(z[:steps], deltas, parts[item])


def _sizes(features: int, hidden: int, steps: int) -> Sizes:
    depth, gates = features + 1 + hidden, padded(4 * hidden, ROWS)
    height, width, wide = padded(depth, LEFT), padded(4 * hidden, RIGHT), padded(hidden + features, ROWS)
    return Sizes(
        height=height,
        lines=(steps + 1) * (height + hidden) + steps * gates,
        packed=max(gates // ROWS * depth, wide // ROWS * 4 * hidden),
        scratch=steps * width + 2 * hidden + wide,
        parts=((height, width),),
        summed=((depth, 4 * hidden),),
    )


def _gradients(features: int, summed: Tensor) -> tuple[Tensor, ...]:
    dw_x, db, dw_h = summed[:, :features], summed[:, features], summed[:, features + 1 :]
    return dw_x, dw_h, db


KERNEL = LayersOf(CellKernels(_forward, _backward, _sizes, _gradients, Single(_single, gates=4), states=2))
