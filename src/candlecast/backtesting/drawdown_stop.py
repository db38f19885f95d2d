"""`DrawdownBrake`: hold nothing while the strategy is far below its peak."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.backtesting.actions import Actions
from candlecast.backtesting.costs import DEFAULT_COSTS, Costs
from candlecast.backtesting.filters import NO_FILTERS, Filters
from candlecast.backtesting.simulate import backtest
from candlecast.candles import Candles
from candlecast.errors import ConfigError, is_number

if TYPE_CHECKING:
    from candlecast.signals import Positions


@dataclass(frozen=True)
class DrawdownBrake:
    """Flat from the close at which the drawdown reaches `limit` until it has recovered to `resume`.

    The drawdown is that of a shadow account, which trades the positions unbraked under the same costs: the braked one
    stands still while it is flat and could never recover. Known at the close of each bar; fractions of the peak.

    >>> DrawdownBrake(limit=0.2, resume=0.1)
    DrawdownBrake(limit=0.2, resume=0.1)
    """

    limit: float = 0.2
    resume: float = 0.1

    def __post_init__(self) -> None:
        numbers = is_number(self.limit) and is_number(self.resume)
        if not numbers or not 0.0 <= self.resume < self.limit < 1.0:
            raise ConfigError(
                f"limit is {self.limit!r} and resume is {self.resume!r}",
                expected="0 <= resume < limit < 1",
                remedy="Use for example DrawdownBrake(limit=0.2, resume=0.1)",
            )

    def __call__(
        self,
        positions: Positions,
        candles: Candles,
        costs: Costs = DEFAULT_COSTS,
        *,
        cash: float = 10_000.0,
        filters: Filters = NO_FILTERS,
        actions: Actions | None = None,
    ) -> Positions:
        """The positions with the brake; one row per bar of the shadow account, whose terms are those of `backtest`."""
        shadow = backtest(candles, positions, costs=costs, cash=cash, filters=filters, actions=actions).equity
        equity = shadow["equity"].to_numpy()
        drawdown = 1.0 - equity / np.maximum.accumulate(equity)
        events = np.where(drawdown >= self.limit, 1.0, np.where(drawdown <= self.resume, 0.0, np.nan))
        is_braked = pl.Series(events).fill_nan(None).forward_fill().fill_null(0.0).to_numpy() == 1.0
        wanted = shadow.select("time").join(positions.frame, on="time", how="left", maintain_order="left")
        held = wanted.with_columns(pl.col("position").forward_fill(), symbol=pl.lit(candles.symbol))
        braked = held.with_columns(position=pl.Series(np.where(is_braked, 0.0, held["position"].to_numpy())))
        return replace(positions, frame=braked)
