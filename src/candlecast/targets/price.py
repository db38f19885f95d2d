"""The price itself, as in the well-known tutorial."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from candlecast.candles import Candles
from candlecast.features import MinMax, Scaler
from candlecast.targets.target import Kind, ahead, require_horizon


@dataclass(frozen=True)
class Price:
    """Closing price `horizon` bars ahead, the tutorial's target: C_{t+h}. Naive: the price of now, C_t."""

    horizon: int = 1
    scaling: Scaler = field(default=MinMax())
    name: str = field(default="price", init=False)
    kind: Kind = field(default="value", init=False)

    def __post_init__(self) -> None:
        require_horizon(self.horizon)

    def values(self, candles: Candles) -> np.ndarray:
        return ahead(candles.close, self.horizon)

    def naive(self, candles: Candles) -> np.ndarray:
        return candles.close.copy()

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        return forecast / candles.close - 1

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values / naive - 1
