"""GRU on CPU: the time loop each way, compiled. Equations in `reference.gru`.

K model, B batch, S shard, L lanes, T time, F feature, H hidden. Rows of a step: z_t = (x_t, 1, h_{t-1}). The first F + 1
of them meet W and b_x, the last 1 + H meet U and b_h, so that a bias is one more row of weights.
"""

from torch import Tensor

from candlecast.nets.kernels.cpu.cell import CellKernels, Sizes
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
def _activate(from_x, from_h, before, tape, h):
    """One step: the tape becomes r, z, n and h_{t-1} U_n + b_hn; h is written, `before` is h_{t-1}."""
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
        store(fma(z, load(before, (j,)) - n, n), h, (j,))


@compiled(
    "void(i8, i8, i8, f4[:,:,::1], i8, i8, i8, i8, f4[:,:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:],"
    "f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1])"
)
def _forward(thread, first, last, blocks, size, line, height, steps, h0, w_x, w_h, b_x, b_h, h_last, packed, scratch):
    """Items first to last of the K S shards; each thread has its part of packed and scratch."""
    shards, features, hidden = shards_of(h0.shape[1]), w_x.shape[1], w_h.shape[1]
    depth, wide = features + 1 + hidden, padded(3 * hidden, ROWS)
    weights_x, weights_h = split(packed[thread], wide // ROWS * (features + 1))
    from_x, from_h = split(scratch[thread], wide)
    for item in range(first, last):
        model, shard, own = item // shards, item % shards, home(item, first, thread, size)
        z, rest = split_steps(blocks[own, line:], steps + 1, height)
        tape, _ = split_steps(rest, steps, 4 * hidden)
        if item == first or shard == 0:
            pack_columns(w_x[model], weights_x, features + 1, 0)
            pack_columns(b_x[model], weights_x, features + 1, features)
            pack_columns(b_h[model], weights_h, 1 + hidden, 0)
            pack_columns(w_h[model], weights_h, 1 + hidden, 1)
        read_rows(h0, (model, shard, START), z[0, features + 1 :])
        for t in range(steps):
            fill(z[t, features : features + 1], 1)
            multiply(weights_x, z[t, : features + 1], from_x, 3 * hidden)
            multiply(weights_h, z[t, features:depth], from_h, 3 * hidden)
            _activate(from_x, from_h, z[t, features + 1 :], tape[t], z[t + 1, features + 1 :])
        write_rows(z[steps, features + 1 :], h_last, (model, shard, START))


@internal
def _activate_units(from_x, from_h, h):
    """The same of one sequence, by units; h is h_{t-1} before."""
    wide = h.shape[0]
    for j in range(wide):
        r = sigmoid(load(from_x, (j,)) + load(from_h, (j,)))
        z = sigmoid(load(from_x, (wide + j,)) + load(from_h, (wide + j,)))
        n = tanh(fma(r, load(from_h, (2 * wide + j,)), load(from_x, (2 * wide + j,))))
        store(fma(z, load(h, (j,)) - n, n), h, (j,))


@compiled(
    "void(i8, i8, i8, f4[:,:,:], f4[:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:],"
    "f4[:,:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1])"
)
def _single(thread, first, last, x, h0, w_x, w_h, b_x, b_h, out, h_last, packed, scratch):
    """One sequence of the models first to last; see `single.Single`."""
    features, hidden = x.shape[2], w_h.shape[1]
    depth, wide = features + 1 + hidden, vectors(hidden)
    rows = tiles(3 * wide) * TILE
    weights_x, weights_h = split(packed[thread], rows * (features + 1))
    z, rest = split(scratch[thread], depth)
    h, rest = split(rest, wide)
    from_x, rest = split(rest, rows)
    from_h, _ = split(rest, rows)
    fill(z[features : features + 1], 1)
    for model in range(first, last):
        pack_units(w_x[model], hidden, weights_x, features + 1, 0)
        pack_units(b_x[model], hidden, weights_x, features + 1, features)
        pack_units(b_h[model], hidden, weights_h, 1 + hidden, 0)
        pack_units(w_h[model], hidden, weights_h, 1 + hidden, 1)
        spread(h0[model], z, features + 1)
        read_units(h0[model], h)
        for t in range(x.shape[1]):
            spread(x[model, t], z, 0)
            multiply_units(weights_x, z[: features + 1], from_x, 3 * wide)
            multiply_units(weights_h, z[features:], from_h, 3 * wide)
            _activate_units(from_x, from_h, h)
            write_units(h, out[model, t])
            spread(out[model, t], z, features + 1)
        write_units(h, h_last[model])


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
    "void(i8, i8, i8, f4[:,:,::1], i8, i8, i8, f4[:,:,:,::1], i8, b1, f4[:,:,:,:], f4[:,:,:], f4[:,:,:],"
    "i8, i4[:], u4, f4, f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])"
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
    parts_x,
    parts_h,
    packed,
    scratch,
):
    """Items first to last of the K S shards; parts (K S, .., ..) are their gradients of w_x above b_x, and b_h above w_h."""
    shards, steps, features, hidden = shards_of(batch), flow.shape[1], w_x.shape[1], w_h.shape[1]
    gates = 3 * hidden
    weights_h, weights_x = split(packed[thread], padded(hidden, ROWS) // ROWS * gates)
    deltas_x, rest = split_steps(scratch[thread], steps, parts_x.shape[2])
    deltas_h, rest = split_steps(rest, steps, parts_h.shape[2])
    nothing, rest = split(rest, hidden)
    dh, rest = split(rest, hidden)
    product, dx_t = split(rest, padded(hidden, ROWS))
    fill(nothing, 0)
    for item in range(first, last):
        model, shard, own = item // shards, item % shards, home(item, first, thread, size)
        z, rest = split_steps(blocks[own, line:], steps + 1, height)
        tape, _ = split_steps(rest, steps, 4 * hidden)
        place = first_place(model, shard, keys)
        if item == first or shard == 0:
            pack_rows(w_h[model], weights_h, 0)
            if needs_x:
                pack_rows(w_x[model], weights_x, 0)
        read_state(grad_last, (model, shard, START), dh)
        for t in range(steps - 1, -1, -1):
            grad = flow[own, t] if t >= silent else nothing
            delta_x, delta_h, before = deltas_x[t, :gates], deltas_h[t, :gates], z[t, features + 1 :]
            _differentiate(tape[t], before, grad, dh, delta_x, delta_h)
            if t:
                fetch(tape[t - 1])
                fetch(z[t - 1])
            multiply(weights_h, delta_h, product, hidden)
            for j in range(hidden):
                store(load(dh, (j,)) + load(product, (j,)), dh, (j,))
            if needs_x:
                multiply(weights_x, delta_x, dx_t, features)
                pass_step(dx_t, flow[own, t, :features], t, place, batch, threshold, scale)
        write_rows(dh, dh0, (model, shard, START))
        weight_gradient(z[:steps], deltas_x, parts_x[item])
        weight_gradient(z[:steps, features:], deltas_h, parts_h[item])


def _sizes(features: int, hidden: int, steps: int) -> Sizes:
    gates, width, wide = 3 * hidden, padded(3 * hidden, RIGHT), padded(3 * hidden, ROWS)
    above, below = padded(features + 1, LEFT), padded(1 + hidden, LEFT)
    height, wide_h, wide_x = max(above, features + below), padded(hidden, ROWS), padded(features, ROWS)
    return Sizes(
        height=height,
        lines=(steps + 1) * height + steps * 4 * hidden,
        packed=max(wide // ROWS * (features + 2 + hidden), (wide_h + wide_x) // ROWS * gates),
        scratch=max(2 * wide, 2 * steps * width + 2 * hidden + wide_h + wide_x),
        parts=((above, width), (below, width)),
        summed=((features + 1, gates), (1 + hidden, gates)),
    )


def _gradients(features: int, of_x: Tensor, of_h: Tensor) -> tuple[Tensor, ...]:
    return of_x[:, :features], of_h[:, 1:], of_x[:, features], of_h[:, 0]


KERNEL = LayersOf(CellKernels(_forward, _backward, _sizes, _gradients, Single(_single, gates=3, products=2), states=1))
