"""`begin_cells`: cells whose results code of the user's sees count as trials before they are computed."""

from __future__ import annotations

from collections.abc import Sequence

from candlecast.candles import Candles
from candlecast.evaluation.trials import Subject, begun_of, sees_results
from candlecast.ledger import Begun, Ledger
from candlecast.scan.cells import Cell
from candlecast.scan.folder import ScanFolder


def begin_cells(cells: Sequence[Cell], folder: ScanFolder, ledger: Ledger) -> None:
    """Count those of the cells whose rule, target or costs are code of the user's, even if they never end. Raises RunError."""
    seen = [cell for cell in cells if sees_results(cell.recipe)]
    if not seen:
        return
    candles = {name: folder.candles(name) for name in dict.fromkeys(cell.series.name for cell in seen)}
    ledger.begin([_begun(cell, candles[cell.series.name]) for cell in seen])


def _begun(cell: Cell, candles: Candles) -> Begun:
    return begun_of(cell.judged_recipe, Subject.of(candles, cell.study.target), candles.close_time)
