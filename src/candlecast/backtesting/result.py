"""`BacktestResult`: what an account did on candles, and the table of statistics about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.backtesting.actions import paid_so_far
from candlecast.backtesting.costs import Costs
from candlecast.backtesting.engine.account import LIQUIDATION, REASONS, SERIES_END
from candlecast.backtesting.summary_table import SummaryTable
from candlecast.backtesting.trades import round_trips
from candlecast.candles import Candles
from candlecast.parameters import require_seed
from candlecast.stats import bootstrap, performance
from candlecast.text import cells
from candlecast.text.formatting import count, number
from candlecast.text.notebook import notebook_table

if TYPE_CHECKING:
    import pandas as pd

    from candlecast.backtesting.simulate import AccountHistory, Market

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
# How each is computed: r simple net returns of the n bars (up to ruin), E equity, B bars per year.
FORMULAS = {
    "total return": "E_n / E_0 - 1",
    "annual return": "(E_n / E_0)^(B / n) - 1, compounded; of less than a year the total return, not annualised",
    "annual volatility": "sqrt(B) x standard deviation of r (n - 1), if returns are not autocorrelated",
    "Sharpe ratio": "sqrt(B) x mean(r) / standard deviation of r, riskless rate 0",
    "Sortino ratio": "sqrt(B) x mean(r) / sqrt(mean(min(r, 0)^2))",
    "maximum drawdown": "max over t of 1 - E_t / max of E up to t",
    "Calmar ratio": "annual return / maximum drawdown",
    "exposure": "mean over bars of |position| at the close",
    "turnover": "value traded / mean E / (n / B)",
    "trades": "round trips from flat to flat, one that is open at the end too",
    "win rate": "trades with pnl above 0 / trades",
    "profit factor": "sum of positive pnl / -sum of negative pnl",
    "mean holding": "mean of bars from entry to exit",
    "total cost": "fees + slippage + financing",
    "relative cost": "total cost / initial cash",
}


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """An account along candles, from the first decision to the last bar, and buy-and-hold on the same bars.

    `equity` has one row per bar: `time` (its close, when the row is known), `equity` (cash + units x close), `position`
    (fraction of equity held at the close), `close`, `cash`, `units`, `cost` (fees, slippage and financing so far),
    `financing` (funding, borrow and loan paid less interest earned, so far) and `dividends` (received so far).

    `fills` has one row per execution: `time` (open of its bar; the close when it happened within it), `side` (buy or
    sell), `units`, `price` (after slippage), `notional` (units x price), `fee`, `slippage`, `target` (null when an order
    did not aim at a fraction), `is_forced` (liquidated), `reason` (target, market, limit, stop, trailing stop, take
    profit, liquidation, series ended), `is_at_open`.

    `trades` has one row per round trip from flat to flat, in order of time: `opened` and `closed` (times of the fills),
    `side` (long or short), `units` (all that were entered), `entry` and `exit` (mean prices after slippage), `pnl` (after
    fees and slippage), `return` (pnl / units x entry), `cost` (fees and slippage), `bars` held, `is_open`, `entry_reason`
    and `exit_reason` (null while open), `mae` and `mfe` (furthest the price went against and in favour, as fractions of
    the entry, of the prices that it met for certain: those of its executions, the range of each bar held from open to close,
    and where it was entered or left within a bar the prices that came after or before, see `trades`). A trade that is open
    at the end is marked at the last close. The sum of `pnl` is final equity - cash - shortfall + financing - dividends.

    `benchmark`, `benchmark_fills` and `benchmark_trades` are the same for buying at the first open and holding. `pending` is the
    target decided on the last bar and not filled, if any. `shortfall` is what a ruined account could not pay. `bounds`
    are the final equities with every bar whose prices leave it open taken at its worst and at its best (None where
    positions leave nothing open, and with a strategy); `ambiguous` counts those bars. Money is in quote currency.
    """

    symbol: str
    equity: pl.DataFrame
    fills: pl.DataFrame
    trades: pl.DataFrame
    benchmark: pl.DataFrame
    benchmark_fills: pl.DataFrame
    benchmark_trades: pl.DataFrame
    costs: Costs
    cash: float
    bars_per_year: float
    pending: float | None
    shortfall: float
    bounds: tuple[float, float] | None
    ambiguous: int

    def __repr__(self) -> str:
        equity = self.equity["equity"]
        return (
            f"BacktestResult({self.symbol}: {count(len(equity), 'bar')}, {count(self.fills.height, 'fill')}, "
            f"{count(self.trades.height, 'trade')}, equity {number(self.cash)} to {number(equity[-1])} after "
            f"{self.costs.per_side_bps:g} bp of costs a side)"
        )

    @classmethod
    def of(
        cls,
        market: Market,
        history: AccountHistory,
        benchmark: AccountHistory,
        *,
        pending: float | None,
        bounds: tuple[float, float] | None,
    ) -> BacktestResult:
        """The tables of two ledgers on the same bars."""
        bars, events = market.bars, market.events
        nothing = pl.repeat(0.0, len(bars), eager=True)  # the memory of all columns in which nothing is paid
        return cls(
            symbol=bars.symbol,
            equity=equity_table(market, history, nothing),
            fills=fill_table(bars, history.fills),
            trades=round_trips(bars, history.fills, events),
            benchmark=equity_table(market, benchmark, nothing),
            benchmark_fills=fill_table(bars, benchmark.fills),
            benchmark_trades=round_trips(bars, benchmark.fills, events),
            costs=market.costs,
            cash=market.cash,
            bars_per_year=bars.bars_per_year,
            pending=pending,
            shortfall=history.account.shortfall,
            bounds=bounds,
            ambiguous=history.ambiguous,
        )

    @cached_property
    def returns(self) -> np.ndarray:
        """Simple net returns of equity by bar, float64, shape (bars - 1,); 0.0 after ruin."""
        return returns_of(self.equity["equity"].to_numpy())

    @cached_property
    def returns_until_ruin(self) -> np.ndarray:
        """`returns` up to and with the bar of ruin, all of them where there is none: what Sharpe ratios are of.

        Bars after ruin, in which nothing can happen any more, would only dilute what led to it.
        """
        return self.returns[: self._living - 1]

    @cached_property
    def benchmark_returns(self) -> np.ndarray:
        """The same for buy-and-hold."""
        return returns_of(self.benchmark["equity"].to_numpy())

    @cached_property
    def benchmark_returns_until_ruin(self) -> np.ndarray:
        """`benchmark_returns` of the bars of `returns_until_ruin`."""
        return self.benchmark_returns[: self._living - 1]

    @property
    def ruined_at(self) -> datetime | None:
        """When nothing, or less, was left, or None: the liquidation that ended it, else the close of its bar.

        Costs can take what is left without a liquidation, such as financing of a flat account in debt.
        """
        level = self.equity["equity"]
        row = self._living - 1
        if level[row] > 0:
            return None
        began = self.equity["time"][row - 1] if row else None
        forced = self.fills.filter(pl.col("is_forced") & (pl.col("time") <= self.equity["time"][row]))["time"]
        is_within = forced.len() > 0 and (began is None or forced[-1] >= began)
        return forced[-1] if is_within else self.equity["time"][row]

    @cached_property
    def _living(self) -> int:
        """Rows of `equity` up to and with the bar of ruin."""
        is_lost = self.equity["equity"].to_numpy() <= 0
        return int(is_lost.argmax()) + 1 if is_lost.any() else len(is_lost)

    def summary(self, level: float = 0.95, seed: int = 0) -> pl.DataFrame:
        """One row per statistic: `statistic`, `value`, `low`, `high`, `benchmark`, `unit`, `formula`; printed, all rows.

        `low` and `high` bound the value with probability `level`: percentiles over 1,000 stationary-bootstrap paths of
        the returns, in blocks as long as returns and squared returns need, for the statistics that are functions of
        returns; null for the others. An undefined value is null. After ruin nothing counts: all figures, also those of
        the benchmark, are of the bars up to it. The annual return of less than a year is the return of the whole time: no
        such time is annualised. Trades include one that is still open, at its mark. Turnover is the
        value traded / mean equity / years.

        Raises ConfigError for a `level` outside (0, 1).
        """
        require_seed(seed)
        yearly = self.bars_per_year
        returns, living = self.returns_until_ruin, self._living
        own, held = performance.moments(returns), performance.moments(self.benchmark_returns_until_ruin)
        draws = np.full((1, len(RETURN_STATISTICS)), np.nan)  # (paths, statistics)
        if len(returns):
            block = bootstrap.block_length(np.column_stack([returns, returns**2]))
            draws = bootstrap.bootstrap_figures(returns, bars_per_year=yearly, block=block, seed=seed)
        bounds = [bootstrap.percentile_interval(column, level=level) for column in draws.T]
        units = RETURN_STATISTICS | ({"annual return": "fraction, not annualised"} if len(returns) < yearly else {})
        values = [
            *own.figures(bars_per_year=yearly),
            *self._trading_statistics(self.equity.head(living), self.fills, self.trades),
        ]
        benchmark = [
            *held.figures(bars_per_year=yearly),
            *self._trading_statistics(self.benchmark.head(living), self.benchmark_fills, self.benchmark_trades),
        ]
        missing = [None] * len(TRADING_STATISTICS)
        found = pl.DataFrame(
            {
                "statistic": [*RETURN_STATISTICS, *TRADING_STATISTICS],
                "value": values,
                "low": [low for low, _ in bounds] + missing,
                "high": [high for _, high in bounds] + missing,
                "benchmark": benchmark,
                "unit": [*units.values(), *TRADING_STATISTICS.values()],
                "formula": [FORMULAS[name] for name in (*RETURN_STATISTICS, *TRADING_STATISTICS)],
            }
        ).with_columns(pl.col("value", "low", "high", "benchmark").fill_nan(None))
        return SummaryTable(found)

    def _repr_html_(self) -> str:
        """The summary, for notebooks."""
        rows = [
            (
                f"{row['statistic']} ({row['unit']})",
                *(cells.number(row[name], None) for name in ("value", "low", "high", "benchmark")),
            )
            for row in self.summary().iter_rows(named=True)
        ]
        heads = ("Statistic", "Value", "95 % CI, low", "95 % CI, high", "Buy-and-hold")
        return notebook_table(f"{self.symbol} after costs", heads, rows)

    def to_pandas(self) -> pd.DataFrame:
        """The table `equity` as a pandas frame indexed by `time`; `fills.to_pandas()` and so on for the others."""
        return self.equity.to_pandas().set_index("time")

    def _trading_statistics(self, equity: pl.DataFrame, fills: pl.DataFrame, trades: pl.DataFrame) -> list[float]:
        """Values of TRADING_STATISTICS, in its order."""
        fills = fills.filter(pl.col("time") <= equity["time"][-1])
        years = (equity.height - 1) / self.bars_per_year
        mean_equity = equity["equity"].to_numpy().mean()
        pnl, held = trades["pnl"].to_numpy(), trades["bars"].to_numpy()
        won, lost = pnl[pnl > 0].sum(), -pnl[pnl < 0].sum()
        cost = equity["cost"][-1]
        return [
            float(np.abs(equity["position"].to_numpy()).mean()),
            float(fills["notional"].to_numpy().sum() / mean_equity / years) if years else 0.0,
            float(trades.height),
            float((pnl > 0).mean()) if len(pnl) else np.nan,
            float(won / lost) if lost else np.nan,
            float(held.mean()) if len(held) else np.nan,
            cost,
            cost / self.cash,
        ]


def returns_of(level: np.ndarray) -> np.ndarray:
    """Simple returns of equity, float64 (bars,), by bar: (bars - 1,); 0.0 after ruin."""
    before = level[:-1]
    return np.divide(np.diff(level), before, out=np.zeros(len(before)), where=before > 0)


def equity_table(market: Market, history: AccountHistory, nothing: pl.Series | None = None) -> pl.DataFrame:
    """An account bar by bar; see `BacktestResult.equity`. `nothing`: a column of zeros, where nothing is paid."""
    bars, events = market.bars, market.events
    nothing = pl.repeat(0.0, len(bars), eager=True) if nothing is None else nothing
    cash, units = history.held.T
    worth = units * bars.close
    equity = cash + worth
    fills = history.fills
    paid = np.bincount(fills[:, 0].astype(int), weights=fills[:, 5] + fills[:, 6], minlength=len(bars))
    financing, dividends = paid_so_far(events, bars.open, history.held)
    return pl.DataFrame(
        {
            "time": bars.frame["close_time"],
            "equity": equity,
            "position": np.divide(worth, equity, out=np.zeros(len(bars)), where=equity > 0),
            "close": bars.frame["close"],
            "cash": cash,
            "units": units,
            "cost": np.cumsum(paid) + financing,
            "financing": nothing if events is None else financing,
            "dividends": nothing if events is None else dividends,
        }
    )


def fill_table(bars: Candles, fills: np.ndarray) -> pl.DataFrame:
    """Executions as the table that `BacktestResult.fills` describes."""
    row, at_open = fills[:, 0].astype(int), fills[:, 1] == 1.0
    return fill_table_of(np.where(at_open, bars.open_time[row], bars.close_time[row]), fills)


def fill_table_of(times: np.ndarray, fills: np.ndarray) -> pl.DataFrame:
    """The same of executions whose times, datetime64[us] (rows,), are known."""
    _, at_open, target, units, price, fee, slippage, reason = fills.T
    reason = reason.astype(int)
    return pl.DataFrame(
        {
            "time": times,
            "side": pl.Series(["sell", "buy"]).gather((units > 0).astype(int)),
            "units": np.abs(units),
            "price": price,
            "notional": np.abs(units) * price,
            "fee": fee,
            "slippage": slippage,
            "target": np.where(np.isin(reason, (LIQUIDATION, SERIES_END)), 0.0, target),
            "is_forced": reason == LIQUIDATION,
            "reason": pl.Series(REASONS).gather(reason),
            "is_at_open": at_open == 1.0,
        },
        schema_overrides={"time": pl.Datetime("us")},
    ).with_columns(pl.col("time").dt.replace_time_zone("UTC"), pl.col("target").fill_nan(None))
