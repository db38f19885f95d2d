"""`scan`: every cell of a plan studied, recorded and judged; finished cells are kept, and never computed twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from candlecast.disk.files import read_regular, write_flushed
from candlecast.disk.replacing import replaced
from candlecast.errors import ConfigError, RunError
from candlecast.evaluation.survivorship import Lengths, Survivorship
from candlecast.evaluation.trial_count import TrialCount
from candlecast.events import Listener, Progress, ignore
from candlecast.ledger import Inbox, Ledger, as_ledger
from candlecast.parameters import is_whole
from candlecast.runs.manifest import parsed
from candlecast.runs.writing import parquet_bytes
from candlecast.scan.assets import Asset, Unopened, open_assets
from candlecast.scan.cells import Cell, Failure, Series, cells_of, failure_table
from candlecast.scan.folder import CELLS, FAILED, KEPT, SCANS, ScanFolder, damaged, digest_of, table_of
from candlecast.scan.judging import judge_cells
from candlecast.scan.members import members_of
from candlecast.scan.outlook import Outlook, SmallestEdge, look_ahead, smallest_edges
from candlecast.scan.plan import Plan
from candlecast.scan.result import Scan
from candlecast.scan.running import known_failure, run_cells
from candlecast.scan.workers import Here, Processes, Workers, cores
from candlecast.walkforward.plan import require_seeds

SCAN = "scan.json"
FORMAT = 1


@dataclass(frozen=True)
class Opened:
    """The cells of a plan on its candles, and what cannot be studied; `survivorship` of the list of assets."""

    cells: tuple[Cell, ...]
    failures: tuple[Failure, ...]
    survivorship: Survivorship
    seed: int

    @property
    def name(self) -> str:
        """The name of the scan, from all of its cells."""
        return f"scan-{digest_of(sorted(cell.name for cell in self.cells))[:12]}"

    def shard(self, shard: tuple[int, int] | None) -> tuple[Cell, ...]:
        """The cells of one of several shards: the series are dealt to them in turn."""
        if shard is None:
            return self.cells
        number, shards = shard
        if not (is_whole(shards) and is_whole(number) and number <= shards):
            raise ConfigError(
                f"shard {number}/{shards}", expected="1 of n to n of n", remedy="Use for example shard=(1, 4)"
            )
        return tuple(cell for cell in self.cells if cell.series.place % shards == number - 1)


def scan(
    plan: Plan,
    *,
    runs: str | Path = "runs",
    seed: int = 0,
    workers: int | None = None,
    ray: str | None = None,
    ledger: Ledger | None = None,
    progress: Listener = ignore,
) -> Scan:
    """Study every cell of a plan, record each as a trial, and judge all of them among each other.

    Finished cells are kept in `runs`/scans by digests of all that decides them. So a scan that was stopped, at any moment,
    continues, and another scan computes only the cells that no scan has computed. The result has the same bytes whatever
    the number of workers and the order in which they finish.

    Args:
        plan: what to study.
        runs: the folder of runs, in which the cells and the scan are kept, and whose ledger counts the trials.
        seed: the first seed of each study.
        workers: processes, each with its share of the cores; one for each core when not given. 1: this process alone.
        ray: the address of a Ray cluster ("auto" for one that runs on this machine, "local" to start one here); extra `ray`.
        ledger: where trials are recorded; that of `runs` when not given.
        progress: receives events: "open" the candles, "scan" and "judge" the cells.

    Raises:
        ConfigError: for a plan without assets, or parts that do not fit.
        RunError: when something cannot be written, or Ray cannot be reached.
        StoreError: for a store that cannot be read.

    What fails for single cells is no error: it is listed in `Scan.failures`.
    """
    require_plan(plan, seed=seed, workers=workers)
    ledger = Ledger(runs) if ledger is None else as_ledger(ledger)
    ledger.require_writable()
    folder, opened = open_plan(plan, runs=runs, seed=seed, progress=progress)
    with working(opened, folder, workers=workers, ray=ray) as pool:
        failures = compute_cells(opened, opened.cells, folder, pool, ledger=ledger, progress=progress)
    return finish(opened, folder, ledger, failures=failures, progress=progress)


def require_plan(plan: object, *, seed: int, workers: int | None = None) -> None:
    """Refuse what is no plan, seed or number of workers, before anything is written. Raises ConfigError."""
    require_seeds([seed])
    if not isinstance(plan, Plan):
        raise ConfigError(
            f"plan is of type {type(plan).__name__}", expected="a Plan", remedy="Use cc.scan(cc.Plan(assets=...))"
        )
    if workers is not None and not is_whole(workers):
        raise ConfigError(
            f"workers is {workers!r}", expected="a number of processes, 1 or more", remedy="Use workers=2"
        )


def open_plan(plan: Plan, *, runs: str | Path, seed: int, progress: Listener = ignore) -> tuple[ScanFolder, Opened]:
    """The folder of scans, with the candles of the plan kept in it, and the cells of the plan. Raises as `scan`."""
    require_plan(plan, seed=seed)
    folder = ScanFolder(runs)
    folder.tidy()
    plans = members_of(plan, progress=progress) if plan.largest is not None else None
    cells: list[Cell] = []
    failures: list[Failure] = []
    seen: dict[tuple[str, str], str] = {}
    lengths = Lengths()
    for place, found in enumerate(open_assets(plan)):
        progress(Progress("open", place, place + 1, found.symbol))
        if isinstance(found, Unopened):
            failures.append(Failure.of((found.symbol, found.interval, "", "", ""), found.error))
            continue
        candles, key = found.candles, (found.symbol, str(found.candles.interval))
        if key in seen:
            wrong = ConfigError(
                f"{' '.join(key)} comes twice",
                expected="each symbol and interval once",
                remedy="Remove one, or rename it",
            )
            failures.append(Failure.of((*key, "", "", ""), wrong))
            continue
        seen[key] = folder.keep_candles(candles)
        series = _series(place, seen[key], found)
        own = plan if plans is None else plans(candles)
        if own is None:
            wrong = ConfigError(
                f"{found.symbol} is never among the {plan.largest} largest",
                expected=f"traded value among the largest in the {plan.volume_span} before a day",
                remedy="Leave it out, or raise largest",
            )
            failures.append(Failure.of((*key, "", "", ""), wrong))
            continue
        for each in cells_of(own, series, candles, seed=seed):
            (cells if isinstance(each, Cell) else failures).append(each)  # type: ignore[arg-type]
        lengths.add(candles)
    progress(Progress("open", len(seen), len(seen)))
    if not cells and not failures:
        raise ConfigError("the plan has no cells", expected="one at least", remedy="Check its assets")
    return folder, Opened(tuple(cells), tuple(failures), lengths.survivorship(plan.chosen_on), seed)


def _series(place: int, name: str, asset: Asset) -> Series:
    candles, yearly = asset.candles, float(asset.candles.bars_per_year)
    return Series(place, name, asset.symbol, str(candles.interval), len(candles), yearly, asset.address)


@contextmanager
def working(opened: Opened, folder: ScanFolder, *, workers: int | None, ray: str | None) -> Iterator[Workers]:
    """Workers for the cells that are left, as many as are of use, until the block ends. Raises RunError."""
    left = sum(not folder.has(CELLS, cell.name) for cell in opened.cells)
    if ray is not None and left:
        from candlecast.scan.ray_workers import RayWorkers

        pool: Workers = RayWorkers(ray, workers=workers)
    else:
        available = cores()
        wanted = min(available if workers is None else workers, max(left, 1))
        pool = Here() if wanted == 1 else Processes(wanted, threads=max(available // wanted, 1))
    try:
        yield pool
    finally:
        pool.close()


def outlook_of(
    opened: Opened, folder: ScanFolder, workers: Workers, ledger: Ledger, *, progress: Listener = ignore
) -> Outlook:
    """What the cells take and can find, from a timed sample of them, which is kept."""
    return look_ahead(
        opened.cells, folder, workers, ledger, seed=opened.seed, failed=len(opened.failures), progress=progress
    )


def compute_cells(
    opened: Opened,
    cells: Sequence[Cell],
    folder: ScanFolder,
    workers: Workers,
    *,
    ledger: Ledger | Inbox | None = None,
    progress: Listener = ignore,
) -> dict[str, Failure]:
    """Compute those of the cells that are not finished; gives the failures by name.

    `ledger`: that in which cells count from the moment they are kept until they are judged; the inbox of the folder's when not
    given, which a shard uses.
    """
    left = [cell for cell in cells if not folder.has(CELLS, cell.name)]
    if len(left) < len(cells):
        words = f"continues: {len(cells) - len(left):,} of {len(cells):,} cells are finished"
        progress(Progress("resume", len(cells) - len(left), len(cells), words))
    if not left:
        return {}
    return run_cells(left, folder, workers, seed=opened.seed, ledger=ledger, progress=progress, total=len(cells))


def finish(
    opened: Opened,
    folder: ScanFolder,
    ledger: Ledger,
    *,
    failures: dict[str, Failure],
    progress: Listener = ignore,
) -> Scan:
    """Judge all finished cells, and keep the tables of the scan. Raises RunError."""
    cells = [cell for cell in opened.cells if folder.has(CELLS, cell.name)]
    frame, trial_count, tested_from = judge_cells(cells, folder, ledger, progress=progress)
    found = (failures.get(cell.name) or known_failure(cell, folder) for cell in opened.cells)
    unfinished = [failure for failure in found if failure is not None]
    failed = failure_table([*opened.failures, *unfinished])
    place, edges = folder.path / opened.name, smallest_edges(cells, folder, before=trial_count.forecasts_before)
    values = {
        "format": FORMAT,
        "cells": frame.height,
        "failures": failed.height,
        "edges": int(frame["has_edge"].sum()) if frame.height else 0,
        "trial_count": trial_count.to_dict(),
        "smallest_edges": [asdict(each) for each in edges],
    }
    with replaced(place) as fresh:
        write_flushed(fresh / "table.parquet", parquet_bytes(frame))
        write_flushed(fresh / "failures.parquet", parquet_bytes(failed))
        write_flushed(fresh / SCAN, (json.dumps(values, indent=1) + "\n").encode())
    return Scan(frame, failed, place, trial_count, edges, replace(opened.survivorship, tested_from=tested_from), ledger)


def load_scan(folder: str | Path) -> Scan:
    """A scan from its folder, `runs/scans/NAME`. Raises RunError for one that cannot be read."""
    folder = Path(folder)
    try:
        values = parsed(read_regular(folder / SCAN))
        tables = {name: table_of(read_regular(folder / f"{name}.parquet")) for name in ("table", "failures")}
        trial_count = TrialCount.from_dict(values["trial_count"])
        edges = tuple(SmallestEdge(**each) for each in values["smallest_edges"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(folder, error) from error
    frame, failures = tables["table"], tables["failures"]
    return Scan(frame, failures, folder, trial_count, edges, None, Ledger(folder.parent.parent))


def list_scans(runs: str | Path = "runs") -> list[Path]:
    """Folders of the scans in a folder of runs, the newest first."""
    place = Path(runs) / SCANS
    if not place.is_dir():
        return []
    found = [path for path in place.iterdir() if path.name not in KEPT and not path.name.startswith(".")]
    kept = [path for path in found if (path / SCAN).is_file()]
    return sorted(kept, key=lambda path: (path / SCAN).stat().st_mtime, reverse=True)


def require_finished(opened: Opened, folder: ScanFolder) -> None:
    """Raise RunError unless every cell is finished or has failed, as after all shards of a scan."""
    done = (folder.has(CELLS, cell.name) or folder.has(FAILED, cell.name) for cell in opened.cells)
    left = [cell for cell, is_done in zip(opened.cells, done, strict=True) if not is_done]
    if left:
        raise RunError(
            f"{len(left):,} of {len(opened.cells):,} cells are not finished, such as {left[0].words}",
            expected="the cells of all shards in one folder of runs",
            remedy="Run the shards that are left, or the scan without a shard, which computes them",
        )
