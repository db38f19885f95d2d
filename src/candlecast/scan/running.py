"""The loop of a scan: shares of cells go to workers, finished cells to the folder, and what a dead worker held begins again."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict

from candlecast.errors import CandlecastError, RunError
from candlecast.events import Listener, Progress, ignore
from candlecast.ledger import Inbox, Ledger
from candlecast.scan.beginning import begin_cells
from candlecast.scan.cells import FAILURES, Cell, Failure
from candlecast.scan.folder import BASELINES, CELLS, FAILED, ScanFolder, with_header
from candlecast.scan.messages import Measured, packed, unpacked
from candlecast.scan.tasks import Share, shares_of, task_of
from candlecast.scan.workers import Workers

logger = logging.getLogger(__name__)
ATTEMPTS = 12  # of a single cell whose worker ends each time, before it counts as failed


def run_cells(
    cells: Sequence[Cell],
    folder: ScanFolder,
    workers: Workers,
    *,
    seed: int,
    ledger: Ledger | Inbox | None = None,
    progress: Listener = ignore,
    total: int | None = None,
) -> dict[str, Failure]:
    """Compute cells and keep them; gives the failures by the name of the cell.

    `ledger`: that in which cells count from the moment they are kept, or seen by code of the user's; the inbox of the folder's
    when not given, so that several hosts may compute cells of one folder. `total`: cells of the scan, those that are finished
    already among them.
    """
    ledger = Inbox(folder.path.parent) if ledger is None else ledger
    left = deque((share, 1) for share in shares_of(cells, workers=workers.capacity))
    total = len(cells) if total is None else total
    done = total - len(cells)
    failures: dict[str, Failure] = {}
    active: dict[int, tuple[Share, int]] = {}
    number, carries = 0, False
    begun: set[str] = set()  # a cell whose worker dies is computed again, but begins once
    progress(Progress("scan", done, total))
    while left or active:
        while left and len(active) < workers.capacity:
            share, attempt = left.popleft()
            try:
                message = packed(task_of(share, folder, seed=seed, carries=carries))
            except CandlecastError as error:
                failures |= {cell.name: Failure.of(cell.key, error) for cell in share.cells}
                done += len(share.cells)
                continue
            begin_cells([cell for cell in share.cells if cell.name not in begun], folder, ledger)
            begun.update(cell.name for cell in share.cells)
            number += 1
            active[number] = share, attempt
            workers.start(number, message)
        if not active:
            continue
        ended, answer = workers.next()
        share, attempt = active.pop(ended)
        if answer is None:
            again = _again(share, attempt)
            if not again:
                failures |= {cell.name: Failure.of(cell.key, _lost(attempt)) for cell in share.cells}
                done += len(share.cells)
            left.extendleft(reversed(again))
            continue
        measured = unpacked(answer)
        failures |= keep(measured, folder, ledger)
        if unread := measured.outcome.unread:
            logger.warning(
                "a worker cannot read the store, so tasks carry their candles from now on: %s",
                next(iter(unread.values())),
            )
            carries, again = True, Share(tuple(cell for cell in share.cells if cell.series.name in unread))
            left.appendleft((again, 1))
            done -= len(again.cells)
        done += len(share.cells)
        progress(Progress("scan", done, total, share.cells[-1].words))
    return failures


def keep(measured: Measured, folder: ScanFolder, ledger: Ledger | Inbox) -> dict[str, Failure]:
    """Keep what a task gave, which counts in the ledger before anybody can read it; gives its failures. Raises RunError."""
    outcome = measured.outcome
    if outcome.begun:
        ledger.begin(outcome.begun)
    for digest, files in outcome.baselines.items():
        if not folder.has(BASELINES, digest):
            folder.write(BASELINES, digest, files)
    for name, files in outcome.cells.items():
        folder.write(CELLS, name, files)
    for name, failure in outcome.failures.items():
        folder.write(FAILED, name, with_header(FAILED, asdict(failure), {}))
    return outcome.failures


def known_failure(cell: Cell, folder: ScanFolder) -> Failure | None:
    """Why a cell had no result when it was last computed, by whichever shard; None where it was not."""
    if folder.has(CELLS, cell.name) or not folder.has(FAILED, cell.name):
        return None
    values = folder.header(FAILED, cell.name)
    return Failure(**{name: str(values[name]) for name in FAILURES})


def _again(share: Share, attempt: int) -> list[tuple[Share, int]]:
    """What is computed again after its worker ended: smaller shares, so that one cell takes no others with it."""
    halves = share.halves()
    if len(halves) > 1:
        return [(half, 1) for half in halves]
    return [(share, attempt + 1)] if attempt < ATTEMPTS else []


def _lost(attempt: int) -> RunError:
    return RunError(
        f"its worker ended {attempt} times before it was finished",
        expected="a process with enough memory that nobody ends",
        remedy="Use fewer workers, or fewer bars, seeds or units",
    )
