"""One sequence of a model: the lanes are units of the layer, where the lanes of a batch would be empty but for one.

K model, T time, F feature, H hidden, L lanes. The units of a gate fill whole vectors, the last one up with zeros. Rows of a step:
z_t = (x_t, 1, h_{t-1}), each value in every lane. Every value is made by the same operations in the same order as in a batch,
so that the results have the same bits.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from candlecast.nets.kernels.cpu.memory import empty
from candlecast.nets.kernels.cpu.threads import chained, share, threads_for
from candlecast.nets.kernels.cpu.vector import LANES, add_outer, internal, splat, store, zeros
from candlecast.nets.kernels.functions import Inputs, Stack

TILE = 8  # vectors of gates that a product sums at a time


class Single(NamedTuple):
    """A compiled loop over time for one sequence of each model from first to last.

    forward(thread, first, last, x (K, T, F), *states (K, H), *weights, out (K, T, H), *last (K, H), packed, scratch); biases are
    (K, 1, gates). `gates`: how many a unit has; `products`: 2 where x and h are multiplied apart, each with a bias.
    """

    forward: Callable[..., None]
    gates: int
    products: int = 1


@internal
def vectors(hidden):
    """Vectors that hold the units of a layer."""
    return (hidden + LANES - 1) // LANES


@internal
def tiles(count):
    """Tiles that hold `count` vectors."""
    return (count + TILE - 1) // TILE


@internal
def pack_units(weights, hidden, packed, depth, first):
    """For a product of `depth` rows: tile n // TILE has the lanes of vector n of weights[r] at [first + r, n % TILE]."""
    wide = vectors(hidden)
    for r in range(weights.shape[0]):
        for column in range(weights.shape[1]):
            gate, unit = column // hidden, column % hidden
            place = gate * wide + unit // LANES
            packed[(place // TILE * depth + first + r) * TILE + place % TILE, unit % LANES] = weights[r, column]


@internal
def multiply_units(packed, z, out, count):
    """out[n] = sum over k of vector n of row k of packed times z[k], for n up to `count`; whole tiles of `out` are written."""
    depth = z.shape[0]
    for tile in range(tiles(count)):
        sums = zeros(TILE)
        for k in range(depth):
            sums = add_outer(sums, z, (k,), packed, ((tile * depth + k) * TILE,), TILE)
        for n in range(TILE):
            store(sums[n], out, (tile * TILE + n,))


@internal
def spread(values, z, first):
    """z[first + n] = values[n] in every lane."""
    for n in range(values.shape[0]):
        store(splat(values[n]), z, (first + n,))


@internal
def read_units(values, rows):
    """The lanes of `rows` become the values of the units, those past the last one 0."""
    for n in range(rows.shape[0]):
        store(splat(0), rows, (n,))
    for unit in range(values.shape[0]):
        rows[unit // LANES, unit % LANES] = values[unit]


@internal
def write_units(rows, out):
    """The units of `rows`, one after the other, in `out`."""
    for unit in range(out.shape[0]):
        out[unit] = rows[unit // LANES, unit % LANES]


def forward(single: Single, stack: Stack, inputs: Inputs) -> tuple[Tensor, ...]:
    """The outputs (K, 1, tail, H) and the states of all layers (K, 1, H), of x (K, 1, T, F); for no backward pass."""
    models, _, steps, _ = inputs.x.shape
    values = inputs.x[:, 0].numpy(force=True)  # (K, T, F)
    arrays = [tensor.numpy(force=True) for tensor in inputs.tensors]
    states = stack.kernel.states
    found: list[np.ndarray] = []
    for layer in range(stack.layers):
        own = stack.of(arrays, layer)
        hidden = own[0].shape[-1]
        out = empty(models, steps, hidden).numpy()
        last = [np.empty((models, hidden), np.float32) for _ in range(states)]
        packed, scratch = _room(single, models, values.shape[2], hidden)
        with chained():
            share(
                *(single.forward, models, values, *(state[:, 0] for state in own[:states])),
                *(weight[:, None] if weight.ndim == 2 else weight for weight in own[states:]),
                *(out, *last, packed, scratch),
            )
        found += last
        values = out
    outputs: Any = torch.from_numpy(values)[:, None, steps - stack.tail :]
    return outputs, *(torch.from_numpy(each)[:, None] for each in found)


def _room(single: Single, models: int, features: int, hidden: int) -> tuple[np.ndarray, np.ndarray]:
    """Packed weights, zero where there are none, and scratch of each thread."""
    wide = -(-hidden // LANES)
    rows = -(-single.gates * wide // TILE) * TILE
    depth = features + 1 + hidden
    threads = threads_for(models)
    packed = np.zeros((threads, rows * (depth + single.products - 1), LANES), np.float32)
    return packed, empty(threads, depth + single.products * rows + 4 * wide, LANES).numpy()
