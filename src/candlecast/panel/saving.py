"""Panel studies on disk: a run with the files of every run, whose candles are those of all assets, one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.events import Listener, ignore
from candlecast.ledger import Ledger
from candlecast.panel.panel import Panel
from candlecast.runs import fresh_folder, is_run, prepare_runs
from candlecast.runs.assets import asset_values
from candlecast.runs.manifest import FORMAT, WEIGHTS
from candlecast.runs.writing import parquet_bytes, weights_bytes, write_run
from candlecast.text.json_values import json_values

if TYPE_CHECKING:
    from candlecast.panel.result import PanelResult
    from candlecast.panel.study import PanelStudy

KIND = "PanelStudy"  # the type of the recipe of such a run
OF_FOLDS = ("train_rows", "assets_trained", "assets_tested")  # columns of the fold table that other runs lack
SCORED_FOLD = 0  # of the scores of baselines that are not trained


def run_panel_study(
    study: PanelStudy,
    assets: Any,
    *,
    runs: str | Path = "runs",
    interval: str | None = None,
    seed: int = 0,
    progress: Listener = ignore,
) -> tuple[PanelResult, Path]:
    """Run a study of a panel, store it in a folder of `runs` that is named after it, and return the result and the folder.

    Parameters as those of `PanelStudy.run`; the trial is recorded in the ledger of `runs`. Raises RunError when the folder cannot
    be written, and whatever `PanelStudy.run` raises.
    """
    panel = Panel.of(assets, universe=study.universe, interval=interval)
    folder = Path(runs) / panel_run_name(study.recipe(panel, seed=seed), panel)
    prepare_runs(folder)
    result = study.run(panel, seed=seed, ledger=Ledger(runs), progress=progress)
    return result, save_panel_run(result, folder if is_run(folder) or not folder.exists() else fresh_folder(folder))


def panel_run_name(recipe: Mapping[str, Any], panel: Panel) -> str:
    """A folder name that the same study of the same assets always gets: `panel-20-1d-pooled_lstm-above_median-3fa41c07`."""
    digest = sha256(json.dumps([recipe, panel.fingerprint], sort_keys=True).encode()).hexdigest()[:8]
    model, target = (str(recipe[part].get("name") or recipe[part]["type"]).lower() for part in ("model", "target"))
    return f"panel-{len(panel.assets)}-{panel.interval}-{model}-{target}-{digest}"


def save_panel_run(result: PanelResult, folder: str | Path) -> Path:
    """Write a run and return its folder. An older run there is replaced once the new one is complete.

    Raises RunError when it cannot be written, or when the folder holds something other than a run.
    """
    return write_run(folder, manifest_of(result), contents(result))


def manifest_of(result: PanelResult) -> dict[str, Any]:
    """The study and its results as JSON values, with the parts that every run has."""
    from candlecast import __version__

    panel = result.panel
    first = panel.assets[0]
    universe = panel.universe
    return {
        "format": FORMAT,
        "candlecast": __version__,
        "environment": result.environment,
        "audit": result.audit.to_dict() if result.audit else None,
        "model": result.model,
        "models": list(result.scores),
        "candles": {
            "symbol": panel.name,
            "interval": str(panel.interval),
            "bars": sum(map(len, panel.assets)),
            "first": str(panel.times[0]),
            "last": str(panel.times[-1]),
            "fingerprint": panel.fingerprint,
            "has_sessions": first.has_sessions,
            "breaks": [],
            "zone": first.zone,
            "bridge": 0,
            "origin": None,
        },
        "panel": json_values(
            {
                "moments": len(panel),
                "assets": [asset_values(each) for each in panel.assets],
                "universe": universe and _rows(universe.table),
                "trained": list(result.forecasts),
                "gross": result.gross,
                "folds": result.folds.select(OF_FOLDS).to_dicts(),
                "ranking": result.ranking.to_dicts(),
                "groups": result.groups.to_dicts(),
                "decay": result.decay.to_dicts(),
                "exposure": result.exposure.to_dicts(),
                "by_year": result.by_year.to_dicts(),
                "sides": result.sides.to_dicts(),
                "turnover": result.turnover,
            }
        ),
        "positions": {},
        "lost": result.lost,
        "seeds": result.forecast.seeds,
        "recipe": result.recipe,
        "trial_count": result.counted.to_dict(),
        "verdict": result.verdict.to_dict(),
        "summary": result.summary().to_dicts(),
        "replaced": list(result.replaced),
        "searches": [],
    }


def contents(result: PanelResult) -> dict[str, bytes]:
    """Contents of a run's files by name, without the manifest. Equal results give equal bytes."""
    scored = [name for name in result.scores if name not in result.forecasts]
    forecasts = [forecast.frame for forecast in result.forecasts.values()]
    forecasts += [_scores(result, name) for name in scored]
    tables = {
        "candles": pl.concat([each.frame for each in result.panel.assets], how="diagonal"),
        "forecasts": pl.concat(forecasts, how="diagonal"),
        "positions": pl.concat([_weights(result, name) for name in result.weights]),
        "fills": result.backtest.fills,
        "equity": result.backtest.equity,
        "folds": result.folds.drop(OF_FOLDS),
        "losses": result.losses,
    }
    return {f"{name}.parquet": parquet_bytes(frame) for name, frame in tables.items()} | {
        WEIGHTS: weights_bytes(result.tensors)
    }


def _rows(table: pl.DataFrame) -> list[list[str | None]]:
    """A universe as rows of text."""
    dated = table.with_columns(pl.col("start", "end").dt.strftime("%Y-%m-%d"))
    return [list(row) for row in dated.select("symbol", "start", "end", "sector").rows()]


def _long(result: PanelResult, values: np.ndarray, chosen: np.ndarray, name: str) -> pl.DataFrame:
    """The chosen values of an array (time, asset) as rows of `time`, `symbol` and a column of that name."""
    rows, places = np.nonzero(chosen)
    times = pl.Series(result.panel.times[rows]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    symbols = pl.Series(np.array(result.panel.symbols, dtype=object)[places].tolist(), dtype=pl.String)
    return pl.DataFrame({"time": times, "symbol": symbols, name: values[rows, places]})


def _weights(result: PanelResult, model: str) -> pl.DataFrame:
    weights = result.weights[model]
    found = _long(result, weights, weights != 0.0, "position")
    return found.with_columns(model=pl.lit(model))


def _scores(result: PanelResult, model: str) -> pl.DataFrame:
    """The scores of a baseline that is not trained, as rows of the forecast table."""
    scores = result.scores[model]
    found = _long(result, scores, np.isfinite(scores), "mean")
    return found.with_columns(
        model=pl.lit(model),
        fold=pl.lit(SCORED_FOLD, pl.Int32),
        seed=pl.lit(result.seed, pl.Int32),
        naive=pl.lit(0.0),
    )
