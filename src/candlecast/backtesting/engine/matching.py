"""How resting orders meet a bar: along a path of prices, the worse of the two that the bar allows.

A bar names four prices, not their order. Two paths agree with it: open, low, high, close, and open, high, low, close.
Orders are filled where the path meets them, in the order in which it does; both paths are walked when an order is
touched at all, and the account keeps the one that leaves less equity at the close (`pessimism` 1.0), or more (-1.0).

    limit that rests buys at min(open, limit), sells at max(open, limit), never worse; maker's fee, no slippage
    limit on arrival where it can be filled at once, at or through the price that it arrives at: taker's fee, slippage and
                     impact, no further than its limit; it arrives at its first open, where its entry fills, or
                     where its stop is met, and rests from then on
    stop             buys at max(open, stop), sells at min(open, stop), then slippage and taker's fee
    stop with limit  becomes a limit where the stop is met
    trailing         a stop that follows every price of the path

A limit that has rested since an earlier bar was in the venue's book before an open that gaps through it: that open trades
against it, and it stays a maker.

In a bar without trades (volume NaN, see `account.Bar`) nothing is met, orders wait, and their lives go on. Of targets that
have waited together the last one counts.

The exits of an entry begin to wait where it has filled, within the same bar. From then on each may close no more than the
entry has bought (or sold), nor more than the smallest position held since: what is closed by other orders is no longer
theirs, and they are gone when the position has been flat, or on the other side. An order whose parent has gone unfilled
goes too, at any depth. Of two orders met at one price, stops come before limits, then the older first. Where a series
ends, what is held is closed at its last close, and all orders go.

Plain functions on floats and arrays, compiled as they are; see `account`. Rows are read by index: a view of one costs
two atomic counts each time.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from candlecast.backtesting.engine.account import (
    NOTHING,
    STOP as STOP_ORDER,
    TARGET,
    TRAILING,
    Account,
    Bar,
    CarryEvents,
    Conditions,
    Fill,
    Quote,
    Ticket,
    carry,
    close_out,
    execute,
    liquidate,
    slipped,
    trade,
    worst,
)
from candlecast.backtesting.filters import allowed_units, rounded_down, rounded_up
from candlecast.backtesting.orders import (
    BARS,
    CANCEL,
    CAPACITY,
    CLASH,
    GROUP,
    ID,
    KIND,
    LIMIT,
    ORPHAN,
    PARENT,
    REDUCES,
    RESTS,
    STOP,
    TOO_MANY,
    TRAIL,
    UNITS,
)

# Columns of the fills that are written: the fields of Fill, and whether it happened at the open.
FILL_FIELDS = 6
MAX_FILLS = (
    2 * CAPACITY + 3
)  # of one bar: every order of a full book, a liquidation after each, and the end of the series


class Memory(NamedTuple):
    """Arrays that a bar is worked in: the `book` of orders and the `fills` of the bar, and the same for its second path."""

    book: np.ndarray
    fills: np.ndarray
    other_book: np.ndarray
    other_fills: np.ndarray


class Desk(NamedTuple):
    """The first `resting` rows of a book are the orders that rest, the first `filled` rows of `fills` are written."""

    book: np.ndarray
    resting: int
    fills: np.ndarray
    filled: int


class Leg(NamedTuple):
    """A straight move of the price, in a bar of this volume; `is_open` for the open itself, where both ends are one."""

    price: float
    end: float
    volume: float
    is_open: bool


def work(
    account: Account, bar: Bar, resting: int, memory: Memory, conditions: Conditions
) -> tuple[Account, int, int, bool]:
    """Carry the account through one bar with the first `resting` orders of the book.

    Writes to the book of `memory` (rows that still rest come first, in their order) and to its fills. Gives the account at
    the close, the orders that rest, the fills written, and whether the bar's two paths differ.
    """
    book, fills = memory.book, memory.fills
    account = carry(account, bar.open, bar.events)
    _split(book, resting, bar.events)
    if conditions.terms.tick > 0.0:
        _on_grid(book, resting, conditions.terms.tick)
    if math.isnan(bar.volume):
        account, count = _end(account, bar, fills, 0, conditions)
        return account, _kept(book, resting, bar.ends), count, False
    opening = Quote(bar.open, bar.volume)
    account, gapped = liquidate(account, opening, bar.open, conditions)
    count = _note(fills, 0, gapped, True)
    if gapped.reason != NOTHING:
        _bind(book, resting, account.units)
    is_met = _is_met(account, bar, book, resting)
    if is_met:
        here = Leg(bar.open, bar.open, bar.volume, True)
        account, count = _walk(account, here, Desk(book, resting, fills, count), conditions)
        is_met = _is_met(account, bar, book, resting)
    if not is_met:
        account, ended = liquidate(account, opening, worst(account, bar), conditions)
        count = _note(fills, count, ended, False)
        if ended.reason != NOTHING:
            _bind(book, resting, account.units)
        _trail(book, resting, bar.high)
        _trail(book, resting, bar.low)
        account, count = _end(account, bar, fills, count, conditions)
        return account, _kept(book, resting, bar.ends), count, False
    other, other_fills = memory.other_book, memory.other_fills
    _copy(book, other, resting)
    _copy(fills, other_fills, count)
    falls, falls_count = _path(account, bar, True, Desk(book, resting, fills, count), conditions)
    rises, rises_count = _path(account, bar, False, Desk(other, resting, other_fills, count), conditions)
    lower, upper = falls.cash + falls.units * bar.close, rises.cash + rises.units * bar.close
    differs = lower != upper
    if conditions.pessimism * (upper - lower) < 0.0:
        _copy(other, book, resting)
        _copy(other_fills, fills, rises_count)
        return rises, _kept(book, resting, bar.ends), rises_count, differs
    return falls, _kept(book, resting, bar.ends), falls_count, differs


def _path(account: Account, bar: Bar, falls_first: bool, desk: Desk, conditions: Conditions) -> tuple[Account, int]:
    """From the open over both extremes to the close; gives the account and the fills written."""
    first, second = (bar.low, bar.high) if falls_first else (bar.high, bar.low)
    account, count = _walk(account, Leg(bar.open, first, bar.volume, False), desk, conditions)
    desk = Desk(desk.book, desk.resting, desk.fills, count)
    account, count = _walk(account, Leg(first, second, bar.volume, False), desk, conditions)
    desk = Desk(desk.book, desk.resting, desk.fills, count)
    account, count = _walk(account, Leg(second, bar.close, bar.volume, False), desk, conditions)
    return _end(account, bar, desk.fills, count, conditions)


def _end(account: Account, bar: Bar, fills: np.ndarray, count: int, conditions: Conditions) -> tuple[Account, int]:
    """The close of a bar: where the series ends with it, what is held is closed; gives the account and the fills written."""
    if not bar.ends:
        return account, count
    volume = 0.0 if math.isnan(bar.volume) else bar.volume
    account, closed = close_out(account, Quote(bar.close, volume), conditions)
    return account, _note(fills, count, closed, False)


def _kept(book: np.ndarray, resting: int, ends: bool) -> int:
    """Drop the orders that are over, all of them where the series ends; gives the number of those that rest."""
    return 0 if ends else _tidy(book, resting)


def _walk(account: Account, leg: Leg, desk: Desk, conditions: Conditions) -> tuple[Account, int]:
    """Fill the orders that the price meets on a leg, the nearest first; gives the account and the fills written."""
    book, resting, fills, count = desk
    price, end = leg.price, leg.end
    while True:
        chosen, reached = _nearest(account, price, end, book, resting)
        stop_at = end if chosen < 0 else reached
        account, ended = liquidate(account, Quote(price, leg.volume), stop_at, conditions)
        if ended.reason != NOTHING:
            count = _note(fills, count, ended, leg.is_open)
            _bind(book, resting, account.units)
            continue  # what was chosen may have nothing left to reduce
        if stop_at != price:
            _rest(book, resting)
        _trail(book, resting, stop_at)
        if chosen < 0:
            return account, count
        price = reached
        kind = int(book[chosen, KIND])
        if kind == STOP_ORDER and not math.isnan(book[chosen, LIMIT]) and not math.isnan(book[chosen, STOP]):
            book[chosen, STOP], book[chosen, RESTS] = math.nan, 0.0  # triggered: a limit order that arrives here
            continue
        if kind == TARGET and _is_overtaken(book, resting, chosen):
            _done(book, resting, chosen, reached, Fill(0.0, 0.0, 0.0, 0.0, NOTHING))
            continue
        account, filled = _fill(account, Quote(reached, leg.volume), book[chosen], conditions)
        count = _note(fills, count, filled, leg.is_open)
        _done(book, resting, chosen, reached, filled)
        if filled.reason != NOTHING:
            _bind(book, resting, account.units)


def _nearest(account: Account, price: float, end: float, book: np.ndarray, resting: int) -> tuple[int, float]:
    """The order that is met first between two prices, and where; -1 when none is."""
    chosen, reached, distance = -1, math.nan, math.inf
    for row in range(resting):
        if book[row, KIND] == 0.0 or book[row, PARENT] > 0.0:
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
    """Whether a later target rests too: it has waited, for a bar in which anything was traded."""
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
        if book[row, KIND] == 0.0 or book[row, PARENT] > 0.0 or _has_nothing_to_reduce(account, book, row):
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


def _fill(account: Account, quote: Quote, order: np.ndarray, conditions: Conditions) -> tuple[Account, Fill]:
    """Execute an order that is met at the price of `quote`."""
    terms, price, kind = conditions.terms, quote.price, int(order[KIND])
    if kind == TARGET:
        return trade(account, quote, order[UNITS], conditions)
    units = order[UNITS]
    if order[REDUCES] != 0.0:
        units = math.copysign(min(abs(units), abs(account.units)), units)
    units = allowed_units(units, price, account.units, terms.lot, terms.minimum)
    equity = account.cash + account.units * price
    if units == 0.0 or equity <= 0.0:
        return account, Fill(0.0, 0.0, 0.0, 0.0, NOTHING)
    account = Account(account.cash, account.units, math.nan, account.shortfall)  # no target is held to any more
    if not math.isnan(order[LIMIT]) and order[RESTS] != 0.0:
        return execute(account, quote, Ticket(units, terms.maker, 0.0, kind, math.nan), conditions)
    slippage = slipped(terms, units, quote.volume)
    return execute(account, quote, Ticket(units, terms.taker, slippage, kind, order[LIMIT]), conditions)


def _done(book: np.ndarray, resting: int, chosen: int, price: float, fill: Fill) -> None:
    """Take an order out of the book; those of its group are cancelled, those that wait for it begin to rest.

    Of them, those that may only reduce close no more than it has filled. What waits for an order that is gone goes too.
    """
    group, own, has_filled = book[chosen, GROUP], book[chosen, ID], fill.reason != NOTHING
    book[chosen, KIND] = 0.0
    for row in range(resting):
        if has_filled and group != 0.0 and book[row, GROUP] == group:
            book[row, KIND] = 0.0
        if has_filled and own != 0.0 and book[row, PARENT] == own:
            book[row, PARENT] = -own
            if book[row, REDUCES] != 0.0:
                book[row, UNITS] = math.copysign(min(abs(book[row, UNITS]), abs(fill.units)), book[row, UNITS])
    drop_orphans(book, resting)
    _trail(book, resting, price)


def _bind(book: np.ndarray, resting: int, held: float) -> None:
    """Cut the exits of entries to the position that is left, and drop those that it leaves nothing to close."""
    is_gone = False
    for row in range(resting):
        if book[row, KIND] == 0.0 or book[row, PARENT] >= 0.0 or book[row, REDUCES] == 0.0:
            continue
        units = book[row, UNITS]
        if held == 0.0 or (held > 0.0) == (units > 0.0):
            book[row, KIND], is_gone = 0.0, True
        elif abs(units) > abs(held):
            book[row, UNITS] = -held
    if is_gone:
        drop_orphans(book, resting)


def drop_orphans(book: np.ndarray, resting: int) -> None:
    """Drop what waits for an order that is no longer there, and what waits for that."""
    is_dropped = True
    while is_dropped:
        is_dropped = False
        for row in range(resting):
            if book[row, KIND] != 0.0 and book[row, PARENT] > 0.0 and not _has_parent(book, resting, row):
                book[row, KIND], is_dropped = 0.0, True


def _has_parent(book: np.ndarray, resting: int, row: int) -> bool:
    is_there = False
    for other in range(resting):
        is_there = is_there or (book[other, KIND] != 0.0 and book[other, ID] == book[row, PARENT])
    return is_there


def _rest(book: np.ndarray, resting: int) -> None:
    """The price has moved on: what is active and was not filled rests in the venue's book."""
    for row in range(resting):
        if book[row, PARENT] <= 0.0:
            book[row, RESTS] = 1.0


def enter(book: np.ndarray, resting: int, orders: np.ndarray, first: int, last: int) -> tuple[int, int, int]:
    """Enter the rows first .. last - 1 of `orders` into the book, in their order; those that cancel act on what is there.

    Gives the orders that rest, and what is wrong with which row: 0, `TOO_MANY`, `CLASH` or `ORPHAN`.
    """
    for row in range(first, last):
        own = orders[row, ID]
        if orders[row, KIND] == CANCEL:
            resting = _cancel(book, resting, orders[row, GROUP], own)
            continue
        if resting == CAPACITY:
            return resting + last - row, TOO_MANY, row
        for other in range(resting):
            if own != 0.0 and (book[other, ID] == own or book[other, PARENT] == -own):
                return resting, CLASH, row
        copy_row(orders[row], book[resting])
        resting += 1
    for row in range(first, last):
        parent, is_there = orders[row, PARENT], orders[row, KIND] == CANCEL or orders[row, PARENT] == 0.0
        for other in range(resting):
            is_there = is_there or book[other, ID] == parent
        if not is_there:
            return resting, ORPHAN, row
    return resting, 0, 0


def _cancel(book: np.ndarray, resting: int, group: float, own: float) -> int:
    """Drop the orders of a group with the entry that they wait for, or the order with an id; without either, all.

    What waits for them goes too. Gives the number of those that are left, whose order stays.
    """
    for row in range(resting):
        if (group == 0.0 and own == 0.0) or (own != 0.0 and book[row, ID] == own):
            book[row, KIND] = 0.0
        if group != 0.0 and book[row, GROUP] == group:
            book[row, KIND] = 0.0
            for other in range(resting):
                if book[row, PARENT] > 0.0 and book[other, ID] == book[row, PARENT]:
                    book[other, KIND] = 0.0
    drop_orphans(book, resting)
    kept = 0
    for row in range(resting):
        if book[row, KIND] != 0.0:
            if row != kept:
                copy_row(book[row], book[kept])
            kept += 1
    return kept


def _trail(book: np.ndarray, resting: int, price: float) -> None:
    """Draw the stops of trailing orders after a price."""
    for row in range(resting):
        if book[row, KIND] != TRAILING or book[row, PARENT] > 0.0:
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


def _split(book: np.ndarray, resting: int, events: CarryEvents | None) -> None:
    """Orders after the split of a bar, if there is one: more units at lower prices."""
    if events is None:
        return
    ratio = events.split
    if ratio == 1.0:
        return
    for row in range(resting):
        if book[row, KIND] != TARGET:
            book[row, UNITS] *= ratio
        book[row, LIMIT] /= ratio
        book[row, STOP] /= ratio


def _tidy(book: np.ndarray, resting: int) -> int:
    """One bar is over: drop what is done or has waited long enough, keeping the order of the rest; gives their number."""
    kept, has_expired = 0, False
    for row in range(resting):
        if book[row, KIND] != 0.0 and book[row, BARS] <= 1.0 and book[row, PARENT] <= 0.0:
            book[row, KIND], has_expired = 0.0, True
    if has_expired:
        drop_orphans(book, resting)
    for row in range(resting):
        if book[row, KIND] != 0.0:
            if row != kept:
                copy_row(book[row], book[kept])
            if book[kept, PARENT] <= 0.0:
                book[kept, BARS] -= 1.0
                book[kept, RESTS] = 1.0
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
