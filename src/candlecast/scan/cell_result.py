"""The study behind a finished cell, from its files; nothing is trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from candlecast.audit import AuditReport
from candlecast.dataset.forecast import Forecast
from candlecast.dataset.membership import WhileMember
from candlecast.errors import RunError
from candlecast.ledger import Ledger, Searched
from candlecast.recipes.describing import restore
from candlecast.recipes.environment import environment
from candlecast.runs.tables import tensors_of
from candlecast.scan.folder import BASELINES, CANDLES, CELLS, ScanFolder, candles_of, table_of
from candlecast.study.deciding import positions_by_model
from candlecast.study.result import StudyResult
from candlecast.study.seal import digests_of
from candlecast.targets import primary


def cell_result(folder: ScanFolder, name: str, *, ledger: Ledger | None = None) -> StudyResult:
    """The study behind a finished cell, from its files. Raises RunError."""
    files = folder.read(CELLS, name)
    values = json.loads(files["cell.json"])
    candles = candles_of(folder.read(CANDLES, values["candles"]))
    recipe = values["recipe"]
    target, costs, rule = (restore(recipe[part]) for part in ("target", "costs", "rule"))
    horizon = primary(target).horizon
    own = Forecast(table_of(files["forecasts.parquet"]), horizon)
    forecasts = _baselines(folder, values, own, horizon) | {own.model: own}
    folds = table_of(files["folds.parquet"])
    parts = folds if recipe["folds"].get("type") == WhileMember.__name__ else None
    result = StudyResult(
        recipe=recipe,
        model=own.model,
        candles=candles,
        target=target,
        forecasts=forecasts,
        positions=positions_by_model(rule, forecasts, candles, costs, parts=parts),
        costs=costs,
        cash=recipe["cash"],
        folds=folds,
        losses=table_of(files["losses.parquet"]),
        lost=values["lost"],
        tensors=tensors_of(files["weights.safetensors"]),
        searches=tuple(Searched(**each) for each in values["searches"]),
        audit=AuditReport.from_dict(values["audit"]) if values["audit"] else None,
        environment=environment() | {"candlecast": values["candlecast"]},
        ledger=Ledger(folder.path.parent) if ledger is None else ledger,
    )
    return replace(result, digests=digests_of(result))


def _baselines(folder: ScanFolder, values: Mapping[str, Any], own: Forecast, horizon: int) -> dict[str, Forecast]:
    """Forecasts of the baselines of a cell, in the order of its recipe."""
    frame = table_of(folder.read(BASELINES, values["baselines"])["forecasts.parquet"])
    known = {str(model): part for (model,), part in frame.group_by("model", maintain_order=True)}
    wanted = [each.get("name") for each in values["recipe"]["baselines"]]
    lacking = [name for name in wanted if name not in known]
    if lacking:
        raise RunError(
            f"there is no forecast of {lacking[0]} for the cell {values['symbol']} {values['interval']} {own.model}",
            expected="all baselines of a finished cell",
            remedy="Remove its folder; the scan computes it again",
        )
    return {name: Forecast(known[name], horizon) for name in wanted}
