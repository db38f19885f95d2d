"""`InverseVolatility`: hold less of the asset when it is forecast to move more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError, is_number
from candlecast.signals.positions import Positions
from candlecast.signals.rule import positions, single


@dataclass(frozen=True)
class InverseVolatility:
    """Long, in proportion to calm: usual range / forecast range, at most 1 (after Moreira and Muir 2017).

    For forecasts of `Volatility` (log ranges): the usual range is exp of the mean of the forecasts up to the bar. Positions
    are rounded to steps of `step`, so that small changes of the forecast do not trade.
    """

    step: float = 0.1

    def __post_init__(self) -> None:
        if not is_number(self.step) or not 0 < self.step <= 1:
            raise ConfigError(
                f"step is {self.step!r}", expected="a share in (0, 1]", remedy="Use InverseVolatility(step=0.1)"
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
        return positions(frame, np.minimum(np.round(np.exp(usual - logs) / self.step) * self.step, 1.0))
