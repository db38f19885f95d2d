"""Runs: studies on disk, in open formats, written whole or not at all.

manifest.json         what was studied and what came out, without anything that changes from one repetition to the next
candles.parquet       the candles that it was studied on
forecasts.parquet     every model's forecasts, positions.parquet what was to be held, fills.parquet and
equity.parquet        what the studied model's account did
folds.parquet, losses.parquet, weights.safetensors
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting import Costs
from candlecast.backtesting.door import require_kind
from candlecast.candles import Candles, Origin
from candlecast.errors import RunError, near_misses
from candlecast.forecast import Forecast
from candlecast.identity import PYTHON
from candlecast.interval import Interval
from candlecast.ledger import Searched
from candlecast.models import Fitted
from candlecast.models.model import require_model
from candlecast.recipes import pythons, restore, unidentified
from candlecast.signals import Positions
from candlecast.study import Study
from candlecast.study_result import StudyResult
from candlecast.tally import Tally
from candlecast.targets import lead
from candlecast.targets.target import require_target
from candlecast.walk import plan_jobs

NAMED = ("model", "target")  # parts of a study that a folder's name names
LONGEST_PART = 32  # bytes of each: a folder's name stays far below what any file system takes
FORMAT = 2  # 1 did not say when the market trades, nor what was tried


def run_name(recipe: dict[str, Any], candles: Candles, *, digits: int = 8) -> str:
    """A folder name that the same study of the same candles always gets: `BTCUSDT-1h-lstm-return-3fa41c07`.

    Of the names in it, what no file system minds; `digits` of the digest tell studies apart that share all of them.
    """
    identity = json.dumps([recipe, candles.fingerprint], sort_keys=True)
    digest = sha256(identity.encode()).hexdigest()[:digits]
    symbol = _part(candles.symbol, kept="")
    model, target = (
        _part(each.get("name") or each.get("class") or each["type"]) for each in (recipe[part] for part in NAMED)
    )
    return f"{symbol}-{candles.interval}-{model}-{target}-{digest}"


def run_folder(recipe: dict[str, Any], candles: Candles, runs: str | Path) -> Path:
    """Where a study's run belongs: the folder of its name, with more digits where another study's run lies there."""
    folders = [Path(runs) / run_name(recipe, candles, digits=digits) for digits in (8, 16, 64)]
    return next((folder for folder in folders if not _holds_another(folder, recipe, candles)), folders[-1])


def fresh_folder(folder: Path) -> Path:
    """A folder beside, with a number behind the name, that does not exist."""
    while True:
        fresh = folder.with_name(f"{folder.name}-{secrets.token_hex(4)}")
        if not os.path.lexists(fresh):
            return fresh


def save_run(result: StudyResult, folder: str | Path) -> Path:
    """Write a run; an older run in that folder is exchanged only when the new one is complete. Gives the folder.

    Raises RunError when it cannot be written, or when the folder holds something that is no run.
    """
    folder = Path(folder)
    if folder.exists() and not is_run(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(
            f"{folder} exists and is no run", expected="a new or empty folder, or a run", remedy="Choose another"
        )
    with _replaced(folder) as fresh:
        result.candles.frame.write_parquet(fresh / "candles.parquet")
        tables = [forecast.frame for forecast in result.forecasts.values()]
        pl.concat(tables, how="diagonal").write_parquet(fresh / "forecasts.parquet")
        held = [positions.frame.with_columns(model=pl.lit(name)) for name, positions in result.positions.items()]
        pl.concat(held).write_parquet(fresh / "positions.parquet")
        result.backtest.fills.write_parquet(fresh / "fills.parquet")
        result.backtest.equity.write_parquet(fresh / "equity.parquet")
        result.folds.write_parquet(fresh / "folds.parquet")
        result.losses.write_parquet(fresh / "losses.parquet")
        _write_tensors(result, fresh / "weights.safetensors")
        (fresh / "manifest.json").write_text(json.dumps(_manifest(result), indent=2) + "\n")
    return folder


def load_run(folder: str | Path, *, beside: Sequence[Candles] = (), study: Study | None = None) -> StudyResult:
    """Read a run back; everything else follows from what was stored.

    `beside`: candles that the study names besides those it was made on, such as an ExcessReturn's benchmark. `study`: that
    of the run, needed where its target or costs are code of yours, which a run names only. Nothing in a run is executed, and
    nothing but recipes of candlecast and plain estimators is made of it. Raises RunError.
    """
    folder = Path(folder)
    if not is_run(folder):
        known = [run.name for run in list_runs(folder.parent)]
        remedy = near_misses(folder.name, known) if known else "Make one with: candlecast run"
        raise RunError(f"{folder} is no run", expected="a folder that `candlecast run` wrote", remedy=remedy)
    manifest = read_manifest(folder)
    if manifest["format"] < FORMAT:
        raise RunError(
            f"{folder} was written in format {manifest['format']}", expected=f"format {FORMAT}", remedy="Run it again"
        )
    from safetensors import SafetensorError

    try:
        tables = {
            name: pl.read_parquet(folder / f"{name}.parquet")
            for name in ("candles", "forecasts", "positions", "folds", "losses")
        }
        tensors = _read_tensors(folder / "weights.safetensors")
    except (OSError, pl.exceptions.PolarsError, SafetensorError) as error:
        raise RunError(
            f"{folder} is incomplete ({error})", expected="all of a run's files", remedy="Run it again"
        ) from error
    try:
        return _result(folder, manifest, tables, tensors, beside, study)
    except RunError:
        raise
    except Exception as error:  # whatever is raised by values of other types than candlecast writes
        raise RunError(
            f"the manifest of {folder} is malformed ({type(error).__name__}: {str(error)[:200]})",
            expected="what candlecast writes",
            remedy="Take the run from where it was made, or run it again",
        ) from error


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
        has_sessions=asset["has_sessions"],
        breaks=tuple((first, last) for first, last in asset["breaks"]),
        zone=asset["zone"],
        bridge=asset["bridge"],
        origin=asset["origin"] and Origin(**asset["origin"]),
    )
    if candles.fingerprint != asset["fingerprint"]:
        raise RunError(
            f"the candles in {folder} are not those it was made of", expected="untouched files", remedy="Run it again"
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
        positions={name: Positions(tables["positions"].filter(pl.col("model") == name)) for name in manifest["models"]},
        costs=costs,
        cash=recipe["cash"],
        folds=tables["folds"],
        losses=tables["losses"],
        lost=manifest["lost"],
        tensors=tensors,
        searches=tuple(Searched(**values) for values in manifest.get("searches", [])),
        tally=Tally.from_dict(manifest.get("tally", {})),  # runs of before there was a ledger: alone
    )


def fitted_of(result: StudyResult, *, fold: int, seed: int, study: Study | None = None) -> Fitted:
    """What one training of a study learnt, put together from its recipe and tensors; see `StudyResult.fitted`."""
    try:
        return _fitted(result, fold, seed, study)
    except RunError:
        raise
    except Exception as error:  # parts of a manifest that are missing, of another kind, or do not belong together
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
        f"the run holds a function of yours by name only ({error.wrong})",
        expected="the study that was run",
        remedy=f"Give it: {how}",
    )


def _require_same(study: Study, recipe: dict[str, Any], candles: Candles) -> None:
    """Raise RunError for another study than that of the recipe, or one that nobody can say that of."""
    given = study.recipe(candles, seed=recipe["seed"])
    for name, part in given.items():
        if json.dumps(part) == json.dumps(recipe.get(name)):
            continue
        if opaque := unidentified(part) or unidentified(recipe.get(name)):
            raise RunError(
                f"the {name} of the study cannot be identified ({'; '.join(opaque)})",
                expected="code that holds values, as numbers and arrays, alone",
                remedy="Open files, locks and generators inside the function, and run the study again",
            )
        if pythons(recipe.get(name)) - pythons(part):
            raise RunError(
                f"the {name} of the run are code of {' and '.join(sorted(pythons(recipe.get(name))))}",
                expected=f"that of this Python, {PYTHON}: others compile to other bytecode, which cannot be compared",
                remedy="Load the run with the Python that it was run with",
            )
        raise RunError(
            f"the study is not that of this run: its {name} differs",
            expected="the study that was run",
            remedy="Build it with the same parts and parameters",
        )


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a run's manifest says. Raises RunError for one that cannot be read, or is of a newer version."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        version = int(manifest["format"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(
            f"the manifest of {folder} cannot be read ({error})", expected="a run's manifest", remedy="Run it again"
        ) from error
    if version > FORMAT:
        raise RunError(
            f"{folder} was written in format {version}",
            expected=f"format {FORMAT} or older",
            remedy="Install a newer candlecast",
        )
    return manifest


def list_runs(folder: str | Path = "runs") -> list[Path]:
    """Runs in a folder, the newest first."""
    folder = Path(folder)
    runs = [path for path in folder.iterdir() if is_run(path)] if folder.is_dir() else []
    return sorted(runs, key=lambda path: (path / "manifest.json").stat().st_mtime, reverse=True)


def is_run(folder: Path) -> bool:
    """Whether a folder holds a complete run."""
    return (folder / "manifest.json").is_file()


def _part(text: object, *, kept: str = "-_+.") -> str:
    """A name as part of a file's: letters, digits and what is `kept`, not too long."""
    letters = "".join(letter if letter.isalnum() or letter in kept else "_" for letter in str(text))
    return letters.encode()[:LONGEST_PART].decode(errors="ignore") or "_"


def _holds_another(folder: Path, recipe: dict[str, Any], candles: Candles) -> bool:
    """Whether the run of another study lies in a folder; one that cannot be read is nobody's."""
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
            "bridge": result.candles.bridge,
            "origin": asdict(result.candles.origin) if result.candles.origin else None,
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


def _write_tensors(result: StudyResult, path: Path) -> None:
    from safetensors.numpy import save

    tensors = {
        f"{key}/{name}": np.ascontiguousarray(value)
        for key, held in result.tensors.items()
        for name, value in held.items()
    }
    path.write_bytes(save(tensors))


def _read_tensors(path: Path) -> dict[str, dict[str, np.ndarray]]:
    from safetensors.numpy import load_file

    tensors: dict[str, dict[str, np.ndarray]] = {}
    for full, value in load_file(path).items():
        key, name = full.rsplit("/", 1)
        tensors.setdefault(key, {})[name] = value
    return tensors


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """A fresh folder to write to, which takes the place of `folder` when the block ends well."""
    fresh = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        fresh.chmod(0o755)  # a run is as readable as any folder
        yield fresh
        old = fresh.with_name(f"{fresh.name}-old")
        if folder.exists():
            os.replace(folder, old)
        os.replace(fresh, folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written ({error.strerror or error})",
            expected="a folder with space that may be written to",
            remedy="Free space or choose another folder; earlier runs are untouched",
        ) from error
    finally:
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)
