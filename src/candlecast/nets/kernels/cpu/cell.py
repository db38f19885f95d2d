"""`CellKernels`: the compiled parts of a kind of recurrent cell, from which a stack of its layers is made on CPU."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from candlecast.nets.kernels.cpu.single import Single


class Sizes(NamedTuple):
    """What a layer needs, as numbers of rows.

    `height`: of z of one step; there are T + 1 of them, at the beginning of the rows that a shard keeps, `lines` in all.
    `packed` and `scratch`: of each thread. `parts`: rows and columns of what a shard gives to the gradients of the weights;
    `summed`: of their sums.
    """

    height: int
    lines: int
    packed: int
    scratch: int
    parts: tuple[tuple[int, int], ...]
    summed: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class CellKernels:
    """Two compiled time loops over the items first to last of the K S shards, and how their results are read.

    forward(thread, first, last, blocks, size, line, height, steps, *states, *weights, *last, packed, scratch) reads x_t
    from z_t in the rows of a layer, which begin at `line` of each shard's block (`rows.home`), and writes h_t to z_{t+1};
    what `backward` reads follows. States before the first bar are (K, B, 1, H), those after the last bar (K, 1, H, B), biases
    (K, 1, gates).

    backward(thread, first, last, blocks, size, line, height, flow, silent, needs_x, *grads, w_x, w_h, batch, keys,
    threshold, scale, *before, *parts, packed, scratch) reads the gradient of h_t from flow (N, T, .., L), from step
    `silent` on, and leaves there that of x_t, masked. `grads` of the last states are (K, B, 1, H), or empty for zeros.

    `gradients(features, *summed)`: those of the weights in their order, each with a leading K.

    `single`: the loop over time for one sequence of each model, where no backward pass follows.
    """

    forward: Callable[..., None]
    backward: Callable[..., None]
    sizes: Callable[[int, int, int], Sizes]  # of features, hidden, steps
    gradients: Callable[..., tuple[Tensor, ...]]
    single: Single
    states: int
