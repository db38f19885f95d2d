"""Lengths of time: the interval of one candle, and spans such as "4y" that folds are measured in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from candlecast.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
MONTH = 2_629_746  # seconds of a mean Gregorian month
SPAN_SECONDS = {**SECONDS, "mo": MONTH, "y": 12 * MONTH}


@dataclass(frozen=True, order=True, repr=False)
class Interval:
    """Length of one candle in whole seconds, or in calendar months, written as the exchanges write it.

    Candles of `months` (0 for all others) open with the first day of a month and have 28 to 31 days; `seconds` is then their
    mean length, for estimates. `after` and `before` move times by the length itself.

    >>> Interval.parse("4h"), Interval.parse("3mo")
    (Interval(seconds=14400), Interval(seconds=7889238, months=3))
    >>> str(Interval(86_400)), str(Interval(90)), str(Interval.parse("12mo"))
    ('1d', '90s', '12mo')
    """

    seconds: int
    months: int = 0

    def __post_init__(self) -> None:
        if self.months and self.seconds != self.months * MONTH:
            raise ConfigError(
                f"an interval of {self.months} months has {self.seconds} seconds",
                expected=f"{self.months * MONTH}, their mean",
                remedy=f'Use Interval.parse("{self.months}mo")',
            )

    @classmethod
    def parse(cls, text: str | Interval) -> Interval:
        """Read "30s", "1m", "4h", "1d", "1w" or "1mo"; an Interval passes through. Raises ConfigError."""
        if isinstance(text, Interval):
            return text
        match = re.fullmatch(r"(\d+)(mo|[smhdw])", text.strip()) if isinstance(text, str) else None
        if match is None or int(match[1]) == 0:
            raise ConfigError(
                f"interval {text!r} is not a candle length",
                expected="a whole number and one of s, m, h, d, w, mo",
                remedy='Use for example "1m", "1h", "4h", "1d", "1w" or "1mo"',
            )
        if match[2] == "mo":
            return cls(int(match[1]) * MONTH, int(match[1]))
        return cls(int(match[1]) * SECONDS[match[2]])

    @property
    def timedelta(self) -> timedelta:
        """The same length as a `datetime.timedelta`; of months, their mean."""
        return timedelta(seconds=self.seconds)

    @property
    def microseconds(self) -> int:
        """The same length in microseconds, the unit of every time column; of months, their mean."""
        return self.seconds * 1_000_000

    def after(self, times: pl.Series) -> pl.Series:
        """Times one interval later: when bars close that open at `times` (Datetime).

        >>> import polars as pl
        >>> Interval.parse("1mo").after(pl.Series([datetime(2024, 2, 1)])).to_list()
        [datetime.datetime(2024, 3, 1, 0, 0)]
        """
        return times.dt.offset_by(f"{self.months}mo") if self.months else times + self.timedelta

    def before(self, times: pl.Series) -> pl.Series:
        """Times one interval earlier; see `after`."""
        return times.dt.offset_by(f"-{self.months}mo") if self.months else times - self.timedelta

    def next(self, time: datetime) -> datetime:
        """One time, one interval later; see `after`."""
        import polars as pl

        return self.after(pl.Series([time])).item() if self.months else time + self.timedelta

    def __repr__(self) -> str:
        return f"Interval(seconds={self.seconds}" + (f", months={self.months})" if self.months else ")")

    def __str__(self) -> str:
        if self.months:
            return f"{self.months}mo"
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
