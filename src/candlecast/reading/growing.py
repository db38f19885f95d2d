"""Columns of numbers that grow block by block in place, so that a table is never in memory twice."""

from __future__ import annotations

import numpy as np
import polars as pl

SMALL = 20_000  # rows of a first block that is probably the last
LARGE = 2**23  # rows allocated otherwise; the system assigns memory only when it is written
NO_OFFSET = np.iinfo(np.int64).min


class Growing:
    """Columns by name: int64 or float64, of equal length."""

    def __init__(self) -> None:
        self.length = 0
        self._arrays: dict[str, np.ndarray] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def append(self, frame: pl.DataFrame) -> None:
        """Add the rows of a block. Columns that are not in it are dropped; null becomes NaN, or NO_OFFSET in whole numbers."""
        rows = len(frame)
        self._arrays = {name: array for name, array in self._arrays.items() if name in frame.columns or not self.length}
        for name in frame.columns:
            series = frame[name]
            is_float = series.dtype.is_float()
            values = (series if is_float else series.cast(pl.Int64).fill_null(NO_OFFSET)).to_numpy()
            array = self._arrays.get(name)
            if array is None:
                array = np.empty(self._room(rows), dtype=values.dtype)
                array[: self.length] = np.nan if is_float else NO_OFFSET
            if is_float and array.dtype != np.float64:
                array = array.astype(np.float64)
            if len(array) < self.length + rows:
                grown = np.empty(max(2 * len(array), self.length + rows, LARGE), dtype=array.dtype)
                grown[: self.length] = array[: self.length]
                array = grown
            array[self.length : self.length + rows] = values
            self._arrays[name] = array
        self.length += rows

    def array(self, name: str) -> np.ndarray:
        """The values of a column."""
        return self._arrays[name][: self.length]

    def take(self, name: str) -> np.ndarray:
        """The values of a column, which is no longer kept here."""
        return self._arrays.pop(name)[: self.length]

    def _room(self, rows: int) -> int:
        return self.length + rows if self.length + rows < SMALL else max(LARGE, self.length + rows)
