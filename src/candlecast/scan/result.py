"""`Scan`: the results of a scan: one table, its failures, and the study behind each of its cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from candlecast.errors import ConfigError, listed, near_misses
from candlecast.evaluation.survivorship import Survivorship
from candlecast.evaluation.trial_count import TrialCount
from candlecast.ledger import Ledger
from candlecast.scan.cell_result import cell_result
from candlecast.scan.folder import ScanFolder
from candlecast.scan.outlook import SmallestEdge, edge_table
from candlecast.scan.page import write_scan_page
from candlecast.scan.words import paragraph, results_table
from candlecast.study.result import StudyResult
from candlecast.text.notebook import notebook_paragraph, notebook_text

if TYPE_CHECKING:
    import pandas as pd

KEY = ("symbol", "interval", "target", "model", "costs")
LEVEL = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class Scan:
    """The results of a scan; printed, the answer in words and the cells with the smallest p-values.

    `failures` has one row for each cell or series without a result: `symbol`, `interval`, `target`, `model`, `costs`, `kind` (of
    the error) and `sentence`. `frame` has one row for each cell that was studied, in the order of the plan:

    symbol, interval, target, model, costs
    observations, r2, hit_rate, the last two with _low and _high    as in `accuracy`
    best_baseline, best_baseline_r2     the baseline with the highest R2 on the same rows, chosen afterwards
    p               Clark-West against naive, drift and the past mean, the largest one
    p_trials        p adjusted for all trials of the workspace (`Evidence.forecast_p_adjusted`)
    p_discovery     p adjusted across the cells of the scan, so that of the rows below 5 % at most 5 % are false
                    (Benjamini-Hochberg, for tests that are independent or lean the same way); p_discovery_any: the same for
                    cells that depend on each other in any way (Benjamini-Yekutieli)
    annual_return, sharpe, sharpe_difference (over buy-and-hold), each with _low and _high: 95 % CI; benchmark_sharpe
    p_pay           the largest p-value of the tests of growth, of timing and of the Sharpe difference; _trials, _discovery and
                    _discovery_any as for p
    deflated_sharpe, break_even_bps, trades    as in `Evidence` and `BacktestResult.summary`
    is_forecastable, pays, has_edge, headline  the verdict, adjusted for all trials
    cell            the name of its folder

    folder: of this scan. trial_count: the trials that the cells were judged among. smallest_edges: those that could have been
    found (`candlecast.scan.outlook`). survivorship: whether the assets look like a list of survivors.
    """

    frame: pl.DataFrame
    failures: pl.DataFrame
    folder: Path
    trial_count: TrialCount
    smallest_edges: tuple[SmallestEdge, ...] = ()
    survivorship: Survivorship | None = None
    ledger: Ledger | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """What came out, in plain words."""
        words = paragraph(self.frame, self.failures, self.trial_count, level=LEVEL)
        warning = self.survivorship.warning if self.survivorship else ""
        return f"{words} {warning[0].upper()}{warning[1:]}." if warning else words

    def __str__(self) -> str:
        """The text, the cells with the smallest p-values, and the smallest edges that could have been found."""
        parts = [self.text, results_table(self.frame)]
        if self.smallest_edges:
            parts.append(edge_table(self.smallest_edges))
        return "\n\n".join(part for part in parts if part)

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        text, *tables = str(self).split("\n\n")
        return notebook_paragraph(text) + "".join(map(notebook_text, tables))

    def __repr__(self) -> str:
        edges = int(self.frame["has_edge"].sum())
        return f"Scan({self.frame.height:,} cells, {edges:,} with an edge, {self.failures.height:,} failures, {self.folder})"

    def to_pandas(self) -> pd.DataFrame:
        """The table of the cells as a pandas frame."""
        return self.frame.to_pandas()

    @cached_property
    def _files(self) -> ScanFolder:
        return ScanFolder(self.folder.parent.parent)

    def find(self, **key: str) -> dict[str, Any]:
        """The row of one cell, by as many of symbol, interval, target, model and costs as tell it from the others.

        Raises ConfigError for none, or for several.
        """
        unknown = sorted(set(key) - set(KEY))
        if unknown:
            raise ConfigError(f"cells have no {unknown[0]}", expected=listed(KEY), remedy=near_misses(unknown[0], KEY))
        found = self.frame.filter(*(pl.col(name) == value for name, value in key.items()))
        if found.height != 1:
            symbols = listed(self.frame["symbol"].unique().sort())
            raise ConfigError(
                f"{found.height:,} cells are {' '.join(map(str, key.values())) or 'in the scan'}",
                expected="one",
                remedy=f"Say more of {listed(KEY)}" if found.height else f"Symbols are {symbols}",
            )
        return found.row(0, named=True)

    def result(self, **key: str) -> StudyResult:
        """The study behind a cell, as `Study.run` gives it, with its forecasts, account, verdict and report; as `find`.

        Nothing is trained. Raises ConfigError as `find`, RunError for a cell that is damaged, or whose rule, target or costs
        are code of yours, of which a scan stores only the name.
        """
        return cell_result(self._files, self.find(**key)["cell"], ledger=self.ledger)

    def report(self, path: str | Path | None = None, *, cells: int | None = 24) -> Path:
        """Write the page of the scan, and the reports of its cells that it links to; gives its path.

        Args:
            path: of the page; `report.html` in the folder of the scan when not given. Reports of cells are beside it.
            cells: how many cells get a report, those with the smallest p-values; all of them when None.

        Raises:
            RunError: for what cannot be written.
        """
        return write_scan_page(self, self._files, self.folder / "report.html" if path is None else path, cells=cells)
