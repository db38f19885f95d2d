"""`BacktestResult`: what an account did on candles, and the table of statistics about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial

import numpy as np
import polars as pl

from candlecast.backtesting.costs import Costs
from candlecast.backtesting.trades import round_trips
from candlecast.stats import bootstrap, performance

RETURN_STATISTICS = {
    "total return": "fraction",
    "annual return": "fraction per year",
    "annual volatility": "fraction per year",
    "Sharpe ratio": "ratio per year",
    "Sortino ratio": "ratio per year",
    "maximum drawdown": "fraction of the peak",
    "Calmar ratio": "ratio",
}
TRADING_STATISTICS = {
    "exposure": "mean |position|",
    "turnover": "times equity per year",
    "trades": "count",
    "win rate": "fraction of trades",
    "profit factor": "won / lost",
    "mean holding": "bars",
    "total cost": "currency",
    "relative cost": "fraction of initial cash",
}


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """An account along candles, from the first decided position to the last bar, with buy-and-hold beside it.

    `equity` has one row per bar: `time` (its close, when the row is known), `equity` (cash + units x close), `position`
    (fraction of equity held at the close), `close`, `cash`, `units`, `cost` (fees and slippage so far).

    `fills` has one row per execution: `time` (open of its bar; the close when ruin forced it there), `side` (buy or
    sell), `units`, `price` (after slippage), `notional` (units x price), `fee`, `slippage`, `target`, `is_forced`.

    `benchmark` and `benchmark_fills` are the same tables for buying at the first open and holding. `pending` is the
    target decided on the last bar and not filled, if any. `shortfall` is what a ruined account could not pay. Money is
    in quote currency.
    """

    symbol: str
    equity: pl.DataFrame
    fills: pl.DataFrame
    benchmark: pl.DataFrame
    benchmark_fills: pl.DataFrame
    costs: Costs
    cash: float
    bars_per_year: float
    pending: float | None
    shortfall: float

    @cached_property
    def trades(self) -> pl.DataFrame:
        """Round trips from flat to flat, in order of time.

        `opened` and `closed` (times of the fills), `side` (long or short), `units` (all that were entered), `entry` and
        `exit` (mean prices after slippage), `pnl` (after all costs), `return` (pnl / units x entry), `cost` (fees and
        slippage), `bars` held, `is_open`. A trade that is open at the end is marked at the last close. The sum of `pnl`
        is final equity - cash - shortfall.
        """
        return round_trips(self.fills, self.equity)

    @cached_property
    def returns(self) -> np.ndarray:
        """Simple net returns of equity by bar, float64, shape (bars - 1,); 0.0 after ruin."""
        return _returns(self.equity)

    @cached_property
    def benchmark_returns(self) -> np.ndarray:
        """The same for buy-and-hold."""
        return _returns(self.benchmark)

    @property
    def ruined_at(self) -> datetime | None:
        """When the account was closed by force with nothing left, or None."""
        forced = self.fills.filter("is_forced")["time"]
        return forced[0] if forced.len() else None

    def summary(self, level: float = 0.95, seed: int = 0) -> pl.DataFrame:
        """One row per statistic: `statistic`, `value`, `low`, `high`, `benchmark`, `unit`.

        `low` and `high` bound the value with probability `level`: percentiles over 1,000 stationary-bootstrap paths of
        the returns, in blocks as long as returns and squared returns need, for the statistics that are functions of
        returns; null for the others. An undefined value is null.
        Trades include one that is still open, at its mark. Turnover is the value traded / mean equity / years.

        Raises ConfigError for a `level` outside (0, 1).
        """
        statistic = partial(_return_statistics, bars_per_year=self.bars_per_year)
        draws = np.full((1, len(RETURN_STATISTICS)), np.nan)
        if len(self.returns):
            block = bootstrap.block_length(np.column_stack([self.returns, self.returns**2]))
            draws = bootstrap.stationary_bootstrap(self.returns, statistic, block=block, seed=seed)
        bounds = [bootstrap.percentile_interval(column, level=level) for column in draws.T]
        benchmark_trades = round_trips(self.benchmark_fills, self.benchmark)
        values = [*statistic(self.returns), *self._trading_statistics(self.equity, self.fills, self.trades)]
        benchmark = [
            *statistic(self.benchmark_returns),
            *self._trading_statistics(self.benchmark, self.benchmark_fills, benchmark_trades),
        ]
        missing = [None] * len(TRADING_STATISTICS)
        return pl.DataFrame(
            {
                "statistic": [*RETURN_STATISTICS, *TRADING_STATISTICS],
                "value": values,
                "low": [low for low, _ in bounds] + missing,
                "high": [high for _, high in bounds] + missing,
                "benchmark": benchmark,
                "unit": [*RETURN_STATISTICS.values(), *TRADING_STATISTICS.values()],
            }
        ).with_columns(pl.col("value", "low", "high", "benchmark").fill_nan(None))

    def _trading_statistics(self, equity: pl.DataFrame, fills: pl.DataFrame, trades: pl.DataFrame) -> list[float]:
        """Values of TRADING_STATISTICS, in its order."""
        years = (equity.height - 1) / self.bars_per_year
        mean_equity = equity["equity"].to_numpy().mean()
        pnl, held = trades["pnl"].to_numpy(), trades["bars"].to_numpy()
        won, lost = pnl[pnl > 0].sum(), -pnl[pnl < 0].sum()
        cost = equity["cost"][-1]
        return [
            float(np.abs(equity["position"].to_numpy()).mean()),
            float(fills["notional"].sum() / mean_equity / years) if years else 0.0,
            float(trades.height),
            float((pnl > 0).mean()) if len(pnl) else np.nan,
            float(won / lost) if lost else np.nan,
            float(held.mean()) if len(held) else np.nan,
            cost,
            cost / self.cash,
        ]


def _returns(equity: pl.DataFrame) -> np.ndarray:
    level = equity["equity"].to_numpy()
    before = level[:-1]
    return np.divide(np.diff(level), before, out=np.zeros(len(before)), where=before > 0)


def _return_statistics(returns: np.ndarray, *, bars_per_year: float) -> np.ndarray:
    """Values of RETURN_STATISTICS, in its order."""
    return np.array(
        [
            performance.total_return(returns),
            performance.annual_return(returns, bars_per_year=bars_per_year),
            performance.annual_volatility(returns, bars_per_year=bars_per_year),
            performance.sharpe(returns, bars_per_year=bars_per_year),
            performance.sortino(returns, bars_per_year=bars_per_year),
            performance.max_drawdown(performance.equity_curve(returns)),
            performance.calmar(returns, bars_per_year=bars_per_year),
        ]
    )
