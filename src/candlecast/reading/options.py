"""What the user states about a table, so that it need not be found in the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from candlecast.errors import ConfigError, near_misses
from candlecast.interval import Interval
from candlecast.reading.instants import require_zone

ORDERS = ("ymd", "dmy", "mdy")
ROLES = ("time", "open", "high", "low", "close", "volume", "symbol")
DECIMALS = (".", ",")


@dataclass(frozen=True)
class Options:
    """Everything that can be stated about a table of candles; what is None is found in the table.

    `interval`: length of one candle. `symbol`: the one to read where there are several, and the name of the candles.
    `zone`: IANA zone of times without one. `dates`: order of numeric dates, "ymd", "dmy" or "mdy". `decimal`: "." or ",".
    `columns`: names of columns by role (time, open, high, low, close, volume, symbol); two columns of date and time are
    written "Date+Time". `adjusted`: read the adjusted prices that the table has beside the plain ones.

    Raises ConfigError for a value that has no meaning.
    """

    interval: str | Interval | None = None
    symbol: str | None = None
    zone: str | None = None
    dates: str | None = None
    decimal: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    adjusted: bool = False

    def __post_init__(self) -> None:
        if self.interval is not None:
            Interval.parse(self.interval)
        if self.zone is not None:
            require_zone(self.zone)
        if self.dates is not None and self.dates not in ORDERS:
            raise ConfigError(
                f"dates is {self.dates!r}",
                expected="the order of year, month and day: ymd, dmy or mdy",
                remedy='Use for example dates="mdy"',
            )
        if self.decimal is not None and self.decimal not in DECIMALS:
            raise ConfigError(
                f"decimal is {self.decimal!r}", expected="a point or a comma", remedy='Use for example decimal=","'
            )
        if not isinstance(self.columns, Mapping) or not all(isinstance(name, str) for name in self.columns.values()):
            raise ConfigError(
                f"columns is {self.columns!r}",
                expected="names of columns by what they hold",
                remedy='Use for example columns={"open": "OpnPric"}',
            )
        for role in self.columns:
            if role not in ROLES:
                raise ConfigError(
                    f"columns names {role!r}",
                    expected=f"any of {', '.join(ROLES)}",
                    remedy=near_misses(str(role), ROLES),
                )
