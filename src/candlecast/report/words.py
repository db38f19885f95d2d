"""Numbers, dates and targets in the words of the report."""

from __future__ import annotations

import math
from datetime import datetime

from candlecast.targets import Target

UNKNOWN = "–"
TARGETS = {
    "return": ("the return of the next bar", "the return over the next {} bars"),
    "price": ("the closing price of the next bar", "the closing price {} bars ahead"),
    "direction": ("whether the next bar closes higher", "whether the close is higher {} bars ahead"),
    "volatility": ("the price range of the next bar", "the price range of the next {} bars"),
    "triple_barrier": ("which barrier the next bar touches", "which barrier is touched first within {} bars"),
    "scaled_return": (
        "the return of the next bar in standard deviations",
        "the return over the next {} bars in standard deviations",
    ),
    "excess_return": (
        "the return of the next bar beyond the benchmark's",
        "the return over the next {} bars beyond the benchmark's",
    ),
}


def number(value: float | None, digits: int | None = None) -> str:
    """A number with thousands marked, and `digits` decimals (five significant figures when not given).

    >>> number(2504.9201), number(0.0123456), number(1e6), number(-0.001, 2), number(None)
    ('2,504.9', '0.012346', '1,000,000', '0.00', '–')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if digits is None:
        digits = min(max(4 - math.floor(math.log10(abs(value))), 0), 10) if value else 0
    return f"{round(value, digits) + 0.0:,.{digits}f}"  # what rounds to zero has no sign


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction in percent, with a space that does not break.

    >>> percent(0.1234)
    '12.3\\xa0%'
    """
    return UNKNOWN if value is None or not math.isfinite(value) else f"{number(100 * value, digits)}\u00a0%"


def p_value(value: float | None) -> str:
    """A probability of luck; the last decimals of a tiny one mean nothing.

    >>> p_value(0.0421), p_value(1e-9)
    ('0.042', '<\\xa00.001')
    """
    return "<\u00a00.001" if value is not None and value < 0.001 else number(value, 3)


def moment(time: datetime) -> str:
    """An ISO date, with the time of day when it is not midnight (UTC).

    >>> moment(datetime(2024, 1, 2)), moment(datetime(2024, 1, 2, 15, 30))
    ('2024-01-02', '2024-01-02 15:30')
    """
    return f"{time:%Y-%m-%d}" if (time.hour, time.minute) == (0, 0) else f"{time:%Y-%m-%d %H:%M}"


def count(amount: int, noun: str) -> str:
    """An amount of things.

    >>> count(1, "bar"), count(2_000, "bar")
    ('1 bar', '2,000 bars')
    """
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def target_words(target: Target) -> str:
    """What is forecast.

    >>> from candlecast.targets import Price
    >>> target_words(Price(24))
    'the closing price 24 bars ahead'
    """
    one, many = TARGETS.get(target.name, (target.name, target.name + " {} bars ahead"))
    return one if target.horizon == 1 else many.format(target.horizon)


def unbroken(text: str) -> str:
    """Words of which no line starts with a percent sign."""
    return text.replace(" %", "\u00a0%")
