"""`HoldPosition`: what a model wants to hold, but for changes too small to pay for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.parameters import require_kinds, require_parameters
from candlecast.signals.positions import Positions
from candlecast.signals.rule import expected_returns, kept_within, positions, single


@dataclass(frozen=True)
class HoldPosition:
    """Hold the forecast's `position`, the mean of the seeds; the sign of the expected return where a model gives none.

    The position held stays while the wanted one is no farther from it than `band`, a fraction of equity, and then moves
    to the wanted one: many small trades cost more than they correct. With `band=0.0` every change is traded.
    """

    band: float = 0.1

    def __post_init__(self) -> None:
        require_kinds(self)
        require_parameters(self, {"band": (0 <= self.band < 2, "a fraction of equity in [0, 2)")})

    def __call__(self, forecast: Forecast, candles: Candles | None = None) -> Positions:
        """Positions of the forecast's bars; `candles` are not needed. Raises ConfigError for a forecast that does not fit."""
        frame = single(forecast)
        if frame["position"].null_count():
            frame, expected = expected_returns(forecast)
            return positions(frame, np.sign(expected))
        return positions(frame, self.walked(frame["position"].to_numpy()))

    def walked(self, wanted: np.ndarray, *, held: float = 0.0) -> np.ndarray:
        """Positions for wanted ones, float64 (time,), when `held` is the position before the first."""
        return kept_within(wanted, self.band, held=held)
