"""Cells count as begun studies before anybody, or code of the user's, can see a result of theirs, until they are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.evaluation.beside import FURTHER, begun_baselines, counted_baselines, further_begun, untraded_trial
from candlecast.evaluation.trials import Subject, begun_of, choices_in, sees_results
from candlecast.ledger import Begun, Entry, Inbox, Ledger, Trial
from candlecast.ledger.begins import new_token
from candlecast.ledger.trial import choices_of
from candlecast.scan.cells import Cell, every_baseline
from candlecast.scan.folder import CANDLES, ScanFolder
from candlecast.study.result import StudyResult
from candlecast.targets import components, label


def begin_cells(cells: Sequence[Cell], folder: ScanFolder, ledger: Ledger | Inbox) -> None:
    """Count those of the cells whose rule, target or costs are code of the user's, before they are computed.

    Such code sees results that may never be kept. All other cells count once they are computed (`keep`). Raises RunError.
    """
    seen = [cell for cell in cells if sees_results(cell.recipe)]
    if not seen:
        return
    candles = {name: folder.candles(name) for name in dict.fromkeys(cell.series.name for cell in seen)}
    ledger.begin([_begun(cell, candles[cell.series.name]) for cell in seen])


def begun_result(result: StudyResult) -> list[Begun]:
    """A computed cell: what it earned and how well it forecast is known, as is what it forecast of further targets."""
    trial, subject = result.trial, Subject.of(result.candles, result.target)
    own = Begun(
        data=trial.data,
        study=trial.study,
        symbol=trial.symbol,
        interval=trial.interval,
        target=trial.target,
        times=trial.times,
        sketches=trial.sketches,
        profile=trial.outline,
    )
    return [own, *further_begun(result.recipe, subject, result.forecast, result.target)]


def begun_beside(cells: Sequence[Cell], candles: Candles, forecasts: Mapping[str, Forecast]) -> list[Begun]:
    """The baselines that cells share and that count, but those which are studied as well: their forecasts are kept too.

    A scan trades no baselines.
    """
    cell, studied = cells[0], [each.study.model for each in cells]
    names = [each.name for each in every_baseline(cell.study) if each not in studied]
    subject = Subject.of(candles, cell.study.target)
    return begun_baselines(cell.judged_recipe, subject, {name: forecasts[name] for name in names}, cell.study.target)


def trials_beside(cells: Sequence[tuple[Cell, Trial]], ledger: Ledger) -> list[Trial]:
    """What began beside cells, and is recorded with their trials: baselines that count, and forecasts of further targets.

    Raises RunError.
    """
    possible: dict[str, tuple[Trial, dict[str, Any], str, str]] = {}
    for cell, trial in cells:
        for study, model, target in _beside(cell):
            possible.setdefault(choices_of(trial.data, study), (trial, study, model, target or trial.target))
    begun = ledger.begun(possible)
    return [
        untraded_trial(trial, study, model=model, target=target, profile=begun[choices])
        for choices, (trial, study, model, target) in possible.items()
        if choices in begun
    ]


def without_own(entries: Sequence[Entry], cells: Sequence[Cell], folder: ScanFolder) -> list[Entry]:
    """Entries of a ledger without the cells that have begun, and what began beside them, which a scan adds. Raises RunError."""
    if not any(entry.is_open for entry in entries):
        return list(entries)
    data = {
        name: str(folder.header(CANDLES, name)["fingerprint"])
        for name in dict.fromkeys(cell.series.name for cell in cells)
    }
    own = {
        choices_of(data[cell.series.name], study)
        for cell in cells
        for study in (choices_in(cell.judged_recipe), *(each for each, *_ in _beside(cell)))
    }
    return [entry for entry in entries if not (entry.is_open and entry.identity in own)]


def _beside(cell: Cell) -> Iterator[tuple[dict[str, Any], str, str]]:
    """What may begin beside a cell: choices, the name of the model, and the label of the target, empty for that of the cell."""
    recipe, further = cell.judged_recipe, [label(each) for each in components(cell.study.target)[1:]]
    names = [each.name for each in cell.study.baseline_models]
    baselines = {name: recipe | {"model": each} for name, each in counted_baselines(recipe, names).items()}
    for name, own in baselines.items():
        yield choices_in(own), name, ""
    for name, own in (baselines | {cell.study.model.name: recipe}).items():
        for target in further:
            yield choices_in(own | {FURTHER: target}), name, target


def _begun(cell: Cell, candles: Candles) -> Begun:
    subject = Subject.of(candles, cell.study.target)
    return begun_of(cell.judged_recipe, subject, candles.close_time, token=new_token())
