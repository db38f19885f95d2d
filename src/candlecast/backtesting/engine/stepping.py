"""`start` and `step`: the account bar by bar with orders, for event loops and paper trading.

The same functions as in the compiled loops, run as plain Python: `step` gives the last bit that they give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from candlecast.backtesting.engine import account
from candlecast.backtesting.engine.account import Account, Bar, Conditions, Fill
from candlecast.backtesting.engine.matching import FILL_FIELDS, MAX_FILLS, Memory, enter, work
from candlecast.backtesting.orders import CAPACITY, FIELDS, Order, book_of, refusal

BOOK, FILLS = (CAPACITY, FIELDS), (MAX_FILLS, FILL_FIELDS)


class State(NamedTuple):
    """An account and its resting orders, rows of floats in the order of `Order`'s fields."""

    account: Account
    book: np.ndarray

    @property
    def orders(self) -> tuple[Order, ...]:
        """The orders that rest, oldest first."""
        return tuple(Order(*row) for row in self.book.tolist())

    def equity(self, price: float) -> float:
        """What the account is worth at a price, in quote currency."""
        return self.account.cash + self.account.units * price


class Info(NamedTuple):
    """What happened in one bar: executions in order, which of them were at its open, and whether the order of its prices
    decided the outcome."""

    fills: tuple[Fill, ...]
    at_open: tuple[bool, ...]
    is_ambiguous: bool


def start(cash: float) -> State:
    """A flat account holding `cash`, in quote currency, without orders."""
    return State(account.start(cash), book_of([]))


def step(state: State, bar: Bar, orders: Sequence[Order], *, conditions: Conditions) -> tuple[State, Info]:
    """Carry the state through one bar with orders decided at or before its open. The state given is left as it was.

    Raises ConfigError when more orders rest than a book holds, for one that waits for an order that does not rest, and for
    an id that is taken.

    >>> from candlecast.backtesting.costs import Terms
    >>> from candlecast.backtesting.orders import limit
    >>> bar = Bar(open=10.0, high=11.0, low=8.0, close=10.0, volume=100.0)
    >>> state, info = step(start(100.0), bar, [limit(2.0, 9.0)], conditions=Conditions(Terms()))
    >>> state.account.cash, info.fills[0].price
    (82.0, 9.0)
    """
    return advance(work, state, bar, orders, conditions)


def advance(
    worker: Callable[[Account, Bar, int, Memory, Conditions], tuple[Account, int, int, bool]],
    state: State,
    bar: Bar,
    orders: Sequence[Order],
    conditions: Conditions,
) -> tuple[State, Info]:
    """`step` by the worker: `matching.work`, or the same compiled."""
    memory = Memory(*(np.empty(shape) for shape in (BOOK, FILLS, BOOK, FILLS)))
    resting = len(state.book)
    memory.book[:resting] = state.book
    if orders:
        given = book_of(orders)
        resting, fault, row = enter(memory.book, resting, given, 0, len(given))
        if fault:
            raise refusal(fault, given[row], resting)
    account, resting, count, differs = worker(state.account, bar, resting, memory, conditions)
    account = Account(*(float(value) for value in account))
    rows = memory.fills[:count].tolist()
    made = tuple(Fill(row[0], row[1], row[2], row[3], int(row[4])) for row in rows)
    return State(account, memory.book[:resting].copy()), Info(made, tuple(bool(row[5]) for row in rows), bool(differs))
