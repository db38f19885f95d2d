"""`InverseVolatility`: hold less of the asset when it is forecast to move more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError, is_number, require_parameters
from candlecast.signals.positions import HIGHEST_LEVERAGE, Positions
from candlecast.signals.rule import positions, single


@dataclass(frozen=True)
class InverseVolatility:
    """Long, in proportion to calm: (usual range / forecast range)^`power`, at most `cap` (after Moreira and Muir 2017).

    For forecasts of `Volatility` (log ranges): the usual range is exp of the mean of the forecasts up to the bar. With power
    1 the risk of each bar is the same, with 2, as in the paper, the position is in proportion to 1 / variance, which is the
    best one where the expected return does not depend on volatility. A cap of 1 holds no more than equity, and so holds
    nothing more in calm than usual; one above 1 borrows. Positions are rounded to steps of `step`, so that small changes of
    the forecast do not trade.
    """

    step: float = 0.1
    power: float = 1.0
    cap: float = 1.0

    def __post_init__(self) -> None:
        require_parameters(
            self,
            {
                "step": (is_number(self.step) and 0 < self.step <= 1, "a share in (0, 1]"),
                "power": (is_number(self.power) and 0 < self.power <= 4, "a number in (0, 4]"),
                "cap": (
                    is_number(self.cap) and 0 < self.cap <= HIGHEST_LEVERAGE,
                    "times equity, above 0 and at most 125",
                ),
            },
        )

    def __call__(self, forecast: Forecast, candles: Candles | None = None) -> Positions:
        """Positions of the forecast's bars; `candles` are not needed. Raises ConfigError for a forecast that does not fit."""
        frame = single(forecast)
        if frame["expected_return"].null_count() < frame.height:
            raise ConfigError(
                f"{forecast.model} forecasts returns, not volatility",
                expected="a forecast of volatility",
                remedy="Use FollowDirection() or Threshold() for forecasts of return, price or direction",
            )
        logs = frame["mean"].to_numpy()
        usual = np.cumsum(logs) / np.arange(1, len(logs) + 1)
        sizes = np.exp(self.power * (usual - logs))
        held = np.minimum(np.round(sizes / self.step) * self.step, self.cap)
        return positions(frame, held, leverage=max(self.cap, 1.0))
