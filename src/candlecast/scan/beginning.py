"""Cells count as begun studies before anybody, or code of the user's, can see a result of theirs, until they are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.evaluation.accuracy import skills
from candlecast.evaluation.trials import Subject, begun_of, choices_in, sees_results
from candlecast.ledger import Begun, Entry, Inbox, Ledger
from candlecast.ledger.begins import new_token
from candlecast.ledger.trial import choices_of
from candlecast.recipes import describe
from candlecast.scan.cells import Cell
from candlecast.scan.folder import CANDLES, ScanFolder
from candlecast.study.result import StudyResult
from candlecast.study.study import BASELINES
from candlecast.targets import primary


def begin_cells(cells: Sequence[Cell], folder: ScanFolder, ledger: Ledger | Inbox) -> None:
    """Count those of the cells whose rule, target or costs are code of the user's, before they are computed.

    Such code sees results that may never be kept. All other cells count once they are computed (`keep`). Raises RunError.
    """
    seen = [cell for cell in cells if sees_results(cell.recipe)]
    if not seen:
        return
    candles = {name: folder.candles(name) for name in dict.fromkeys(cell.series.name for cell in seen)}
    ledger.begin([_begun(cell, candles[cell.series.name]) for cell in seen])


def begun_result(result: StudyResult) -> Begun:
    """A computed cell: what it earned and how well it forecast is known."""
    trial = result.trial
    return Begun(
        data=trial.data,
        study=trial.study,
        symbol=trial.symbol,
        interval=trial.interval,
        target=trial.target,
        times=trial.times,
        sketches=trial.sketches,
        profile=trial.outline,
    )


def begun_baselines(cells: Sequence[Cell], candles: Candles, forecasts: Mapping[str, Forecast]) -> list[Begun]:
    """The baselines of cells that the plan names, beyond the default ones and the studied models: their forecasts are kept too.

    A scan trades no baselines, so their accounts stay unknown.
    """
    cell, studied = cells[0], [each.study.model for each in cells]
    subject, target = Subject.of(candles, cell.study.target), primary(cell.study.target)
    return [
        begun_of(cell.judged_recipe | {"model": describe(each)}, subject, *skills(forecasts[each.name], target))
        for each in cell.study.baselines or ()
        if each not in (*BASELINES, *studied)
    ]


def without_own(entries: Sequence[Entry], cells: Sequence[Cell], folder: ScanFolder) -> list[Entry]:
    """Entries of a ledger without the cells that have begun, which a scan adds to them. Raises RunError."""
    if not any(entry.is_open for entry in entries):
        return list(entries)
    data = {
        name: str(folder.header(CANDLES, name)["fingerprint"])
        for name in dict.fromkeys(cell.series.name for cell in cells)
    }
    own = {choices_of(data[cell.series.name], choices_in(cell.judged_recipe)) for cell in cells}
    return [entry for entry in entries if not (entry.is_open and entry.identity in own)]


def _begun(cell: Cell, candles: Candles) -> Begun:
    subject = Subject.of(candles, cell.study.target)
    return begun_of(cell.judged_recipe, subject, candles.close_time, token=new_token())
