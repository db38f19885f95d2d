"""How resting orders meet a bar: along a path of prices, the worse of the two that the bar allows.

A bar names four prices, not their order. Two paths agree with it: open, low, high, close, and open, high, low, close.
Orders are filled where the path meets them, in the order in which it does; both paths are walked when an order is
touched at all, and the account keeps the one that leaves less equity at the close (`pessimism` 1.0), or more (-1.0).

    limit            buys at min(open, limit), sells at max(open, limit), never worse; maker's fee, no slippage
    stop             buys at max(open, stop), sells at min(open, stop), then slippage and taker's fee
    stop with limit  becomes a limit where the stop is met
    trailing         a stop that follows every price of the path

In a bar without trades (volume NaN, see `account.Bar`) nothing is met, orders wait, and their lives go on. Of targets that
have waited together the last one counts.

The exits of an entry begin to wait where it has filled, within the same bar. Of two orders met at one price, stops come
before limits, then the older first.

Plain functions on floats and arrays, compiled as they are; see `account`. Rows are read by index: a view of one costs
two atomic counts each time.
"""

from __future__ import annotations

import math

import numpy as np

from candlecast.backtesting.account import (
    NOTHING,
    STOP as STOP_ORDER,
    TARGET,
    TRAILING,
    Account,
    Bar,
    Due,
    Fill,
    carry,
    execute,
    liquidate,
    slipped,
    trade,
    worst,
)
from candlecast.backtesting.costs import Extra, Terms
from candlecast.backtesting.filters import allowed_units, rounded_down, rounded_up
from candlecast.backtesting.orders import BARS, CAPACITY, GROUP, ID, KIND, LIMIT, PARENT, REDUCES, STOP, TRAIL, UNITS

# Columns of the fills that are written: the fields of Fill, and whether it happened at the open.
FILL_FIELDS = 6
MOST_FILLS = 2 * CAPACITY + 2  # of one bar: every order of a full book, and a liquidation after each


def work(
    account: Account,
    bar: Bar,
    book: np.ndarray,
    resting: int,
    fills: np.ndarray,
    terms: Terms,
    due: Due | None,
    extra: Extra | None,
    pessimism: float,
    scratch: tuple[np.ndarray, np.ndarray],
) -> tuple[Account, int, int, bool]:
    """Carry the account through one bar with the first `resting` orders of the book.

    Writes to `book` (rows that still rest come first, in their order) and to `fills`; `scratch` is memory for the second
    path: a book and an array of fills. Gives the account at the close, the orders that rest, the fills written, and
    whether the bar's two paths differ.
    """
    if due is not None:
        account = carry(account, bar.open, due)
        if due.split != 1.0:
            _split(book, resting, due.split)
    if terms.tick > 0.0:
        _on_grid(book, resting, terms.tick)
    if math.isnan(bar.volume):
        return account, _tidy(book, resting), 0, False
    account, gapped = liquidate(account, bar.open, bar.open, terms, bar.volume, extra)
    count = _note(fills, 0, gapped, True)
    is_met = _is_met(account, bar, book, resting)
    if is_met:
        account, count = _leg(account, bar.open, bar.open, bar, book, resting, fills, count, terms, extra, True)
        is_met = _is_met(account, bar, book, resting)
    if not is_met:
        account, ended = liquidate(account, bar.open, worst(account, bar), terms, bar.volume, extra)
        count = _note(fills, count, ended, False)
        _trail(book, resting, bar.high)
        _trail(book, resting, bar.low)
        return account, _tidy(book, resting), count, False
    other, other_fills = scratch
    _copy(book, other, resting)
    _copy(fills, other_fills, count)
    falls, falls_count = _path(account, bar, bar.low, bar.high, book, resting, fills, count, terms, extra)
    rises, rises_count = _path(account, bar, bar.high, bar.low, other, resting, other_fills, count, terms, extra)
    lower, upper = falls.cash + falls.units * bar.close, rises.cash + rises.units * bar.close
    differs = lower != upper
    if pessimism * (upper - lower) < 0.0:
        _copy(other, book, resting)
        _copy(other_fills, fills, rises_count)
        return rises, _tidy(book, resting), rises_count, differs
    return falls, _tidy(book, resting), falls_count, differs


def _path(
    account: Account,
    bar: Bar,
    first: float,
    second: float,
    book: np.ndarray,
    resting: int,
    fills: np.ndarray,
    count: int,
    terms: Terms,
    extra: Extra | None,
) -> tuple[Account, int]:
    """From the open over both extremes to the close."""
    account, count = _leg(account, bar.open, first, bar, book, resting, fills, count, terms, extra, False)
    account, count = _leg(account, first, second, bar, book, resting, fills, count, terms, extra, False)
    return _leg(account, second, bar.close, bar, book, resting, fills, count, terms, extra, False)


def _leg(
    account: Account,
    price: float,
    end: float,
    bar: Bar,
    book: np.ndarray,
    resting: int,
    fills: np.ndarray,
    count: int,
    terms: Terms,
    extra: Extra | None,
    is_open: bool,
) -> tuple[Account, int]:
    """Fill the orders that a price moving straight from `price` to `end` meets, the nearest first."""
    while True:
        chosen, reached = _nearest(account, price, end, book, resting)
        stop_at = end if chosen < 0 else reached
        account, ended = liquidate(account, price, stop_at, terms, bar.volume, extra)
        if ended.reason != NOTHING:
            count = _note(fills, count, ended, is_open)
            continue  # what was chosen may have nothing left to reduce
        _trail(book, resting, stop_at)
        if chosen < 0:
            return account, count
        price = reached
        kind = int(book[chosen, KIND])
        if kind == STOP_ORDER and not math.isnan(book[chosen, LIMIT]) and not math.isnan(book[chosen, STOP]):
            book[chosen, STOP] = math.nan  # triggered: a limit order from here on
            continue
        if kind == TARGET and _is_overtaken(book, resting, chosen):
            _done(book, resting, chosen, reached, False)
            continue
        account, filled = _fill(account, reached, kind, book[chosen], bar, terms, extra)
        count = _note(fills, count, filled, is_open)
        _done(book, resting, chosen, reached, filled.reason != NOTHING)


def _nearest(account: Account, price: float, end: float, book: np.ndarray, resting: int) -> tuple[int, float]:
    """The order that is met first between two prices, and where; -1 when none is."""
    chosen, reached, distance = -1, math.nan, math.inf
    for row in range(resting):
        if book[row, KIND] == 0.0 or book[row, PARENT] != 0.0:
            continue
        at = _reach(price, end, book, row)
        if math.isnan(at):
            continue
        if _has_nothing_to_reduce(account, book, row):
            continue
        far = abs(at - price)
        is_stop = math.isnan(book[row, LIMIT])
        if far < distance or (far == distance and is_stop and not math.isnan(book[chosen, LIMIT])):
            chosen, reached, distance = row, at, far
    return chosen, reached


def _is_overtaken(book: np.ndarray, resting: int, chosen: int) -> bool:
    """Whether a later target rests beside this one: it has waited, for a bar in which anything was traded."""
    last = chosen
    for row in range(chosen + 1, resting):
        if book[row, KIND] == TARGET and book[row, PARENT] == 0.0:
            last = row
    return last > chosen


def _has_nothing_to_reduce(account: Account, book: np.ndarray, row: int) -> bool:
    """Whether an order may only make a position smaller that is not there."""
    if book[row, REDUCES] == 0.0:
        return False
    return account.units == 0.0 or (account.units > 0.0) == (book[row, UNITS] > 0.0)


def _reach(price: float, end: float, book: np.ndarray, row: int) -> float:
    """Where an order is met by a price moving from `price` to `end`; NaN when it is not."""
    buys = book[row, UNITS] > 0.0
    if not math.isnan(book[row, STOP]):
        level = book[row, STOP]
        if (price >= level) if buys else (price <= level):
            return price
        return level if ((end >= level) if buys else (end <= level)) else math.nan
    if not math.isnan(book[row, LIMIT]):
        level = book[row, LIMIT]
        if (price <= level) if buys else (price >= level):
            return price
        return level if ((end <= level) if buys else (end >= level)) else math.nan
    return math.nan if book[row, KIND] == TRAILING else price


def _is_met(account: Account, bar: Bar, book: np.ndarray, resting: int) -> bool:
    """Whether the bar comes to any order, so that its path matters; orders that wait for another are met after it."""
    for row in range(resting):
        if book[row, KIND] == 0.0 or book[row, PARENT] != 0.0 or _has_nothing_to_reduce(account, book, row):
            continue
        buys = book[row, UNITS] > 0.0
        if book[row, KIND] == TRAILING:
            best = bar.low if buys else bar.high
            level = best * (1.0 + math.copysign(book[row, TRAIL], book[row, UNITS]))
            if (bar.high >= level) if buys else (bar.low <= level):
                return True
        if not math.isnan(book[row, STOP]):
            if (bar.high >= book[row, STOP]) if buys else (bar.low <= book[row, STOP]):
                return True
        elif not math.isnan(book[row, LIMIT]):
            if (bar.low <= book[row, LIMIT]) if buys else (bar.high >= book[row, LIMIT]):
                return True
        elif book[row, KIND] != TRAILING:
            return True
    return False


def _fill(
    account: Account, price: float, kind: int, order: np.ndarray, bar: Bar, terms: Terms, extra: Extra | None
) -> tuple[Account, Fill]:
    """Execute an order that is met at `price`."""
    if kind == TARGET:
        return trade(account, price, order[UNITS], terms, bar.volume, extra, False)
    units = order[UNITS]
    if order[REDUCES] != 0.0:
        units = math.copysign(min(abs(units), abs(account.units)), units)
    units = allowed_units(units, price, account.units, terms.lot, terms.minimum)
    equity = account.cash + account.units * price
    if units == 0.0 or equity <= 0.0:
        return account, Fill(0.0, 0.0, 0.0, 0.0, NOTHING)
    account = Account(account.cash, account.units, math.nan, account.shortfall)  # no target is held to any more
    if not math.isnan(order[LIMIT]):
        return execute(account, price, units, terms, terms.maker, 0.0, bar.volume, kind, extra)
    return execute(
        account, price, units, terms, terms.taker, slipped(terms, units, bar.volume), bar.volume, kind, extra
    )


def _done(book: np.ndarray, resting: int, chosen: int, price: float, has_filled: bool) -> None:
    """Take an order out of the book; those of its group are cancelled, those that wait for it begin to rest."""
    group, own = book[chosen, GROUP], book[chosen, ID]
    book[chosen, KIND] = 0.0
    for row in range(resting):
        if has_filled and group != 0.0 and book[row, GROUP] == group:
            book[row, KIND] = 0.0
        if own != 0.0 and book[row, PARENT] == own:
            if has_filled:
                book[row, PARENT] = 0.0
            else:
                book[row, KIND] = 0.0
    _trail(book, resting, price)


def _trail(book: np.ndarray, resting: int, price: float) -> None:
    """Draw the stops of trailing orders after a price."""
    for row in range(resting):
        if book[row, KIND] != TRAILING or book[row, PARENT] != 0.0:
            continue
        level = price * (1.0 + math.copysign(book[row, TRAIL], book[row, UNITS]))
        held = book[row, STOP]
        if math.isnan(held):
            book[row, STOP] = level
        else:
            book[row, STOP] = min(held, level) if book[row, UNITS] > 0.0 else max(held, level)


def _on_grid(book: np.ndarray, resting: int, tick: float) -> None:
    """Prices of orders as the venue takes them: limits no worse than asked, stops no earlier."""
    for row in range(resting):
        buys = book[row, UNITS] > 0.0
        if not math.isnan(book[row, LIMIT]):
            level = book[row, LIMIT]
            book[row, LIMIT] = rounded_down(level, tick) if buys else rounded_up(level, tick)
        if not math.isnan(book[row, STOP]) and book[row, KIND] != TRAILING:
            level = book[row, STOP]
            book[row, STOP] = rounded_up(level, tick) if buys else rounded_down(level, tick)


def _split(book: np.ndarray, resting: int, ratio: float) -> None:
    """Orders after a split: more units at lower prices."""
    for row in range(resting):
        if book[row, KIND] != TARGET:
            book[row, UNITS] *= ratio
        book[row, LIMIT] /= ratio
        book[row, STOP] /= ratio


def _tidy(book: np.ndarray, resting: int) -> int:
    """One bar is over: drop what is done or has waited long enough, keeping the order of the rest; gives their number."""
    kept = 0
    for row in range(resting):
        if book[row, KIND] == 0.0:
            continue
        if book[row, BARS] <= 1.0 and book[row, PARENT] == 0.0:
            own = book[row, ID]
            book[row, KIND] = 0.0
            for other in range(resting):
                if own != 0.0 and book[other, PARENT] == own:
                    book[other, KIND] = 0.0  # what waited for it waits in vain
    for row in range(resting):
        if book[row, KIND] != 0.0:
            if row != kept:
                copy_row(book[row], book[kept])
            if book[kept, PARENT] == 0.0:
                book[kept, BARS] -= 1.0
            kept += 1
    return kept


def _copy(source: np.ndarray, target: np.ndarray, rows: int) -> None:
    for row in range(rows):
        copy_row(source[row], target[row])


def copy_row(source: np.ndarray, target: np.ndarray) -> None:
    for field in range(len(source)):  # assigning slices takes seconds to compile
        target[field] = source[field]


def _note(fills: np.ndarray, count: int, fill: Fill, is_open: bool) -> int:
    """Write a fill down, if there is one; gives the number of fills."""
    if fill.reason == NOTHING:
        return count
    fills[count, 0] = fill.units
    fills[count, 1] = fill.price
    fills[count, 2] = fill.fee
    fills[count, 3] = fill.slippage
    fills[count, 4] = fill.reason
    fills[count, 5] = 1.0 if is_open else 0.0
    return count + 1
