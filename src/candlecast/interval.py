"""Lengths of time: the interval of one candle, and spans such as "4y" that folds are measured in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from candlecast.errors import ConfigError

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
SPAN_SECONDS = {**SECONDS, "mo": 2_629_746, "y": 31_556_952}  # mean Gregorian month and year


@dataclass(frozen=True, order=True)
class Interval:
    """Length of one candle in whole seconds, written as the exchanges write it.

    >>> Interval.parse("4h")
    Interval(seconds=14400)
    >>> str(Interval(86_400)), str(Interval(90))
    ('1d', '90s')
    """

    seconds: int

    @classmethod
    def parse(cls, text: str | Interval) -> Interval:
        """Read "30s", "1m", "4h", "1d" or "1w"; an Interval passes through. Raises ConfigError."""
        if isinstance(text, Interval):
            return text
        match = re.fullmatch(r"(\d+)([smhdw])", text.strip()) if isinstance(text, str) else None
        if match is None or int(match[1]) == 0:
            raise ConfigError(
                f"interval {text!r} is not a candle length",
                expected="a whole number and one of s, m, h, d, w",
                remedy='Use for example "1m", "1h", "4h", "1d" or "1w"',
            )
        return cls(int(match[1]) * SECONDS[match[2]])

    @property
    def timedelta(self) -> timedelta:
        """The same length as a `datetime.timedelta`."""
        return timedelta(seconds=self.seconds)

    @property
    def microseconds(self) -> int:
        """The same length in microseconds, the unit of every time column."""
        return self.seconds * 1_000_000

    def __str__(self) -> str:
        for unit in ("w", "d", "h", "m"):
            if self.seconds % SECONDS[unit] == 0:
                return f"{self.seconds // SECONDS[unit]}{unit}"
        return f"{self.seconds}s"


def span_seconds(text: str) -> float:
    """Seconds in a span such as "4y", "6mo", "90d", "12h"; months and years are mean Gregorian ones.

    Raises ConfigError.

    >>> span_seconds("90d") / 86_400
    90.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(mo|[smhdwy])", text.strip())
    if match is None or float(match[1]) == 0:
        raise ConfigError(
            f"span {text!r} is not a length of time",
            expected="a number and one of s, m, h, d, w, mo, y, or a whole number of bars",
            remedy='Use for example "4y", "6mo", "90d" or 1000',
        )
    return float(match[1]) * SPAN_SECONDS[match[2]]
