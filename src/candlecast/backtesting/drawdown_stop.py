"""`DrawdownStop`: the positions of a rule, and nothing while they are far below their peak."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from candlecast.backtesting.actions import Actions
from candlecast.backtesting.costs import DEFAULT_COSTS, Costs
from candlecast.backtesting.filters import NO_FILTERS, Filters
from candlecast.backtesting.simulate import backtest
from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError
from candlecast.parameters import is_number, require_kinds
from candlecast.signals.direction import FollowDirection
from candlecast.signals.positions import Positions
from candlecast.signals.rule import Rule, decide, require_candles, require_rule


@dataclass(frozen=True)
class DrawdownStop:
    """The positions of `rule`, but flat from the close at which the drawdown reaches `limit` until it is back at `resume`.

    The drawdown, a fraction of the peak, is that of a shadow account, which trades the positions of `rule` without the stop
    under `costs`: the stopped account does not move while it is flat, and could never recover. Known at the close of each
    bar. Give it the `costs` of the study or backtest that it stands in.

    >>> DrawdownStop(limit=0.2, resume=0.1).limit
    0.2
    """

    limit: float = 0.2
    resume: float = 0.1
    rule: Rule = field(default=FollowDirection())
    costs: Costs = field(default=DEFAULT_COSTS)

    def __post_init__(self) -> None:
        require_kinds(self)
        require_rule(self.rule)
        numbers = is_number(self.limit) and is_number(self.resume)
        if not numbers or not 0.0 <= self.resume < self.limit < 1.0:
            raise ConfigError(
                f"limit is {self.limit!r} and resume is {self.resume!r}",
                expected="0 <= resume < limit < 1",
                remedy="Use for example DrawdownStop(limit=0.2, resume=0.1)",
            )

    def __call__(self, forecast: Forecast, candles: Candles | None = None, costs: Costs | None = None) -> Positions:
        """The positions of `rule` with the stop.

        Args:
            forecast: of one asset, as `rule` takes it.
            candles: those that were forecast, for the shadow account.
            costs: for `rule`, where it takes them; the stop's own when None.

        Raises:
            ConfigError: without candles, and whatever `rule` and `backtest` raise.
        """
        candles = require_candles(candles, self)
        return self.stopped(decide(self.rule, forecast, candles, costs=costs or self.costs), candles)

    def stopped(
        self,
        positions: Positions,
        candles: Candles,
        *,
        cash: float = 10_000.0,
        filters: Filters = NO_FILTERS,
        actions: Actions | None = None,
    ) -> Positions:
        """Positions from elsewhere, with the stop: a row for each bar of the shadow account, from the first decision on.

        `cash`, `filters` and `actions` are those of the shadow account; see `backtest`, which says what is raised.
        """
        shadow = backtest(candles, positions, costs=self.costs, cash=cash, filters=filters, actions=actions).equity
        equity = shadow["equity"].to_numpy()
        drawdown = 1.0 - equity / np.maximum.accumulate(equity)
        events = np.where(drawdown >= self.limit, 1.0, np.where(drawdown <= self.resume, 0.0, np.nan))
        is_stopped = pl.Series(events).fill_nan(None).forward_fill().fill_null(0.0).to_numpy() == 1.0
        wanted = shadow.select("time").join(positions.frame, on="time", how="left", maintain_order="left")
        held = wanted.with_columns(pl.col("position").forward_fill(), symbol=pl.lit(candles.symbol))
        return replace(
            positions,
            frame=held.with_columns(position=pl.Series(np.where(is_stopped, 0.0, held["position"].to_numpy()))),
        )
