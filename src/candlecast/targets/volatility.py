"""How much the price will move."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from candlecast.candles import Candles
from candlecast.features import Scaler, Standard
from candlecast.parameters import require_kinds
from candlecast.targets.target import Kind, ahead, require_horizon


@dataclass(frozen=True)
class Volatility:
    """Logarithm of the price range over the next `horizon` bars: ln ln(max H / min L), after Alizadeh et al. (2002).

    Close to normal, and far more efficient than a squared return. Naive: the same over the last `horizon` bars, or over the
    last ones before in which the price moved. Implies no return.

    Undefined (NaN) where the price does not move at all in `horizon` bars: such outcomes are neither learned nor judged,
    since any number that a logarithm of zero is given would decide the squared error. A longer horizon has fewer of them.
    """

    horizon: int = 1
    name: str = field(default="volatility", init=False)
    kind: Kind = field(default="value", init=False)
    scaling: Scaler = field(default=Standard(), init=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        require_horizon(self.horizon)

    def values(self, candles: Candles) -> np.ndarray:
        return ahead(self._past_range(candles), self.horizon)

    def naive(self, candles: Candles) -> np.ndarray:
        past = self._past_range(candles)
        latest = np.maximum.accumulate(np.where(np.isnan(past), -1, np.arange(len(past))))
        return np.where(latest < 0, np.nan, past[latest])

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        return np.full(len(forecast), np.nan)

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values - naive

    def _past_range(self, candles: Candles) -> np.ndarray:
        """ln ln(max H / min L) over the last `horizon` bars, bar t among them."""
        values = np.full(len(candles), np.nan)
        if len(candles) < self.horizon:
            return values
        highs = np.lib.stride_tricks.sliding_window_view(candles.high, self.horizon).max(axis=1)
        lows = np.lib.stride_tricks.sliding_window_view(candles.low, self.horizon).min(axis=1)
        moved = highs > lows
        values[self.horizon - 1 :][moved] = np.log(np.log(highs[moved] / lows[moved]))
        return values
