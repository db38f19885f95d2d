"""The compiled path: the account's own functions, taken by Numba as they are, in loops over arrays.

Importing this module imports Numba. Every loop is also plain Python (`.py_func`), which is how a cost of the user's own
runs and how tests prove that compiling changes no bit: no reordering of floats is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from candlecast.backtesting import filters
from candlecast.backtesting.engine import account, matching, pairing, portfolio_step
from candlecast.backtesting.engine.account import Account, Bar, CarryEvents, Conditions, Fill, follow, start
from candlecast.backtesting.engine.matching import FILL_FIELDS, MAX_FILLS, Memory, enter, work
from candlecast.backtesting.orders import CAPACITY
from candlecast.process.compiling import compiled

FILL_COLUMNS = 8  # bar, whether at the open, target, units, price, fee, slippage, reason
SUMS = 11  # see `run_summaries`


def _adopt(module: ModuleType, *, inlined: tuple[str, ...] = ()) -> None:
    """Let compiled code call the plain functions of a module, those named pasted into the code that calls them."""
    for name, value in vars(module).items():
        if callable(value) and getattr(value, "__module__", None) == module.__name__ and hasattr(value, "__code__"):
            register_jitable(error_model="numpy", forceinline=name in inlined)(value)


def _compiled(function: Callable[..., Any]) -> Any:
    """Compiled at the first call; the step that a loop takes is in other files."""
    files = [str(module.__file__) for module in (account, filters, matching, pairing, portfolio_step)]
    return compiled(calls=[*files, __file__], error_model="numpy")(function)


# What every bar passes through is inlined: calling it would cost six times as much. The rest would take minutes to compile.
_adopt(filters)
_adopt(account, inlined=("follow", "trade", "liquidate", "has_drifted"))
_adopt(matching, inlined=("_has_nothing_to_reduce", "_is_met", "_reach", "_tidy", "_trail"))
_adopt(portfolio_step)


class BarArrays(NamedTuple):
    """Bars as arrays, (time,), with the fields of `Bar`; `events` (time, 6), or None where there are none.

    `ends`: the series ends with the last bar.
    """

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    events: np.ndarray | None = None
    ends: bool = False


class Written(NamedTuple):
    """Arrays that a loop writes to: cash and units at each close, (time, 2), and executions, (rows, FILL_COLUMNS)."""

    held: np.ndarray
    fills: np.ndarray


class Decided(NamedTuple):
    """Orders as rows of a book; those decided on bar t are the rows first[t] to first[t + 1]."""

    rows: np.ndarray
    first: np.ndarray


class Stamp(NamedTuple):
    """Where an execution belongs: its bar, 1.0 at the open, and the target that was held to."""

    bar: int
    at_open: float
    target: float


@register_jitable
def _bar(bars: BarArrays, row: int) -> Bar:
    events = _events(bars.events, row)
    ends = bars.ends and row == len(bars.open) - 1
    return Bar(bars.open[row], bars.high[row], bars.low[row], bars.close[row], bars.volume[row], events, ends)


@register_jitable
def _events(events: np.ndarray | None, row: int) -> CarryEvents | None:
    if events is None:
        return None
    return CarryEvents(events[row, 0], events[row, 1], events[row, 2], events[row, 3], events[row, 4], events[row, 5])


@_compiled
def run_targets(
    bars: BarArrays, targets: np.ndarray, conditions: Conditions, cash: float, written: Written
) -> tuple[Account, int]:
    """Follow targets, each filled one bar after it was decided; the account of every bar.

    `targets` (time,), NaN where none. Gives the last state and the number of fills.
    """
    held, fills = written
    account, count = start(cash), 0
    held[0, 0], held[0, 1] = cash, 0.0
    for bar in range(1, len(bars.open)):
        target = targets[bar - 1]
        account, gapped, filled, ended = follow(account, _bar(bars, bar), target, conditions)
        if gapped.reason != 0:
            count = _write(fills, count, Stamp(bar, 1.0, account.target), gapped)
        if filled.reason != 0:
            count = _write(fills, count, Stamp(bar, 1.0, target), filled)
        if ended.reason != 0:
            count = _write(fills, count, Stamp(bar, 0.0, account.target), ended)
        held[bar, 0], held[bar, 1] = account.cash, account.units
    return account, count


@register_jitable
def _write(fills: np.ndarray, count: int, stamp: Stamp, fill: Fill) -> int:
    row = fills[count]
    row[0], row[1], row[2], row[3] = stamp.bar, stamp.at_open, stamp.target, fill.units
    row[4], row[5], row[6], row[7] = fill.price, fill.fee, fill.slippage, fill.reason
    return count + 1


@_compiled
def run_summaries(bars: BarArrays, targets: np.ndarray, conditions: Conditions, cash: float, sums: np.ndarray) -> None:
    """Follow targets and keep sums only, whose memory does not grow with time.

    Writes to `sums` (SUMS,): final equity; sum, sum of squares and sum of squared losses of the returns; deepest fall;
    sum of |position| at closes; value traded; fills; fees and slippage; bar of ruin (-1: none); sum of equity.
    """
    account, equity, peak, deepest = start(cash), cash, cash, 0.0
    total, squares, losses, exposure, traded, paid, wealth = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, cash
    count, ruined = 0, -1
    for bar in range(1, len(bars.open)):
        account, gapped, filled, ended = follow(account, _bar(bars, bar), targets[bar - 1], conditions)
        if gapped.reason + filled.reason + ended.reason != 0:
            for fill in (gapped, filled, ended):
                if fill.reason != 0:
                    count += 1
                    traded += abs(fill.units) * fill.price
                    paid += fill.fee + fill.slippage
        value = account.units * bars.close[bar]
        now = account.cash + value
        if now <= 0.0:
            ruined = bar
            total -= 1.0
            squares += 1.0
            losses += 1.0
            deepest, equity = 1.0, 0.0
            break
        change = now / equity - 1.0
        total += change
        squares += change * change
        losses += min(change, 0.0) ** 2
        peak = max(peak, now)
        deepest = max(deepest, 1.0 - now / peak)
        exposure += abs(value) / now
        wealth += now
        equity = now
    sums[0], sums[1], sums[2], sums[3], sums[4], sums[5] = equity, total, squares, losses, deepest, exposure
    sums[6], sums[7], sums[8], sums[9], sums[10] = traded, count, paid, ruined, wealth


@_compiled
def run_orders(
    bars: BarArrays, orders: Decided, conditions: Conditions, cash: float, written: Written
) -> tuple[Account, int, int, int]:
    """Work orders bar by bar; those decided on bar t rest from bar t + 1.

    Gives the last state, the number of fills, the bars whose outcome hung on the order of
    their prices, and 0; or, where the book refuses an order, its row, the orders that rest, and why (`matching.enter`).
    """
    held, fills = written
    width = orders.rows.shape[1]
    book, other = np.empty((CAPACITY, width)), np.empty((CAPACITY, width))
    made, spare = np.empty((MAX_FILLS, FILL_FIELDS)), np.empty((MAX_FILLS, FILL_FIELDS))
    memory = Memory(book, made, other, spare)
    account, count, resting, ambiguous = start(cash), 0, 0, 0
    held[0, 0], held[0, 1] = cash, 0.0
    for bar in range(1, len(bars.open)):
        resting, fault, refused = enter(book, resting, orders.rows, orders.first[bar - 1], orders.first[bar])
        if fault != 0:
            return account, refused, resting, fault
        account, resting, new, differs = work(account, _bar(bars, bar), resting, memory, conditions)
        ambiguous += differs
        for row in range(new):
            fills[count, 0], fills[count, 1], fills[count, 2] = bar, made[row, 5], account.target
            for field in range(5):
                fills[count, 3 + field] = made[row, field]
            count += 1
        held[bar, 0], held[bar, 1] = account.cash, account.units
    return account, count, ambiguous, 0


run_work = _compiled(work)
run_pair = _compiled(pairing.pair)
run_portfolio = _compiled(portfolio_step.run)
