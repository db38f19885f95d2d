"""The table of statistics that `summary()` gives: a Polars frame that prints all of its rows, one line each."""

from __future__ import annotations

from typing import Any

import polars as pl

from candlecast.text import cells
from candlecast.text.formatting import table
from candlecast.text.notebook import notebook_table

NUMBERS = ("value", "low", "high", "benchmark")
CAPTION = "The account after costs, with its 95 % CI"
HEADINGS = ("Statistic", "Value", "Low", "High", "Buy-and-hold", "Unit")


class SummaryTable(pl.DataFrame):
    """A frame with the columns `statistic`, `value`, `low`, `high`, `benchmark`, `unit` and `formula`.

    What is computed from it is a plain frame. Printed, it leaves the formulas out.
    """

    def __init__(self, data: Any = None, *args: Any, **options: Any) -> None:
        super().__init__(data, *args, **options)

    def __str__(self) -> str:
        """All rows, one line each; the plain frame where columns are missing."""
        return table(self._lines(), HEADINGS) if self._is_whole() else super().__str__()

    __repr__ = __str__

    def _repr_html_(self, **options: Any) -> str:
        """The same for notebooks; the options are those of Polars."""
        return notebook_table(CAPTION, HEADINGS, self._lines()) if self._is_whole() else super()._repr_html_(**options)

    def _is_whole(self) -> bool:
        return {"statistic", *NUMBERS, "unit"} <= set(self.columns)

    def _lines(self) -> list[tuple[str, ...]]:
        return [
            (row["statistic"], *(cells.number(row[name], None) for name in NUMBERS), row["unit"])
            for row in self.iter_rows(named=True)
        ]
