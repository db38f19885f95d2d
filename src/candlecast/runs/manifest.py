"""The manifest of a run: read within limits, with the structure that candlecast writes.

All else is checked where it is used: recipes in `candlecast.recipes`, values in the constructors that take them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from candlecast.disk.files import is_regular, read_regular
from candlecast.errors import RunError
from candlecast.parameters import is_number, is_whole

FORMAT = 2  # 1 did not say when the market trades, nor what was tried
NAME = "manifest.json"
TABLES = ("candles", "forecasts", "positions", "fills", "equity", "folds", "losses")
LOADED = ("candles", "forecasts", "positions", "folds", "losses")  # the other tables are computed from them
WEIGHTS = "weights.safetensors"
FILES = (*(f"{name}.parquet" for name in TABLES), WEIGHTS)
NEEDED = (*(f"{name}.parquet" for name in LOADED), WEIGHTS)  # files that a result is loaded from, in runs of any age
LARGEST = 1 << 25  # bytes
DEEPEST = 64  # levels of lists and objects
MAXIMUM = 1 << 20  # lists and objects in all
MAX_PARTS, LONGEST = 100, 200  # of an environment, and characters of a text in it
HIGHEST = 1 << 63  # of whole numbers
OLD_KEYS = {"tally": "trial_count"}  # names of parts in stored runs, and their present names

Check = Callable[[Any], bool]


def is_run(folder: Path) -> bool:
    """Whether a folder holds a complete run."""
    return is_regular(folder / NAME)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run. Raises RunError for one that cannot be read, or has a newer format."""
    try:
        manifest = parsed(read_regular(folder / NAME, most=LARGEST))
        version = manifest["format"]
        if not is_whole(version):
            raise ValueError(f"its format is {str(version)[:20]}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(
            f"the manifest of {folder} cannot be read ({str(error)[:200]})",
            expected="a run's manifest",
            remedy="Run it again",
        ) from error
    if version > FORMAT:
        raise RunError(
            f"{folder} was written in format {str(version)[:20]}",
            expected=f"format {FORMAT} or older",
            remedy="Install a newer candlecast",
        )
    return {OLD_KEYS.get(key, key): value for key, value in manifest.items()}


def require_shape(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raise RunError for an older format, a missing part, or a part of another type."""
    if manifest["format"] < FORMAT:
        raise RunError(
            f"{folder} was written in format {manifest['format']}", expected=f"format {FORMAT}", remedy="Run it again"
        )
    wrong = _misfit(manifest, SHAPE, "")
    if wrong is None and not (manifest["model"] in manifest["models"] and _are_distinct(manifest["models"])):
        wrong = "models"
    if wrong is None and not _are_searches(manifest.get("searches", [])):
        wrong = "searches"
    if wrong is None and not _is_trial_count(manifest.get("trial_count", {})):
        wrong = "trial_count"
    if wrong is None and not _are_positions(manifest.get("positions", {})):
        wrong = "positions"
    if wrong is not None:
        raise RunError(
            f"the manifest of {folder} is malformed (its {wrong!r} is not what candlecast writes)",
            expected="what candlecast writes",
            remedy="Take the run from where it was made, or run it again",
        )


@contextmanager
def well_formed(folder: Path) -> Iterator[None]:
    """Around what is made of a run's manifest and tables: values that candlecast never writes raise RunError."""
    try:
        yield
    except RunError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # such values raise many types
        raise RunError(
            f"the manifest of {folder} is malformed ({type(error).__name__}: {str(error)[:200]})",
            expected="what candlecast writes",
            remedy="Take the run from where it was made, or run it again",
        ) from error


def digests(contents: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of each file, as the manifest keeps them."""
    return {name: {"bytes": len(content), "sha256": sha256(content).hexdigest()} for name, content in contents.items()}


def read_file(folder: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    """The content of one of a run's `FILES`, with the digest that the manifest has of it, if any. Raises RunError."""
    try:
        content = read_regular(folder / name)
    except FileNotFoundError as error:
        raise incomplete(folder, f"there is no {name}") from error
    kept = manifest.get("files")  # None in runs written before there were digests
    if kept is not None and kept[name]["sha256"] != sha256(content).hexdigest():
        raise incomplete(folder, f"{name} is not the file that was written")
    return content


def incomplete(folder: Path, how: str) -> RunError:
    """The error for a run whose files are missing, damaged or changed."""
    return RunError(
        f"{folder} is incomplete or damaged ({how})",
        expected="all of a run's files, as they were written",
        remedy="Take the run from where it was made, or run it again",
    )


def parsed(content: bytes) -> dict[str, Any]:
    """A JSON object within limits. Raises ValueError, or RecursionError."""
    if content.count(b"[") + content.count(b"{") > MAXIMUM:
        raise ValueError(f"it holds more than {MAXIMUM:,} lists and objects")
    value = json.loads(content.decode("utf-8"))
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [part for each in level for part in _parts(each)]
        if not level:
            return value
    raise ValueError(f"it nests more than {DEEPEST} levels")


def _parts(value: Any) -> list[Any]:
    """The values within a value. Raises ValueError for text that is not Unicode, and for numbers beyond 64 bits."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        value.encode()  # raises for half a surrogate pair
    elif type(value) is int and abs(value) >= HIGHEST:
        raise ValueError("it holds a whole number of more than 63 bits")
    return []


def _misfit(value: Any, shape: Any, path: str) -> str | None:
    """Path of the first part that does not fit its shape, None if all fit. A shape is a dict of shapes, a list of one, or a
    check."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return path
        parts = ((f"{path}.{name}".strip("."), value.get(name), part) for name, part in shape.items())
        return next((found for at, held, part in parts if (found := _misfit(held, part, at)) is not None), None)
    if isinstance(shape, list):
        fits = isinstance(value, list) and all(_misfit(each, shape[0], path) is None for each in value)
    else:
        fits = shape(value)
    return None if fits else path


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return is_whole(value, 0)


def _is_amount(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def _optional(check: Check) -> Check:
    """Also true of None."""
    return lambda value: value is None or check(value)


def _is_files(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and set(NEEDED) <= set(value)
        and all(isinstance(each, dict) and _is_text(each.get("sha256")) for each in value.values())
    )


def _are_distinct(values: list[Any]) -> bool:
    return len(set(values)) == len(values)


def _are_searches(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict)
        and set(each) == set(SEARCHED)
        and all(check(each[name]) for name, check in SEARCHED.items())
        for each in value
    )


def _is_trial_count(value: Any) -> bool:
    return isinstance(value, dict) and all(
        check(value[name]) for name, check in TRIAL_COUNT.items() if value.get(name) is not None
    )


def _are_positions(value: Any) -> bool:
    """Whether it holds leverage, unit and band of each model's positions; see `candlecast.signals.Positions`."""
    return isinstance(value, dict) and all(
        isinstance(each, dict)
        and set(each) == {"leverage", "in_units", "band"}
        and _is_amount(each["leverage"])
        and _is_flag(each["in_units"])
        and _optional(_is_amount)(each["band"])
        for each in value.values()
    )


def _is_environment(value: Any) -> bool:
    """Whether it holds what `candlecast.recipes.environment` gives: short texts and whole numbers, and packages by name."""
    if not isinstance(value, dict) or len(value) > MAX_PARTS:
        return value is None
    packages = value.get("packages", {})
    is_flat = isinstance(packages, dict) and len(packages) <= MAX_PARTS
    texts = [
        *(part for name, part in value.items() if name not in ("packages", "cores")),
        *(packages.values() if is_flat else ()),
    ]
    return is_flat and _optional(_is_count)(value.get("cores")) and all(map(_optional(_is_short), texts))


def _is_short(value: Any) -> bool:
    return _is_text(value) and len(value) <= LONGEST


def _is_table(name: str) -> Check:
    """Whether a value holds rows, objects of one level, each with a text in the column of this name."""
    return lambda value: (
        isinstance(value, list)
        and all(
            isinstance(row, dict)
            and _is_text(row.get(name))
            and not any(isinstance(cell, (dict, list)) for cell in row.values())
            for row in value
        )
    )


SEARCHED: dict[str, Check] = {
    "symbol": _is_text,
    "fold": _is_count,
    "number": _is_count,
    "parameters": lambda value: isinstance(value, dict),
    "error": is_number,
    "is_chosen": _is_flag,
}
TRIAL_COUNT: dict[str, Check] = {
    "trials": is_whole,
    **dict.fromkeys(("family", "compared", "tried", "left_out", "unfinished", "panel_others"), _is_count),
    **dict.fromkeys(("forecasts", "trades", "forecasts_before", "trades_before", "effective"), _is_amount),
    **dict.fromkeys(("forecast_directions", "trade_directions"), _is_amount),
    **dict.fromkeys(("forecast_own", "trade_own"), lambda value: is_number(value) and 0.0 <= value <= 1.0),
    "overfitting": lambda value: is_number(value) and 0.0 <= value <= 1.0,
    "content": _is_text,
}
SHAPE: dict[str, Any] = {
    "model": _is_text,
    "models": [_is_text],
    "candles": {
        "symbol": _is_text,
        "interval": _is_text,
        "bars": is_whole,
        "fingerprint": _is_text,
        "has_sessions": _is_flag,
        "breaks": [lambda value: isinstance(value, list) and len(value) in (2, 3)],
        "zone": _optional(_is_text),
        "bridge": _is_count,
        "origin": _optional(lambda value: isinstance(value, dict)),
    },
    "lost": lambda value: isinstance(value, dict) and all(map(_is_count, value.values())),
    "seeds": [_is_count],
    "replaced": _optional(lambda value: isinstance(value, list) and all(map(_is_text, value))),
    "recipe": {"seed": _is_count, "cash": _is_amount, "window": is_whole},
    "verdict": dict.fromkeys(("is_forecastable", "pays", "has_edge"), _is_flag),
    "files": _is_files,
    "environment": _is_environment,
    "accuracy": _optional(_is_table("model")),
    "summary": _optional(_is_table("statistic")),
}
