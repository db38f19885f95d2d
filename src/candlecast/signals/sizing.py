"""`InverseVolatility`: hold less of the asset when it is forecast to move more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError
from candlecast.parameters import is_number, require_kinds, require_parameters
from candlecast.signals.positions import HIGHEST_LEVERAGE, Positions
from candlecast.signals.rule import kept_within, positions, single


@dataclass(frozen=True)
class InverseVolatility:
    """Long, in proportion to calm: `usual` x (usual range / forecast range)^`power`, at most `cap` (Moreira and Muir 2017).

    For forecasts of `Volatility` (log ranges): the usual range is exp of the mean of the forecasts up to the bar. With power
    1 the risk of each bar is the same; with 2, as in the paper, the position is in proportion to 1 / variance, which is the
    best one where the expected return does not depend on volatility. `usual` is the position at the usual range: where it is
    the cap, nothing more is held in calm than usually, and half of what the forecast is worth is lost. A cap above 1
    borrows. Positions are rounded to steps of `step`, and one that is held stays while the wanted one is no farther from it
    than `band`: small changes of the forecast do not pay for their costs.
    """

    step: float = 0.1
    power: float = 1.0
    cap: float = 1.0
    usual: float = 1.0
    band: float = 0.0

    def __post_init__(self) -> None:
        require_kinds(self)
        require_parameters(
            self,
            {
                "step": (is_number(self.step) and 0 < self.step <= 1, "a share in (0, 1]"),
                "power": (is_number(self.power) and 0 < self.power <= 4, "a number in (0, 4]"),
                "usual": (is_number(self.usual) and 0 < self.usual <= self.cap, "above 0 and at most the cap"),
                "band": (is_number(self.band) and 0 <= self.band < 2, "a fraction of equity in [0, 2)"),
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
        return positions(frame, self.sized(frame["mean"].to_numpy()), leverage=max(self.cap, 1.0))

    def sized(self, logs: np.ndarray, *, total: float = 0.0, count: int = 0, held: float = 0.0) -> np.ndarray:
        """Positions for forecasts of log ranges, float64 (time,), after `count` earlier ones whose sum is `total`, and with
        the position `held` before the first.
        """
        sums = np.cumsum(np.append(total, logs))[1:] if count else np.cumsum(logs)
        usual = sums / np.arange(count + 1, count + len(logs) + 1)
        sizes = self.usual * np.exp(self.power * (usual - logs))
        wanted = np.minimum(np.round(sizes / self.step) * self.step, self.cap)
        return kept_within(wanted, self.band, held=held)
