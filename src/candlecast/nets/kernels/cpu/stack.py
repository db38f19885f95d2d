"""A stack of layers on CPU: all of a shard's work, one piece after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from candlecast.nets.kernels.cpu import single
from candlecast.nets.kernels.cpu.cell import CellKernels, Sizes
from candlecast.nets.kernels.cpu.memory import empty
from candlecast.nets.kernels.cpu.products import ROWS, add_shards
from candlecast.nets.kernels.cpu.rows import pass_batch, read_batch, write_batch
from candlecast.nets.kernels.cpu.threads import chained, piece, share, threads_for
from candlecast.nets.kernels.cpu.vector import LANES
from candlecast.nets.kernels.functions import Inputs, Stack
from candlecast.nets.kernels.hashing import cut

Mask = tuple[np.ndarray, np.uint32, np.float32]  # key of each model (K,), threshold (0: no mask) and scale


class _Layer(NamedTuple):
    """A layer's shape, its rows, and where they begin in the block of a shard."""

    features: int
    hidden: int
    sizes: Sizes
    line: int


@dataclass(frozen=True)
class LayersOf:
    """The kernel of a stack of one kind of cell. It keeps the rows of all layers as one tensor (N, lines, L)."""

    cell: CellKernels

    @property
    def states(self) -> int:
        return self.cell.states

    def forward(self, stack: Stack, inputs: Inputs) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        if stack.is_last and not stack.dropout and inputs.x.shape[1] == 1:
            return single.forward(self.cell.single, stack, inputs), ()
        keys, x, tensors = inputs
        models, batch, steps, features = x.shape
        arrays = [_array(tensor) for tensor in tensors]
        hidden = tuple(stack.of(arrays, layer)[0].shape[-1] for layer in range(stack.layers))
        layers = _layers(self.cell, features, hidden, steps)
        items, top = models * -(-batch // LANES), layers[-1]
        homes, size = _homes(stack, items)
        block = empty(homes, top.line + top.sizes.lines, LANES)
        rows, (packed, scratch) = block.numpy(), _room(layers, items)
        masks, nothing = _masks(stack, keys, models)
        out = empty(models, stack.tail, top.hidden, batch)
        last = [np.empty((self.states, models, 1, width, batch), np.float32) for width in hidden]
        with chained():
            share(read_batch, items, _array(x), rows, size, 0, layers[0].sizes.height, *nothing, scratch)
            for place, layer in enumerate(layers):
                height = layer.sizes.height
                if place:
                    below = layers[place - 1]
                    outputs = below.line + below.sizes.height + below.features + 1  # h_0 in z_1
                    share(
                        *(pass_batch, items, rows, size, outputs, below.sizes.height, layer.line, height),
                        *(steps, layer.features, batch, *masks[place - 1]),
                    )
                own = stack.of(arrays, place)
                states, weights = own[: self.states], own[self.states :]
                share(
                    *(self.cell.forward, items, rows, size, layer.line, height, steps),
                    *(state[:, :, None] for state in states),
                    *(weight[:, None] if weight.ndim == 2 else weight for weight in weights),
                    *(*last[place], packed, scratch),
                )
            first = top.line + (steps + 1 - stack.tail) * top.sizes.height + top.features + 1
            share(write_batch, items, rows, size, first, top.sizes.height, out.numpy(), *masks[-1], scratch)
        return (out.permute(0, 3, 1, 2), *(state for each in last for state in _states(each))), (block,)

    def backward(
        self, stack: Stack, grads: Sequence[Tensor | None], kept: Sequence[Tensor], inputs: Inputs, needs_x: bool
    ) -> tuple[Tensor, ...]:
        keys, x, tensors = inputs
        models, batch, steps, features = x.shape
        grad_h, *grad_states = grads
        hidden = tuple(stack.of(tensors, layer)[0].shape[-1] for layer in range(stack.layers))
        layers = _layers(self.cell, features, hidden, steps)
        rows = kept[0].contiguous().numpy()
        items, widest = models * -(-batch // LANES), max(*hidden, features if needs_x else 0)
        packed, scratch = _room(layers, items)
        masks, nothing = _masks(stack, keys, models)
        homes, size = _homes(stack, items)
        flow = empty(homes, steps * widest, LANES).numpy()
        by_step = flow.reshape(homes, steps, widest, LANES)
        dx = empty(models, *((steps, features, batch) if needs_x else (0, 0, 0)))
        before = [np.empty((self.states, models, 1, width, batch), np.float32) for width in hidden]
        tail = 0 if grad_h is None else grad_h.shape[2]
        gradients: list[Tensor] = []
        with chained():
            if grad_h is not None:
                share(
                    read_batch, items, _array(grad_h), flow, size, (steps - tail) * widest, widest, *masks[-1], scratch
                )
            for place, layer in reversed(list(enumerate(layers))):
                w_x, w_h = (_array(weight) for weight in stack.of(tensors, place)[self.states : self.states + 2])
                parts = [empty(items, *shape).numpy() for shape in layer.sizes.parts]
                summed = [empty(models, *shape) for shape in layer.sizes.summed]
                share(
                    *(self.cell.backward, items, rows, size, layer.line, layer.sizes.height, by_step),
                    *(0 if place + 1 < len(layers) else steps - tail, needs_x or place > 0),
                    *(_EMPTY if grad is None else _array(grad)[:, :, None] for grad in stack.of(grad_states, place)),
                    *(w_x, w_h, batch, *(masks[place - 1] if place else nothing)),
                    *(*before[place], *parts, packed, scratch),
                )
                for part, total in zip(parts, summed, strict=True):
                    share(add_shards, models, part, total.numpy())
                weights = self.cell.gradients(layer.features, *summed)
                gradients = [*_states(before[place]), *weights, *gradients]
            if needs_x:
                share(write_batch, items, flow, size, 0, widest, dx.numpy(), *nothing, scratch)
        return dx.permute(0, 3, 1, 2), *gradients


_EMPTY = np.empty((0, 0, 0, 0), np.float32)


@cache
def _layers(cell: CellKernels, features: int, hidden: tuple[int, ...], steps: int) -> list[_Layer]:
    layers, line = [], 0
    for below, width in zip((features, *hidden), hidden, strict=False):
        layers.append(_Layer(below, width, cell.sizes(below, width, steps), line))
        line += layers[-1].sizes.lines
    return layers


def _homes(stack: Stack, items: int) -> tuple[int, int]:
    """How many blocks there are, and how many of them belong to each thread: 0 where every item has its own."""
    size = 0 if stack.lasting else piece(items)
    return threads_for(items) * size or items, size


def _room(layers: Sequence[_Layer], items: int) -> tuple[np.ndarray, np.ndarray]:
    """Packed weights and scratch of each thread, enough for every layer."""
    threads = threads_for(items)
    packed, scratch = (max(sizes) for sizes in zip(*(layer.sizes[2:4] for layer in layers), strict=True))
    return empty(threads, packed, ROWS).numpy(), empty(threads, max(scratch, layers[0].features), LANES).numpy()


def _masks(stack: Stack, keys: Sequence[Tensor], models: int) -> tuple[list[Mask], Mask]:
    """The dropout mask of each layer, or one that masks nothing."""
    nothing = np.zeros(models, np.int32), np.uint32(0), np.float32(1)
    if not stack.dropout:
        return [nothing] * stack.layers, nothing
    return [(key.numpy(), *cut(stack.dropout)) for key in keys], nothing


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.numpy(force=True)


def _states(array: np.ndarray) -> tuple[Tensor, ...]:
    """States (N, K, 1, H, B) as N tensors (K, B, H)."""
    return torch.from_numpy(array).squeeze(2).mT.unbind(0)
