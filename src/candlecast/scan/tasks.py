"""Cells that are not finished yet, cut into tasks: each as many trainings as a fleet needs to be fast, and no more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from candlecast.dataset.membership import WhileMember
from candlecast.recipes import describe
from candlecast.scan.cells import Cell
from candlecast.scan.computing import Task
from candlecast.scan.folder import BASELINES, CANDLES, CELLS, ScanFolder

TRAININGS = 96  # of one model in a task: a fleet of this many is as fast as any, and a task that is lost costs little
PER_WORKER = 3  # shares for each worker at the least, where there are as many series
BARS = 200_000  # of all series of a task, which bounds its memory
FOLDS = 5  # of a division whose number of folds is known only with its candles


@dataclass(frozen=True)
class Share:
    """Cells that are computed together; see `Task`."""

    cells: tuple[Cell, ...]

    def halves(self) -> list[Share]:
        """Two shares of half the series each, or of half the cells of the only series; itself for a single cell."""
        names = list(dict.fromkeys(cell.series.name for cell in self.cells))
        if len(names) > 1:
            first = set(names[: len(names) // 2])
            parts = [
                [c for c in self.cells if c.series.name in first],
                [c for c in self.cells if c.series.name not in first],
            ]
        else:
            middle = (len(self.cells) + 1) // 2
            parts = [list(self.cells[:middle]), list(self.cells[middle:])]
        return [Share(tuple(part)) for part in parts if part]


def shares_of(cells: Sequence[Cell], *, workers: int = 1) -> list[Share]:
    """The cells in shares, in their order; those of a share have one target, and windows of one length.

    Several for each of the `workers`, so that none waits long for the last. What a share holds does not change what comes out
    of it.
    """
    most = min(TRAININGS, sum(map(trainings_of, cells)) // (PER_WORKER * workers)) if workers > 1 else TRAININGS
    groups: dict[str, dict[str, list[Cell]]] = {}
    for cell in cells:
        kind = json.dumps(
            [describe(cell.study.target), cell.recipe["features"], cell.study.window, cell.series.interval]
        )
        groups.setdefault(kind, {}).setdefault(cell.series.name, []).append(cell)
    shares = []
    for group in groups.values():
        held: list[Cell] = []
        trainings = bars = 0
        for own in group.values():
            more = trainings_of(own[0])
            if held and (trainings + more > most or bars + own[0].series.bars > BARS):
                shares.append(Share(tuple(held)))
                held, trainings, bars = [], 0, 0
            held += own
            trainings, bars = trainings + more, bars + own[0].series.bars
        shares.append(Share(tuple(held)))
    return shares


def trainings_of(cell: Cell) -> int:
    """Trainings of the model of a cell: folds x seeds."""
    folds = cell.study.folds
    folds = getattr(folds.folds if isinstance(folds, WhileMember) else folds, "folds", None) or FOLDS
    return folds * (cell.study.seeds if cell.study.model.is_seeded else 1)


def task_of(share: Share, folder: ScanFolder, *, seed: int, carries: bool = False) -> Task:
    """A share with all that it needs: candles, nets that are trained already, and baselines that are known.

    Of candles that are in a store the task has only the address and what is known of them besides their table, unless it
    `carries` all.
    """
    series = {cell.series.name: cell.series for cell in share.cells}
    stored, baselines = {}, {}
    for walk in dict.fromkeys(cell.walk for cell in share.cells):
        if known := folder.with_walk(walk):
            stored[walk] = folder.read(CELLS, known[0], only=("weights.safetensors",))["weights.safetensors"]
    for digest in dict.fromkeys(cell.baselines for cell in share.cells):
        if folder.has(BASELINES, digest):
            baselines[digest] = folder.read(BASELINES, digest)["forecasts.parquet"]
    candles = {
        name: folder.read(CANDLES, name, only=None if carries or own.address is None else ())
        for name, own in series.items()
    }
    return Task(share.cells, seed, candles, stored, baselines)
