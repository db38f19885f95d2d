"""Numbers of `candlecast.text.formatting` for cells of tables and for figures, where an unknown one is a dash."""

from __future__ import annotations

from functools import partial

from candlecast.text import formatting
from candlecast.text.formatting import CELL

number = partial(formatting.number, unknown=CELL)
significant = partial(formatting.number, digits=None, unknown=CELL)  # five figures
percent = partial(formatting.percent, unknown=CELL)
price = partial(formatting.price, unknown=CELL)
p_value = partial(formatting.p_value, unknown=CELL)


def annual_return(value: float | None, *, is_annual: bool) -> str:
    """An annual return in percent; that of less than a year is the return of the whole time, and says so.

    >>> annual_return(0.0721, is_annual=True), annual_return(0.0721, is_annual=False)
    ('7.2 %', '7.2 % in all')
    """
    return percent(value) + ("" if is_annual or percent(value) == CELL else " in all")
