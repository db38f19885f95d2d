"""`Positions`: what a rule wants to hold, decided at the close of each bar."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.errors import ConfigError
from candlecast.parameters import is_number
from candlecast.sources.files import as_candles
from candlecast.text.formatting import count
from candlecast.text.notebook import notebook_ends

if TYPE_CHECKING:
    from candlecast.candles import Candles

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

    Positions of one asset can be added, subtracted, and multiplied or divided by a number: `0.5 * trend + 0.5 * value`. Where one
    of two has no position at a time, its last one holds, and zero before its first.

    Raises ConfigError for a position outside of that or NaN, and for times that do not rise.

    >>> from candlecast.sources.synthetic import random_walk
    >>> candles = random_walk(4, seed=0).candles
    >>> held = Positions.from_array(candles, [math.nan, 1.0, -1.0, 0.0])
    >>> len(held), (0.5 * held).frame["position"].to_list(), (held - held).frame["position"].to_list()
    (3, [0.5, -0.5, 0.0], [0.0, 0.0, 0.0])
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
            if self.frame.schema != SCHEMA or self.frame.columns != [*SCHEMA]:
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
        wrong = ~(np.abs(values.to_numpy()) <= highest)  # also where it is NaN, as a missing one becomes
        if wrong.any():
            row = int(wrong.argmax())
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
        if times.null_count():
            raise ConfigError(
                f"{count(times.null_count(), 'time')} of the positions is missing"
                if times.null_count() == 1
                else f"{count(times.null_count(), 'time')} of the positions are missing",
                expected="the close of a bar for each",
                remedy="Take the column time of the forecast, not known_at",
            )
        moments = times.to_numpy()
        if not (moments[1:] > moments[:-1]).all():
            raise ConfigError(
                "times of the positions do not rise",
                expected="each later than the one before",
                remedy="Sort them and remove duplicates",
            )

    @classmethod
    def from_array(
        cls,
        candles: Candles,
        values: Any,
        *,
        leverage: float = 1.0,
        in_units: bool = False,
        band: float = math.inf,
    ) -> Positions:
        """One position for each bar, shape (time,), decided at its close. Where it is NaN nothing is decided: the last one holds.

        Raises ConfigError for another shape, and as `Positions`; CandleError for what is no candles.
        """
        candles = as_candles(candles)
        try:
            held = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            held = None
        if held is None or held.shape != (len(candles),):
            found = f"of type {type(values).__name__}" if held is None else f"of shape {held.shape}"
            raise ConfigError(
                f"positions are {found}",
                expected=f"one number for each of the {len(candles):,} bars",
                remedy="Give NaN where nothing is decided, such as at the start",
            )
        frame = candles.frame.select(time="close_time", symbol=pl.lit(candles.symbol), position=held)
        return cls(frame.filter(~np.isnan(held)), leverage, in_units, band)

    def __repr__(self) -> str:
        unit = "units" if self.in_units else "of equity"
        low, high = (self.frame["position"].min(), self.frame["position"].max()) if len(self) else (0.0, 0.0)
        return f"Positions({self.symbol}: {count(len(self), 'decision')}, {low:g} to {high:g} {unit})"

    def _repr_html_(self) -> str:
        """The first and the last decisions, for notebooks."""
        return notebook_ends(repr(self), self.frame)

    def __len__(self) -> int:
        return self.frame.height

    __array_ufunc__ = None  # arrays leave their operations with positions to the methods below

    def __mul__(self, factor: float) -> Positions:
        if not is_number(factor):
            raise _no_operation("multiplied by", factor, "a number")
        return replace(self, frame=self.frame.with_columns(pl.col("position") * float(factor)))

    __rmul__ = __mul__

    def __radd__(self, other: object) -> Positions:
        if is_number(other) and other == 0:  # where `sum` begins
            return self
        raise _no_operation("joined with", other, "positions of the same asset")

    def __rsub__(self, other: object) -> Positions:
        return -self + other  # type: ignore[operator]

    def __truediv__(self, divisor: float) -> Positions:
        if not is_number(divisor) or not divisor:
            raise _no_operation("divided by", divisor, "a number other than 0")
        return self * (1.0 / divisor)

    def __neg__(self) -> Positions:
        return self * -1.0

    def __add__(self, other: Positions) -> Positions:
        return self._joined(other, np.add)

    def __sub__(self, other: Positions) -> Positions:
        return self._joined(other, np.subtract)

    def _joined(self, other: Positions, operation: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Positions:
        """The operation at the times of both; the larger leverage and the smaller band hold."""
        if not isinstance(other, Positions):
            raise _no_operation("joined with", other, "positions of the same asset")
        if len(self) and len(other) and self.symbol != other.symbol:
            raise ConfigError(
                f"positions of {self.symbol} and of {other.symbol} are joined",
                expected="positions of one asset",
                remedy="Trade several assets with backtest_portfolio",
            )
        if self.in_units != other.in_units:
            raise ConfigError(
                "positions in units and in fractions of equity are joined", expected="one of them", remedy="Convert one"
            )
        times = pl.concat([self.frame.select("time"), other.frame.select("time")]).unique().sort("time")
        held = [times.join_asof(each.frame, on="time")["position"].fill_null(0.0).to_numpy() for each in (self, other)]
        symbol = self.symbol or other.symbol
        frame = times.with_columns(symbol=pl.lit(symbol), position=operation(*held))
        return Positions(frame, max(self.leverage, other.leverage), self.in_units, min(self.band, other.band))

    @property
    def symbol(self) -> str:
        """The asset; empty when there are no positions."""
        return self.frame["symbol"][0] if len(self) else ""


def _no_operation(words: str, other: object, expected: str) -> ConfigError:
    value = repr(other) if isinstance(other, (str, int, float)) else f"a {type(other).__name__}"
    return ConfigError(
        f"positions are {words} {value}", expected=expected, remedy="Use for example 0.5 * positions + 0.5 * others"
    )


class PositionsByModel(dict[str, Positions]):
    """Positions by model; where one set of positions is wanted, those of the `studied` model are taken."""

    def __init__(self, positions: Mapping[str, Positions], *, studied: str) -> None:
        super().__init__(positions)
        self.studied = studied

    @classmethod
    def of(cls, positions: Mapping[str, Positions], *, studied: str) -> PositionsByModel:
        """The same object where it is such already."""
        if isinstance(positions, cls) and positions.studied == studied:
            return positions
        return cls(positions, studied=studied)
