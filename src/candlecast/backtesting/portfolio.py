"""`backtest_portfolio`: many assets on one cash account, with bars that need not line up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from candlecast.backtesting.actions import Actions, carry_by_bar
from candlecast.backtesting.costs import DEFAULT_COSTS, Costs, checked
from candlecast.backtesting.engine.account import Conditions
from candlecast.backtesting.engine.orderbook import rows_among
from candlecast.backtesting.engine.portfolio_step import Asked, Prices, Sizing, Written
from candlecast.backtesting.filters import NO_FILTERS, Filters
from candlecast.backtesting.result import BacktestResult, fill_table_of
from candlecast.backtesting.simulate import decided_by_bar, require_bearable
from candlecast.backtesting.trades import trip_columns, trip_table
from candlecast.backtesting.untraded import traded_volume, waiting
from candlecast.backtesting.validation import require_account, require_kind
from candlecast.candles import Candles
from candlecast.errors import ConfigError, listed, near_misses
from candlecast.signals.given import as_positions
from candlecast.signals.positions import Positions


@dataclass(frozen=True)
class Grid:
    """Every asset's bars on the union of their opens, arrays (time, asset); NaN where an asset has no bar.

    `rows[a]` are the rows of asset a's own bars; the volume of `prices` is that of `traded_volume`, 0.0 without a bar;
    `targets` lie on the bar after their decision, and wait there where nothing is traded.
    """

    candles: tuple[Candles, ...]
    rows: tuple[np.ndarray, ...]
    times: np.ndarray
    prices: Prices
    targets: np.ndarray


def backtest_portfolio(
    candles: Sequence[Candles],
    positions: Sequence[Positions],
    *,
    costs: Costs = DEFAULT_COSTS,
    cash: float = 10_000.0,
    filters: Filters = NO_FILTERS,
    actions: dict[str, Actions] | None = None,
) -> BacktestResult:
    """Trade the positions of several assets from one cash account; fractions are of the whole account's equity.

    As `backtest` for each asset: a position decided at the close of its bar t fills at the open of its next bar, however
    the others' bars lie. Assets that trade at the same open are sized together by the equity that is left when all have
    paid, so that their order changes nothing; where an asset has no bar it is held at its last price. Where its series is
    known to have ended (`Candles.has_ended`), it is closed at the close of its last bar, and its cash is there for the others.

    The account is looked at for liquidation at each open, and within each bar at the worst of the prices that its assets may
    have met at once: all their closes, all their lows, all their highs, and the worst price of each with the others where
    they opened. (That longs are at their lows while shorts are at their highs is not supposed.) It is closed where prices on
    their way there leave no more than the maintenance margin. One position alone is liquidated as in `backtest`.

    The result's `equity` has `position` (gross value / equity) in place of `close` and `units`, `fills` and `trades` have
    `symbol`, and the benchmark buys an equal part of each asset at its first open and holds.

    Args:
        candles: one for each asset, of one interval.
        positions: one for each asset, in the order of the candles; of `equal_weights`, rules, or arrays as in `backtest`.
        costs: of trading and holding, the same for all.
        cash: initial cash of the account, quote currency.
        filters: steps of price, units and money, the same for all.
        actions: splits, dividends and funding by symbol, for unadjusted candles.

    Raises:
        ConfigError: when symbols repeat or do not pair, intervals differ, or fractions together exceed their leverage; and
            what `backtest` raises.
    """
    prepared = prepare(candles, positions, costs=costs, cash=cash, filters=filters, actions=actions)
    return account_of(prepared, costs, float(cash), _run(prepared.grid, *_held(prepared), float(cash)))


Kept = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, float]  # equity, fills, trades and the shortfall of an account


def account_of(prepared: Prepared, costs: Costs, cash: float, benchmark: Kept | None = None) -> BacktestResult:
    """The account of these assets; itself is the benchmark where none is given."""
    grid, asked = prepared
    own = _run(grid, grid.targets, asked, cash)
    equity, fills, trades, shortfall = own
    held, held_fills, held_trades, _ = own if benchmark is None else benchmark
    candles = grid.candles
    years = (grid.times[-1] - grid.times[0]) / np.timedelta64(1, "s") / 31_556_952
    return BacktestResult(
        symbol="+".join(each.symbol for each in candles),
        equity=equity,
        fills=fills,
        trades=trades,
        benchmark=held,
        benchmark_fills=held_fills,
        benchmark_trades=held_trades,
        costs=costs,
        cash=cash,
        bars_per_year=(len(grid.times) - 1) / years if years else candles[0].bars_per_year,
        pending=None,
        shortfall=shortfall,
        bounds=None,
        ambiguous=0,
    )


class Prepared(NamedTuple):
    """What an account of many assets is run on."""

    grid: Grid
    asked: Asked

    def final_equity(self, costs: Costs, cash: float) -> float:
        """Equity at the end at other costs of trading; carry events stay as they are."""
        conditions = self.asked.conditions._replace(terms=costs.terms())
        sums, _, _ = _account(self.grid, self.grid.targets, self.asked._replace(conditions=conditions), float(cash))
        return float(sums[-1, 0])


def prepare(
    candles: Sequence[Candles],
    positions: Sequence[Positions],
    *,
    costs: Costs = DEFAULT_COSTS,
    cash: float = 10_000.0,
    filters: Filters = NO_FILTERS,
    actions: dict[str, Actions] | None = None,
) -> Prepared:
    """The grid of these assets and how their targets are meant, once all of it fits; as `backtest_portfolio`, which raises the
    same.
    """
    require_kind("actions", actions, dict | None, "Give them by symbol, such as {'AAPL': Actions(frame)}")
    actions = {} if actions is None else actions
    positions = _positions_of(candles, positions)
    for each in candles:
        require_account(each, costs, cash, filters, actions.get(each.symbol))
    order = _paired(candles, positions, actions)
    candles, positions = [candles[place] for place in order], [positions[place] for place in order]
    grid = _grid(candles, positions, costs, actions)
    leverage = max(each.leverage for each in positions)
    terms = costs.terms(filters)
    require_bearable(leverage, terms)
    sizing = Sizing(np.array([each.in_units for each in positions]), np.array([float(each.band) for each in positions]))
    _require_gross(_until_ends(grid)[:, ~sizing.in_units], grid.times, leverage)
    return Prepared(grid, Asked(Conditions(terms, checked(costs.extra), 1.0, False), sizing))


def _held(prepared: Prepared) -> tuple[np.ndarray, Asked]:
    """Targets of holding an equal part of each asset from its first open on, and how they are meant."""
    grid, asked = prepared
    assets = len(grid.candles)
    held = np.full(grid.targets.shape, np.nan)
    for asset, rows in enumerate(grid.rows):
        held[rows[1:2], asset] = 1.0 / assets
    return held, asked._replace(sizing=Sizing(np.zeros(assets, dtype=bool), np.full(assets, math.inf)))


def _positions_of(candles: Sequence[Candles], positions: Sequence[Any]) -> list[Positions]:
    """The positions of each asset, once there is a list of candles and one of them."""
    for name, given in (("candles", candles), ("positions", positions)):
        require_kind(name, given, Sequence | Candles | Positions, "Give a list, one for each asset")
    if isinstance(candles, Candles) or isinstance(positions, Positions):
        raise ConfigError(
            "one asset was given",
            expected="a list of candles and a list of positions",
            remedy="Use backtest for one asset, or backtest_portfolio([btc, eth], [btc_positions, eth_positions])",
        )
    for each in candles:
        require_kind("candles", each, Candles, "Make them with Candles.from_frame, read_csv or a source")
    held = [as_positions(each, asset) for each, asset in zip(positions, candles, strict=False)]
    held += positions[len(held) :]
    for each in held:
        require_kind("positions", each, Positions, "Pass the positions of a rule, one set for each asset")
    return held


def _paired(candles: Sequence[Candles], positions: Sequence[Positions], actions: dict[str, Actions]) -> list[int]:
    """Places of the assets in order of their symbols, which makes sums the same however they were given."""
    symbols = [each.symbol for each in candles]
    if len(set(symbols)) < len(symbols) or [each.symbol for each in positions] != symbols or not symbols:
        raise ConfigError(
            f"candles are of {listed(symbols)}, positions of {listed(each.symbol for each in positions)}",
            expected="the same symbols in the same order, each once",
            remedy="Pair them: backtest_portfolio([btc, eth], [btc_positions, eth_positions])",
        )
    for symbol in actions:
        if symbol not in symbols:
            raise ConfigError(
                f"actions are of {symbol!r}",
                expected=f"symbols among {listed(symbols)}",
                remedy=near_misses(symbol, symbols),
            )
    if len({each.interval for each in candles}) > 1:
        raise ConfigError(
            f"intervals are {listed(sorted({str(each.interval) for each in candles}))}",
            expected="one interval",
            remedy="Resample to the longest: candles.resample(...)",
        )
    return sorted(range(len(symbols)), key=lambda place: symbols[place])


def _grid(
    candles: Sequence[Candles], positions: Sequence[Positions], costs: Costs, actions: dict[str, Actions]
) -> Grid:
    decided = [decided_by_bar(each, held) for each, held in zip(candles, positions, strict=True)]
    began = min(each.open_time[first] for each, (_, first) in zip(candles, decided, strict=True))
    first_bars = [int(np.searchsorted(each.open_time, began)) for each in candles]
    bars = [each[first:] if first else each for each, first in zip(candles, first_bars, strict=True)]
    first = bars[0].open_time
    is_same = all(np.array_equal(each.open_time, first) for each in bars[1:])
    times = first if is_same else np.unique(np.concatenate([each.open_time for each in bars]))
    shape = (len(bars), len(times))  # turned at the end: writing whole rows is several times faster
    opens, highs, lows, closes, targets = (np.full(shape, np.nan) for _ in range(5))
    volumes, rows, carried = np.zeros(shape), [], {}
    columns = {"open": opens, "high": highs, "low": lows, "close": closes}
    for asset, (each, first, (wanted, decided_first)) in enumerate(zip(bars, first_bars, decided, strict=True)):
        place = rows_among(times, each.open_time)
        rows.append(place)
        for name, values in columns.items():
            values[asset, place] = getattr(each, name)
        volumes[asset, place] = traded_volume(candles[asset])[first:]
        targets[asset, place[decided_first - first + 1 :]] = wanted[:-1]
        own = carry_by_bar(each, costs, actions.get(each.symbol))
        if own is not None:
            carried[asset] = own
    opens, highs, lows, closes, volumes, targets = (
        np.ascontiguousarray(values.T) for values in (opens, highs, lows, closes, volumes, targets)
    )
    events = _events(carried, rows, times, costs) if carried else None
    ends = np.array(
        [place[-1] if each.has_ended else -1 for each, place in zip(bars, rows, strict=True)], dtype=np.int64
    )
    has_ends = bool((ends >= 0).any())
    prices = Prices(opens, highs, lows, closes, volumes, events, ends if has_ends else None)
    return Grid(tuple(bars), tuple(rows), times, prices, targets)


def _events(
    carried: Mapping[int, np.ndarray], rows: Sequence[np.ndarray], times: np.ndarray, costs: Costs
) -> np.ndarray:
    """Carry events by row, asset and kind, from those of each asset by its own bars."""
    events = np.zeros((len(times), len(rows), 6))
    events[:, :, 0] = 1.0
    for asset, own in carried.items():
        events[rows[asset], asset] = own
    seconds = np.diff(times, prepend=times[:1]) / np.timedelta64(1, "s") / 31_557_600
    events[:, 0, 4], events[:, 0, 5] = seconds * costs.interest_percent / 100, seconds * costs.loan_percent / 100
    return events


def _until_ends(grid: Grid) -> np.ndarray:
    """The targets (time, asset), 0.0 after the end of a series."""
    targets = grid.targets.copy()
    for asset, row in enumerate([] if grid.prices.ends is None else grid.prices.ends.tolist()):
        if 0 <= row < len(targets) - 1:
            targets[row + 1, asset] = 0.0
    return targets


def _require_gross(targets: np.ndarray, times: np.ndarray, leverage: float) -> None:
    """Raises ConfigError where the fractions of all assets (time, asset) add up to more than `leverage`."""
    gross = np.zeros(len(times))
    for column in targets.T:
        set_at = np.maximum.accumulate(np.where(np.isnan(column), -1, np.arange(len(column))))
        gross += np.where(set_at < 0, 0.0, np.abs(column[np.maximum(set_at, 0)]))
    above = gross > leverage * (1 + 1e-9)
    if above.any():
        row = int(above.argmax())
        raise ConfigError(
            f"positions at {times[row].astype('datetime64[m]')} UTC add up to {gross[row]:.4g} times equity",
            expected=f"{leverage:g} or less together",
            remedy="Divide them by the number of assets, or give Positions a leverage",
        )


def _account(grid: Grid, targets: np.ndarray, asked: Asked, cash: float) -> tuple[np.ndarray, np.ndarray, float]:
    """The sums of the account by row (time, 5), its executions, and the shortfall."""
    from candlecast.backtesting.engine import compiled

    is_closed = np.isnan(grid.prices.open) | np.isnan(grid.prices.volume)
    halted = np.flatnonzero(is_closed.any(axis=0))
    if len(halted):
        targets = targets.copy()
        for asset in halted:
            targets[:, asset] = waiting(targets[:, asset], is_closed[:, asset])
    sums = np.empty((len(targets), 5))
    fills = np.empty((int(np.count_nonzero(~np.isnan(targets))) * 2 + 2 * targets.shape[1], compiled.FILL_COLUMNS + 1))
    run = compiled.run_portfolio if asked.conditions.extra is None else compiled.run_portfolio.py_func
    shortfall, count = run(grid.prices, targets, asked, cash, Written(None, sums, fills))
    return sums, fills[:count], float(shortfall)


def _run(grid: Grid, targets: np.ndarray, asked: Asked, cash: float) -> Kept:
    """Tables of equity, fills and trades, and the shortfall."""
    sums, fills, shortfall = _account(grid, targets, asked, cash)
    equity, money, gross, financing, dividends = sums.T
    paid = np.bincount(fills[:, 0].astype(int), weights=fills[:, 6] + fills[:, 7], minlength=len(sums))
    closes = grid.candles[0].interval.after(pl.Series(grid.times))
    table = pl.DataFrame(
        {
            "time": closes.dt.replace_time_zone("UTC"),
            "equity": equity,
            "position": np.divide(gross, equity, out=np.zeros(len(sums)), where=equity > 0),
            "cash": money,
            "cost": np.cumsum(paid + financing),
            "financing": np.cumsum(financing),
            "dividends": np.cumsum(dividends),
        }
    )
    filled, traded = _tables(grid, fills)
    return table, filled, traded, float(shortfall)


def _tables(grid: Grid, fills: np.ndarray) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Fills and trades of all assets, in order of time, from executions in order of time."""
    order = np.argsort(fills[:, 1], kind="stable")
    bounds = np.searchsorted(fills[order, 1], np.arange(len(grid.candles) + 1))
    executions, times, trips, symbols, traders = [], [], [], [], []
    for asset, (bars, rows) in enumerate(zip(grid.candles, grid.rows, strict=True)):
        own = fills[order[bounds[asset] : bounds[asset + 1]]]
        own_rows, at_open = own[:, 0].astype(np.int64), own[:, 2] == 1.0
        if len(rows) < len(grid.times):  # without a bar it was closed at its last close
            own_rows = np.searchsorted(rows, own_rows, side="right") - 1
            at_open &= rows[own_rows] == own[:, 0]
        executed = own[:, 1:].copy()
        executed[:, 0], executed[:, 1] = own_rows, at_open
        events = None if grid.prices.events is None else grid.prices.events[rows, asset]
        executions.append(executed)
        times.append(np.where(at_open, bars.open_time[own_rows], bars.close_time[own_rows]))
        trips.append(trip_columns(bars, executed, events))
        symbols.append(np.full(len(own), asset))
        traders.append(np.full(len(trips[-1]["side"]), asset))
    names = pl.Series([each.symbol for each in grid.candles])
    filled = fill_table_of(np.concatenate(times), np.concatenate(executions))
    traded = trip_table({name: np.concatenate([each[name] for each in trips]) for name in trips[0]})
    return tuple(
        table.with_columns(names.gather(np.concatenate(owners)).alias("symbol")).sort(by, maintain_order=True)
        for table, owners, by in ((filled, symbols, "time"), (traded, traders, "opened"))
    )  # type: ignore[return-value]
