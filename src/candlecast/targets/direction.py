"""Whether the price rises."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from candlecast.candles import Candles
from candlecast.features import Scaler, Unscaled
from candlecast.targets.target import Kind, log_return_ahead, require_horizon


@dataclass(frozen=True)
class Direction:
    """Whether the close rises over the next `horizon` bars: 1 if C_{t+h} > C_t, else 0. Naive: even odds, 0.5.

    The return implied by a chance p is (2p - 1) times the mean absolute return over the horizon of the last
    `MAGNITUDE_BARS` returns known by then, and 0 while none is.
    """

    horizon: int = 1
    name: str = field(default="direction", init=False)
    kind: Kind = field(default="probability", init=False)
    scaling: Scaler = field(default=Unscaled(), init=False)

    MAGNITUDE_BARS = 100

    def __post_init__(self) -> None:
        require_horizon(self.horizon)

    def values(self, candles: Candles) -> np.ndarray:
        returns = log_return_ahead(candles, self.horizon)
        return np.where(np.isnan(returns), np.nan, (returns > 0).astype(np.float64))

    def naive(self, candles: Candles) -> np.ndarray:
        return np.full(len(candles), 0.5)

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        known = np.abs(log_return_ahead(candles, self.horizon))[
            : max(len(candles) - self.horizon, 0)
        ]  # at bars h, h + 1, ...
        total = np.concatenate([[0.0], np.cumsum(known)])
        end = np.arange(1, len(known) + 1)
        count = np.minimum(end, self.MAGNITUDE_BARS)
        magnitude = np.zeros(len(candles))
        magnitude[self.horizon :] = (total[end] - total[end - count]) / count
        return (2 * forecast - 1) * magnitude

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values - naive
