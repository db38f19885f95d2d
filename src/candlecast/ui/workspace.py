"""`Workspace`: the runs, ledger, stored candles and paper sessions that the pages show.

It reads, and writes nothing: but to open a ledger counts what waits in its inbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from candlecast.candles import CandleReport
from candlecast.errors import CandlecastError, RunError, StoreError, near_misses
from candlecast.evaluation.answers import stored_answers
from candlecast.evaluation.trial_count import UNNAMED, Counted, count, counts_over_time
from candlecast.ledger import Entry, Inbox, Ledger, Trial
from candlecast.live.page import LivePage
from candlecast.live.record import SessionRecord, list_sessions, read_session
from candlecast.panel.loading import is_panel_run, load_panel_run
from candlecast.panel.report import render as render_panel
from candlecast.panel.result import PanelResult
from candlecast.parameters import is_number
from candlecast.report.html import render
from candlecast.runs import list_runs
from candlecast.runs.manifest import FILES, NAME, read_manifest, require_shape
from candlecast.scan import Scan, list_scans, load_scan
from candlecast.scan.cell_result import cell_result
from candlecast.scan.folder import CELLS, ScanFolder
from candlecast.scan.page import render as render_scan
from candlecast.scan.scanning import SCAN
from candlecast.scan.words import ranked
from candlecast.stats import annual_return, max_drawdown, sharpe
from candlecast.store import Store
from candlecast.study.loading import load_run
from candlecast.study.result import StudyResult
from candlecast.ui.coverage import Coverage, coverage, monthly
from candlecast.ui.listing import address
from candlecast.ui.memory import Memory, stamp_of

MOST_MANIFESTS, MOST_RESULTS, MOST_REPORTS, MOST_SERIES, MOST_SESSIONS, MOST_SCANS = 2_000, 4, 8, 500, 50, 50


@dataclass(frozen=True, eq=False)
class Run:
    """A run by its manifest; `manifest` is None for one that cannot be read, and `error` says why."""

    path: Path
    manifest: Mapping[str, Any] | None
    error: str = ""

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.path.name

    @cached_property
    def written_at(self) -> datetime | None:
        """When it was written, UTC."""
        stamp = stamp_of(self.path / NAME)[0]
        return None if stamp is None else datetime.fromtimestamp(stamp[0] / 1e9, UTC)

    @cached_property
    def answers(self) -> tuple[str, str]:
        """To both questions: yes, no, or not enough data."""
        return stored_answers((self.manifest or {})["verdict"])

    def statistic(self, name: str, column: str = "value") -> float | None:
        """A statistic of the account, such as "Sharpe ratio"; None where it is undefined."""
        return _number(_row((self.manifest or {}).get("summary"), "statistic", name).get(column))

    def score(self, name: str) -> float | None:
        """A measure of the studied model's forecasts, such as "r2"."""
        manifest = self.manifest or {}
        return _number(_row(manifest.get("accuracy"), "model", manifest.get("model")).get(name))

    @property
    def is_annual(self) -> bool:
        """Whether its annual return is one: that of less than a year is the return of the whole time."""
        unit = _row((self.manifest or {}).get("summary"), "statistic", "annual return").get("unit")
        return not (isinstance(unit, str) and unit.endswith("not annualised"))

    def recipe(self, *places: str) -> Any:
        """A part of the recipe, such as ("model", "name"); None where there is none."""
        held: Any = (self.manifest or {}).get("recipe")
        for place in places:
            held = held.get(place) if isinstance(held, dict) else None
        return held

    @property
    def content(self) -> str:
        """What the ledger knows its trial by; empty for runs that do not say."""
        counted = (self.manifest or {}).get("trial_count")
        held = counted.get("content") if isinstance(counted, dict) else None
        return held if isinstance(held, str) and held != UNNAMED else ""


@dataclass(frozen=True, eq=False)
class Judged:
    """A trial of the ledger with its figures: annual return, Sharpe ratio a year and maximum drawdown; None where undefined.

    The annual return of less than a year is the return of the whole time; `is_annual` is then false.
    """

    entry: Entry
    trial: Trial
    annual_return: float | None
    sharpe: float | None
    drawdown: float | None

    @property
    def is_annual(self) -> bool:
        """Whether the record has a year at least."""
        return len(self.trial.returns) >= self.trial.bars_per_year

    @classmethod
    def of(cls, entry: Entry, trial: Trial) -> Judged:
        """The figures of a trial."""
        returns, yearly = trial.returns, trial.bars_per_year
        if not len(returns):
            return cls(entry, trial, None, None, None)
        ratio = sharpe(returns, bars_per_year=yearly) if np.ptp(returns) > 0 else None
        level = np.cumprod(np.maximum(1.0 + returns, 0.0))
        fall = max_drawdown(np.concatenate([[1.0], level]))
        return cls(entry, trial, *map(_number, (annual_return(returns, bars_per_year=yearly), ratio, fall)))


@dataclass(frozen=True, eq=False)
class Session:
    """A paper session, or why it cannot be read."""

    name: str
    record: SessionRecord | None
    error: str = ""


@dataclass(frozen=True, eq=False)
class Scanned:
    """A scan by its tables, or why it cannot be read."""

    path: Path
    scan: Scan | None
    error: str = ""

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.path.name

    @property
    def written_at(self) -> datetime | None:
        """When it was written, UTC."""
        stamp = stamp_of(self.path / SCAN)[0]
        return None if stamp is None else datetime.fromtimestamp(stamp[0] / 1e9, UTC)


class Workspace:
    """What stands in three places, read anew when it has changed. Used by several threads at once."""

    def __init__(self, *, runs: Path, store: str, paper: Path) -> None:
        self.runs, self.paper, self.store = runs, paper, Store(store)
        self.ledger = Ledger(runs)
        self._manifests, self._results = Memory[Run](MOST_MANIFESTS), Memory[StudyResult | PanelResult](MOST_RESULTS)
        self._reports, self._pages = Memory[str](MOST_REPORTS), Memory[LivePage](MOST_SESSIONS)
        self._trials, self._counts = Memory[list[Judged]](1), Memory[list[Counted]](1)
        self._scans, self._scan_pages = Memory[Scanned](MOST_SCANS), Memory[str](MOST_REPORTS)
        self._covered, self._checked = Memory[Any](MOST_SERIES), Memory[CandleReport](MOST_SERIES)

    def list_runs(self) -> list[Run]:
        """All runs, the newest first."""
        return [
            self._manifests(path, stamp_of(path / NAME), lambda path=path: _run(path)) for path in list_runs(self.runs)
        ]

    def run(self, name: str) -> Run:
        """The run of a name. Raises RunError when there is none."""
        found = {run.name: run for run in self.list_runs()}
        if name not in found:
            raise RunError(
                f"there is no run {name!r} in {self.runs}",
                expected="the name of one",
                remedy=near_misses(name, list(found)) if found else "Make one with: candlecast run",
            )
        return found[name]

    def result(self, name: str) -> StudyResult | PanelResult:
        """The result of a run, of one asset or of a panel, with its trial counted and not recorded. Raises RunError."""
        path = self.run(name).path
        return self._results(name, self._stamp(path), lambda: _counted(_loaded(path)))

    def report(self, name: str) -> str:
        """The page of a run, made from its tables; a page in its folder is never shown. Raises RunError."""
        path = self.run(name).path
        return self._reports(name, self._stamp(path), lambda: _report(self.result(name), path))

    def scans(self) -> list[Scanned]:
        """All scans, the newest first."""
        return [
            self._scans(path, stamp_of(path / SCAN), lambda path=path: _scanned(path)) for path in list_scans(self.runs)
        ]

    def scan(self, name: str) -> Scan:
        """The scan of a name. Raises RunError when there is none, or it cannot be read."""
        found = {each.name: each for each in self.scans()}
        if name not in found:
            raise RunError(
                f"there is no scan {name!r} in {self.runs}",
                expected="the name of one",
                remedy=near_misses(name, list(found)) if found else "Make one with: candlecast scan",
            )
        if (held := found[name].scan) is None:
            raise RunError(found[name].error, expected="a scan as it was written", remedy="Run the scan again")
        return held

    def scan_page(self, name: str) -> str:
        """The page of a scan, made from its tables, with links to the reports of its cells. Raises RunError."""
        scan = self.scan(name)
        order = ranked(scan.frame)
        links = {cell: address("cell", scan=name, cell=cell) for cell in order["cell"]}
        stamp = (stamp_of(scan.folder / SCAN), self._ledger_stamp())
        return self._scan_pages(name, stamp, lambda: render_scan(scan, ScanFolder(self.runs), order, links))

    def cell_report(self, name: str, cell: str) -> str:
        """The report of a cell of a scan, made from its tables. Raises RunError."""
        scan = self.scan(name)
        if cell not in scan.frame["cell"]:
            raise RunError(
                f"there is no cell {cell!r} in the scan {name}",
                expected="the name of one",
                remedy="Choose one on the page of the scan",
            )
        folder = ScanFolder(self.runs)
        stamp = (stamp_of(folder.path / CELLS / cell), self._ledger_stamp())
        return self._scan_pages(
            (name, cell),
            stamp,
            lambda: _report(_counted(cell_result(folder, cell, ledger=self.ledger)), folder.path / CELLS / cell),
        )

    def trials(self) -> list[Judged]:
        """The trials of the ledger, oldest first. Raises RunError."""
        return self._trials("", self._ledger_stamp(), self._judged)

    def counts(self) -> list[Counted]:
        """The number of trials over time. Raises RunError."""
        return self._counts("", self._ledger_stamp(), lambda: counts_over_time(self.ledger.entries()))

    def series(self) -> pl.DataFrame:
        """What is stored, as `Store.series` lists it. Raises StoreError."""
        return self.store.series()

    def coverage(self, series: tuple[str, str, str], edges: np.ndarray) -> Coverage:
        """Where a stored series has bars between these times, and where they are missing. Raises StoreError."""
        key = (*series, edges.tobytes())
        return self._covered(key, self.store.version, lambda: coverage(self.store.read(*series), edges))

    def monthly(self, series: tuple[str, str, str]) -> pl.DataFrame:
        """The same by calendar month: `year`, `month`, `bars`, `missing`. Raises StoreError."""
        return self._covered(series, self.store.version, lambda: monthly(self.store.read(*series)))

    def checked(self, series: tuple[str, str, str]) -> CandleReport:
        """The issues of a stored series. Raises StoreError."""
        return self._checked(series, self.store.version, lambda: self.store.read(*series).check())

    def require_series(self, series: tuple[str, str, str]) -> None:
        """Raise StoreError for a series that is not stored."""
        known = [" ".join(row) for row in self.series().select("source", "symbol", "interval").rows()]
        if " ".join(series) not in known:
            raise StoreError(
                f"{' '.join(series)!r} is not stored in {self.store.url}",
                expected="candles that were fetched",
                remedy=near_misses(" ".join(series), known) if known else "Fetch them with: candlecast fetch",
            )

    def sessions(self) -> list[Session]:
        """Paper sessions by name."""
        return [_session(path) for path in list_sessions(self.paper)]

    def session(self, name: str) -> LivePage:
        """The page of a session. Raises RunError when there is none."""
        found = {path.name: path for path in list_sessions(self.paper)}
        if name not in found:
            raise RunError(
                f"there is no session {name!r} in {self.paper}",
                expected="the name of one",
                remedy=near_misses(name, list(found)) if found else "Begin one with: candlecast paper RUN --tape",
            )
        if error := _session(found[name]).error:
            raise RunError(
                f"the session {name} cannot be read: {error}", expected="an untouched journal", remedy="Restore it"
            )
        return self._pages(name, found[name], lambda: LivePage(found[name]))

    def _judged(self) -> list[Judged]:
        trials = {trial.identity: trial for trial in self.ledger.trials()}
        return [Judged.of(entry, trials[entry.identity]) for entry in self.ledger.entries() if entry.identity in trials]

    def _stamp(self, path: Path) -> Any:
        return stamp_of(path / NAME, *(path / name for name in FILES)), self._ledger_stamp()

    def _ledger_stamp(self) -> Any:
        path = self.ledger.path
        return path and stamp_of(path, path.with_name(f"{path.name}-wal"), Inbox(self.runs).path)


def _run(path: Path) -> Run:
    try:
        manifest = read_manifest(path)
        require_shape(path, manifest)
    except CandlecastError as error:
        return Run(path, None, str(error))
    return Run(path, manifest)


def _scanned(path: Path) -> Scanned:
    try:
        return Scanned(path, load_scan(path))
    except CandlecastError as error:
        return Scanned(path, None, str(error))


def _loaded(path: Path) -> StudyResult | PanelResult:
    return load_panel_run(path) if is_panel_run(path) else load_run(path)


def _report(result: StudyResult | PanelResult, path: Path) -> str:
    try:
        return render_panel(result, folder=path) if isinstance(result, PanelResult) else render(result, folder=path)
    except CandlecastError:
        raise
    except Exception as error:  # values that candlecast never writes raise many types
        raise RunError(
            f"the report of {path} cannot be made ({type(error).__name__}: {str(error)[:200]})",
            expected="a run that candlecast wrote",
            remedy="Take the run from where it was made, or run it again",
        ) from error


def _session(path: Path) -> Session:
    """A session whose journal has what the pages show."""
    try:
        record = read_session(path)
        _shown(record)
    except CandlecastError as error:
        return Session(path.name, None, str(error))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return Session(path.name, None, f"its journal is malformed ({type(error).__name__}: {str(error)[:200]})")
    return Session(path.name, record)


def _shown(record: SessionRecord) -> tuple[object, ...]:
    """What the list of sessions reads of one."""
    opening = record.opening
    return (
        *(opening[name] for name in ("symbol", "interval", "run")),
        float(opening["cash"]),
        record.equity,
        record.state,
        record.last_close,
    )


def _counted(result: StudyResult | PanelResult) -> StudyResult | PanelResult:
    """The result with a trial count, so that reading its verdict records nothing."""
    held = result.trial_count
    if held is not None and held.content in (UNNAMED, result.trial.content):
        return result
    ledger = result.ledger or Ledger.in_memory()
    return replace(result, trial_count=count(result.trial, ledger.entries()))


def _row(rows: Any, column: str, value: Any) -> Mapping[str, Any]:
    found = rows if isinstance(rows, list) else []
    return next((row for row in found if isinstance(row, dict) and row.get(column) == value), {})


def _number(value: Any) -> float | None:
    return float(value) if is_number(value) and np.isfinite(value) else None
