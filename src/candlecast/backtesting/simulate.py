"""`backtest`: an account on candles, and a buy-and-hold account on the same bars."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from candlecast.backtesting.actions import Actions, carry_by_bar
from candlecast.backtesting.costs import DEFAULT_COSTS, Costs, Terms, checked
from candlecast.backtesting.engine.account import Account, Bar, CarryEvents, Conditions
from candlecast.backtesting.engine.matching import work
from candlecast.backtesting.engine.orderbook import Orders, decision_rows, rows_by_bar
from candlecast.backtesting.engine.stepping import State, advance, start
from candlecast.backtesting.filters import NO_FILTERS, Filters
from candlecast.backtesting.orders import Order, refusal
from candlecast.backtesting.result import BacktestResult, equity_table, returns_of
from candlecast.backtesting.untraded import traded_volume, waiting_from
from candlecast.backtesting.validation import require_account, require_kind
from candlecast.candles import Candles
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.events import Listener, Progress, ignore
from candlecast.signals.given import as_positions
from candlecast.signals.positions import Positions
from candlecast.text.formatting import percent

if TYPE_CHECKING:
    import polars as pl

    from candlecast.backtesting.engine.compiled import BarArrays

REPORTED_EVERY = 1_000  # bars of a strategy


@dataclass(frozen=True)
class View:
    """What a strategy of your own sees at the close of a bar: `state` of the account after it, `equity` at its close."""

    _candles: Candles
    bar: int
    state: State
    equity: float

    @property
    def candles(self) -> Candles:
        """The candles up to this bar, and none later."""
        return self._candles[: self.bar + 1]


Strategy = Callable[[View], Sequence[Order]]


class AccountOptions(NamedTuple):
    """Options of an account; see `backtest`."""

    costs: Costs
    cash: float
    filters: Filters
    actions: Actions | None


@dataclass(frozen=True)
class Market:
    """The bars that an account walks, their carry events (time, 6), and what it trades under.

    `volume`, (time,), as `traded_volume` gives it: NaN where nothing was traded.
    """

    bars: Candles
    volume: np.ndarray
    events: np.ndarray | None
    terms: Terms
    costs: Costs
    cash: float

    @classmethod
    def of(cls, candles: Candles, account: AccountOptions, *, first: int = 0) -> Market:
        """The bars from row `first` on."""
        bars, costs = candles[first:], account.costs
        events = carry_by_bar(bars, costs, account.actions)
        volume = traded_volume(candles)[first:]
        return cls(bars, volume, events, costs.terms(account.filters), costs, float(account.cash))

    @property
    def arrays(self) -> BarArrays:
        """The bars as the compiled loops take them."""
        from candlecast.backtesting.engine.compiled import BarArrays

        bars = self.bars
        return BarArrays(bars.open, bars.high, bars.low, bars.close, self.volume, self.events, bars.has_ended)

    def conditions(self, *, pessimism: float = 1.0, in_units: bool = False) -> Conditions:
        """What the account trades under; what the user's own cost gives is validated."""
        return Conditions(self.terms, checked(self.costs.extra), pessimism, in_units)

    def loop(self, compiled: Any) -> Any:
        """A compiled loop, or the same in Python where a cost of the user's own is called."""
        return compiled if self.costs.extra is None else compiled.py_func


@dataclass(frozen=True)
class AccountHistory:
    """What was written: cash and units at each close (time, 2), executions, the last state, and the path bars."""

    held: np.ndarray
    fills: np.ndarray
    account: Account
    ambiguous: int = 0


def backtest(
    candles: Candles,
    decided: Positions | Orders | Strategy | Any,
    *,
    costs: Costs = DEFAULT_COSTS,
    cash: float = 10_000.0,
    filters: Filters = NO_FILTERS,
    actions: Actions | None = None,
    pessimistic: bool = True,
    progress: Listener = ignore,
) -> BacktestResult:
    """Trade what was decided on the candles, from `cash` (quote currency), after costs.

    The result begins at the first decision (the first bar for a strategy), still flat, and its benchmark buys there and
    holds, under the same costs. No trade, no fill: in a gap nothing happens, and in a bar of volume zero, where an earlier
    bar had some, nothing is filled or liquidated; orders and targets wait for the next bar with volume, a later target in
    place of one that waits. Carry events apply there, and equity counts its prices. Where no bar has volume (indices,
    currencies), bars fill, with the whole impact. Where the series is known to have ended with the last bar
    (`Candles.has_ended`), what is held is closed at its close as by a market order, for the reason "series ended": nothing
    is pending and no trade is open then.

    Args:
        candles: of one asset.
        decided: **Positions** of a rule: one decided at the close of bar t is filled at the open of bar t+1, the next bar
            there is, also across a gap; a bar without a position keeps the last target, and units are held until the target
            changes (`account.trade`). A position decided on the last bar has no bar to be filled on: it is
            `result.pending`. An array with a position for each bar, or a table of times and positions, is taken as such.
            **Orders**: as they rest, see `matching`; units that cash does not cover are bought on credit,
            up to where the account is liquidated. **A strategy**: called with a `View` at the close of each bar, gives the
            orders that rest from the next bar on; the strategy runs in Python, the account compiled.
        costs: of trading and holding.
        cash: initial cash, quote currency.
        filters: steps of price, units and money that the venue trades in.
        actions: splits, dividends and funding, for unadjusted candles.
        pessimistic: which of two paths through a bar is taken where its prices cannot tell: the worse one, or the better.
            With orders, `result.bounds` has the final equity of both (not with a strategy, which would decide otherwise on
            the other).
        progress: receives events.

    Raises:
        ConfigError: for `cash` that is not positive, and values of another type.
        NotEnoughDataError: without candles, positions or orders.
        CandleError: for unsound candles, decisions of another symbol, or one whose time is no bar's close.

    >>> import polars as pl
    >>> from candlecast.signals import Positions
    >>> prices = {"open": [10, 10], "high": [10, 12], "low": [10, 10], "close": [10, 12], "volume": [1, 1]}
    >>> candles = Candles.from_frame(pl.DataFrame({"time": ["2024-01-01", "2024-01-02"], **prices}))
    >>> decided = candles.frame.head(1).select(time="close_time", symbol=pl.lit("asset"), position=pl.lit(1.0))
    >>> backtest(candles, Positions(decided), costs=Costs.free()).equity["equity"].to_list()
    [10000.0, 12000.0]
    """
    require_account(candles, costs, cash, filters, actions)
    given: Any = as_positions(decided, candles)
    options = AccountOptions(costs, cash, filters, actions)
    pessimism = 1.0 if pessimistic else -1.0
    pending, bounds = None, None
    is_new = _announced(given, progress)
    if callable(given):
        _require_callable_with_one(given)
        market = Market.of(candles, options)
        history = _walk_strategy(market, cast("Strategy", given), pessimism, progress)
    elif isinstance(given, Orders):
        first, rows, starts = rows_by_bar(candles, given)
        market = Market.of(candles, options, first=first)
        history = _walk_orders(market, rows, starts, pessimism)
        bounds = _bounds(history, market, lambda: _walk_orders(market, rows, starts, -pessimism))
    else:
        require_kind(
            "what was decided",
            given,
            Positions,
            "Pass positions of a rule, one number for each bar, Orders, or a function",
        )
        market, targets, history = _walk_positions(candles, given, options)
        last = float(targets[-1])
        is_alive = history.account.cash + history.account.units * market.bars.close[-1] > 0
        is_due = not math.isnan(last) and last != history.account.target and not market.bars.has_ended
        pending = last if is_due and is_alive else None
    benchmark = walk_targets(market, np.ones(len(market.bars)))
    if is_new:
        progress(Progress("compile", 1, 1))
    return BacktestResult.of(market, history, benchmark, pending=pending, bounds=bounds)


def _require_callable_with_one(strategy: Any) -> None:
    """Raise ConfigError for a function that cannot be called with what it knows at a bar alone."""
    try:
        inspect.signature(strategy).bind(None)
    except ValueError:  # of a function without a signature
        return
    except TypeError as error:
        raise ConfigError(
            f"{getattr(strategy, '__name__', strategy)!r} cannot be called with one argument ({error})",
            expected="a function of what is known at the close of a bar",
            remedy="Use for example def decide(view): ...",
        ) from error


def account_returns(
    candles: Candles, positions: Positions, *, costs: Costs = DEFAULT_COSTS, cash: float = 10_000.0
) -> np.ndarray:
    """`backtest(...).returns` alone, float64 (bars - 1,): without tables and benchmark, in a fraction of the time.

    Raises what `backtest` raises.
    """
    market, history = _account(candles, positions, costs, cash)
    money, units = history.held.T
    return returns_of(money + units * market.bars.close)


def account_table(
    candles: Candles, positions: Positions, *, costs: Costs = DEFAULT_COSTS, cash: float = 10_000.0
) -> pl.DataFrame:
    """`backtest(...).equity` alone: without trades and benchmark. Raises what `backtest` raises."""
    market, history = _account(candles, positions, costs, cash)
    return equity_table(market, history)


def _account(candles: Candles, positions: Positions, costs: Costs, cash: float) -> tuple[Market, AccountHistory]:
    require_account(candles, costs, cash, NO_FILTERS, None)
    positions = as_positions(positions, candles)
    require_kind("positions", positions, Positions, "Pass the positions of a rule")
    market, _, history = _walk_positions(candles, positions, AccountOptions(costs, cash, NO_FILTERS, None))
    return market, history


def _walk_positions(
    candles: Candles, positions: Positions, options: AccountOptions
) -> tuple[Market, np.ndarray, AccountHistory]:
    """The bars from the first decision on, their targets (time,), and the history of the account that follows them."""
    targets, first = targets_by_bar(candles, positions)
    market = Market.of(candles, options, first=first)
    require_bearable(positions.leverage, market.terms)
    followed = replace(market, terms=market.terms._replace(band=float(positions.band)))
    return market, targets, walk_targets(followed, targets, in_units=positions.in_units)


def _announced(decided: object, progress: Listener) -> bool:
    """Whether the loop is new to this process; says then that it is compiled or read from disk, which can take seconds."""
    from candlecast.backtesting.engine import compiled

    loop = compiled.run_targets
    if not isinstance(decided, Positions):
        loop = compiled.run_orders if isinstance(decided, Orders) else compiled.run_work
    is_new = not getattr(loop, "signatures", True)  # none where NUMBA_DISABLE_JIT is set
    if is_new:
        progress(Progress("compile", 0, 1, "the account's loop, kept on disk for the next time"))
    return is_new


def walk_targets(market: Market, targets: np.ndarray, *, in_units: bool = False) -> AccountHistory:
    """The history of an account that follows targets, float64 (time,), NaN where nothing is decided."""
    from candlecast.backtesting.engine import compiled

    held = np.empty((len(market.bars), 2))
    changes = int(np.count_nonzero(targets[1:] != targets[:-1])) + 1
    most = changes if market.terms.band == math.inf else len(targets)
    fills = np.empty((2 * most + 3, compiled.FILL_COLUMNS))  # a target can be liquidated once, and the series end
    account, count = market.loop(compiled.run_targets)(
        market.arrays, targets, market.conditions(in_units=in_units), market.cash, compiled.Written(held, fills)
    )
    return AccountHistory(held, fills[:count], _plain(account))


def _walk_orders(market: Market, rows: np.ndarray, starts: np.ndarray, pessimism: float) -> AccountHistory:
    from candlecast.backtesting.engine import compiled

    held = np.empty((len(market.bars), 2))
    fills = np.empty((2 * len(rows) + 3, compiled.FILL_COLUMNS))  # each order once, a liquidation of each, the end
    account, count, ambiguous, fault = market.loop(compiled.run_orders)(
        market.arrays,
        compiled.Decided(rows, starts),
        market.conditions(pessimism=pessimism),
        market.cash,
        compiled.Written(held, fills),
    )
    if fault:
        raise refusal(fault, rows[count], resting=ambiguous)
    return AccountHistory(held, fills[:count], _plain(account), ambiguous)


def _walk_strategy(market: Market, strategy: Strategy, pessimism: float, progress: Listener) -> AccountHistory:
    from candlecast.backtesting.engine import compiled

    worker = compiled.run_work if market.costs.extra is None else work
    bars = market.bars
    conditions = market.conditions(pessimism=pessimism)
    state, held, fills, ambiguous = start(market.cash), [(market.cash, 0.0)], list[tuple[float, ...]](), 0
    columns = [column.tolist() for column in market.arrays[:5]]
    orders = strategy(View(bars, 0, state, market.cash))
    for row, (opened, high, low, close, volume) in enumerate(zip(*columns, strict=True)):
        if row == 0:
            continue
        events = None if market.events is None else CarryEvents(*market.events[row].tolist())
        ends = bars.has_ended and row + 1 == len(bars)
        state, info = advance(worker, state, Bar(opened, high, low, close, volume, events, ends), orders, conditions)
        held.append((state.account.cash, state.account.units))
        for fill, at_open in zip(info.fills, info.at_open, strict=True):
            fills.append((row, float(at_open), state.account.target, *fill))
        ambiguous += info.is_ambiguous
        orders = strategy(View(bars, row, state, state.equity(close)))
        if (row + 1) % REPORTED_EVERY == 0 or row + 1 == len(bars):
            progress(Progress("backtest", row + 1, len(bars)))
    return AccountHistory(np.array(held), np.array(fills, dtype=float).reshape(-1, 8), state.account, ambiguous)


def _plain(account: Account) -> Account:
    return Account(*(float(value) for value in account))


def _bounds(history: AccountHistory, market: Market, other: Callable[[], AccountHistory]) -> tuple[float, float]:
    """Final equity with every ambiguous bar at its worst and at its best."""
    ends = [end.held[-1].tolist() for end in (history, other() if history.ambiguous else history)]
    close = float(market.bars.close[-1])
    low, high = sorted(cash + units * close for cash, units in ends)
    return low, high


def require_bearable(leverage: float, terms: Terms) -> None:
    """Positions that the venue would liquidate at once, or whose costs exceed the equity, are refused."""
    asked = asked_of(leverage, terms)
    if asked >= 1.0:
        raise ConfigError(
            f"positions of {leverage:g} times equity ask for {percent(asked, 0)} of it in margin and costs",
            expected="less than 100 %",
            remedy="Use less leverage, or costs with a lower maintenance_percent",
        )


def asked_of(leverage: float, terms: Terms) -> float:
    """The share of the equity that positions of a leverage ask for, in margin and costs."""
    return leverage * (terms.maintenance + terms.taker + terms.slippage + terms.impact)


def targets_by_bar(candles: Candles, positions: Positions) -> tuple[np.ndarray, int]:
    """The target to be filled after each bar from the first decision on (NaN: none), and the row of that bar.

    As `decided_by_bar`, but a target whose next bar is without trades has moved on to the bar before one with trades.
    """
    targets, first = decided_by_bar(candles, positions)
    return waiting_from(targets, traded_volume(candles)[first:]), first


def decided_by_bar(candles: Candles, positions: Positions) -> tuple[np.ndarray, int]:
    """The target decided on each bar from the first decision on (NaN: none), and the row of that bar."""
    frame = positions.frame
    if frame.is_empty():
        raise NotEnoughDataError(
            "there are no positions",
            expected="at least one decided position",
            remedy="Check that the forecast covers the candles",
        )
    rows = decision_rows(candles, frame, "position")
    targets = np.full(len(candles), np.nan)
    targets[rows] = frame["position"].to_numpy()
    return targets[rows[0] :], int(rows[0])
