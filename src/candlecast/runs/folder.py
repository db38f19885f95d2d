"""Folders of runs: their names, what they hold, and which of them are runs."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any

from candlecast.candles import Candles
from candlecast.disk.files import require_names
from candlecast.disk.replacing import tidy
from candlecast.errors import RunError, near_misses
from candlecast.parameters import as_path
from candlecast.runs.manifest import FILES, NAME, is_run, read_manifest

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
    place = as_path(runs, "runs")
    folders = [place / run_name(recipe, candles, digits=digits) for digits in (8, 16, 64)]
    return next((folder for folder in folders if not _holds_another(folder, recipe, candles)), folders[-1])


def prepare_runs(folder: Path) -> None:
    """Remove what killed processes left beside a folder for a run. Raises RunError if the run's paths will be too long."""
    require_paths(folder)
    tidy(folder.parent)


def require_paths(folder: Path) -> None:
    """Raise RunError, before any work, for a path that is too long for the file system."""
    copy = f".{folder.name}-12345678.new"  # the longest name that the folder will have
    require_names(folder.parent, (copy, f"{copy}/{max(FILES, key=len)}"))


def fresh_folder(folder: Path) -> Path:
    """The path of a new folder with the same name and a random suffix."""
    while True:
        fresh = folder.with_name(f"{folder.name}-{secrets.token_hex(4)}")
        if not os.path.lexists(fresh):
            return fresh


def require_run(folder: Path) -> None:
    """Raise RunError, naming similar ones, for a folder that holds no run."""
    if is_run(folder):
        return
    known = [run.name for run in list_runs(folder.parent)]
    remedy = near_misses(folder.name, known) if known else "Make one with: candlecast run"
    raise RunError(f"{folder} is no run", expected="a folder that `candlecast run` wrote", remedy=remedy)


def list_runs(folder: str | Path = "runs") -> list[Path]:
    """Runs in a folder, newest first, without hidden folders, which are copies being written."""
    folder = as_path(folder, "folder")
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
