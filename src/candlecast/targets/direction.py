"""Whether the price rises."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from candlecast.candles import Candles
from candlecast.features import Scaler, Unscaled
from candlecast.parameters import require_kinds
from candlecast.targets.target import Kind, ahead, log_return_ahead, require_horizon


@dataclass(frozen=True)
class Direction:
    """Whether the close rises over the next `horizon` bars, forecast as the chance of a rise.

    A close may also stay where it is: on coarse ticks, in thin trade, over night. With u_t the share of unchanged ones
    among the returns over the horizon known at bar t (one more counted as a move, 0 while none is known), the naive chance
    of a rise, and of a fall, is N_t = (1 - u_t) / 2, and the outcome is

        N_t + sign(C_{t+h} - C_t) / 2

    1 for a rise and 0 for a fall where every close moves. A close that does not change gives N_t: it is neither right nor
    wrong about a direction. Its expectation is the chance of a rise, N_t + (P(rise) - P(fall)) / 2, and the share
    of closes that move, at this hour or in this market, tells no more than N_t.

    The return implied by a chance p is (P(rise) - P(fall)) m = 2 (p - N_t) m, m the mean absolute return of those that moved
    among the last `MAGNITUDE_BARS` returns known at bar t, and 0 where none did.
    """

    horizon: int = 1
    name: str = field(default="direction", init=False)
    kind: Kind = field(default="probability", init=False)
    scaling: Scaler = field(default=Unscaled(), init=False)

    MAGNITUDE_BARS = 100

    def __post_init__(self) -> None:
        require_kinds(self)
        require_horizon(self.horizon)

    def values(self, candles: Candles) -> np.ndarray:
        return self.naive(candles) + 0.5 * np.sign(ahead(candles.close, self.horizon) - candles.close)

    def naive(self, candles: Candles) -> np.ndarray:
        unchanged = np.zeros(len(candles))
        is_same = self._known(candles) == 0.0
        unchanged[self.horizon :] = np.cumsum(is_same) / np.arange(2, len(is_same) + 2)
        return 0.5 * (1.0 - unchanged)

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        known = np.abs(self._known(candles))  # at bars h, h + 1, ...
        total, moved = (np.concatenate([[0.0], np.cumsum(each)]) for each in (known, known > 0.0))
        end = np.arange(1, len(known) + 1)
        begin = np.maximum(end - self.MAGNITUDE_BARS, 0)
        magnitude = np.zeros(len(candles))
        magnitude[self.horizon :] = (total[end] - total[begin]) / np.maximum(moved[end] - moved[begin], 1.0)
        return (2 * forecast - 2 * self.naive(candles)) * magnitude

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values - naive

    def _known(self, candles: Candles) -> np.ndarray:
        """Log returns over the horizon, float64 (bars - h,), known at bars h, h + 1, ..."""
        return log_return_ahead(candles, self.horizon)[: max(len(candles) - self.horizon, 0)]
