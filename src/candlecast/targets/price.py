"""The price itself, as in the well-known tutorial."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from candlecast.candles import Candles
from candlecast.features import MinMax, Scaler
from candlecast.parameters import require_kinds
from candlecast.targets.target import Kind, ahead, require_horizon

LOWEST = 1e-6  # of the price now: a lower forecast, also one below zero, implies the log return of this one


@dataclass(frozen=True)
class Price:
    """Closing price `horizon` bars ahead, the tutorial's target: C_{t+h}. Naive: the price now, C_t.

    A forecast P implies the log return ln(P / C_t), with P / C_t at least 1e-6: a net may forecast a price below zero.
    """

    horizon: int = 1
    scaling: Scaler = field(default=MinMax())
    name: str = field(default="price", init=False)
    kind: Kind = field(default="value", init=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        require_horizon(self.horizon)

    def values(self, candles: Candles) -> np.ndarray:
        return ahead(candles.close, self.horizon)

    def naive(self, candles: Candles) -> np.ndarray:
        return candles.close.copy()

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        return np.log(np.maximum(forecast / candles.close, LOWEST))

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values / naive - 1
