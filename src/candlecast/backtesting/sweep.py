"""`sweep`: many sets of positions or costs on the same candles, of which only summaries are kept."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from candlecast.backtesting.actions import Actions, carry_by_bar
from candlecast.backtesting.costs import DEFAULT_COSTS, Costs
from candlecast.backtesting.engine.account import Conditions
from candlecast.backtesting.filters import NO_FILTERS, Filters
from candlecast.backtesting.simulate import require_bearable, targets_by_bar
from candlecast.backtesting.untraded import traded_volume, waiting_from
from candlecast.backtesting.validation import require_account, require_kind
from candlecast.candles import Candles
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.events import Listener, Progress, ignore
from candlecast.process.threads import thread_count
from candlecast.signals.positions import Positions
from candlecast.stats.performance import annualised
from candlecast.stats.samples import ratio

BATCH = 256  # sets in memory at once


@dataclass(frozen=True)
class _Ground:
    """What all sets share."""

    candles: Candles
    volume: np.ndarray
    filters: Filters
    actions: Actions | None
    cash: float


def sweep(
    candles: Candles,
    positions: Iterable[Positions | np.ndarray] | np.ndarray,
    *,
    costs: Costs | Sequence[Costs] = DEFAULT_COSTS,
    cash: float = 10_000.0,
    filters: Filters = NO_FILTERS,
    actions: Actions | None = None,
    progress: Listener = ignore,
) -> pl.DataFrame:
    """One row of summary for each set of positions, on all cores, in memory that does not grow with their number.

    Every set begins at the first bar of the candles. Each row is one more trial: the best of many is not an edge; see
    `Ledger`.

    Args:
        candles: of one asset.
        positions: Positions, or arrays of fractions of equity, float64 (time,), decided at the close of each bar and NaN
            where nothing is; an array (sets, time); or any iterable, such as a generator, which is drawn as it is needed.
        costs: for all, or one for each set.
        cash: initial cash, quote currency.
        filters: steps of price, units and money that the venue trades in.
        actions: splits, dividends and funding, for unadjusted candles.
        progress: receives events.

    Returns:
        A table with the columns `set` (0, 1, ...), `final_equity`, `total_return`, `annual_return`, `annual_volatility`,
        `sharpe`, `sortino`, `max_drawdown`, `exposure`, `turnover`, `fills`, `cost` (fees and slippage), `is_ruined`: as in
        `BacktestResult.summary` of the same account. Sharpe and Sortino are NaN where they are not defined.

    Raises:
        ConfigError: for positions out of range, and what `backtest` raises.

    >>> prices = {"open": [10, 10, 20], "high": [10, 20, 20], "low": [10, 10, 20], "close": [10, 20, 20], "volume": [1, 1, 1]}
    >>> candles = Candles.from_frame(pl.DataFrame({"time": ["2024-01-01", "2024-01-02", "2024-01-03"], **prices}))
    >>> sweep(candles, np.array([[1.0, 1.0, 1.0], [0.5, 0.5, 0.5]]), costs=Costs.free())["total_return"].to_list()
    [1.0, 0.5]
    """
    require_kind("positions", positions, Iterable | np.ndarray, "Pass an array (sets, time) or a list of Positions")
    require_kind("costs", costs, Costs | Iterable, "Pass one Costs for all, or one for each set")
    paid = costs if isinstance(costs, Costs) else list(costs)
    for each in (paid,) if isinstance(paid, Costs) else paid:
        require_account(candles, each, cash, filters, actions)
    if len(candles) < 2:
        raise NotEnoughDataError("there is 1 candle", expected="2 or more", remedy="Pass the bars that fill positions")
    ground = _Ground(candles, traded_volume(candles), filters, actions, float(cash))
    expected = len(positions) if isinstance(positions, (np.ndarray, Sequence)) else 0
    sets, parts, done = _priced(positions, paid), [], 0
    with ThreadPoolExecutor(thread_count()) as pool:
        while batch := list(itertools.islice(sets, BATCH)):
            parts.append(np.stack(list(pool.map(lambda pair: _sums(ground, *pair), batch))))
            done += len(batch)
            progress(Progress("sweep", done, max(expected, done)))
    return _table(ground, np.concatenate(parts) if parts else np.empty((0, 12)))


def _priced(
    positions: Iterable[Positions | np.ndarray], costs: Costs | list[Costs]
) -> Iterator[tuple[Positions | np.ndarray, Costs]]:
    """Each set with its costs. Raises ConfigError unless there is one of them for each, or one for all."""
    if isinstance(costs, Costs):
        yield from zip(positions, itertools.repeat(costs), strict=False)
        return
    try:
        yield from zip(positions, costs, strict=True)
    except ValueError as error:
        raise ConfigError(
            f"there are {len(costs)} costs", expected="one for each set of positions", remedy="Pass one Costs for all"
        ) from error


def _sums(ground: _Ground, positions: Positions | np.ndarray, costs: Costs) -> np.ndarray:
    """Sums of one set and its bars, (12,); see `compiled.run_summaries`."""
    from candlecast.backtesting.engine import compiled

    if costs.extra is not None:
        raise ConfigError("costs have an extra", expected="costs by their rates", remedy="Use backtest for such costs")
    candles, in_units = ground.candles, False
    require_kind("a set of positions", positions, Positions | np.ndarray, "Pass an array (sets, time) or Positions")
    terms = costs.terms(ground.filters)
    if isinstance(positions, np.ndarray):
        if positions.dtype.kind not in "fiu":
            raise ConfigError(
                f"positions are of {positions.dtype}", expected="numbers", remedy="Convert them to float64"
            )
        targets = np.ascontiguousarray(positions, dtype=np.float64)
        wrong = (np.abs(targets) > 1.0) | np.isinf(targets)
        if targets.shape != (len(candles),) or wrong.any():
            detail = f"of shape {targets.shape}" if targets.shape != (len(candles),) else f"{targets[wrong][0]}"
            raise ConfigError(
                f"positions are {detail}",
                expected=f"fractions in [-1, 1] or NaN, one for each of {len(candles):,} bars",
                remedy="Use Positions for leverage, or for fewer bars",
            )
        targets = waiting_from(targets, ground.volume)
    else:
        own, first = targets_by_bar(candles, positions)
        targets = np.concatenate([np.full(first, np.nan), own])
        require_bearable(positions.leverage, terms)
        in_units, terms = positions.in_units, terms._replace(band=float(positions.band))
    sums = np.empty(compiled.SUMS + 1)
    events = carry_by_bar(candles, costs, ground.actions)
    arrays = compiled.BarArrays(
        candles.open, candles.high, candles.low, candles.close, ground.volume, events, candles.has_ended
    )
    compiled.run_summaries(arrays, targets, Conditions(terms, None, 1.0, in_units), ground.cash, sums)
    sums[-1] = len(candles)
    return sums


def _table(ground: _Ground, sums: np.ndarray) -> pl.DataFrame:
    rows = list(_rows(ground, sums))
    schema = {
        "set": pl.Int64,
        "final_equity": pl.Float64,
        "total_return": pl.Float64,
        "annual_return": pl.Float64,
        "annual_volatility": pl.Float64,
        "sharpe": pl.Float64,
        "sortino": pl.Float64,
        "max_drawdown": pl.Float64,
        "exposure": pl.Float64,
        "turnover": pl.Float64,
        "fills": pl.Int64,
        "cost": pl.Float64,
        "is_ruined": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _rows(ground: _Ground, sums: np.ndarray) -> Iterator[tuple[float | int | bool, ...]]:
    yearly, cash = ground.candles.bars_per_year, ground.cash
    for number, row in enumerate(sums.tolist()):
        equity, total, squares, losses, deepest, exposure, traded, fills, paid, ruined, wealth, bars = row
        if ruined >= 0:
            bars = ruined + 1  # those after ruin dilute nothing
        returns = bars - 1
        growth = equity / cash
        mean = total / returns
        deviation = math.sqrt(max(squares - total * mean, 0.0) / (returns - 1)) if returns > 1 else math.nan
        yield (
            number,
            equity,
            growth - 1.0,
            annualised(growth, observations=int(returns), bars_per_year=yearly),
            math.sqrt(yearly) * deviation,
            math.sqrt(yearly) * ratio(mean, deviation) if returns > 1 else math.nan,
            math.sqrt(yearly) * ratio(mean, math.sqrt(losses / returns)),
            deepest,
            exposure / bars,
            traded / (wealth / bars) / (returns / yearly),
            int(fills),
            paid,
            ruined >= 0,
        )
