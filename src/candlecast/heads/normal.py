"""Heads of a mean and a scale: the normal distribution, and Student's t for heavy tails."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from candlecast.dataset.prediction import quantile_column
from candlecast.heads.arrays import sigmoid, softplus
from candlecast.heads.head import Elementwise, Shift
from candlecast.parameters import require_kinds, require_parameters

if TYPE_CHECKING:
    from torch import Tensor

    from candlecast.heads.arrays import Array

MIN_SPREAD = 1e-3  # in scaled outcomes: a density must not grow without bound
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the quantiles that the t distribution gives


class _MeanAndSpread(Elementwise):
    """Outputs m and a give the mean m and the spread s = softplus(a) + `MIN_SPREAD`."""

    is_location: ClassVar[bool] = True

    @property
    def outputs(self) -> int:
        return 2

    def _standardised(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """z = (y - m) / s and s, each with one term: (..., T, N, 1)."""
        import torch

        mean, spread = outputs.split(1, dim=-1)
        spread = torch.nn.functional.softplus(spread) + MIN_SPREAD
        return (y.unsqueeze(-1) - mean) / spread, spread

    def _slopes(
        self, outputs: np.ndarray, y: np.ndarray, penalty: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Terms and slopes of ln s + penalty(z), where `penalty` gives its value and derivative for a standardised error z."""
        mean, a = outputs[..., 0], outputs[..., 1]
        spread = softplus(a) + MIN_SPREAD
        z = (y - mean) / spread
        value, by_z = penalty(z)
        return np.log(spread) + value, np.stack([-by_z, (1 - by_z * z) * sigmoid(a)], -1) / spread[..., None]

    def _in_units(self, outputs: Array, shift: Shift, scale: float) -> tuple[Array, Array]:
        """Mean and spread in the target's units, each (rows,)."""
        return shift + scale * outputs[:, 0], scale * (softplus(outputs[:, 1]) + MIN_SPREAD)


@dataclass(frozen=True)
class Gaussian(_MeanAndSpread):
    """Normal distribution, learnt by its negative log density up to a constant: ln s + ((y - m) / s)^2 / 2.

    The column `sigma` is s in the target's units. Nix and Weigend (1994).
    """

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        z, spread = self._standardised(outputs, y)
        return spread.log() + 0.5 * z.square()

    def slopes(self, outputs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._slopes(outputs, y, lambda z: (0.5 * z * z, z))

    def columns(self, outputs: Array, *, shift: Shift, scale: float) -> dict[str, Array]:
        mean, spread = self._in_units(outputs, shift, scale)
        return {"mean": mean, "sigma": spread}


@dataclass(frozen=True)
class StudentT(_MeanAndSpread):
    """Student's t with `freedom` degrees: ln s + (n + 1) / 2 ln(1 + ((y - m) / s)^2 / n), so that extremes count less.

    The column `sigma` is its standard deviation, s sqrt(n / (n - 2)). Its quantiles at 5, 25, 50, 75 and 95 % are columns
    too, since they are not those of a normal distribution with that sigma. Lange, Little and Taylor (1989).
    """

    freedom: float = 4.0

    def __post_init__(self) -> None:
        require_kinds(self)
        require_parameters(self, {"freedom": (2 < self.freedom < float("inf"), "a number above 2")})

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        z, spread = self._standardised(outputs, y)
        return spread.log() + 0.5 * (self.freedom + 1) * (z.square() / self.freedom).log1p()

    def slopes(self, outputs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n = self.freedom
        return self._slopes(outputs, y, lambda z: (0.5 * (n + 1) * np.log1p(z * z / n), (n + 1) * z / (n + z * z)))

    def columns(self, outputs: Array, *, shift: Shift, scale: float) -> dict[str, Array]:
        mean, spread = self._in_units(outputs, shift, scale)
        quantiles = {quantile_column(level): mean + spread * self.distance(level) for level in LEVELS}
        return {"mean": mean, "sigma": spread * self.width, **quantiles}

    @property
    def width(self) -> float:
        """Standard deviation of the distribution, in spreads."""
        return math.sqrt(self.freedom / (self.freedom - 2))

    def distance(self, level: float) -> float:
        """Distance from the mean to the quantile of a level, in spreads."""
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, level))
