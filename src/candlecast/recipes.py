"""Recipes as JSON: what a study was, in a form that can be stored, compared and read by people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from candlecast.features import Feature


def describe(value: Any) -> Any:
    """A recipe (a frozen dataclass, or a part of one) as JSON values.

    A dataclass becomes an object with its `type` and constructor parameters, a feature its `kind`, parameters and
    warm-up; a user's function is named, not stored.

    >>> from candlecast.folds import Holdout
    >>> describe(Holdout(0.8))
    {'type': 'Holdout', 'train': 0.8, 'valid': 0.0, 'purge': None}
    """
    if isinstance(value, Feature):
        return {
            "type": "Feature",
            "kind": value.kind,
            "parameters": describe(dict(value.parameters)),
            "warmup": value.warmup,
            "scaling": describe(value.scaling),
        }
    if is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__} | {
            field.name: describe(getattr(value, field.name)) for field in fields(value) if field.init or field.name == "features"
        }
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, Callable):
        return {"function": f"{getattr(value, '__module__', '?')}.{getattr(value, '__qualname__', repr(type(value)))}"}
    return value
