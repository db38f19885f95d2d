"""Loading a run: the result of its study, from open formats; nothing in it is executed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from candlecast.audit import AuditReport
from candlecast.backtesting import Costs
from candlecast.backtesting.validation import require_kind
from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.errors import RunError
from candlecast.evaluation.trial_count import TrialCount
from candlecast.ledger import Ledger, Searched
from candlecast.parameters import as_path
from candlecast.recipes.describing import restore
from candlecast.runs import require_run
from candlecast.runs.assets import stored_candles
from candlecast.runs.manifest import LONGEST, read_manifest, require_shape, well_formed
from candlecast.runs.tables import read_tables, read_tensors, require_rows
from candlecast.signals import Positions
from candlecast.study.fitted import not_made, require_same
from candlecast.study.result import StudyResult
from candlecast.study.seal import digests_at_rest
from candlecast.study.study import Study
from candlecast.targets import primary
from candlecast.targets.target import require_target

PANEL = "PanelStudy"  # the type of the recipe of a study of many assets


def load_run(folder: str | Path, *, candles: Sequence[Candles] = (), study: Study | None = None) -> StudyResult:
    """Read a run; what is not stored is computed again.

    Nothing in a run is executed; only recipes of candlecast and plain estimators are made from it.

    Args:
        folder: of the run.
        candles: other candles that the study names and a run does not store, such as the benchmark of an ExcessReturn.
        study: that of the run; needed if its target or costs are your own code, of which a run stores only the name.

    Raises:
        RunError: for a folder that is no run, or not as it was written.
    """
    folder = as_path(folder, "folder")
    require_run(folder)
    manifest = read_manifest(folder)
    require_shape(folder, manifest)
    if manifest["recipe"].get("type") == PANEL:
        raise RunError(
            f"{folder} is the run of a panel",
            expected="the run of one asset",
            remedy="Use candlecast report, forecast or replay, or load_panel_run(folder) in Python",
        )
    tables, tensors = read_tables(folder, manifest), read_tensors(folder, manifest)
    with well_formed(folder):
        require_rows(folder, manifest, tables)
        stored = _Stored(folder, manifest, tables, tensors)
        return _result(stored, candles, study)


class _Stored(NamedTuple):
    """What the files of a run hold."""

    folder: Path
    manifest: dict[str, Any]
    tables: dict[str, pl.DataFrame]
    tensors: dict[str, dict[str, np.ndarray]]


def _result(stored: _Stored, others: Sequence[Candles], study: Study | None) -> StudyResult:
    folder, manifest, tables, tensors = stored
    recipe, asset = manifest["recipe"], manifest["candles"]
    candles = stored_candles(tables["candles"], asset, where=folder)
    if study is None:
        try:
            target, costs = restore(recipe["target"], candles=others), restore(recipe["costs"])
        except RunError as error:
            if "candles=" in error.remedy:
                raise
            raise not_made(error, "load_run(folder, study=...)") from error
        require_target(target)
        require_kind("costs", costs, Costs, "Use for example Costs(fee_bps=10)")
    else:
        require_same(study, recipe, candles)
        target, costs = study.target, study.costs
    result = StudyResult(
        recipe=recipe,
        model=manifest["model"],
        candles=candles,
        target=target,
        forecasts={
            name: Forecast(tables["forecasts"].filter(pl.col("model") == name), primary(target).horizon)
            for name in manifest["models"]
        },
        positions={name: _positions(manifest, tables["positions"], name) for name in manifest["models"]},
        costs=costs,
        cash=recipe["cash"],
        folds=tables["folds"],
        losses=tables["losses"],
        lost=manifest["lost"],
        tensors=tensors,
        searches=tuple(Searched(**values) for values in manifest.get("searches", [])),
        audit=AuditReport.from_dict(manifest["audit"]) if manifest.get("audit") else None,
        environment=_environment(manifest),
        trial_count=TrialCount.from_dict(
            manifest.get("trial_count", {})
        ),  # empty for runs older than the ledger: one trial
        ledger=Ledger(folder.parent),
        folder=folder,
    )
    return replace(result, digests=digests_at_rest(result, manifest.get("replaced", [])))


def _environment(manifest: dict[str, Any]) -> dict[str, Any] | None:
    """What a run was computed with; the version of candlecast stands beside it in runs of any age."""
    held = manifest.get("environment")
    return held and {"candlecast": str(manifest.get("candlecast"))[:LONGEST]} | held


def _positions(manifest: dict[str, Any], frame: pl.DataFrame, name: str) -> Positions:
    """A model's positions, with leverage, unit and band."""
    options = dict(manifest.get("positions", {}).get(name, {}))
    if "band" in options and options["band"] is None:
        options["band"] = math.inf
    return Positions(frame.filter(pl.col("model") == name), **options)
