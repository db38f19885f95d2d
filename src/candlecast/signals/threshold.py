"""`Threshold`: act on a large enough forecast, and stay until it is gone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError
from candlecast.parameters import is_number, require_kinds
from candlecast.signals.positions import Positions
from candlecast.signals.rule import expected_returns, positions


@dataclass(frozen=True)
class Threshold:
    """Long when the expected log return is above `enter`, until it is below `exit`; short likewise on the other side.

    `enter` and `exit` are log returns over the target's horizon, `exit` at most `enter` (0.001 = 10 bp). An entry to the
    other side closes and turns at once. `allow_short=False` is flat instead of short.
    """

    enter: float = 0.0
    exit: float = 0.0
    allow_short: bool = True

    def __post_init__(self) -> None:
        require_kinds(self)
        numbers = is_number(self.enter) and is_number(self.exit)
        if not numbers or not (0 <= self.enter < np.inf and -np.inf < self.exit <= self.enter):
            raise ConfigError(
                f"enter is {self.enter!r} and exit is {self.exit!r}",
                expected="enter of 0 or more, exit at most enter",
                remedy="Use for example Threshold(enter=0.001, exit=0.0)",
            )

    def __call__(self, forecast: Forecast, candles: Candles | None = None) -> Positions:
        """Positions of the forecast's bars; `candles` are not needed. Raises ConfigError for a forecast that does not fit."""
        frame, expected = expected_returns(forecast)
        return positions(frame, self.walked(expected))

    def walked(self, expected: np.ndarray, *, held: float = 0.0) -> np.ndarray:
        """Positions for expected log returns, float64 (time,), when `held` is the position before the first."""
        values = np.zeros(len(expected))
        for bar, value in enumerate(expected):
            if value > self.enter:
                held = 1.0
            elif value < -self.enter:
                held = -1.0 if self.allow_short else 0.0
            elif held * value < self.exit:
                held = 0.0
            values[bar] = held
        return values
