"""`Positions`: what a rule wants to hold, decided at the close of each bar."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import polars as pl

from candlecast.errors import ConfigError, is_number

SCHEMA: dict[Any, Any] = {"time": pl.Datetime("us", "UTC"), "symbol": pl.String, "position": pl.Float64}
HIGHEST_LEVERAGE = 125.0  # the most that any large exchange lends
HIGHEST_POSITION = 1e15  # units; beyond, a float no longer counts them one by one


@dataclass(frozen=True, eq=False)
class Positions:
    """Wanted holdings of one asset over time.

    `frame` has the columns `time` (close of the bar on which it was decided; strictly rising), `symbol`, and
    `position` (fraction of equity: 1 all long, 0 flat, -1 all short; in [-leverage, leverage]). `in_units`: positions
    are units of the asset instead, of any size. `band`: an unchanged position is rebalanced when the fraction held has
    drifted from it by more than this (0.05: when 100 % has become 94 %); never when not given.

    Raises ConfigError for a position outside of that or NaN, and for times that do not rise.
    """

    frame: pl.DataFrame
    leverage: float = 1.0
    in_units: bool = False
    band: float = math.inf

    def __post_init__(self) -> None:
        if not is_number(self.leverage) or not 1.0 <= self.leverage <= HIGHEST_LEVERAGE:
            raise ConfigError(
                f"leverage is {self.leverage!r}",
                expected=f"1 to {HIGHEST_LEVERAGE:g} times equity",
                remedy="Leave it out to hold no more than equity",
            )
        if not is_number(self.band) or not self.band > 0:
            raise ConfigError(
                f"band is {self.band!r}", expected="a fraction above 0", remedy="Use for example band=0.05"
            )
        if not isinstance(self.frame, pl.DataFrame):
            raise ConfigError(
                f"positions are of type {type(self.frame).__name__}",
                expected="a Polars table of time, symbol and position",
                remedy="Make it with pl.DataFrame, or pl.from_pandas",
            )
        missing = [name for name in SCHEMA if name not in self.frame.columns]
        if missing:
            raise ConfigError(
                f"positions lack the column {missing[0]}", expected=", ".join(SCHEMA), remedy="Rename or add the column"
            )
        try:
            object.__setattr__(self, "frame", self.frame.select(*SCHEMA).cast(SCHEMA))
        except pl.exceptions.PolarsError as error:
            found = ", ".join(f"{name} {self.frame.schema[name]}" for name in SCHEMA)
            raise ConfigError(
                f"positions have the columns {found}",
                expected="times, text and numbers",
                remedy="Convert them, such as with str.to_datetime()",
            ) from error
        values, times = self.frame["position"], self.frame["time"]
        highest = HIGHEST_POSITION if self.in_units else self.leverage
        wrong = values.is_null() | values.is_nan() | (values.abs() > highest)
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            raise ConfigError(
                f"the position at {times[row]} is {values[row]}",
                expected="a number of units" if self.in_units else f"a number in [-{highest:g}, {highest:g}]",
                remedy="Clip or correct the rule that made it",
            )
        if self.frame["symbol"].n_unique() > 1 or self.frame["symbol"].null_count():
            raise ConfigError(
                f"positions hold {self.frame['symbol'].drop_nulls().n_unique()} symbols",
                expected="one",
                remedy="Split them by symbol",
            )
        if not times.is_sorted() or times.n_unique() < len(times):
            raise ConfigError(
                "times of the positions do not rise",
                expected="each later than the one before",
                remedy="Sort them and remove duplicates",
            )

    def __len__(self) -> int:
        return self.frame.height

    @property
    def symbol(self) -> str:
        """The asset; empty when there are no positions."""
        return self.frame["symbol"][0] if len(self) else ""
