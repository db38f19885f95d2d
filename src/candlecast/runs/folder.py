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
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting import Costs
from candlecast.backtesting.door import require_kind
from candlecast.candles import Candles, Origin, TradingClock
from candlecast.disk.files import require_names, write_flushed
from candlecast.disk.replacing import replaced, tidy
from candlecast.errors import RunError, near_misses
from candlecast.evaluation.tally import Tally
from candlecast.forecast import Forecast
from candlecast.interval import Interval
from candlecast.ledger import Ledger, Searched
from candlecast.models import Fitted
from candlecast.models.model import require_model
from candlecast.recipes.describing import pythons, restore, unidentified
from candlecast.recipes.identity import PYTHON
from candlecast.runs.manifest import FILES, FORMAT, NAME, digests, is_run, read_manifest, require_shape
from candlecast.runs.tables import read_tables, read_tensors, require_rows
from candlecast.signals import Positions
from candlecast.study import Study
from candlecast.study.result import StudyResult
from candlecast.targets import lead
from candlecast.targets.target import require_target
from candlecast.walk import plan_jobs

NAMED = ("model", "target")  # parts of a study in the name of its folder
LONGEST_PART = 32  # bytes of each, which keeps the name below the limit of any file system


def run_name(recipe: dict[str, Any], candles: Candles, *, digits: int = 8) -> str:
    """A folder name that the same study of the same candles always gets: `BTCUSDT-1h-lstm-return-3fa41c07`.

    Characters that a file system may refuse are replaced. `digits` of the digest tell studies with the same names apart.
    """
    identity = json.dumps([recipe, candles.fingerprint], sort_keys=True)
    digest = sha256(identity.encode()).hexdigest()[:digits]
    symbol = _part(candles.symbol, kept="")
    model, target = (
        _part(each.get("name") or each.get("class") or each["type"]) for each in (recipe[part] for part in NAMED)
    )
    return f"{symbol}-{candles.interval}-{model}-{target}-{digest}"


def run_folder(recipe: dict[str, Any], candles: Candles, runs: str | Path) -> Path:
    """The folder for a study's run: that of its name, with more digits if the run of another study is there."""
    folders = [Path(runs) / run_name(recipe, candles, digits=digits) for digits in (8, 16, 64)]
    return next((folder for folder in folders if not _holds_another(folder, recipe, candles)), folders[-1])


def prepare_runs(folder: Path) -> None:
    """Remove what killed processes left beside a folder for a run. Raises RunError if the run's paths will be too long."""
    _require_paths(folder)
    tidy(folder.parent)


def _require_paths(folder: Path) -> None:
    """Raise RunError, before any work, for a path that is too long for the file system."""
    copy = f".{folder.name}-12345678.new"  # the longest name that the folder will have
    require_names(folder.parent, (copy, f"{copy}/{max(FILES, key=len)}"))


def fresh_folder(folder: Path) -> Path:
    """The path of a new folder with the same name and a random suffix."""
    while True:
        fresh = folder.with_name(f"{folder.name}-{secrets.token_hex(4)}")
        if not os.path.lexists(fresh):
            return fresh


def save_run(result: StudyResult, folder: str | Path) -> Path:
    """Write a run and return its folder. An older run there is replaced once the new one is complete.

    Raises RunError when it cannot be written, or when the folder holds something other than a run.
    """
    folder = Path(folder)
    _require_paths(folder)
    if folder.exists() and not is_run(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(
            f"{folder} exists and is no run", expected="a new or empty folder, or a run", remedy="Choose another"
        )
    manifest = _manifest(result)
    with replaced(folder) as fresh:
        contents = _contents(result)
        manifest["files"] = digests(contents)
        for name, content in contents.items():
            write_flushed(fresh / name, content)
        write_flushed(fresh / NAME, (json.dumps(manifest, indent=2) + "\n").encode())
    return folder


def load_run(folder: str | Path, *, beside: Sequence[Candles] = (), study: Study | None = None) -> StudyResult:
    """Read a run; what is not stored is computed again.

    `beside`: other candles that the study names, such as the benchmark of an ExcessReturn. `study`: the study of the run,
    needed if its target or costs are your own code, of which a run stores only the name. Nothing in a run is executed;
    only recipes of candlecast and plain estimators are made from it. Raises RunError.
    """
    folder = Path(folder)
    if not is_run(folder):
        known = [run.name for run in list_runs(folder.parent)]
        remedy = near_misses(folder.name, known) if known else "Make one with: candlecast run"
        raise RunError(f"{folder} is no run", expected="a folder that `candlecast run` wrote", remedy=remedy)
    manifest = read_manifest(folder)
    require_shape(folder, manifest)
    tables, tensors = read_tables(folder, manifest), read_tensors(folder, manifest)
    try:
        require_rows(folder, manifest, tables)
        return _result(folder, manifest, tables, tensors, beside, study)
    except RunError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # values that candlecast never writes raise many types
        raise RunError(
            f"the manifest of {folder} is malformed ({type(error).__name__}: {str(error)[:200]})",
            expected="what candlecast writes",
            remedy="Take the run from where it was made, or run it again",
        ) from error


def _hours(asset: dict[str, Any]) -> dict[str, Any]:
    """Trading hours as parameters of Candles: the clock, or what older runs without a clock have."""
    if "clock" in asset:
        return {"clock": TradingClock.from_dict(asset["clock"])}
    breaks = tuple((first, last) for first, last in asset["breaks"])
    return {"has_sessions": asset["has_sessions"], "breaks": breaks, "zone": asset["zone"]}


def _result(
    folder: Path,
    manifest: dict[str, Any],
    tables: dict[str, pl.DataFrame],
    tensors: dict[str, dict[str, np.ndarray]],
    beside: Sequence[Candles],
    study: Study | None,
) -> StudyResult:
    recipe, asset = manifest["recipe"], manifest["candles"]
    candles = Candles(
        tables["candles"],
        asset["symbol"],
        Interval.parse(asset["interval"]),
        bridge=asset["bridge"],
        origin=asset["origin"] and Origin(**asset["origin"]),
        **_hours(asset),
    )
    candles.require_sound()
    if candles.fingerprint != asset["fingerprint"]:
        raise RunError(
            f"the candles in {folder} are not those of its study", expected="unchanged files", remedy="Run it again"
        )
    if study is None:
        try:
            target, costs = restore(recipe["target"], candles=beside), restore(recipe["costs"])
        except RunError as error:
            if "beside=" in error.remedy:
                raise
            raise _not_made(error, "load_run(folder, study=...)") from error
        require_target(target)
        require_kind("costs", costs, Costs, "Use for example Costs(fee_bps=10)")
    else:
        _require_same(study, recipe, candles)
        target, costs = study.target, study.costs
    return StudyResult(
        recipe=recipe,
        model=manifest["model"],
        candles=candles,
        target=target,
        forecasts={
            name: Forecast(tables["forecasts"].filter(pl.col("model") == name), lead(target).horizon)
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
        tally=Tally.from_dict(manifest.get("tally", {})),  # empty for runs older than the ledger: one trial
        ledger=Ledger(folder.parent),
    )


def _positions(manifest: dict[str, Any], frame: pl.DataFrame, name: str) -> Positions:
    """A model's positions, with leverage, unit and band."""
    options = dict(manifest.get("positions", {}).get(name, {}))
    if "band" in options and options["band"] is None:
        options["band"] = math.inf
    return Positions(frame.filter(pl.col("model") == name), **options)


def fitted_of(result: StudyResult, *, fold: int, seed: int, study: Study | None = None) -> Fitted:
    """The fitted model of one training of a study, from its recipe and tensors; see `StudyResult.fitted`."""
    try:
        return _fitted(result, fold, seed, study)
    except RunError:
        raise
    except Exception as error:  # parts of a manifest that are missing, malformed or inconsistent
        raise RunError(
            f"the training of fold {fold} with seed {seed} does not fit its study ({type(error).__name__}: "
            f"{str(error)[:200]})",
            expected="what candlecast writes",
            remedy="Take the run from where it was made, or run it again",
        ) from error


def _fitted(result: StudyResult, fold: int, seed: int, study: Study | None) -> Fitted:
    recipe, known, seeds = result.recipe, result.folds["fold"].to_list(), result.forecast.seeds
    if fold not in known or seed not in seeds:
        raise RunError(
            f"there is no training of fold {fold} with seed {seed}",
            expected=f"fold {' or '.join(map(str, known))} and seed {' or '.join(map(str, seeds))}",
            remedy="Choose from these",
        )
    if study is None:
        try:
            model, features, folds = (restore(recipe[name]) for name in ("model", "features", "folds"))
        except RunError as error:
            raise _not_made(error, "fitted(study=...)") from error
    else:
        _require_same(study, recipe, result.candles)
        model, features, folds = study.model, study.features, study.folds
    require_model(model)
    jobs = plan_jobs(
        model,
        result.candles,
        features=features,
        target=result.target,
        folds=folds,
        seeds=[seed],
        window=recipe["window"],
    )
    (job,) = (job for job in jobs if job.fold.index == fold)
    return model.restore(job, result.tensors.get(job.key, {}))


def _not_made(error: RunError, how: str) -> RunError:
    return RunError(
        f"the run stores your own code by name only ({error.wrong})",
        expected="the study that was run",
        remedy=f"Give it: {how}",
    )


def _require_same(study: Study, recipe: dict[str, Any], candles: Candles) -> None:
    """Raise RunError for a study that differs from the recipe, or that cannot be compared with it."""
    given = study.recipe(candles, seed=recipe["seed"])
    for name, part in given.items():
        if json.dumps(part) == json.dumps(recipe.get(name)):
            continue
        if opaque := unidentified(part) or unidentified(recipe.get(name)):
            raise RunError(
                f"the part {name!r} of the study cannot be identified ({'; '.join(opaque)})",
                expected="code that holds only values, such as numbers and arrays",
                remedy="Open files, locks and generators inside the function, and run the study again",
            )
        if pythons(recipe.get(name)) - pythons(part):
            raise RunError(
                f"the part {name!r} of the run holds code of {' and '.join(sorted(pythons(recipe.get(name))))}",
                expected=f"code of this Python, {PYTHON}: bytecode of other versions cannot be compared",
                remedy="Load the run with the Python that it was run with",
            )
        raise RunError(
            f"this is not the study of the run: the part {name!r} differs",
            expected="the study that was run",
            remedy="Build it with the same parts and parameters",
        )


def list_runs(folder: str | Path = "runs") -> list[Path]:
    """Runs in a folder, newest first, without hidden folders, which are copies being written."""
    folder = Path(folder)
    found: list[tuple[float, Path]] = []
    with suppress(OSError, ValueError):
        for path in folder.iterdir():
            if not path.name.startswith(".") and is_run(path):
                with suppress(OSError):  # another process has just replaced it
                    found.append(((path / NAME).stat().st_mtime, path))
    return [path for _, path in sorted(found, key=itemgetter(0), reverse=True)]


def _part(text: object, *, kept: str = "-_+.") -> str:
    """A name as part of a file name: letters, digits and the characters `kept`, cut to LONGEST_PART bytes."""
    letters = "".join(letter if letter.isalnum() or letter in kept else "_" for letter in str(text))
    return letters.encode()[:LONGEST_PART].decode(errors="ignore") or "_"


def _holds_another(folder: Path, recipe: dict[str, Any], candles: Candles) -> bool:
    """Whether a folder holds the run of another study; False for a run that cannot be read."""
    if not is_run(folder):
        return False
    try:
        manifest = read_manifest(folder)
        held = [manifest["recipe"], manifest["candles"]["fingerprint"]]
    except (RunError, KeyError, TypeError):
        return False
    return json.dumps(held, sort_keys=True) != json.dumps([recipe, candles.fingerprint], sort_keys=True)


def _manifest(result: StudyResult) -> dict[str, Any]:
    from candlecast import __version__

    verdict = result.verdict
    return {
        "format": FORMAT,
        "candlecast": __version__,
        "model": result.model,
        "models": list(result.forecasts),
        "candles": {
            "symbol": result.candles.symbol,
            "interval": str(result.candles.interval),
            "bars": len(result.candles),
            "first": str(result.candles.open_time[0]),
            "last": str(result.candles.close_time[-1]),
            "fingerprint": result.candles.fingerprint,
            "has_sessions": result.candles.has_sessions,
            "breaks": result.candles.breaks,
            "zone": result.candles.zone,
            "clock": result.candles.clock.to_dict(),
            "bridge": result.candles.bridge,
            "origin": asdict(result.candles.origin) if result.candles.origin else None,
        },
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
        "tally": result.counted.to_dict(),
        "verdict": verdict.to_dict(),
        "accuracy": result.accuracy.to_dicts(),
        "summary": result.summary.to_dicts(),
        "searches": [asdict(each) for each in result.searches],
    }


def _contents(result: StudyResult) -> dict[str, bytes]:
    """Contents of a run's files by name, without the manifest."""
    from safetensors.numpy import save

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
    tensors = {
        f"{key}/{name}": np.ascontiguousarray(value)
        for key, held in result.tensors.items()
        for name, value in held.items()
    }
    return {f"{name}.parquet": _parquet(frame) for name, frame in tables.items()} | {
        "weights.safetensors": save(tensors)
    }


def _parquet(frame: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()
