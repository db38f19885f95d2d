"""The table of statistics that `summary()` gives: a Polars frame that prints all of its rows, one line each."""

from __future__ import annotations

from typing import Any

import polars as pl

from candlecast.text import cells
from candlecast.text.formatting import table

HEADINGS = ("Statistic", "Value", "Low", "High", "Buy-and-hold", "Unit")


class SummaryTable(pl.DataFrame):
    """A frame with the columns `statistic`, `value`, `low`, `high`, `benchmark`, `unit` and `formula`.

    What is computed from it is a plain frame. Printed, it leaves the formulas out.
    """

    def __init__(self, data: Any = None, *args: Any, **options: Any) -> None:
        super().__init__(data, *args, **options)

    def __str__(self) -> str:
        """All rows, one line each; the plain frame where columns are missing."""
        if not {"statistic", "value", "low", "high", "benchmark", "unit"} <= set(self.columns):
            return super().__str__()
        rows = [
            (
                row["statistic"],
                *(cells.number(row[name], None) for name in ("value", "low", "high", "benchmark")),
                row["unit"],
            )
            for row in self.iter_rows(named=True)
        ]
        return table(rows, HEADINGS)

    __repr__ = __str__
