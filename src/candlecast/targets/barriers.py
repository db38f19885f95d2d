"""Which of two barriers around the price is touched first."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from candlecast.candles import Candles
from candlecast.features import Scaler, Unscaled
from candlecast.parameters import require_kinds, require_parameters
from candlecast.targets.spread import halflife_memory, recent_volatility, require_halflife
from candlecast.targets.target import Kind, require_horizon


@dataclass(frozen=True)
class TripleBarrier:
    """Label of the barrier that the price touches first: 1 the upper, -1 the lower, 0 neither within `horizon` bars.

    The barriers lie at C_t exp(w_t) and C_t exp(-w_t), w_t = width s_t sqrt(horizon), with s_t the exponentially weighted
    volatility of single bars with that `halflife`, known at bar t. A high touches the upper, a low the lower one; a bar that
    touches both counts as -1: a long position may have been stopped first. The outcome is known at the close of
    the bar that touches. Naive: 0. An expected label f implies the return f w_t. NaN before the first return, and where
    t + horizon lies beyond the end, though a barrier may have been touched by then.

    Outcomes of neighbouring bars overlap. With `by_uniqueness`, each counts in training by its average uniqueness: the mean of
    1 / (outcomes that are open) over the bars in which it is open itself.
    Lopez de Prado (2018), Advances in Financial Machine Learning, 3.4 and 4.4.
    """

    horizon: int = 10
    width: float = 1.0
    halflife: float = 20.0
    by_uniqueness: bool = True
    name: str = field(default="triple_barrier", init=False)
    kind: Kind = field(default="label", init=False)
    scaling: Scaler = field(default=Unscaled(), init=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        require_horizon(self.horizon)
        require_halflife(self.halflife)
        require_parameters(self, {"width": (0 < self.width < np.inf, "standard deviations above 0")})

    @property
    def memory(self) -> int:
        """Bars before bar t that its unit depends on, but for a ten-thousandth."""
        return max(self.horizon, halflife_memory(self.halflife))

    def distance(self, candles: Candles) -> np.ndarray:
        """w_t, from the close to either barrier in logarithms, known at bar t; (time,)."""
        return self.width * recent_volatility(candles, self.halflife) * np.sqrt(self.horizon)

    def values(self, candles: Candles) -> np.ndarray:
        return self._touched(candles)[0]

    def bars_until_known(self, candles: Candles) -> np.ndarray:
        """Bars until a barrier is touched, int64 (time,); `horizon` where none is."""
        return self._touched(candles)[1]

    def sample_weight(self, candles: Candles) -> np.ndarray:
        """Average uniqueness of each outcome, (time,): 1 where no other is open, or where it is not asked for."""
        weights = np.ones(len(candles))
        if not self.by_uniqueness:
            return weights
        start = np.flatnonzero(np.isfinite(self.distance(candles)))
        stop = np.minimum(
            start + self.bars_until_known(candles)[start] + 1, len(candles)
        )  # open in start + 1 ... stop - 1
        opened, closed = (np.bincount(bars, minlength=len(candles) + 1) for bars in (start + 1, stop))
        total = np.concatenate([[0.0], np.cumsum(1.0 / np.maximum(np.cumsum(opened - closed), 1))])
        weights[start] = (total[stop] - total[start + 1]) / np.maximum(stop - start - 1, 1)
        return weights

    def naive(self, candles: Candles) -> np.ndarray:
        return np.where(np.isfinite(self.distance(candles)), 0.0, np.nan)

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        return forecast * self.distance(candles)

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values - naive

    def _touched(self, candles: Candles) -> tuple[np.ndarray, np.ndarray]:
        """Labels, and bars until each is known."""
        bars = len(candles)
        distance = self.distance(candles)
        upper, lower = candles.close * np.exp(distance), candles.close * np.exp(-distance)
        labels, known = np.where(np.isfinite(distance), 0.0, np.nan), np.full(bars, self.horizon)
        for ahead in range(min(self.horizon, bars - 1), 0, -1):  # the earliest touch is written last
            is_down = candles.low[ahead:] <= lower[:-ahead]
            is_touched = is_down | (candles.high[ahead:] >= upper[:-ahead])
            labels[:-ahead][is_touched] = np.where(is_down, -1.0, 1.0)[is_touched]
            known[:-ahead][is_touched] = ahead
        labels[max(bars - self.horizon, 0) :] = np.nan
        return labels, known
