"""The next return."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from candlecast.candles import Candles
from candlecast.features import Scaler, Standard
from candlecast.parameters import require_kinds
from candlecast.targets.target import Kind, log_return_ahead, require_horizon


@dataclass(frozen=True)
class NextReturn:
    """Log return over the next `horizon` bars: ln(C_{t+h} / C_t). Naive: 0, the price stays."""

    horizon: int = 1
    name: str = field(default="return", init=False)
    kind: Kind = field(default="value", init=False)
    scaling: Scaler = field(default=Standard(), init=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        require_horizon(self.horizon)

    def values(self, candles: Candles) -> np.ndarray:
        return log_return_ahead(candles, self.horizon)

    def naive(self, candles: Candles) -> np.ndarray:
        return np.zeros(len(candles))

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        return forecast

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values - naive
