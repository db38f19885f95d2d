"""Orders: what a strategy may ask of the account, as values, and the book in which they rest as rows of floats."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from candlecast.backtesting import account as ledger
from candlecast.errors import ConfigError, is_number
from candlecast.signals.positions import HIGHEST_LEVERAGE

ORDERED = range(ledger.TARGET, ledger.LIQUIDATION)  # kinds that can be asked for
CAPACITY = 64  # resting orders of one asset; scanned on every bar
# Columns of a book: the fields of Order, in order.
KIND, UNITS, LIMIT, STOP, TRAIL, BARS, GROUP, PARENT, ID, REDUCES = range(10)
FIELDS = 10


class Order(NamedTuple):
    """One order, as floats. Make it with `target`, `market`, `limit`, `stop`, `stop_limit`, `trailing` or `bracket`.

    `kind`: why it fills, a number of `account` (TARGET, MARKET, LIMIT, STOP, TRAILING, TAKE_PROFIT). `units`: signed; for
    a target the fraction of equity. `bars`: how many bars it may wait, infinity until cancelled. `group`: when one order
    of a group fills, the others are cancelled (0: none). `parent`: it waits until the order with this id has filled (0:
    at once). `reduces`: 1.0 if it may only make the position smaller; units are cut to what is held.
    """

    kind: float
    units: float
    limit: float = math.nan
    stop: float = math.nan
    trail: float = math.nan
    bars: float = math.inf
    group: float = 0.0
    parent: float = 0.0
    id: float = 0.0
    reduces: float = 0.0


def target(position: float) -> Order:
    """Hold `position`, a fraction of equity within -125 to 125, from the next open on."""
    if not is_number(position) or not abs(position) <= HIGHEST_LEVERAGE:
        raise ConfigError(
            f"position is {position!r}",
            expected=f"a fraction of equity in [-{HIGHEST_LEVERAGE:g}, {HIGHEST_LEVERAGE:g}]",
            remedy="Use 1.0 for all of it",
        )
    return Order(float(ledger.TARGET), float(position))


def market(units: float, *, reduces: bool = False) -> Order:
    """Buy (positive) or sell (negative) `units` at the next open."""
    return Order(float(ledger.MARKET), _units(units, reduces), reduces=float(reduces))


def limit(units: float, price: float, *, bars: float = math.inf, reduces: bool = False) -> Order:
    """Buy at `price` or lower, sell at `price` or higher; at the open when that is better. Pays the maker's fee.

    >>> limit(-2.0, 110.0, bars=5).limit
    110.0
    """
    return Order(
        float(ledger.LIMIT),
        _units(units, reduces),
        limit=_price(price),
        bars=_patience(bars),
        reduces=float(reduces),
    )


def stop(units: float, price: float, *, bars: float = math.inf, reduces: bool = False) -> Order:
    """Buy at market when the price has risen to `price`, sell when it has fallen there; at the open after a gap."""
    return Order(
        float(ledger.STOP), _units(units, reduces), stop=_price(price), bars=_patience(bars), reduces=float(reduces)
    )


def stop_limit(units: float, price: float, limit: float, *, bars: float = math.inf) -> Order:
    """When the price has come to the stop `price`, a limit order at `limit`."""
    return Order(
        float(ledger.STOP), _units(units, False), limit=_price(limit), stop=_price(price), bars=_patience(bars)
    )


def trailing(units: float, distance: float, *, bars: float = math.inf, reduces: bool = False) -> Order:
    """A stop that follows the best price seen since it rests, `distance` (a fraction) behind; it never moves back."""
    return Order(
        float(ledger.TRAILING),
        _units(units, reduces),
        trail=_distance(distance),
        bars=_patience(bars),
        reduces=float(reduces),
    )


def bracket(
    entry: Order,
    *,
    stop: float | None = None,
    take_profit: float | None = None,
    trail: float | None = None,
    group: int = 1,
) -> list[Order]:
    """An entry with exits that wait for it: a `stop` price, a `take_profit` price, a `trail` distance; one cancels the other.

    The exits close what is held. `group` is a number of your own above zero, another for each bracket that lives at the
    same time; it is the entry's id too. Raises ConfigError for exits on the wrong sides of each other, and without any.

    >>> [order.units for order in bracket(market(3.0), stop=90.0, take_profit=120.0)]
    [3.0, -inf, -inf]
    """
    if not isinstance(entry, Order) or entry.units == 0.0:
        raise ConfigError(f"the entry is {entry!r}", expected="an order that enters", remedy="Use market(1.0)")
    if not is_number(group) or not 1 <= group < math.inf:
        raise ConfigError(f"group is {group!r}", expected="a number above zero", remedy="Number brackets 1, 2, 3, ...")
    out = -math.copysign(math.inf, entry.units)
    exits = Order(0.0, out, group=float(group), parent=float(group), reduces=1.0)
    orders = [entry._replace(id=float(group))]
    if stop is not None:
        orders.append(exits._replace(kind=float(ledger.STOP), stop=_price(stop)))
    if trail is not None:
        orders.append(exits._replace(kind=float(ledger.TRAILING), trail=_distance(trail)))
    if take_profit is not None:
        orders.append(exits._replace(kind=float(ledger.TAKE_PROFIT), limit=_price(take_profit)))
    if len(orders) == 1:
        raise ConfigError("there is no exit", expected="a stop, a take_profit or a trail", remedy="Give one of them")
    if stop is not None and take_profit is not None and (take_profit - stop) * out >= 0.0:
        raise ConfigError(
            f"stop is {stop} and take_profit is {take_profit}",
            expected="the stop below the profit for a purchase, above it for a sale",
            remedy="Exchange them",
        )
    return orders


def first_fault(book: np.ndarray) -> tuple[int, int, str] | None:
    """Row, field and rule of the first order that means nothing, in rows of a book; None when all mean something."""
    kind, units, limit, stop, trail, bars = book[:, : BARS + 1].T
    is_target, is_trailing = kind == ledger.TARGET, kind == ledger.TRAILING
    is_stop, is_limit = kind == ledger.STOP, (kind == ledger.LIMIT) | (kind == ledger.TAKE_PROFIT)
    rules = (
        (~np.isin(kind, ORDERED), KIND, "a kind that can be asked for"),
        (np.isnan(units) | ((units == 0.0) & ~is_target), UNITS, "units above zero to buy, below zero to sell"),
        (np.isinf(units) & (book[:, REDUCES] == 0.0), UNITS, "infinite units only where the order reduces"),
        (is_target & (np.abs(units) > HIGHEST_LEVERAGE), UNITS, f"a fraction of equity up to {HIGHEST_LEVERAGE:g}"),
        ((limit <= 0.0) | np.isinf(limit), LIMIT, "prices above zero"),
        ((stop <= 0.0) | np.isinf(stop), STOP, "prices above zero"),
        (is_limit & np.isnan(limit), LIMIT, "a limit price"),
        (is_stop & np.isnan(stop), STOP, "a stop price"),
        (~(is_limit | is_stop) & ~np.isnan(limit), LIMIT, "no limit price, which only limits and stops have"),
        (~(is_trailing | is_stop) & ~np.isnan(stop), STOP, "no stop price, which only stops have"),
        (is_trailing & ~((trail > 0.0) & (trail < 1.0)), TRAIL, "a distance in (0, 1)"),
        (~(bars >= 1.0), BARS, "1 bar or more"),
    )
    for wrong, field, expected in rules:
        if wrong.any():
            return int(wrong.argmax()), field, expected
    return None


def book_of(orders: Iterable[Order]) -> np.ndarray:
    """Orders as rows of a book, float64, shape (orders, FIELDS). Raises ConfigError for anything else."""
    given = list(orders) if isinstance(orders, Iterable) else [orders]
    for order in given:
        if not isinstance(order, Order):
            raise _no_order(order, "orders, in a list")
    book = np.array(given, dtype=np.float64).reshape(-1, FIELDS)
    fault = first_fault(book) if given else None
    if fault is not None:
        row, field, expected = fault
        raise _no_order(given[row], f"orders, and here as {Order._fields[field]} {expected}")
    return book


def with_orders(book: np.ndarray, orders: Iterable[Order]) -> np.ndarray:
    """A new book that holds these orders too.

    Raises ConfigError beyond CAPACITY resting orders, and for one that would wait for an order that does not rest.
    """
    joined = np.concatenate([book, book_of(orders)])
    if len(joined) > CAPACITY:
        raise too_many(len(joined))
    orphan = joined[(joined[:, PARENT] != 0.0) & ~np.isin(joined[:, PARENT], joined[:, ID])]
    if len(orphan):
        raise no_parent(orphan[0, PARENT])
    return joined


def no_parent(parent: float) -> ConfigError:
    """An order waits for one that there is not."""
    return ConfigError(
        f"an order waits for the order with id {parent:g}",
        expected="an order with that id that rests, or is given with it",
        remedy="Make entries with their exits by bracket()",
    )


def _no_order(given: object, expected: str) -> ConfigError:
    return ConfigError(
        f"there is {given!r} among the orders", expected=expected, remedy="Give a list such as [market(1.0)]"
    )


def too_many(count: int) -> ConfigError:
    """More orders rest than a book holds."""
    return ConfigError(
        f"{count} orders rest at once",
        expected=f"{CAPACITY} or fewer on one asset",
        remedy="Give orders a life, such as limit(..., bars=10), or group them so that one cancels the other",
    )


def _units(units: float, reduces: bool) -> float:
    if not is_number(units) or units == 0.0 or math.isnan(units) or (math.isinf(units) and not reduces):
        raise ConfigError(
            f"units is {units!r}",
            expected="units above zero to buy, below zero to sell (infinite only with reduces=True, to close)",
            remedy="Leave the order out to do nothing",
        )
    return float(units)


def _price(price: float) -> float:
    if not is_number(price) or not 0.0 < price < math.inf:
        raise ConfigError(f"the order's price is {price!r}", expected="a price above zero", remedy="Correct it")
    return float(price)


def _distance(distance: float) -> float:
    if not is_number(distance) or not 0.0 < distance < 1.0:
        raise ConfigError(f"distance is {distance!r}", expected="a fraction in (0, 1)", remedy="Use 0.05 for 5 %")
    return float(distance)


def _patience(bars: float) -> float:
    if not is_number(bars) or not bars >= 1:
        raise ConfigError(f"bars is {bars!r}", expected="1 bar or more", remedy="bars=1 fills on the next bar or never")
    return float(bars)
