"""The recurrent stack: layers of one cell type, dropout in between, and a head that reads the state."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from candlecast.nets import kernels
from candlecast.nets.dense import Dense, Head
from candlecast.nets.dropout import Dropout
from candlecast.nets.layer import RecurrentLayer, Stepper
from candlecast.nets.stacked import Stacked

State = tuple[tuple[Tensor, ...], ...]  # per layer its tensors, each (B, H)


class Recurrent(Stacked):
    """A stack of recurrent layers for ONE model, with dropout behind each of them in training, and linear layers of `widths`
    units behind the last.

    `forward(x, state, tail)`: x (B, T, F) -> outputs of the last `tail` bars (B, tail, O), and the state behind bar T.
    Without `state` the sequence starts from zero.
    """

    def __init__(
        self,
        layer: Callable[[int, int], RecurrentLayer],
        *,
        inputs: int,
        hidden: int,
        layers: int,
        dropout: float,
        widths: Sequence[int],
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layer(inputs if depth == 0 else hidden, hidden) for depth in range(layers))
        self.dropouts = nn.ModuleList(Dropout(dropout) for _ in range(layers))
        self.head = Head(Dense(a, b) for a, b in itertools.pairwise([hidden, *widths]))

    def forward(self, x: Tensor, state: State | None = None, tail: int = 1) -> tuple[Tensor, State]:
        layers = [cast("RecurrentLayer", module) for module in self.layers]
        dropouts = [cast("Dropout", module) for module in self.dropouts]
        top, states = kernels.layers(
            layers[0].cell,
            x,
            [
                (*(layer.start(x) if state is None else state[depth]), *layer.weights)
                for depth, layer in enumerate(layers)
            ],
            tail=tail,
            dropout=dropouts[0].p if self.training else 0.0,
            keys=[dropout.key for dropout in dropouts],
        )
        return self.head(top), tuple(states)  # top (B, tail, H), outputs (B, tail, O)

    def stepper(self) -> Stepper:
        """The net for one bar of one series: x (F,) and the state of all layers, side by side -> outputs (O,) and state."""
        layers = [cast("RecurrentLayer", module) for module in self.layers]
        steps = [layer.stepper() for layer in layers]
        sizes = [len(layer.start(torch.empty(1, 1, 1))) for layer in layers]
        dense = [cast("Dense", module) for module in self.head]
        head = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in dense]

        def step(x: np.ndarray, state: tuple[np.ndarray, ...]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
            states, first = (), 0
            for layer, size in zip(steps, sizes, strict=True):
                x, last = layer(x, state[first : first + size])
                states, first = states + last, first + size
            for weight, bias in head:
                x = x @ weight + bias
            return x, states

        return step

    def start(self) -> tuple[np.ndarray, ...]:
        """The state that `stepper` begins with: zeros."""
        one = torch.zeros(1, 1, 1)
        return tuple(tensor[0].numpy() for layer in self.layers for tensor in cast("RecurrentLayer", layer).start(one))
