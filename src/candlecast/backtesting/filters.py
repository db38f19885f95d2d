"""`Filters`: the steps that a venue trades in, and how orders are rounded to them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from candlecast.errors import ConfigError
from candlecast.parameters import is_number, require_kinds

ROUNDING = 1e-9  # of a step: 0.3 / 0.1 is 2.9999999999999996 lots, and means 3
RESIDUE = 1e-10  # of the units traded: 0.1 + 0.2 - 0.3 is 5.6e-17, and means 0


@dataclass(frozen=True)
class Filters:
    """Steps of price, units and money; 0.0 means none (fractional units, any price).

    `tick`: prices paid are rounded to it, against the trader; limits to one no worse than asked, stops to one no earlier.
    `lot`: units are rounded to it, toward zero; closing a position is never rounded. `minimum`: value in quote currency
    below which an order is refused, unless it closes the position. `cent`: fees are rounded up to it.

    Raises ConfigError for a step that is below zero or no number.

    >>> Filters(tick=0.01, lot=0.00001, minimum=5.0)
    Filters(tick=0.01, lot=1e-05, minimum=5.0, cent=0.0)
    """

    tick: float = 0.0
    lot: float = 0.0
    minimum: float = 0.0
    cent: float = 0.0

    def __post_init__(self) -> None:
        require_kinds(self)
        for name in ("tick", "lot", "minimum", "cent"):
            value = getattr(self, name)
            if not is_number(value) or not 0.0 <= value < math.inf:
                raise ConfigError(
                    f"{name} is {value!r}", expected="a step above zero, or 0 for none", remedy="Leave it out for none"
                )


NO_FILTERS = Filters()


def rounded_up(value: float, step: float) -> float:
    """The least multiple of `step` that is not below `value`.

    >>> rounded_up(1.01, 0.25), rounded_up(0.3, 0.1) == 3 * 0.1
    (1.25, True)
    """
    return math.ceil(value / step - ROUNDING) * step


def rounded_down(value: float, step: float) -> float:
    """The greatest multiple of `step` that is not above `value`."""
    return math.floor(value / step + ROUNDING) * step


def closes(units: float, held: float) -> bool:
    """Whether trading `units` closes what is `held` up to rounding: a ten-billionth of the units traded or less is left.

    Relative to the trade, so it works for 1e-8 units as for 1e9.

    >>> closes(-0.3, 0.1 + 0.2), closes(-3e-9, 1e-9 + 2e-9), closes(-0.9999, 1.0), closes(-1e-8, 0.0)
    (True, True, False, False)
    """
    return abs(units + held) <= RESIDUE * abs(units)


def allowed_units(units: float, price: float, held: float, lot: float, minimum: float) -> float:
    """Units of an order as the venue takes it: whole lots toward zero, 0.0 when worth less than `minimum`.

    An order that closes what is held, up to rounding (`closes`), passes as exactly that.
    """
    if closes(units, held):
        return -held
    if lot > 0.0:
        units = rounded_down(units, lot) if units > 0.0 else -rounded_down(-units, lot)
    if abs(units) * price < minimum:
        return 0.0
    return units
