"""Orders: what a strategy may ask of the account, as values, and the book in which they rest as rows of floats."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from candlecast.backtesting import account as ledger
from candlecast.backtesting.costs import is_number
from candlecast.errors import ConfigError
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
    if abs(_finite("position", position)) > HIGHEST_LEVERAGE:
        raise ConfigError(
            f"position is {position}",
            expected=f"a fraction of equity in [-{HIGHEST_LEVERAGE:g}, {HIGHEST_LEVERAGE:g}]",
            remedy="Use 1.0 for all of it",
        )
    return Order(float(ledger.TARGET), float(position))


def market(units: float) -> Order:
    """Buy (positive) or sell (negative) `units` at the next open."""
    return Order(float(ledger.MARKET), _finite("units", units))


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
    entry: Order, *, stop: float = math.nan, take_profit: float = math.nan, trail: float = math.nan, group: int = 1
) -> list[Order]:
    """An entry with exits that wait for it: a `stop` price, a `take_profit` price, a `trail` distance; one cancels the other.

    The exits close what is held. `group` is a number of your own above zero, another for each bracket that lives at the
    same time; it is the entry's id too.

    >>> [order.units for order in bracket(market(3.0), stop=90.0, take_profit=120.0)]
    [3.0, -inf, -inf]
    """
    if group < 1:
        raise ConfigError(f"group is {group}", expected="a number above zero", remedy="Number brackets 1, 2, 3, ...")
    out = -math.copysign(math.inf, entry.units)
    exits = Order(0.0, out, group=float(group), parent=float(group), reduces=1.0)
    orders = [entry._replace(id=float(group))]
    if not math.isnan(stop):
        orders.append(exits._replace(kind=float(ledger.STOP), stop=_price(stop)))
    if not math.isnan(trail):
        orders.append(exits._replace(kind=float(ledger.TRAILING), trail=_distance(trail)))
    if not math.isnan(take_profit):
        orders.append(exits._replace(kind=float(ledger.TAKE_PROFIT), limit=_price(take_profit)))
    return orders


def book_of(orders: Sequence[Order]) -> np.ndarray:
    """Orders as rows of a book, float64, shape (orders, FIELDS). Raises ConfigError for anything else."""
    for order in orders:
        if not isinstance(order, Order) or order.kind not in ORDERED or math.isnan(order.units):
            raise ConfigError(
                f"there is {order!r} among the orders", expected="orders", remedy="Give a list such as [market(1.0)]"
            )
    return np.array(orders, dtype=np.float64).reshape(-1, FIELDS)


def with_orders(book: np.ndarray, orders: Iterable[Order]) -> np.ndarray:
    """A new book that holds these orders too. Raises ConfigError beyond CAPACITY resting orders."""
    joined = np.concatenate([book, book_of(list(orders))])
    if len(joined) > CAPACITY:
        raise too_many(len(joined))
    return joined


def too_many(count: int) -> ConfigError:
    """More orders rest than a book holds."""
    return ConfigError(
        f"{count} orders rest at once",
        expected=f"{CAPACITY} or fewer on one asset",
        remedy="Give orders a life, such as limit(..., bars=10), or group them so that one cancels the other",
    )


def _finite(name: str, value: float) -> float:
    if not is_number(value) or not math.isfinite(value):
        raise ConfigError(f"{name} is {value!r}", expected="a number", remedy="Leave the order out to do nothing")
    return float(value)


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
