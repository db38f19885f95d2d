"""Orders: what a strategy may ask of the account, as values, and the book in which they rest as rows of floats."""

from __future__ import annotations

# ruff: noqa: A002  an order's `id` is named like its field
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from candlecast.backtesting.engine import account
from candlecast.errors import ConfigError
from candlecast.parameters import is_number
from candlecast.signals.positions import HIGHEST_LEVERAGE

ORDERED = range(account.TARGET, account.LIQUIDATION)  # kinds that can be asked for
CANCEL = account.SERIES_END + 1  # a kind that takes orders out of the book, and is never filled
CAPACITY = 64  # resting orders of one asset; scanned on every bar
# Columns of a book: the fields of Order, in order.
KIND, UNITS, LIMIT, STOP, TRAIL, BARS, GROUP, PARENT, ID, REDUCES, RESTS = range(11)
FIELDS = 11
TOO_MANY, CLASH, ORPHAN = 1, 2, 3  # why a book refuses an order


class Order(NamedTuple):
    """One order, as floats. Make it with `target`, `market`, `limit`, `stop`, `stop_limit`, `trailing`, `bracket` or `cancel`.

    `kind`: why it fills, a number of `account` (TARGET, MARKET, LIMIT, STOP, TRAILING, TAKE_PROFIT), or CANCEL. `units`:
    signed; for a target the fraction of equity. `bars`: how many bars it may wait, infinity until cancelled. `group`: when
    one order of a group fills, the others are cancelled (0: none). `parent`: it waits until the order with this id has
    filled (0: at once); it goes when that order goes unfilled. `id`: a number of its own among the orders that rest (0:
    none). `reduces`: 1.0 if it may only make the position smaller; units are cut to what is held, and where it has a
    parent, to what that has filled and to the smallest position held since: it is gone once the position is flat.

    What a book adds: `parent` is the id below zero once that order has filled, and `rests` is 1.0 once the order has been
    there without being filled, which makes a limit a maker.
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
    rests: float = 0.0


def target(position: float) -> Order:
    """Hold `position`, a fraction of equity within -125 to 125, from the next open on."""
    if not is_number(position) or not abs(position) <= HIGHEST_LEVERAGE:
        raise ConfigError(
            f"position is {position!r}",
            expected=f"a fraction of equity in [-{HIGHEST_LEVERAGE:g}, {HIGHEST_LEVERAGE:g}]",
            remedy="Use 1.0 for all of it",
        )
    return Order(float(account.TARGET), float(position))


def market(units: float, *, reduces: bool = False, id: float = 0) -> Order:
    """Buy (positive) or sell (negative) `units` at the next open. `id`: a number that other orders can wait for."""
    return _order(account.MARKET, units, reduces=reduces, id=id)


def limit(units: float, price: float, *, bars: float = math.inf, reduces: bool = False, id: float = 0) -> Order:
    """Buy at `price` or lower, sell at `price` or higher; at the open when that is better.

    Pays the maker's fee and no slippage when the price comes to it later; where it can be filled at its first open, it
    takes what is there like a market order, for the taker's fee and slippage, no worse than `price`. `bars`: how many bars
    it may wait. `reduces`: only makes the position smaller. `id`: a number above zero of your own, for `cancel`.

    >>> limit(-2.0, 110.0, bars=5).limit
    110.0
    """
    return _order(account.LIMIT, units, bars=bars, reduces=reduces, id=id)._replace(limit=_price(price))


def stop(units: float, price: float, *, bars: float = math.inf, reduces: bool = False, id: float = 0) -> Order:
    """Buy at market when the price has risen to `price`, sell when it has fallen there; at the open after a gap.

    `bars`, `reduces` and `id` as of `limit`.
    """
    return _order(account.STOP, units, bars=bars, reduces=reduces, id=id)._replace(stop=_price(price))


def stop_limit(units: float, price: float, limit: float, *, bars: float = math.inf, id: float = 0) -> Order:
    """When the price has come to the stop `price`, a limit order at `limit`, which arrives there: see `limit`."""
    return stop(units, price, bars=bars, id=id)._replace(limit=_price(limit))


def trailing(units: float, distance: float, *, bars: float = math.inf, reduces: bool = False, id: float = 0) -> Order:
    """A stop that follows the best price seen since it rests, `distance` (a fraction) away from it; it never moves back.

    `bars`, `reduces` and `id` as of `limit`.
    """
    return _order(account.TRAILING, units, bars=bars, reduces=reduces, id=id)._replace(trail=_distance(distance))


def cancel(*, group: float = 0, id: float = 0) -> Order:
    """Take orders out of the book before the next open: those of a `group`, the one with an `id`, or all that rest.

    The group of a `bracket` is its exits, and its entry as long as that has not filled. What waits for a cancelled order
    goes with it. It acts on orders that rest and on those given before it, not on those after it in the same list, so that
    `[cancel(group=1), *bracket(..., group=1)]` replaces a bracket. Where nothing is left to cancel, nothing happens.

    >>> cancel(group=2).group
    2.0
    """
    return Order(float(CANCEL), 0.0, group=_number("group", group), id=_number("id", id))


def bracket(
    entry: Order,
    *,
    stop: float | None = None,
    take_profit: float | None = None,
    trail: float | None = None,
    group: int = 1,
) -> list[Order]:
    """An entry with exits that wait for it: a `stop` price, a `take_profit` price, a `trail` distance; one cancels the other.

    The exits close what the entry has filled: never more, nor more than is still held of the smallest position since. They
    are gone once the position has been flat. `group` is a number of your own above zero, another for each bracket that
    lives at the same time; it is the entry's id too, and `cancel(group=...)` takes the bracket back. Raises ConfigError for
    exits on the wrong sides of each other, and without any.

    >>> [order.units for order in bracket(market(3.0), stop=90.0, take_profit=120.0)]
    [3.0, -inf, -inf]
    """
    if not isinstance(entry, Order) or entry.units == 0.0:
        raise ConfigError(f"the entry is {entry!r}", expected="an order that enters", remedy="Use market(1.0)")
    if not _number("group", group) > 0.0:
        raise ConfigError(f"group is {group!r}", expected="a number above zero", remedy="Number brackets 1, 2, 3, ...")
    out = -math.copysign(math.inf, entry.units)
    exits = Order(0.0, out, group=float(group), parent=float(group), reduces=1.0)
    orders = [entry._replace(id=float(group))]
    if stop is not None:
        orders.append(exits._replace(kind=float(account.STOP), stop=_price(stop)))
    if trail is not None:
        orders.append(exits._replace(kind=float(account.TRAILING), trail=_distance(trail)))
    if take_profit is not None:
        orders.append(exits._replace(kind=float(account.TAKE_PROFIT), limit=_price(take_profit)))
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
    numbers = book[:, [GROUP, PARENT, ID]]
    is_target, is_trailing, is_cancel = kind == account.TARGET, kind == account.TRAILING, kind == CANCEL
    is_stop, is_limit = kind == account.STOP, (kind == account.LIMIT) | (kind == account.TAKE_PROFIT)
    rules = (
        (~np.isin(kind, ORDERED) & ~is_cancel, KIND, "a kind that can be asked for"),
        (
            np.isnan(units) | ((units == 0.0) & ~(is_target | is_cancel)),
            UNITS,
            "units above zero to buy, below zero to sell",
        ),
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
        *(
            (~((column >= 0.0) & np.isfinite(column)), field, "a number above zero, or 0 for none")
            for column, field in zip(numbers.T, (GROUP, PARENT, ID), strict=True)
        ),
        (book[:, RESTS] != 0.0, RESTS, "0, since no order rests before it is given"),
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


def refusal(fault: int, order: np.ndarray, resting: int) -> ConfigError:
    """Why the book refuses an order, a row of it: a fault that `matching.enter` has found, with the orders that rest."""
    if fault == TOO_MANY:
        return too_many(resting)
    if fault == ORPHAN:
        return no_parent(float(order[PARENT]))
    return ConfigError(
        f"there are two orders with the id {order[ID]:g}, or exits of one rest",
        expected="a number of its own for each order and bracket that lives at the same time",
        remedy="Use another number, such as bracket(..., group=2), or give cancel(group=...) before it",
    )


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


def _order(kind: int, units: float, *, bars: float = math.inf, reduces: bool = False, id: float = 0) -> Order:
    """An order of what all kinds have. Raises ConfigError for a value that means nothing."""
    return Order(
        float(kind), _units(units, reduces), bars=_patience(bars), id=_number("id", id), reduces=float(reduces)
    )


def _units(units: float, reduces: bool) -> float:
    if not is_number(units) or units == 0.0 or math.isnan(units) or (math.isinf(units) and not reduces):
        raise ConfigError(
            f"units is {units!r}",
            expected="units above zero to buy, below zero to sell (infinite only with reduces=True, to close)",
            remedy="Leave the order out to do nothing",
        )
    return float(units)


def _number(name: str, number: float) -> float:
    if not is_number(number) or not 0 <= number < math.inf:
        raise ConfigError(
            f"{name} is {number!r}", expected="a number above zero, or 0 for none", remedy="Use 1, 2, 3, ..."
        )
    return float(number)


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
