"""Heads of a single number: squared, absolute and Huber's error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from candlecast.errors import require_parameters
from candlecast.heads.head import Head
from candlecast.prediction import Prediction

if TYPE_CHECKING:
    from torch import Tensor


class _Point(Head):
    """The one output is the forecast."""

    def predict(self, outputs: np.ndarray, *, shift: float, scale: float) -> Prediction:
        return Prediction(shift + scale * outputs[:, 0])


@dataclass(frozen=True)
class SquaredError(_Point):
    """(f - y)^2: the forecast is the mean of the outcome."""

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs - y.unsqueeze(-1)).square()


@dataclass(frozen=True)
class AbsoluteError(_Point):
    """|f - y|: the forecast is the median of the outcome, little moved by extreme ones."""

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs - y.unsqueeze(-1)).abs()


@dataclass(frozen=True)
class Huber(_Point):
    """(f - y)^2 / 2 while |f - y| <= delta, delta (|f - y| - delta / 2) beyond; delta in scaled outcomes. Huber (1964)."""

    delta: float = 1.0

    def __post_init__(self) -> None:
        require_parameters(self, {"delta": (0 < self.delta < float("inf"), "a number above 0")})

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        gap = (outputs - y.unsqueeze(-1)).abs()
        inside = gap.clamp(max=self.delta)
        return inside * (gap - 0.5 * inside)
