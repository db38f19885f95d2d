"""`compute`: the cells of one task, from candles to what they found, as the contents of files.

It runs in any process of any machine: a task has all that it needs, and its results depend on its cells alone. All cells of a
task have one target and one division of the rows, so that features, folds and baselines are computed once for each series,
and the nets of all series train as one fleet.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.dataset.jobs import Job
from candlecast.errors import CandlecastError
from candlecast.ledger import Begun, Ledger
from candlecast.ledger.sketch import sketch_of
from candlecast.models import Model
from candlecast.runs.tables import tensors_of
from candlecast.runs.writing import parquet_bytes, weights_bytes
from candlecast.scan.beginning import begun_beside, begun_result
from candlecast.scan.cells import Cell, Failure, Series, every_baseline
from candlecast.scan.finding import Finding
from candlecast.scan.folder import BASELINES, CELLS, TABLE, candles_of, table_of, with_header
from candlecast.study.result import StudyResult
from candlecast.targets import primary
from candlecast.walkforward import FoldForecast, WalkPlan, walk_jobs

logger = logging.getLogger(__name__)
CELL_FORMAT = 1


@dataclass(frozen=True)
class Task:
    """Cells that are computed together.

    cells: of one target, with windows of one length. candles: the files of each series, by its name, without their table where
    the worker reads it from a store. stored: weights of nets that
    are trained already, by the digest of their walk; baselines: forecasts of baselines that are known, by their digest.
    """

    cells: tuple[Cell, ...]
    seed: int
    candles: Mapping[str, Mapping[str, bytes]]
    stored: Mapping[str, bytes] = field(default_factory=dict)
    baselines: Mapping[str, bytes] = field(default_factory=dict)


@dataclass
class Outcome:
    """What a task gave: files of finished cells and of baselines by name, and failures by the name of the cell.

    unread: names of series that the worker could not read from their store, and why; their cells have neither result nor failure.
    begun: what counts in the ledger before any of these files is kept.
    """

    cells: dict[str, dict[str, bytes]] = field(default_factory=dict)
    baselines: dict[str, dict[str, bytes]] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    begun: list[Begun] = field(default_factory=list)

    def fail(self, cells: Iterable[Cell], error: Exception) -> None:
        """Note that these cells have no result."""
        if not isinstance(error, CandlecastError):
            logger.warning("a cell failed unexpectedly", exc_info=error)
        self.failures |= {cell.name: Failure.of(cell.key, error) for cell in cells}

    def has_left(self, cell: Cell) -> bool:
        """Whether a cell can still be computed."""
        return cell.name not in self.failures and cell.series.name not in self.unread


def compute(task: Task) -> Outcome:
    """The finished cells of a task. A cell that fails takes no other with it, unless they share what failed."""
    outcome = Outcome()
    prepared: dict[str, tuple[WalkPlan, list[Job]]] = {}
    for name, cells in _by_series(task.cells).items():
        try:
            candles, study = _candles(task, cells[0].series), cells[0].study
            plan = study.walk_plan(candles, seed=task.seed)
            prepared[name] = plan, plan.prepared(candles)
        except _UnreadError as error:
            outcome.unread[name] = str(error)
        except Exception as error:
            outcome.fail(cells, error)
    references = _baselines(task, prepared, outcome)
    walks: dict[str, list[Cell]] = {}
    for cell in task.cells:
        if outcome.has_left(cell):
            walks.setdefault(cell.model, []).append(cell)
    for cells in walks.values():
        _study(task, cells, prepared, references, outcome)
    return outcome


class _UnreadError(Exception):
    """Candles could not be read from their store, or are others there."""


def _candles(task: Task, series: Series) -> Candles:
    """The candles of a series: those of the task, or of the store at its address, if they are the same."""
    files = task.candles[series.name]
    if series.address is None or TABLE in files:
        return candles_of(files)
    try:
        return candles_of(files, frame=series.address.read().frame)
    except (CandlecastError, OSError) as error:
        raise _UnreadError(str(error)) from error


def _by_series(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.series.name, []).append(cell)
    return found


def _baselines(
    task: Task, prepared: Mapping[str, tuple[WalkPlan, list[Job]]], outcome: Outcome
) -> dict[tuple[str, str], dict[str, Forecast]]:
    """Forecasts of the baselines by series and their digest."""
    found = {}
    for name, cells in _by_series(task.cells).items():
        for digest in dict.fromkeys(cell.baselines for cell in cells if outcome.has_left(cell)):
            sharing = [cell for cell in cells if cell.baselines == digest]
            study = sharing[0].study
            try:
                if digest in task.baselines:
                    frame = table_of(task.baselines[digest])
                else:
                    plan, jobs = prepared[name]
                    frame = _walked(every_baseline(study), plan, jobs)
                    files = with_header(
                        BASELINES, {"symbol": sharing[0].series.symbol}, {"forecasts.parquet": parquet_bytes(frame)}
                    )
                    outcome.baselines[digest] = files
                horizon = primary(study.target).horizon
                found[name, digest] = {
                    str(model): Forecast(part, horizon)
                    for (model,), part in frame.group_by("model", maintain_order=True)
                }
                if digest in outcome.baselines:
                    outcome.begun += begun_beside(sharing, prepared[name][1][0].samples.candles, found[name, digest])
            except Exception as error:
                outcome.fail(sharing, error)
    return found


def _walked(models: Sequence[Model], plan: WalkPlan, jobs: Sequence[Job]) -> pl.DataFrame:
    """Forecasts of models that walk the same rows, one below the other."""
    horizon = primary(plan.target).horizon
    frames = [
        Forecast.joined([part.frame for part in walk_jobs(model, plan.of_model(model, jobs))], horizon).frame
        for model in models
    ]
    return pl.concat(frames, how="diagonal")


def _study(
    task: Task,
    cells: Sequence[Cell],
    prepared: Mapping[str, tuple[WalkPlan, list[Job]]],
    references: Mapping[tuple[str, str], dict[str, Forecast]],
    outcome: Outcome,
) -> None:
    """Train a model on all series, and judge it on each, for each of the costs."""
    model = cells[0].study.model
    series = _by_series(cells)
    jobs = {name: prepared[name][0].of_model(model, prepared[name][1]) for name in series}
    stored = {name: tensors_of(task.stored[own[0].walk]) for name, own in series.items() if own[0].walk in task.stored}
    for name, parts in _trained(model, jobs, stored, series, outcome).items():
        for cell in series[name]:
            try:
                result = _result(task, cell, parts, references[name, cell.baselines])
                outcome.cells[cell.name] = cell_files(cell, result)
                outcome.begun += begun_result(result)
            except Exception as error:
                outcome.fail([cell], error)


def _trained(
    model: Model,
    jobs: Mapping[str, list[Job]],
    stored: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]],
    series: Mapping[str, Sequence[Cell]],
    outcome: Outcome,
) -> dict[str, list[FoldForecast]]:
    """Finished folds by series. Series train as one fleet; where that fails, one by one, to find the one that fails."""
    known = _Known(
        {
            id(job): tensors[job.key]
            for name, tensors in stored.items()
            for job in jobs[name]
            if job.key in tensors  # models that are fitted faster than they are read keep nothing
        }
    )
    owner = {id(job): name for name, own in jobs.items() for job in own}
    try:
        found: dict[str, list[FoldForecast]] = {name: [] for name in jobs}
        every = [job for own in jobs.values() for job in own]
        for columns in dict.fromkeys(job.samples.features.columns for job in every):
            fleet = [job for job in every if job.samples.features.columns == columns]
            for part in walk_jobs(model, fleet, checkpoints=known):
                found[owner[id(part.job)]].append(part)
    except Exception as error:
        if len(jobs) == 1:
            outcome.fail(next(iter(series.values())), error)
            return {}
    else:
        return found
    alone: dict[str, list[FoldForecast]] = {}
    for name in jobs:
        kept = {name: stored[name]} if name in stored else {}
        alone |= _trained(model, {name: jobs[name]}, kept, {name: series[name]}, outcome)
    return alone


class _Known:
    """Checkpoints of jobs whose arrays are known."""

    def __init__(self, tensors: Mapping[int, Mapping[str, np.ndarray]]) -> None:
        self._tensors = tensors

    def load(self, model: Model, job: Job) -> Mapping[str, np.ndarray] | None:
        """The arrays of a job; None for one that is to be trained."""
        return self._tensors.get(id(job))

    def save(self, model: Model, fitted: Any) -> None:
        """Does nothing: the caller stores finished cells."""


def _result(task: Task, cell: Cell, parts: list[FoldForecast], references: Mapping[str, Forecast]) -> StudyResult:
    """The result of a cell, judged by nobody yet. Of the baselines it has the forecasts, and no positions."""
    study, candles = cell.study, parts[0].job.samples.candles
    own = study.model.name
    needed = [model.name for model in study.baseline_models]
    horizon = primary(study.target).horizon
    forecasts = {name: references[name] for name in needed}
    forecasts[own] = Forecast.joined([part.frame for part in parts], horizon)
    result = study.judged(
        candles,
        forecasts,
        parts,
        seed=task.seed,
        since=study.judged_from,
        ledger=Ledger.in_memory(),
        trading=[own],
    )
    return replace(result, recipe=cell.judged_recipe, audit=study.audited(candles, parts, seed=task.seed))


def cell_files(cell: Cell, result: StudyResult) -> dict[str, bytes]:
    """The files of a finished cell; equal cells have equal bytes, whatever was computed with them."""
    from candlecast import __version__

    equity = result.backtest.equity
    account = equity.select("time", "equity", "position").with_columns(
        benchmark=pl.Series(np.concatenate([[1.0], np.cumprod(1.0 + result.backtest.benchmark_returns)]))
    )
    tables = {
        "forecasts": result.forecast.frame,
        "account": account,
        "returns": pl.DataFrame({"return": result.backtest.returns}),
        "folds": result.folds,
        "losses": result.losses,
    }
    files = {f"{name}.parquet": parquet_bytes(frame) for name, frame in tables.items()}
    values = {
        "format": CELL_FORMAT,
        "candlecast": __version__,
        "candles": cell.series.name,
        "fingerprint": result.candles.fingerprint,
        "baselines": cell.baselines,
        "symbol": cell.series.symbol,
        "interval": cell.series.interval,
        "target": cell.target,
        "model": cell.model,
        "recipe": result.recipe,
        "lost": result.lost,
        "sketch": base64.b64encode(sketch_of(result.candles.close_time, result.candles.close).pack()).decode(),
        "seeds": result.forecast.seeds,
        "bars_per_year": result.backtest.bars_per_year,
        "searches": [asdict(each) for each in result.searches],
        "audit": result.audit.to_dict() if result.audit else None,
        "finding": Finding.of(result).to_dict(),
    }
    return with_header(CELLS, values, files | {"weights.safetensors": weights_bytes(result.tensors)})
