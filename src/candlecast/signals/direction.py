"""`FollowDirection`: the tutorial's rule, with the price that was known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.parameters import require_kinds
from candlecast.signals.positions import Positions
from candlecast.signals.rule import expected_returns, positions


@dataclass(frozen=True)
class FollowDirection:
    """Long while the forecast is above the price of now, short while below, flat when equal.

    `allow_short=False` is flat instead of short.
    """

    allow_short: bool = True

    def __post_init__(self) -> None:
        require_kinds(self)

    def __call__(self, forecast: Forecast, candles: Candles | None = None) -> Positions:
        """Positions of the forecast's bars; `candles` are not needed. Raises ConfigError for a forecast that does not fit."""
        frame, expected = expected_returns(forecast)
        return positions(frame, self.followed(expected))

    def followed(self, expected: np.ndarray) -> np.ndarray:
        """Positions for expected log returns, float64 (time,)."""
        return np.sign(expected) if self.allow_short else (expected > 0).astype(np.float64)
