"""`Repeated`: columns of one value each, which share their memory."""

from __future__ import annotations

from typing import Any

import polars as pl

SPARE = 16  # a new column is longer by this share than asked for, since parts of a table differ by a few rows


class Repeated:
    """Columns that have the same value in all rows: each is the beginning of the longest one of that value.

    Tables of many rows have many such columns, such as the symbol. Joined tables keep the memory of their parts.

    >>> columns = Repeated()
    >>> columns.of("BTCUSDT", 2, pl.String).to_list(), columns.of(None, 1, pl.Float64).to_list()
    (['BTCUSDT', 'BTCUSDT'], [None])
    """

    def __init__(self) -> None:
        self._longest: dict[tuple[str, Any], pl.Series] = {}

    def of(self, value: Any, rows: int, dtype: Any) -> pl.Series:
        """A column of a value; of None it is null throughout."""
        key = repr(value), dtype  # 0.0 and -0.0 are not the same value
        longest = self._longest.get(key)
        if longest is None or len(longest) < rows:
            longest = self._longest[key] = pl.repeat(value, rows + rows // SPARE, dtype=dtype, eager=True)
        return longest.head(rows)
