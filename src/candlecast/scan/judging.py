"""The results of a scan: every finished cell recorded as a trial, judged among all of them, and put into one table."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from candlecast.evaluation.trial_count import TrialCount, count_each
from candlecast.evaluation.trials import choices_in
from candlecast.events import Listener, Progress
from candlecast.ledger import Ledger, Searched, Trial
from candlecast.ledger.sketch import Sketch
from candlecast.scan.beginning import trials_beside
from candlecast.scan.cells import Cell
from candlecast.scan.finding import Finding
from candlecast.scan.folder import CELLS, ScanFolder, damaged, table_of
from candlecast.stats import false_discovery

SKILLS = ("observations", "r2", "r2_low", "r2_high", "hit_rate", "hit_rate_low", "hit_rate_high")
TESTS = ("sharpe_difference", "sharpe_difference_low", "sharpe_difference_high")
COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("symbol", "interval", "target", "model", "costs"), pl.String()),
    "observations": pl.Int64(),
    **dict.fromkeys(SKILLS[1:], pl.Float64()),
    "best_baseline": pl.String(),
    **dict.fromkeys(("best_baseline_r2", "p", "p_trials", "p_discovery", "p_discovery_any"), pl.Float64()),
    **dict.fromkeys(("annual_return", "annual_return_low", "annual_return_high"), pl.Float64()),
    **dict.fromkeys(("sharpe", "sharpe_low", "sharpe_high"), pl.Float64()),
    **dict.fromkeys(TESTS, pl.Float64()),
    "benchmark_sharpe": pl.Float64(),
    **dict.fromkeys(("p_pay", "p_pay_trials", "p_pay_discovery", "p_pay_discovery_any"), pl.Float64()),
    **dict.fromkeys(("deflated_sharpe", "break_even_bps"), pl.Float64()),
    "trades": pl.Int64(),
    **dict.fromkeys(("is_forecastable", "pays", "has_edge"), pl.Boolean()),
    "headline": pl.String(),
    "cell": pl.String(),
}


@dataclass(frozen=True, eq=False)
class Read:
    """A finished cell: what it found, and the returns of its account."""

    cell: Cell
    finding: Finding
    trial: Trial


def read_cell(folder: ScanFolder, cell: Cell) -> Read:
    """A finished cell from its files. Raises RunError for others than were written."""
    files = folder.read(CELLS, cell.name, only=("account.parquet", "returns.parquet"))
    try:
        values = json.loads(files["cell.json"])
        finding = Finding.from_dict(values["finding"])
        times = table_of(files["account.parquet"])["time"].dt.replace_time_zone(None).to_numpy()[1:]
        returns = table_of(files["returns.parquet"])["return"].to_numpy()
        trial = Trial(
            data=str(values["fingerprint"]),
            study=choices_in(values["recipe"]),
            code=str(values["candlecast"]),
            symbol=cell.series.symbol,
            interval=cell.series.interval,
            model=cell.study.model.name,
            bars_per_year=float(values["bars_per_year"]),
            times=times,
            returns=returns,
            searches=tuple(Searched(**each) for each in values["searches"]),
            target=cell.target,
            profile=finding.profile,
            sketches={cell.series.symbol: _sketch(values["sketch"])} if "sketch" in values else {},
        )
    except (ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise damaged(folder.path / CELLS / cell.name, error) from error
    return Read(cell, finding, trial)


def _sketch(text: str) -> Sketch:
    """A sketch from the text of a cell. Raises ValueError for others."""
    return Sketch.unpack(base64.b64decode(text, validate=True))


class Judged(NamedTuple):
    """The table of the cells in their order, the trials that they were judged among, and the first moment that was tested."""

    frame: pl.DataFrame
    trial_count: TrialCount
    tested_from: datetime | None


def judge_cells(cells: Sequence[Cell], folder: ScanFolder, ledger: Ledger, *, progress: Listener) -> Judged:
    """The finished cells judged among each other and all trials of the ledger.

    Every cell is recorded as a trial, and with them what a scan shows beside them.
    """
    if not cells:
        return Judged(pl.DataFrame(schema=COLUMNS), TrialCount(), None)
    read = []
    for done, cell in enumerate(cells):
        progress(Progress("judge", done, len(cells)))
        read.append(read_cell(folder, cell))
    trials = [each.trial for each in read]
    ledger.record_all([*trials, *trials_beside([(each.cell, each.trial) for each in read], ledger)])
    counts = count_each(trials, ledger.entries())
    rows = [_row(each, trial_count) for each, trial_count in zip(read, counts, strict=True)]
    progress(Progress("judge", len(cells), len(cells)))
    first = min(each.times[0] for each in trials).astype("datetime64[us]").item().replace(tzinfo=UTC)
    return Judged(with_discoveries(rows), max(counts, key=lambda counted: counted.trials), first)


def with_discoveries(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a table, with p-values adjusted for false discoveries across all of them."""
    frame = pl.DataFrame(list(rows), schema={name: kind for name, kind in COLUMNS.items() if "discovery" not in name})
    for name in ("p", "p_pay"):
        values = np.array(frame[name].fill_null(np.nan).to_numpy())
        frame = frame.with_columns(
            pl.Series(f"{name}_discovery", false_discovery(values)),
            pl.Series(f"{name}_discovery_any", false_discovery(values, dependence="any")),
        )
    return frame.select(*COLUMNS).with_columns(pl.selectors.float().fill_nan(None))


def _row(read: Read, trial_count: TrialCount) -> dict[str, Any]:
    cell, finding = read.cell, read.finding
    evidence, decision = finding.among(trial_count)
    tests = (evidence.return_p, evidence.timing_p, evidence.sharpe_p)
    adjusted = (evidence.return_p_adjusted, evidence.timing_p_adjusted, evidence.sharpe_p_adjusted)
    known = {name: value for name, value in finding.baselines.items() if not math.isnan(value)}
    best = max(known, key=lambda name: known[name], default=None)
    symbol, interval, target, model, costs = cell.key
    return {
        "symbol": symbol,
        "interval": interval,
        "target": target,
        "model": model,
        "costs": costs,
        **{name: finding.accuracy[name] for name in SKILLS},
        "best_baseline": best,
        "best_baseline_r2": known.get(best) if best is not None else None,
        "p": evidence.forecast_p,
        "p_trials": evidence.forecast_p_adjusted,
        **_bounded("annual_return", finding.summary["annual return"]),
        **_bounded("sharpe", finding.summary["Sharpe ratio"]),
        **{name: getattr(evidence, name) for name in TESTS},
        "benchmark_sharpe": finding.summary["Sharpe ratio"]["benchmark"],
        "p_pay": max(tests),  # the account pays where all three hypotheses are rejected
        "p_pay_trials": max(adjusted),
        "deflated_sharpe": evidence.deflated_sharpe,
        "break_even_bps": finding.break_even_bps,
        "trades": int(finding.summary["trades"]["value"] or 0),
        "is_forecastable": decision.is_forecastable,
        "pays": decision.pays,
        "has_edge": decision.is_forecastable and decision.pays,
        "headline": decision.headline,
        "cell": cell.name,
    }


def _bounded(name: str, line: dict[str, Any]) -> dict[str, Any]:
    return {name: line["value"], f"{name}_low": line["low"], f"{name}_high": line["high"]}


def equity_of(folder: ScanFolder, name: str) -> pl.DataFrame:
    """The account of a cell: `time`, `equity`, `position` and `benchmark`, buy-and-hold from 1. Raises RunError."""
    return table_of(folder.read(CELLS, name, only=("account.parquet",))["account.parquet"])
