"""`Kelly`: hold as much as the expected growth of wealth justifies, and no more than a part of that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError
from candlecast.parameters import is_number, require_kinds
from candlecast.signals.positions import Positions
from candlecast.signals.rule import at_decisions, expected_returns, require_candles
from candlecast.signals.volatility import ewm_variance


@dataclass(frozen=True)
class Kelly:
    """Fraction x expected return / variance, within [-cap, cap], in steps of `step` (Kelly 1956; Thorp 2006).

    f = fraction x (m + v / 2) / v, with m the expected log return over the horizon h and v = h x the variance per bar,
    exponentially weighted over closes up to the bar with `halflife` bars. Half of Kelly or less is usual: m is an
    estimate, and too much ends worse than too little. Known at the close of each bar. Raises ConfigError.
    """

    fraction: float = 0.5
    cap: float = 1.0
    halflife: int = 50
    step: float = 0.1

    def __post_init__(self) -> None:
        require_kinds(self)
        numbers = all(map(is_number, (self.fraction, self.cap, self.halflife, self.step)))
        if not numbers or not (
            0 < self.fraction <= 1 and 0 < self.cap <= 125 and self.halflife >= 2 and 0 < self.step <= 1
        ):
            raise ConfigError(
                f"fraction is {self.fraction!r}, cap {self.cap!r}, halflife {self.halflife!r}, step {self.step!r}",
                expected="fraction in (0, 1], cap in (0, 125], halflife of 2 bars or more, step in (0, 1]",
                remedy="Use for example Kelly(fraction=0.5, cap=1.0)",
            )

    def __call__(self, forecast: Forecast, candles: Candles | None = None) -> Positions:
        """Positions of the forecast's bars.

        Args:
            forecast: of one asset and a target that implies a return.
            candles: those that were forecast, for the variance.

        Raises:
            ConfigError: without candles, or for a target that implies no return.
            CandleError: for other candles.
        """
        candles = require_candles(candles, self)
        frame, expected = expected_returns(forecast)
        v = at_decisions(frame, candles, ewm_variance(candles, self.halflife) * forecast.horizon)
        wanted = np.where(np.isinf(v), 0.0, self.fraction * (expected / v + 0.5))
        rounded = np.round(np.clip(wanted, -self.cap, self.cap) / self.step) * self.step
        held = frame.select("time", "symbol").with_columns(position=pl.Series(np.clip(rounded, -self.cap, self.cap)))
        return Positions(held, leverage=max(self.cap, 1.0))
