"""Runs: studies on disk, in open formats, written completely or not at all.

manifest.json         the study and its results, the same in each repetition, and size and SHA-256 of the other files
candles.parquet       the candles
forecasts.parquet     forecasts of all models
positions.parquet     target positions of all models
fills.parquet         trades of the studied model, and equity.parquet its account
folds.parquet, losses.parquet, weights.safetensors
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.disk.files import write_flushed
from candlecast.disk.replacing import replaced
from candlecast.errors import RunError
from candlecast.runs.assets import asset_values
from candlecast.runs.folder import require_paths
from candlecast.runs.manifest import FORMAT, NAME, WEIGHTS, digests, is_run

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult


def save_run(result: StudyResult, folder: str | Path) -> Path:
    """Write a run and return its folder. An older run there is replaced once the new one is complete.

    Raises RunError when it cannot be written, or when the folder holds something other than a run.
    """
    return write_run(folder, manifest_of(result), contents(result))


def write_run(folder: str | Path, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Path:
    """Write the files of a run and its manifest, with the digest of each; as `save_run`, which raises the same."""
    folder = Path(folder)
    require_paths(folder)
    if folder.exists() and not is_run(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(
            f"{folder} exists and is no run", expected="a new or empty folder, or a run", remedy="Choose another"
        )
    with replaced(folder) as fresh:
        for name, content in files.items():
            write_flushed(fresh / name, content)
        described = {**manifest, "files": digests(files)}
        write_flushed(fresh / NAME, (json.dumps(described, indent=2) + "\n").encode())
    return folder


def manifest_of(result: StudyResult) -> dict[str, Any]:
    from candlecast import __version__

    verdict = result.verdict
    return {
        "format": FORMAT,
        "candlecast": __version__,
        "environment": result.environment,
        "audit": result.audit.to_dict() if result.audit else None,
        "model": result.model,
        "models": list(result.forecasts),
        "candles": asset_values(result.candles),
        "positions": {
            name: {
                "leverage": held.leverage,
                "in_units": held.in_units,
                "band": None if math.isinf(held.band) else held.band,
            }
            for name, held in result.positions.items()
        },
        "lost": result.lost,
        "seeds": result.forecast.seeds,
        "recipe": result.recipe,
        "trial_count": result.counted.to_dict(),
        "verdict": verdict.to_dict(),
        "accuracy": result.accuracy.to_dicts(),
        "summary": result.summary().to_dicts(),
        "replaced": list(result.replaced),
        "searches": [asdict(each) for each in result.searches],
    }


def contents(result: StudyResult) -> dict[str, bytes]:
    """Contents of a run's files by name, without the manifest. Equal results give equal bytes."""
    held = [positions.frame.with_columns(model=pl.lit(name)) for name, positions in result.positions.items()]
    tables = {
        "candles": result.candles.frame,
        "forecasts": pl.concat([forecast.frame for forecast in result.forecasts.values()], how="diagonal"),
        "positions": pl.concat(held),
        "fills": result.backtest.fills,
        "equity": result.backtest.equity,
        "folds": result.folds,
        "losses": result.losses,
    }
    return {f"{name}.parquet": parquet_bytes(frame) for name, frame in tables.items()} | {
        WEIGHTS: weights_bytes(result.tensors)
    }


def weights_bytes(tensors: Mapping[str, Mapping[str, np.ndarray]]) -> bytes:
    """What jobs learnt as the content of a safetensors file, whose names are `job/name`; see `runs.tables.tensors_of`."""
    from safetensors.numpy import save

    return save(
        {f"{key}/{name}": np.ascontiguousarray(value) for key, held in tensors.items() for name, value in held.items()}
    )


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """A table as the content of a Parquet file; equal tables give equal bytes."""
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()
