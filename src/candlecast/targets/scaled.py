"""The next return in units of the volatility of now."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from candlecast.candles import Candles
from candlecast.features import Scaler, Standard
from candlecast.parameters import require_kinds
from candlecast.targets.spread import halflife_memory, recent_volatility, require_halflife
from candlecast.targets.target import Kind, log_return_ahead, require_horizon


@dataclass(frozen=True)
class ScaledReturn:
    """Log return over the next `horizon` bars in standard deviations known at bar t: ln(C_{t+h} / C_t) / (s_t sqrt(h)).

    s_t is the exponentially weighted volatility of single bars with that `halflife`, so that a wild market does not outweigh
    all others in the loss. Naive: 0. A forecast f implies the return f s_t sqrt(h). NaN before the first return. Moskowitz,
    Ooi and Pedersen (2012) scale in the same way.
    """

    horizon: int = 1
    halflife: float = 20.0
    name: str = field(default="scaled_return", init=False)
    kind: Kind = field(default="value", init=False)
    scaling: Scaler = field(default=Standard(), init=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        require_horizon(self.horizon)
        require_halflife(self.halflife)

    @property
    def memory(self) -> int:
        """Bars before bar t that its unit depends on, but for a ten-thousandth."""
        return max(self.horizon, halflife_memory(self.halflife))

    def unit(self, candles: Candles) -> np.ndarray:
        """s_t sqrt(h), the log return that counts as 1, (time,)."""
        return recent_volatility(candles, self.halflife) * np.sqrt(self.horizon)

    def values(self, candles: Candles) -> np.ndarray:
        return log_return_ahead(candles, self.horizon) / self.unit(candles)

    def naive(self, candles: Candles) -> np.ndarray:
        return np.where(np.isfinite(self.unit(candles)), 0.0, np.nan)

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        return forecast * self.unit(candles)

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values - naive
