"""Heads of a point forecast: squared, absolute and Huber's error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from candlecast.heads.head import Elementwise, Shift
from candlecast.parameters import require_kinds, require_parameters

if TYPE_CHECKING:
    from torch import Tensor

    from candlecast.heads.arrays import Array


class _Point(Elementwise):
    """The one output is the forecast."""

    is_location: ClassVar[bool] = True

    def columns(self, outputs: Array, *, shift: Shift, scale: float) -> dict[str, Array]:
        return {"mean": shift + scale * outputs[:, 0]}


@dataclass(frozen=True)
class SquaredError(_Point):
    """(f - y)^2: the forecast is the mean of the outcome."""

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs - y.unsqueeze(-1)).square()

    def slopes(self, outputs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gap = outputs[..., 0] - y
        return gap * gap, 2 * gap[..., None]


@dataclass(frozen=True)
class AbsoluteError(_Point):
    """|f - y|: the forecast is the median of the outcome, little moved by extreme ones."""

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs - y.unsqueeze(-1)).abs()

    def slopes(self, outputs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gap = outputs[..., 0] - y
        return np.abs(gap), np.sign(gap)[..., None]


@dataclass(frozen=True)
class Huber(_Point):
    """(f - y)^2 / 2 while |f - y| <= delta, delta (|f - y| - delta / 2) beyond; delta in scaled outcomes. Huber (1964)."""

    delta: float = 1.0

    def __post_init__(self) -> None:
        require_kinds(self)
        require_parameters(self, {"delta": (0 < self.delta < float("inf"), "a number above 0")})

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        gap = (outputs - y.unsqueeze(-1)).abs()
        inside = gap.clamp(max=self.delta)
        return inside * (gap - 0.5 * inside)

    def slopes(self, outputs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gap = outputs[..., 0] - y
        inside = np.clip(gap, -self.delta, self.delta)
        return inside * (gap - 0.5 * inside), inside[..., None]
