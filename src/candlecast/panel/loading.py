"""Loading the run of a panel: its result, from open formats; nothing in it is executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from candlecast.audit import AuditReport
from candlecast.backtesting import Costs
from candlecast.backtesting.validation import require_kind
from candlecast.candles.intake import ACTIVITY
from candlecast.dataset.forecast import Forecast
from candlecast.errors import RunError
from candlecast.evaluation.trial_count import TrialCount
from candlecast.ledger import Ledger
from candlecast.panel.panel import Panel
from candlecast.panel.result import PanelResult
from candlecast.panel.saving import KIND, OF_FOLDS
from candlecast.panel.universe import Universe
from candlecast.recipes import restore
from candlecast.runs import require_run
from candlecast.runs.assets import stored_candles
from candlecast.runs.manifest import read_manifest, require_shape, well_formed
from candlecast.runs.tables import read_tables, read_tensors
from candlecast.study.seal import digests_at_rest
from candlecast.targets import AcrossTarget


def is_panel_run(folder: str | Path) -> bool:
    """Whether a folder holds the run of a panel. Raises RunError for one that holds no run."""
    require_run(Path(folder))
    recipe = read_manifest(Path(folder)).get("recipe")
    return isinstance(recipe, dict) and recipe.get("type") == KIND


def load_panel_run(folder: str | Path) -> PanelResult:
    """Read the run of a panel; what is not stored is computed again.

    Nothing in a run is executed; only recipes of candlecast are made from it. Raises RunError for a folder that is no run of a
    panel, or not as it was written.
    """
    folder = Path(folder)
    if not is_panel_run(folder):
        raise RunError(
            f"{folder} is the run of one asset", expected="the run of a panel", remedy="Read it with load_run(folder)"
        )
    manifest = read_manifest(folder)
    require_shape(folder, manifest)
    tables, tensors = read_tables(folder, manifest), read_tensors(folder, manifest)
    with well_formed(folder):
        return _result(folder, manifest, tables, tensors)


def _result(
    folder: Path,
    manifest: dict[str, Any],
    tables: Mapping[str, pl.DataFrame],
    tensors: dict[str, dict[str, np.ndarray]],
) -> PanelResult:
    recipe, kept = manifest["recipe"], manifest["panel"]
    panel = _panel(folder, manifest, tables["candles"])
    target, costs = restore(recipe["target"]), restore(recipe["costs"])
    if not isinstance(target, AcrossTarget):
        raise RunError(
            f"the target of {folder} is a {type(target).__name__}",
            expected="a target across assets",
            remedy="Take the run from where it was made, or run it again",
        )
    require_kind("costs", costs, Costs, "Use for example Costs(fee_bps=10)")
    models, trained = manifest["models"], kept["trained"]
    frames = {name: tables["forecasts"].filter(pl.col("model") == name) for name in models}
    means = {
        name: _matrix(panel, frames[name], "mean") * (target.direction if name in trained else 1.0) for name in models
    }
    result = PanelResult(
        recipe=recipe,
        model=manifest["model"],
        panel=panel,
        target=target,
        forecasts={name: Forecast(frames[name], target.horizon) for name in trained},
        scores={name: np.where(panel.is_member, own, np.nan) for name, own in means.items()},
        weights={
            name: np.nan_to_num(_matrix(panel, tables["positions"].filter(pl.col("model") == name), "position"))
            for name in models
        },
        gross=float(kept["gross"]),
        costs=costs,
        cash=recipe["cash"],
        folds=tables["folds"].hstack(pl.DataFrame(kept["folds"]).select(OF_FOLDS)),
        losses=tables["losses"],
        lost=manifest["lost"],
        tensors=tensors,
        audit=AuditReport.from_dict(manifest["audit"]) if manifest.get("audit") else None,
        environment=manifest.get("environment"),
        trial_count=TrialCount.from_dict(manifest.get("trial_count", {})),
        ledger=Ledger(folder.parent),
        folder=folder,
    )
    return replace(result, digests=digests_at_rest(result, manifest.get("replaced", [])))


def _panel(folder: Path, manifest: dict[str, Any], frame: pl.DataFrame) -> Panel:
    """The assets of a run, each of the rows that the manifest says."""
    first, assets = 0, []
    for about in manifest["panel"]["assets"]:
        own = frame[first : first + about["bars"]]
        first += about["bars"]
        absent = [name for name in ACTIVITY if name in own.columns and own[name].null_count() == own.height]
        assets.append(stored_candles(own.drop(absent), about, where=folder))
    rows = manifest["panel"]["universe"]
    return Panel.of(assets, universe=Universe([tuple(row) for row in rows]) if rows else None)


def _matrix(panel: Panel, frame: pl.DataFrame, name: str) -> np.ndarray:
    """Rows of `time`, `symbol` and a value, the seeds averaged, as an array (time, asset); NaN where there is none."""
    frame = frame.group_by("time", "symbol").agg(pl.col(name).mean())
    places = {symbol: place for place, symbol in enumerate(panel.symbols)}
    rows = np.searchsorted(panel.times, frame["time"].dt.replace_time_zone(None).to_numpy())
    columns = frame["symbol"].replace_strict(places, return_dtype=pl.Int64).to_numpy()
    found = np.full(panel.bars.shape, np.nan)
    found[rows, columns] = frame[name].to_numpy()
    return found
