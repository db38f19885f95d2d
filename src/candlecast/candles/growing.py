"""`GrowingCandles`: the newest bars of a series that grows at its end, in arrays that are extended in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from candlecast.candles.table import Candles

PRICES = ("open", "high", "low", "close", "volume")
TIMES = ("open_time", "close_time")
UTC = pl.Datetime("us", "UTC")
MOST_BARS = 1 << 16  # kept at once; then the older half is left out


@dataclass(frozen=True)
class Bars:
    """Arrays of some bars with the names of `Candles`, without a table: what features of candlecast read."""

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    open_time: np.ndarray
    close_time: np.ndarray
    zone: str | None

    def __len__(self) -> int:
        return len(self.close)

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The closing times as `Candles.frame` has them."""
        return pl.DataFrame([utc(self.close_time, "close_time")])


class GrowingCandles:
    """The newest bars of a growing series; `first` is the number of the first one that is kept, counted from the beginning.

    With the bar that would be the `most`th, the older half is left out: what is kept is a function of the number of bars
    alone, however they came.

    >>> from candlecast.sources import synthetic
    >>> candles = synthetic.random_walk(10, seed=1).candles
    >>> growing = GrowingCandles(candles[:6], most=8)
    >>> growing.append(candles[6:9])
    >>> growing.first, len(growing), growing.end
    (4, 5, 9)
    """

    def __init__(self, candles: Candles, *, most: int = MOST_BARS) -> None:
        self._most = most
        self._like = replace(candles[:0])
        self._arrays = {name: np.empty(most) for name in PRICES}
        self._arrays |= {name: np.empty(most, "datetime64[us]") for name in TIMES}
        self.first, self._count = 0, 0
        self.append(candles)

    def __len__(self) -> int:
        return self._count

    @property
    def end(self) -> int:
        """The number of bars that there have been."""
        return self.first + self._count

    def room(self) -> int:
        """Bars that can be appended before older ones are left out."""
        return self._most - self._count - 1

    def append(self, bars: Candles) -> None:
        """Add bars at the end."""
        given = {name: getattr(bars, name) for name in (*PRICES, *TIMES)}
        done = 0
        while done < len(bars):
            if self._count == self._most - 1:
                self._halve()
            taken = min(len(bars) - done, self._most - 1 - self._count)
            for name, values in given.items():
                self._arrays[name][self._count : self._count + taken] = values[done : done + taken]
            self._count += taken
            done += taken

    def _halve(self) -> None:
        half = self._most // 2
        for array in self._arrays.values():
            array[: self._count - half] = array[half : self._count].copy()
        self.first += half
        self._count -= half

    def last(self, count: int) -> Bars:
        """The newest `count` bars, or all that are kept, as arrays that the next `append` may change."""
        rows = slice(max(self._count - count, 0), self._count)
        return Bars(**{name: array[rows] for name, array in self._arrays.items()}, zone=self._like.zone)

    def candles(self, count: int) -> Candles:
        """The newest `count` bars, or all that are kept, as a table of their own."""
        rows = slice(max(self._count - count, 0), self._count)
        return replace(self._like, frame=frame_of({name: array[rows] for name, array in self._arrays.items()}))


class GrowingRows:
    """Rows of an array that grows at its end, without a copy of those before; `values` has those that are kept.

    What was taken from `values` is not changed by what comes later.

    >>> rows = GrowingRows(np.arange(3))
    >>> rows.append(np.array([3, 4]), left_out=1)
    >>> rows.values.tolist()
    [1, 2, 3, 4]
    """

    def __init__(self, values: np.ndarray) -> None:
        self._buffer, self._first, self._end = values, 0, len(values)

    @property
    def values(self) -> np.ndarray:
        """The rows that are kept."""
        return self._buffer[self._first : self._end]

    def append(self, rows: np.ndarray, *, left_out: int = 0) -> None:
        """Add rows at the end, and leave out the oldest ones."""
        self._first += left_out
        if self._end + len(rows) > len(self._buffer):
            kept = self.values
            size = len(kept) + len(rows)
            self._buffer = np.empty((size + size // 4 + 256, *kept.shape[1:]), kept.dtype)
            self._buffer[: len(kept)] = kept
            self._first, self._end = 0, len(kept)
        self._buffer[self._end : self._end + len(rows)] = rows
        self._end += len(rows)


def utc(times: np.ndarray, name: str = "") -> pl.Series:
    """Times, datetime64[us], as a column in UTC."""
    return pl.Series(name, times.view(np.int64)).cast(UTC)


def frame_of(columns: dict[str, np.ndarray] | dict[str, Sequence[float]]) -> pl.DataFrame:
    """A frame of candles from its columns, times as datetime64[us] in UTC."""
    times = [utc(np.asarray(columns[name], "datetime64[us]"), name) for name in TIMES]
    return pl.DataFrame([*times, *(pl.Series(name, np.asarray(columns[name], np.float64)) for name in PRICES)])
