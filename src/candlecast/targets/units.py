"""The unit of each target: what its forecasts are numbers of, and how they are written for people."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from candlecast.targets.target import Target
from candlecast.text.cells import number, percent, price
from candlecast.text.formatting import CELL

Convert = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Unit:
    """What forecasts of a target are numbers of, and how people read them.

    `name`: of the numbers in tables and JSON. `read`: of what is written, empty where that is the same. `convert`: numbers to
    what is written, such as log returns to changes of the price. `write`: one converted number. `said`: the place of a forecast
    in a sentence. `error`: an error of forecasts, such as their root mean squared error, which is not converted.
    """

    name: str
    read: str = ""
    convert: Convert = field(default=np.asarray, repr=False)
    write: Callable[[float], str] = field(default=lambda value: number(value, None), repr=False)
    said: str = field(default="{}", repr=False)
    error: Callable[[float | None], str] = field(default=lambda value: number(value, None), repr=False)

    @property
    def reading(self) -> str:
        """What is written, in words."""
        return self.read or self.name

    def words(self, value: float | None) -> str:
        """A forecast as it is written in a table; "-" where there is none."""
        if value is None or not math.isfinite(value):
            return CELL
        return self.write(float(self.convert(np.array(value))))

    def sentence(self, value: float | None) -> str:
        """A forecast as it is written in a sentence; "unknown" where there is none."""
        words = self.words(value)
        return "unknown" if words == CELL else self.said.format(words)


def unit_of(target: Target) -> Unit:
    """The unit of a target; one of the user's is in the numbers that it gives.

    Returns are read as changes of the price, ranges from low to high and chances in percent, prices as prices.

    >>> from candlecast.targets import Direction, NextReturn, Price, Volatility
    >>> unit_of(NextReturn()).words(0.00821), unit_of(Price()).words(2506.8501), unit_of(Volatility()).words(math.log(0.0123))
    ('+0.824 %', '2,506.85', '1.24 %')
    >>> unit_of(Direction()).sentence(0.5312), unit_of(Direction()).words(None)
    ('53.1 % chance of a rise', '-')
    """
    return UNITS.get(target.name) or (PROBABILITY if target.kind == "probability" else Unit(target.name))


def _signed(words: Callable[[float], str]) -> Callable[[float], str]:
    """A number with its sign, but for zero."""

    def written(value: float) -> str:
        found = words(value)
        return f"+{found}" if value > 0 and any(digit in found for digit in "123456789") else found

    return written


def _percent(digits: int) -> Callable[[float | None], str]:
    return lambda value: percent(value, digits)


def _change(logs: np.ndarray) -> np.ndarray:
    return np.expm1(logs)


def _range(logs: np.ndarray) -> np.ndarray:
    """The highest price over the lowest, less one, of ln ln(max H / min L)."""
    return np.expm1(np.exp(logs))


PROBABILITY = Unit("probability", "probability, %", write=_percent(1))
_RELATIVE = Unit("return", "return, %", write=_signed(_percent(3)), error=_percent(3))
UNITS = {  # by the name of the target
    "return": Unit("log return", "change of the price, %", _change, _signed(_percent(3)), error=_percent(3)),
    "price": Unit("price", write=price),
    "direction": Unit(
        "probability of a rise", "probability of a rise, %", write=_percent(1), said="{} chance of a rise"
    ),
    "volatility": Unit("ln ln(high / low)", "high above low, %", _range, _percent(2)),
    "triple_barrier": Unit(
        "expected label",
        "expected label, from -1 (lower barrier) to 1 (upper barrier)",
        write=_signed(lambda value: number(value, 3)),
        said="{} (from -1, the lower barrier, to 1, the upper one)",
    ),
    "scaled_return": Unit(
        "return in standard deviations",
        "return, standard deviations",
        write=_signed(lambda value: number(value, 3)),
        said="{} standard deviations",
    ),
    "relative_return": _RELATIVE,
    "excess_return": _RELATIVE,
    "cross_section_rank": Unit("rank"),
}
