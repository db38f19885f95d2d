"""What the layers of a recurrent stack share: how they start, run over a sequence, and step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from torch import Tensor, nn

from candlecast.nets import kernels

Stepper = Callable[[np.ndarray, tuple[np.ndarray, ...]], tuple[np.ndarray, tuple[np.ndarray, ...]]]


class Layer(nn.Module, ABC):
    """One layer that carries `states` values of each of its units, for ONE model or with a leading K for K of them."""

    hidden: int
    states: int

    @abstractmethod
    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """x (B, T, F) and the state before it -> outputs (B, T, H) and the state after it, each (B, H)."""

    @abstractmethod
    def stepper(self) -> Stepper:
        """The same layer for one bar of one series in NumPy, where a torch call would cost more than its arithmetic."""

    def start(self, x: Tensor) -> tuple[Tensor, ...]:
        """The state before the first bar, for a batch like x (B, T, F): zeros (B, H)."""
        zero = x.new_zeros(*x.shape[:-2], self.hidden)
        return (zero,) * self.states


class RecurrentLayer(Layer):
    """One layer of recurrent cells that a kernel runs; its state begins with the outputs h."""

    cell: kernels.Cell

    @property
    @abstractmethod
    def weights(self) -> tuple[Tensor, ...]:
        """The parameters, in the order of the cell's op."""

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """x (B, T, F) and the state before it -> outputs (B, T, H) and the state after it."""
        h, (last,) = kernels.layers(self.cell, x, [(*state, *self.weights)])
        return h, last
