"""Head of a position whose loss is its return after the costs of changing it (Moody and Saffell 2001)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from candlecast.dataset.prediction import Prediction
from candlecast.errors import ConfigError
from candlecast.features import Scaler, Unscaled
from candlecast.heads.head import Head
from candlecast.targets import NextReturn, Target

if TYPE_CHECKING:
    from torch import Tensor

Objective = Literal["sharpe", "utility"]
MIN_DEVIATION = 1e-6  # of returns in the Sharpe ratio, so that it is defined for an account that does nothing
BPS = 1e4


@dataclass(frozen=True)
class NetReturn(Head):
    """Return of a position after the cost of trading into it: r_t = p_t (e^{y_t} - 1) - c |p_t - p_{t-1}|.

    The net, that of `models.Policy`, gives two numbers for each bar, p_t and p_{t-1}, both in [-1, 1] and fractions of
    equity, so that every bar pays for its own change, the first of a chunk too. y_t is the log return of the bar after
    t, c = `cost_bps` a side.

    The loss is of the mean m and the variance v of r over all bars of a batch:

        sharpe     -m / sqrt(v + MIN_DEVIATION^2)
        utility    -(m - risk_aversion v / 2), in basis points per bar

    Moody and Saffell's differential Sharpe ratio is the derivative of the same ratio, with moments A of r and B of r^2
    that are averaged exponentially over time as it is learnt bar by bar: dD_t / dr_t = (B - A r_t) / (B - A^2)^{3/2}.
    A step on a batch adds up this derivative over its bars, A and B being the batch's own.
    """

    objective: Objective = "sharpe"
    cost_bps: float = 12.0
    risk_aversion: float = 5.0

    @property
    def outputs(self) -> int:
        return 2

    @property
    def scaling(self) -> Scaler:
        return Unscaled()

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        import torch

        position, before = outputs.unbind(-1)  # each (..., T, N)
        earned = position * y.expm1() - self.cost_bps / BPS * (position - before).abs()
        return torch.stack([earned, earned.square()], dim=-1)  # (..., T, N, 2)

    def loss(self, means: Tensor) -> Tensor:
        mean, square = means.unbind(-1)
        variance = (square - mean.square()).clamp(min=0)
        if self.objective == "sharpe":
            return -mean / (variance + MIN_DEVIATION**2).sqrt()
        return -BPS * (mean - 0.5 * self.risk_aversion * variance)

    def predict(self, outputs: np.ndarray, *, shift: float, scale: float) -> Prediction:
        """The position, and the log return that it implies: `scale` is the return per unit of it, see `slope`."""
        return Prediction(shift + scale * outputs[:, 0], {"position": outputs[:, 0]})

    def require(self, target: Target) -> None:
        if target != NextReturn():
            raise ConfigError(
                f"a position is to be learnt from the target {target.name} with a horizon of {target.horizon} bars",
                expected="NextReturn(horizon=1), what a position earns from one bar to the next",
                remedy="Leave target out, or forecast it with another model, such as cc.LSTM",
            )


def slope(positions: np.ndarray, returns: np.ndarray) -> float:
    """Return per unit of position, by least squares through the origin: sum p y / sum p^2; 0.0 where nothing was held.

    >>> slope(np.array([1.0, -1.0, 0.0]), np.array([0.02, -0.01, 0.5]))
    0.015
    """
    size = float((positions**2).sum())
    return float((positions * returns).sum()) / size if size else 0.0
