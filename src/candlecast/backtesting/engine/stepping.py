"""`start` and `step`: the account bar by bar with orders, for event loops and paper trading.

The same functions as in the compiled loops, run as plain Python: `step` gives the last bit that they give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from candlecast.backtesting.costs import Extra, Terms
from candlecast.backtesting.engine import account
from candlecast.backtesting.engine.account import Account, Bar, Due, Fill
from candlecast.backtesting.engine.matching import FILL_FIELDS, MAX_FILLS, enter, work
from candlecast.backtesting.orders import CAPACITY, FIELDS, Order, book_of, refusal


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


class Conditions(NamedTuple):
    """What the account trades under: see `Costs.terms`, `account.Due` and `matching` for the fields."""

    terms: Terms
    extra: Extra | None = None
    pessimism: float = 1.0


def start(cash: float) -> State:
    """A flat account holding `cash`, in quote currency, without orders."""
    return State(account.start(cash), book_of([]))


def step(
    state: State, bar: Bar, orders: Sequence[Order], *, conditions: Conditions, due: Due | None = None
) -> tuple[State, Info]:
    """Carry the state through one bar with orders decided at or before its open. The state given is left as it was.

    Raises ConfigError when more orders rest than a book holds, for one that waits for an order that does not rest, and for
    an id that is taken.

    >>> from candlecast.backtesting.orders import limit
    >>> bar = Bar(open=10.0, high=11.0, low=8.0, close=10.0, volume=100.0)
    >>> state, info = step(start(100.0), bar, [limit(2.0, 9.0)], conditions=Conditions(Terms()))
    >>> state.account.cash, info.fills[0].price
    (82.0, 9.0)
    """
    return advance(work, state, bar, orders, conditions, due)


def advance(
    worker: Callable[..., tuple[Account, int, int, bool]],
    state: State,
    bar: Bar,
    orders: Sequence[Order],
    conditions: Conditions,
    due: Due | None,
) -> tuple[State, Info]:
    """`step` by the worker: `matching.work`, or the same compiled."""
    book, other = np.empty((CAPACITY, FIELDS)), np.empty((CAPACITY, FIELDS))
    resting = len(state.book)
    book[:resting] = state.book
    if orders:
        given = book_of(orders)
        resting, fault, row = enter(book, resting, given, 0, len(given))
        if fault:
            raise refusal(fault, given[row], resting)
    fills, spare = np.empty((MAX_FILLS, FILL_FIELDS)), np.empty((MAX_FILLS, FILL_FIELDS))
    terms, extra, pessimism = conditions
    account, resting, count, differs = worker(
        state.account, bar, book, resting, fills, terms, due, extra, pessimism, (other, spare)
    )
    account = Account(*(float(value) for value in account))
    rows = fills[:count].tolist()
    made = tuple(Fill(row[0], row[1], row[2], row[3], int(row[4])) for row in rows)
    return State(account, book[:resting].copy()), Info(made, tuple(bool(row[5]) for row in rows), bool(differs))
