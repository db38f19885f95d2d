"""What the recurrent layers share: how they start, run over a sequence, and step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from torch import Tensor, nn

from candlecast.nets import kernels

Stepper = Callable[[np.ndarray, tuple[np.ndarray, ...]], tuple[np.ndarray, tuple[np.ndarray, ...]]]


class RecurrentLayer(nn.Module, ABC):
    """One layer of recurrent cells for ONE model, or with a leading K on its parameters and on x for K of them."""

    cell: kernels.Cell
    hidden: int

    @property
    @abstractmethod
    def weights(self) -> tuple[Tensor, ...]:
        """The parameters, in the order of the cell's op."""

    @abstractmethod
    def stepper(self) -> Stepper:
        """The same cell for one bar of one series in NumPy, where a torch call would cost more than its arithmetic."""

    def start(self, x: Tensor) -> tuple[Tensor, ...]:
        """The state before the first bar, for a batch like x (B, T, F): zeros (B, H), h first."""
        zero = x.new_zeros(*x.shape[:-2], self.hidden)
        return (zero,) * self.cell.states

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """x (B, T, F) and the state before it -> outputs (B, T, H) and the state behind it."""
        h, (last,) = kernels.layers(self.cell, x, [(*state, *self.weights)])
        return h, last
