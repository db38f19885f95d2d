"""`VolatilityTarget`: the positions of a rule, scaled to a volatility."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError
from candlecast.parameters import is_number, require_kinds
from candlecast.signals.direction import FollowDirection
from candlecast.signals.positions import Positions
from candlecast.signals.rule import Rule, at_decisions, decide, require_candles, require_rule
from candlecast.signals.volatility import ewm_volatility

if TYPE_CHECKING:
    from candlecast.backtesting import Costs


@dataclass(frozen=True)
class VolatilityTarget:
    """The positions of `rule` x `annual` / volatility of the asset, scaled at most by `leverage`, in steps of `step`.

    The volatility at bar t is sqrt(bars per year x EWM of squared log returns of closes up to t), with half-life
    `halflife` in bars (RiskMetrics 1996; Moreira and Muir 2017 for why); positions before `halflife` bars are 0. Bars per
    year are counted up to t as well. Known at the close of each bar. `annual` is a fraction per year: 0.15 is 15 %. Where
    prices are unadjusted, a split is a move like any other: give it adjusted candles. Raises ConfigError.
    """

    annual: float = 0.15
    halflife: int = 20
    leverage: float = 1.0
    step: float = 0.1
    rule: Rule = field(default=FollowDirection())

    def __post_init__(self) -> None:
        require_kinds(self)
        require_rule(self.rule)
        numbers = all(map(is_number, (self.annual, self.halflife, self.leverage, self.step)))
        if not numbers or not (
            0 < self.annual < 10 and self.halflife >= 2 and self.leverage >= 1 and 0 < self.step <= 1
        ):
            raise ConfigError(
                f"annual is {self.annual!r}, halflife {self.halflife!r}, leverage {self.leverage!r}, step {self.step!r}",
                expected="annual in (0, 10), halflife of 2 bars or more, leverage of 1 or more, step in (0, 1]",
                remedy="Use for example VolatilityTarget(annual=0.15, halflife=20)",
            )

    def __call__(self, forecast: Forecast, candles: Candles | None = None, costs: Costs | None = None) -> Positions:
        """The positions of `rule`, scaled.

        Args:
            forecast: of one asset, as `rule` takes it.
            candles: those that were forecast, for the volatility.
            costs: for `rule`, where it takes them.

        Raises:
            ConfigError: without candles, for positions in units, and whatever `rule` raises.
            CandleError: for other candles.
        """
        candles = require_candles(candles, self)
        return self.scaled(decide(self.rule, forecast, candles, costs=costs), candles)

    def scaled(self, positions: Positions, candles: Candles) -> Positions:
        """Positions from elsewhere, scaled: fractions of equity, whose sign and size both count.

        Raises ConfigError for positions in units, CandleError for other candles.
        """
        if positions.in_units:
            raise ConfigError(
                "positions are in units", expected="fractions of equity", remedy="Scale positions before they are units"
            )
        volatility = ewm_volatility(candles, self.halflife)
        scale = np.minimum(self.annual / at_decisions(positions.frame, candles, volatility), self.leverage)
        sized = pl.col("position") * pl.Series(scale)
        rounded = ((sized / self.step).round() * self.step).clip(-self.leverage, self.leverage)
        return replace(positions, frame=positions.frame.with_columns(position=rounded), leverage=self.leverage)
