"""Recipes as JSON: what a study was, in a form that can be stored, compared, read by people, and made again."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from candlecast import backtesting, features, folds, heads, models, signals, targets
from candlecast.candles import Candles
from candlecast.errors import RunError
from candlecast.features import Feature, Features
from candlecast.fleet import settings
from candlecast.models.estimator import described, made
from candlecast.targets import Several

ROOMS = (
    backtesting,
    features,
    folds,
    heads,
    models,
    settings,
    signals,
    targets,
)  # where recipes are looked up by the name of their type


def describe(value: Any) -> Any:
    """A recipe (a frozen dataclass, or a part of one) as JSON values.

    A dataclass becomes an object with its `type`, its `name` if it has one, and constructor parameters, a feature its
    `kind`, parameters and warm-up, an estimator its class and parameters; a user's own function and candles are named, not
    stored.

    >>> from candlecast.folds import Holdout
    >>> describe(Holdout(0.8))
    {'type': 'Holdout', 'train': 0.8, 'valid': 0.0, 'purge': None}
    """
    match value:
        case Feature():
            return {
                "type": "Feature",
                "kind": value.kind,
                "parameters": dict(value.parameters),
                "warmup": value.warmup,
                "scaling": describe(value.scaling),
            }
        case Features():
            return {
                "type": "Features",
                "features": [describe(feature) for feature in value.features],
                "scaling": describe(value.scaling),
            }
        case dict():
            return {"type": "dict", "items": [[describe(key), describe(item)] for key, item in value.items()]}
        case Several():
            return {"type": "Several", "name": value.name, "targets": [describe(target) for target in value.targets]}
        case Candles():
            return {
                "type": "Candles",
                "symbol": value.symbol,
                "interval": str(value.interval),
                "fingerprint": value.fingerprint,
            }
        case list() | tuple():
            return [describe(item) for item in value]
        case np.generic():
            return value.item()
        case None | bool() | int() | float() | str():
            return value
    if is_dataclass(value):
        shown = [field.name for field in fields(value) if field.init]
        if hasattr(value, "name") and "name" not in shown:
            shown.append("name")
        return {"type": type(value).__name__, **{name: describe(getattr(value, name)) for name in shown}}
    if hasattr(value, "get_params") and not isinstance(value, type):
        kind, parameters = described(value)
        return {
            "type": "Estimator",
            "class": kind,
            "parameters": {key: describe(part) for key, part in parameters.items()},
        }
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return {"type": "function", "name": f"{getattr(value, '__module__', '')}.{name}", "source": _source_digest(value)}


def restore(description: Any, *, candles: Sequence[Candles] = ()) -> Any:
    """The recipe that `describe` described, with those of the `candles` in it that it names.

    Raises RunError for a user's own function, which is not stored, and for candles that are not given.

    >>> restore({"type": "Holdout", "train": 0.8, "valid": 0.0, "purge": None})
    Holdout(train=0.8, valid=0.0, purge=None)
    """
    if isinstance(description, list):
        return tuple(restore(item, candles=candles) for item in description)
    if not isinstance(description, dict):
        return description
    if description["type"] == "Feature":
        built = _find(description["kind"], features)(**description["parameters"])
        return built if description["scaling"] is None else built.scaled(restore(description["scaling"]))
    if description["type"] == "Estimator":
        return made(description["class"], {key: restore(part) for key, part in description["parameters"].items()})
    if description["type"] == "Candles":
        return _given(description, candles)
    parameters = {name: restore(value, candles=candles) for name, value in description.items() if name != "type"}
    if description["type"] == "Features":
        return Features(*parameters["features"], scaling=parameters["scaling"])
    if description["type"] == "dict":
        return {restore(key): restore(item) for key, item in description["items"]}
    if description["type"] == "Several":
        return Several(*parameters["targets"])
    recipe = _find(description["type"], *ROOMS)
    return recipe(
        **{field.name: parameters[field.name] for field in fields(recipe) if field.init and field.name in parameters}
    )


def _given(description: dict[str, Any], candles: Sequence[Candles]) -> Candles:
    for each in candles:
        if each.fingerprint == description["fingerprint"]:
            return each
    given = ", ".join(f"{each.symbol} {each.interval} ({each.fingerprint[:12]})" for each in candles)
    raise RunError(
        f"the candles of {description['symbol']} {description['interval']} are named, not stored"
        + (f", and those given are {given}" if given else ""),
        expected=f"candles with the fingerprint {description['fingerprint'][:12]}",
        remedy="Give them: load_run(folder, beside=[candles])",
    )


def _source_digest(function: Any) -> str:
    """Digest of a function's source text, so that a changed one counts as another; empty where there is no text."""
    try:
        return sha256(inspect.getsource(function).encode()).hexdigest()[:16]
    except (OSError, TypeError):
        return ""


def _find(name: str, *rooms: Any) -> Any:
    for room in rooms:
        if hasattr(room, name):
            return getattr(room, name)
    raise RunError(
        f"{name} is not a recipe of this version",
        expected="a recipe that candlecast knows",
        remedy="Make a user's own feature, model or rule again in Python; a run stores its name only",
    )
