"""The folder of scans: candles, finished cells and forecasts of baselines, each under a digest of what decides it.

runs/scans/candles/DIGEST/      candles.parquet, asset.json
runs/scans/baselines/DIGEST/    forecasts.parquet
runs/scans/cells/WALK-CELL/     cell.json, forecasts.parquet, equity.parquet, folds.parquet, losses.parquet, weights.safetensors
runs/scans/failed/WALK-CELL/    failure.json: why a cell has no result
runs/scans/NAME/                a scan: scan.json, table.parquet, failures.parquet, report.html

All of it is written completely or not at all, and nothing is written twice: scans share what they have in common.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from candlecast.candles import Candles
from candlecast.disk.files import is_regular, read_regular, write_flushed
from candlecast.disk.parquet import outline
from candlecast.disk.replacing import replaced, tidy
from candlecast.errors import RunError
from candlecast.runs.assets import asset_values, stored_candles
from candlecast.runs.manifest import parsed
from candlecast.runs.writing import parquet_bytes

SCANS = "scans"  # in the folder of runs
CANDLES, BASELINES, CELLS, FAILED = "candles", "baselines", "cells", "failed"
KEPT = (CANDLES, BASELINES, CELLS, FAILED)  # folders that are no scans
HEADERS = {
    CANDLES: "asset.json",
    BASELINES: "baselines.json",
    CELLS: "cell.json",
    FAILED: "failure.json",
}  # the file with the digests of the others
TABLE = "candles.parquet"
LENGTH = 32  # characters of a digest in a name
DENSEST, SPARE = 64, 1 << 28  # limit on bytes in memory: per byte of a table, and in any case


class ScanFolder:
    """What scans keep in a folder of runs."""

    def __init__(self, runs: str | Path) -> None:
        self.path = Path(runs) / SCANS

    def tidy(self) -> None:
        """Remove what killed processes left."""
        for kept in KEPT:
            tidy(self.path / kept)
        tidy(self.path)

    def keep_candles(self, candles: Candles) -> str:
        """Keep candles; gives the name to read them by, their fingerprint."""
        name = candles.fingerprint[:LENGTH]
        if not self.has(CANDLES, name):
            self.write(CANDLES, name, candles_files(candles))
        return name

    def candles(self, name: str) -> Candles:
        """The candles of that name. Raises RunError."""
        return candles_of(self.read(CANDLES, name))

    def has(self, kind: str, name: str) -> bool:
        """Whether something is kept under a name."""
        return is_regular(self.path / kind / name / HEADERS[kind])

    def with_walk(self, walk: str) -> list[str]:
        """Names of the finished cells whose nets are those of a walk, sorted."""
        return sorted(path.name for path in (self.path / CELLS).glob(f"{walk}-*") if self.has(CELLS, path.name))

    def write(self, kind: str, name: str, contents: Mapping[str, bytes]) -> None:
        """Keep files under a name, completely or not at all. Raises RunError."""
        with replaced(self.path / kind / name) as fresh:
            for file, content in contents.items():
                write_flushed(fresh / file, content)

    def read(self, kind: str, name: str, *, only: Collection[str] | None = None) -> dict[str, bytes]:
        """The files that are kept under a name, all of them or `only` some and the header.

        Raises RunError for what is missing or not as it was written.
        """
        folder, header = self.path / kind / name, HEADERS[kind]
        try:
            content = read_regular(folder / header)
            known = parsed(content)["files"]
            files = {file: known[file] for file in (known if only is None else only)}
            found = {header: content} | {file: read_regular(folder / file) for file in map(str, files)}
            for file, digest in files.items():
                if digest != sha256(found[file]).hexdigest() or "/" in file:
                    raise ValueError(f"{file[:50]} is not the file that was written")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise damaged(folder, error) from error
        return found

    def header(self, kind: str, name: str) -> dict[str, Any]:
        """The values that describe what is kept under a name. Raises RunError."""
        folder = self.path / kind / name
        try:
            return parsed(read_regular(folder / HEADERS[kind]))
        except (OSError, ValueError, RecursionError) as error:
            raise damaged(folder, error) from error


def damaged(folder: Path, error: Exception) -> RunError:
    """The error for a part of a scan that cannot be read."""
    return RunError(
        f"{folder} is incomplete or damaged ({str(error)[:200]})",
        expected="what a scan wrote",
        remedy="Remove that folder; the scan computes it again",
    )


def digest_of(value: Any) -> str:
    """A digest of JSON values, as part of a name."""
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:LENGTH]


def with_header(kind: str, values: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Files, and the file that describes them by these values and the digest of each."""
    digests = {name: sha256(content).hexdigest() for name, content in files.items()}
    header = json.dumps({**values, "files": digests}, indent=1, allow_nan=False) + "\n"
    return {**files, HEADERS[kind]: header.encode()}


def candles_files(candles: Candles) -> dict[str, bytes]:
    """Candles as files."""
    return with_header(CANDLES, asset_values(candles), {TABLE: parquet_bytes(candles.frame)})


def candles_of(files: Mapping[str, bytes], *, frame: pl.DataFrame | None = None) -> Candles:
    """Candles of their files, or of the file that describes them and a `frame` from elsewhere.

    Raises RunError for others than were written.
    """
    asset = json.loads(files["asset.json"])
    if frame is not None:
        return stored_candles(frame, asset, where="the store")
    return stored_candles(table_of(files[TABLE]), asset, where="the folder of the scan")


def table_of(content: bytes) -> pl.DataFrame:
    """The table of a Parquet file within limits. Raises RunError."""
    try:
        if outline(content).memory > max(SPARE, DENSEST * len(content)):
            raise ValueError("it takes more memory than its size allows")
        return pl.read_parquet(io.BytesIO(content), hive_partitioning=False, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise RunError(
            f"a table of a scan cannot be read ({str(error)[:200]})",
            expected="a Parquet file that a scan wrote",
            remedy="Remove its folder; the scan computes it again",
        ) from error
