"""`Outlook`: what a scan takes, and the smallest edge that it can find, before it begins.

A scan of many cells tests as many hypotheses, so each is tested at a stricter level: the p-value below which a cell of the
scan is significant once it is adjusted for all of them (`stats.corrected_level`). The smallest edges that a test at this level
finds with a power of 80 % are

    R2      (z_(1 - a) + z_0.8)^2 h / n                         Clark-West, of a forecast with the best possible mean
    Sharpe  (z_(1 - a) + z_0.8) sqrt(2 (1 - r) bars_per_year / n)   difference to buy-and-hold, whose returns have correlation r

with a the level, n the bars that are judged, h the horizon (`stats.detectable_r2`, `stats.detectable_sharpe`). The cells count
as independent tests, which is cautious: those of one market lean the same way, count as fewer once they are finished, and the
true smallest edge lies between this and that of a single test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from candlecast.errors import CandlecastError
from candlecast.evaluation.trial_count import effective_of
from candlecast.events import Listener, Progress, duration
from candlecast.ledger import Ledger
from candlecast.scan.beginning import begin_cells, without_own
from candlecast.scan.cells import Cell
from candlecast.scan.finding import Finding
from candlecast.scan.folder import CELLS, ScanFolder
from candlecast.scan.messages import Measured, packed, peak_memory, unpacked
from candlecast.scan.running import keep
from candlecast.scan.tasks import Share, shares_of, task_of, trainings_of
from candlecast.scan.workers import Workers
from candlecast.stats import corrected_level, detectable_r2, detectable_sharpe
from candlecast.targets.words import label_words
from candlecast.text.formatting import count, small, table

WIDTH = 80  # characters of the table on a terminal
CORRELATION = 0.5  # of a strategy that holds the asset half of the time with buy-and-hold
SAMPLED = 2  # series of a timed sample; the first warms the worker up
GIGABYTE = 1e9


@dataclass(frozen=True)
class SmallestEdge:
    """The smallest edges that are found with a power of 80 %: by a test alone, and as one cell of the scan.

    bars: judged in a cell, the median. level: of the test in the scan, before adjustment. sharpe: less that of buy-and-hold.
    """

    interval: str
    target: str
    cells: int
    bars: int
    level: float
    r2_alone: float
    r2: float
    sharpe_alone: float
    sharpe: float


@dataclass(frozen=True)
class Outlook:
    """What a scan takes and can find.

    cells: of the plan that can be studied; finished: those of them that are known already. failed: cells, or whole series, that
    cannot be. trainings: of nets and baselines that are left. workers: how many; seconds: by the sample, with this many workers;
    memory: bytes at the most, of all processes together. before: the effective number of trials in the ledger, without those of
    the cells that have begun.
    edges: the smallest ones, by interval and target.
    """

    series: int
    cells: int
    finished: int
    failed: int
    trainings: int
    workers: int
    seconds: float
    memory: int
    before: float
    edges: tuple[SmallestEdge, ...]

    def __str__(self) -> str:
        return "\n".join([self.text, "", edge_table(self.edges)]) if self.edges else self.text

    @property
    def text(self) -> str:
        """The plan in words."""
        words = f"{count(self.cells, 'cell')} on {self.series:,} series of candles"
        words += f", {self.finished:,} of them finished before" if self.finished else ""
        words += f"; {self.failed:,} more cannot be studied (see the failures)" if self.failed else ""
        if self.finished < self.cells:
            words += f". {count(self.trainings, 'training')} left: about {duration(self.seconds)}"
            words += f" with {count(self.workers, 'worker')}, {self.memory / GIGABYTE:.1f} GB of memory at the most"
        words += "."
        if self.before >= 1.0:
            words += f" The ledger holds {self.before:,.1f} effective trials. The cells are adjusted for these too."
        return words


def edge_table(edges: Sequence[SmallestEdge]) -> str:
    """Smallest edges that are found with a power of 80 %, as a table: in the scan, and in brackets by a test alone."""
    rows = [
        [
            each.interval,
            label_words(each.target),
            f"{each.cells:,}",
            f"{each.bars:,}",
            small(each.level),
            f"{100 * each.r2:.2f} % ({100 * each.r2_alone:.2f} %)",
            f"{each.sharpe:.2f} ({each.sharpe_alone:.2f})",
        ]
        for each in edges
    ]
    headings = [
        "interval",
        "target",
        "cells",
        "bars",
        "level",
        "R2 (alone)",
        "Sharpe diff. (alone)",
    ]
    return table(rows, headings, width=WIDTH)


def smallest_edge(
    *, bars: int, horizon: int, bars_per_year: float, cells: int, before: float = 0.0, correlation: float = CORRELATION
) -> tuple[float, float, float]:
    """The level of a test among this many cells, and the smallest R2 and Sharpe difference a year that it finds.

    Args:
        bars: judged.
        horizon: of the target, in bars.
        bars_per_year: of the candles.
        cells: hypotheses that are tested together.
        before: effective number of trials that the ledger holds already.
        correlation: of the returns of the strategy with those of buy-and-hold.

    Raises:
        ConfigError: for fewer bars than 2 or than the horizon.

    >>> [round(each, 4) for each in smallest_edge(bars=2_500, horizon=1, bars_per_year=252, cells=1_000)]
    [0.0001, 0.0089, 1.5005]
    """
    level = corrected_level(before=before, after=before + cells)
    r2 = detectable_r2(bars, horizon=horizon, level=level)
    sharpe = detectable_sharpe(bars, bars_per_year=bars_per_year, correlation=correlation, level=level)
    return level, r2, sharpe


def look_ahead(
    cells: Sequence[Cell],
    folder: ScanFolder,
    workers: Workers,
    ledger: Ledger,
    *,
    seed: int,
    failed: int = 0,
    progress: Listener,
) -> Outlook:
    """The outlook of cells: some are computed, which times them, and kept. Raises RunError."""
    left = [cell for cell in cells if not folder.has(CELLS, cell.name)]
    seconds, memory = _timed(left, folder, workers, ledger, seed=seed, progress=progress)
    finished = sum(folder.has(CELLS, cell.name) for cell in cells)
    still = [cell for cell in left if not folder.has(CELLS, cell.name)]
    before = effective_of(without_own(ledger.entries(), cells, folder))
    return Outlook(
        series=len({cell.series.name for cell in cells}),
        cells=len(cells),
        finished=finished,
        failed=failed,
        trainings=sum(map(trainings_of, still)),
        workers=workers.capacity,
        seconds=seconds / workers.capacity,
        memory=memory * workers.capacity + (0 if workers.capacity == 1 else peak_memory()),
        before=before,
        edges=smallest_edges(cells, folder, before=before),
    )


def _timed(
    left: Sequence[Cell], folder: ScanFolder, workers: Workers, ledger: Ledger, *, seed: int, progress: Listener
) -> tuple[float, int]:
    """Seconds of one worker that the cells take once those of the sample are done, and the most memory of a worker."""
    seconds, memory = 0.0, 0
    kinds: dict[tuple[str, str], list[Cell]] = {}
    for cell in left:
        kinds.setdefault((cell.series.interval, cell.target), []).append(cell)
    for done, own in enumerate(kinds.values()):
        progress(
            Progress(
                "sample",
                done,
                len(kinds),
                f"{own[0].series.symbol} {own[0].series.interval} {label_words(own[0].target)}",
            )
        )
        series = _middle(own)
        rate = 0.0  # seconds for a bar of a cell, of the last series that was computed
        for name in series:
            for share in shares_of([cell for cell in own if cell.series.name == name]):
                begin_cells(share.cells, folder, ledger)
                measured = _computed(share, folder, workers, ledger, seed=seed)
                if measured is not None:
                    memory = max(memory, measured.memory)
                    rate = measured.seconds / max(sum(cell.series.bars for cell in share.cells), 1)
        seconds += rate * sum(cell.series.bars for cell in own if cell.series.name not in series)
    progress(Progress("sample", len(kinds), len(kinds)))
    return seconds, memory


def _middle(cells: Sequence[Cell]) -> list[str]:
    """Names of the series of middle length among those of the cells."""
    lengths = {cell.series.name: cell.series.bars for cell in cells}
    order = sorted(lengths, key=lambda name: (lengths[name], name))
    first = max((len(order) - SAMPLED) // 2, 0)
    return order[first : first + SAMPLED]


def _computed(share: Share, folder: ScanFolder, workers: Workers, ledger: Ledger, *, seed: int) -> Measured | None:
    """A share computed, measured and kept; None where its worker ended, or it cannot be read."""
    for carries in (False, True):
        try:
            workers.start(0, packed(task_of(share, folder, seed=seed, carries=carries)))
            _, answer = workers.next()
        except CandlecastError:
            return None
        if answer is None:
            return None
        measured = unpacked(answer)
        if not measured.outcome.unread:
            break
    keep(measured, folder, ledger)
    return measured


def smallest_edges(cells: Sequence[Cell], folder: ScanFolder, *, before: float) -> tuple[SmallestEdge, ...]:
    """The smallest edges by interval and target, from the bars that are judged in those cells that are finished.

    `before`: the effective number of trials in the ledger without them.
    """
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.series.interval, cell.target), []).append(cell)
    found = []
    for (interval, target), own in groups.items():
        judged = []
        for cell in own:
            if folder.has(CELLS, cell.name):
                finding = Finding.from_dict(folder.header(CELLS, cell.name)["finding"])
                judged.append(int(finding.accuracy["observations"]) / cell.series.bars)
        if not judged:
            continue
        bars = int(median(judged) * median(cell.series.bars for cell in own))
        horizon, yearly = own[0].study.target.horizon, own[0].series.bars_per_year
        if bars < max(horizon, 2):
            continue
        alone = smallest_edge(bars=bars, horizon=horizon, bars_per_year=yearly, cells=1)
        level, r2, sharpe = smallest_edge(
            bars=bars, horizon=horizon, bars_per_year=yearly, cells=len(cells), before=before
        )
        if math.isfinite(sharpe):
            found.append(SmallestEdge(interval, target, len(own), bars, level, alone[1], r2, alone[2], sharpe))
    return tuple(found)
