"""`NoTradeBand`: hold in proportion to the forecast, and trade only what pays for its costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.forecast import SIGNAL, Forecast
from candlecast.errors import ConfigError
from candlecast.parameters import require_kinds, require_parameters
from candlecast.signals.positions import Positions
from candlecast.signals.rule import expected_returns, positions
from candlecast.signals.trading_region import Region, trading_region

if TYPE_CHECKING:
    import polars as pl

    from candlecast.backtesting import Costs

BPS = 10_000.0
LEAST_STD = 1e-12  # of expected returns: a forecast that varies less is constant


@dataclass(frozen=True)
class NoTradeBand:
    """Hold in proportion to the expected return, and move only when the expected gain until the next change pays the cost.

    Without costs the position is the expected return per bar over `full` standard deviations of it, within [-1, 1]. With
    costs there is a band around that position: inside it nothing is traded, outside it the position moves to its edge, in
    steps of `step`. The band is wide where costs are high against the expected returns, and narrow where the forecast is
    persistent, since what is bought then earns for longer; see `trading_region` for the problem that it solves and its
    sources. Mean, spread and persistence of the expected returns are those over the rows that the model was fitted on
    (`signal_mean`, `signal_std` and `signal_persistence` of the forecast); nothing is chosen on tested rows.

    `cost_bps`: what a trade costs a side, in basis points; when None, that of the costs that the rule is called with, those of
    the study. The financing of what is held is not considered. A forecast that is constant is held by its sign.
    `allow_short=False` is flat instead of short. Known at the close of each bar.
    """

    full: float = 1.0
    cost_bps: float | None = None
    step: float = 0.1
    allow_short: bool = True

    def __post_init__(self) -> None:
        require_kinds(self)
        require_parameters(
            self,
            {
                "full": (0 < self.full < np.inf, "a number of standard deviations above 0"),
                "cost_bps": (self.cost_bps is None or 0 <= self.cost_bps <= 1_000, "0 to 1,000 basis points, or None"),
                "step": (0 < self.step <= 1, "a share in (0, 1]"),
                "allow_short": (isinstance(self.allow_short, bool), "True or False"),
            },
        )

    def __call__(self, forecast: Forecast, candles: Candles | None = None, costs: Costs | None = None) -> Positions:
        """Positions of the forecast's bars.

        Args:
            forecast: of one asset and a target that implies a return, with the columns of the measured rows.
            candles: not needed.
            costs: of trading, where the rule has no `cost_bps` of its own.

        Raises:
            ConfigError: without costs, for a target that implies no return, or for a forecast without these columns.
        """
        frame, low, high = self.bounded(forecast, costs)
        return positions(frame, self.positions_of(self.stepped(low, high)))

    def bounded(self, forecast: Forecast, costs: Costs | None) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
        """The averaged table, and the bounds of each bar's position, float64 (time,); raises as a call."""
        frame, expected = expected_returns(forecast)
        absent = [name for name in SIGNAL if frame[name].null_count()]
        if absent:
            raise ConfigError(
                f"the forecast of {forecast.model} has no {absent[0]}",
                expected="a forecast of walk_forward or of a study, which measures its expected returns on the fitted rows",
                remedy="Run the study again, or use Threshold(enter=...)",
            )
        cost, per_bar = self._cost(costs), expected / forecast.horizon
        low, high = np.empty(len(frame)), np.empty(len(frame))
        moments = np.column_stack([frame[name].to_numpy() for name in SIGNAL])  # (time, 3)
        if len(moments) == 1:  # bar by bar
            measured, which = moments, np.zeros(1, dtype=np.int64)
        else:
            measured, which = np.unique(moments, axis=0, return_inverse=True)
        for place, (mean, std, persistence) in enumerate(measured):
            rows = which.ravel() == place
            region = self._region(mean / forecast.horizon, std / forecast.horizon, persistence, cost)
            low[rows], high[rows] = (_side(per_bar[rows]),) * 2 if region is None else region.bounds(per_bar[rows])
        return frame, low, high

    def _region(self, mean: float, std: float, persistence: float, cost: float) -> Region | None:
        """What is kept, for a forecast with these moments; None for a constant one."""
        if not std > LEAST_STD:
            return None
        lowest = -1.0 if self.allow_short else 0.0
        return trading_region(cost=cost, mean=mean, std=std, persistence=persistence, full=self.full, lowest=lowest)

    def stepped(self, low: np.ndarray, high: np.ndarray, *, held: int = 0) -> np.ndarray:
        """Positions in steps, whole numbers (time,), within the bounds of each bar and as near as possible to the one before;
        `held` is that before the first.
        """
        found, steps = np.empty(len(low)), 1.0 / self.step
        for bar, (lowest, highest) in enumerate(zip((low * steps).tolist(), (high * steps).tolist(), strict=True)):
            held = round(min(max(held, lowest), highest))
            found[bar] = held
        return found

    def positions_of(self, steps: np.ndarray) -> np.ndarray:
        """Positions for numbers of steps, (time,)."""
        return np.clip(steps * self.step, -1.0 if self.allow_short else 0.0, 1.0)

    def _cost(self, costs: Costs | None) -> float:
        """What one unit costs to trade, as a fraction."""
        if self.cost_bps is not None:
            return self.cost_bps / BPS
        if costs is None:
            raise ConfigError(
                "NoTradeBand is called without costs",
                expected="what trading costs",
                remedy="Use NoTradeBand(cost_bps=12), or call it as rule(forecast, candles, costs)",
            )
        return costs.per_side_bps / BPS


def _side(values: np.ndarray) -> np.ndarray:
    """1, 0 or -1 for each value; what is 0 but for rounding counts as 0."""
    return np.where(np.abs(values) > LEAST_STD, np.sign(values), 0.0)
