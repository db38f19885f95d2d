"""The next return beyond that of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.features import Scaler, Standard
from candlecast.parameters import require_kinds
from candlecast.targets.target import Kind, ahead, require_horizon


@dataclass(frozen=True)
class ExcessReturn:
    """Log return over the next `horizon` bars less that of a benchmark over the same time.

    ln(C_{t+h} / C_t) - ln(B_{t+h} / B_t), with B the benchmark's close of the bar that closes at the same time; NaN where it
    has none. Naive: 0, no excess over the benchmark. The forecast itself is the return that it implies: what is expected of the
    asset beyond what the benchmark brings, which a position in the asset alone earns on top and which counts as 0.

    A run stores which candles the benchmark was, not the candles: give them to `load_run` again. Raises ConfigError for a
    benchmark that is no candles or of which no bar closes with one of the asset's.
    """

    benchmark: Candles
    horizon: int = 1
    name: str = field(default="excess_return", init=False)
    kind: Kind = field(default="value", init=False)
    scaling: Scaler = field(default=Standard(), init=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        require_horizon(self.horizon)
        if not isinstance(self.benchmark, Candles):
            raise ConfigError(
                f"benchmark is {self.benchmark!r}",
                expected="candles",
                remedy='Use for example ExcessReturn(cc.sample("sp500"))',
            )

    def relative_price(self, candles: Candles) -> np.ndarray:
        """ln(C_t / B_t), known at bar t; (time,), NaN where the benchmark has no bar that closes at the same time."""
        times, closes = self.benchmark.close_time, self.benchmark.close
        place = np.minimum(np.searchsorted(times, candles.close_time), len(times) - 1)
        is_there = times[place] == candles.close_time
        if not is_there.any():
            raise ConfigError(
                f"no bar of the benchmark {self.benchmark.symbol} {self.benchmark.interval} closes with one of "
                f"{candles.symbol} {candles.interval}",
                expected="candles of the same interval, exchange hours and period",
                remedy="Resample one of them, or choose another benchmark",
            )
        return np.where(is_there, np.log(candles.close) - np.log(closes[place]), np.nan)

    def values(self, candles: Candles) -> np.ndarray:
        relative = self.relative_price(candles)
        return ahead(relative, self.horizon) - relative

    def naive(self, candles: Candles) -> np.ndarray:
        return np.where(np.isfinite(self.relative_price(candles)), 0.0, np.nan)

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        return forecast

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        return values - naive
