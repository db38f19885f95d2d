"""The recurrent stack: layers of one cell type, dropout in between, and a head that reads the state."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from torch import Tensor, nn

from candlecast.nets.dropout import Dropout

State = tuple[tuple[Tensor, ...], ...]  # per layer its tensors, each (B, H)


class RecurrentLayer(Protocol):
    """One layer of recurrent cells."""

    def start(self, x: Tensor) -> tuple[Tensor, ...]:
        """The state before the first bar, for a batch like x (B, T, F): tensors (B, H)."""
        ...

    def __call__(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """x (B, T, F) and the state before it -> outputs (B, T, H) and the state behind it."""
        ...


class Recurrent(nn.Module):
    """A stack of recurrent layers for ONE model, with dropout behind each of them in training, and a linear head.

    `forward(x, state, tail)`: x (B, T, F) -> outputs of the last `tail` bars (B, tail, O), and the state behind bar T.
    Without `state` the sequence starts from zero.
    """

    def __init__(
        self,
        layer: Callable[[int, int], nn.Module],
        *,
        inputs: int,
        hidden: int,
        layers: int,
        dropout: float,
        dense: Sequence[int],
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layer(inputs if depth == 0 else hidden, hidden) for depth in range(layers))
        self.dropouts = nn.ModuleList(Dropout(dropout) for _ in range(layers))
        widths = [hidden, *dense, 1]
        self.head = nn.Sequential(*(linear(a, b) for a, b in itertools.pairwise(widths)))

    def forward(self, x: Tensor, state: State | None = None, tail: int = 1) -> tuple[Tensor, State]:
        states: list[tuple[Tensor, ...]] = []
        for depth, (module, dropout) in enumerate(zip(self.layers, self.dropouts, strict=True)):
            layer = cast("RecurrentLayer", module)
            x, last = layer(x, layer.start(x) if state is None else state[depth])  # (B, T, H)
            states.append(last)
            x = dropout(x if depth + 1 < len(self.layers) else x[:, -tail:])
        return self.head(x), tuple(states)  # (B, tail, 1)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A dense layer, initialised after Glorot and Bengio (2010) with zero bias."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
