"""Recipes of earlier versions: the names that they had, and what they did before a parameter existed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED = {  # type of a description: the present one
    "Chance": "Bernoulli",
    "DrawdownBrake": "DrawdownStop",
}

ADDED: dict[str, dict[str, Any]] = {  # type: values of later parameters with which it does what it did without them
    "Fit": {"linear": False, "shrink": False, "refit": "never"},
    "InverseVolatility": {"power": 1.0, "cap": 1.0, "usual": 1.0, "band": 0.0},
    "WalkForward": {"refit": None},
}


def present_type(description: Mapping[str, Any]) -> Any:
    """The type of a described recipe, by its present name.

    >>> present_type({"type": "Chance"}), present_type({"type": "LSTM"})
    ('Bernoulli', 'LSTM')
    """
    kind = description.get("type")
    return RENAMED.get(kind, kind) if isinstance(kind, str) else kind


def with_added(description: Mapping[str, Any]) -> dict[str, Any]:
    """A described recipe with the parameters that its version did not have.

    >>> with_added({"type": "Fit", "lr": 0.01})
    {'type': 'Fit', 'lr': 0.01, 'linear': False, 'shrink': False, 'refit': 'never'}
    >>> with_added({"type": "Fit", "linear": True, "shrink": True, "refit": None})
    {'type': 'Fit', 'linear': True, 'shrink': True, 'refit': None}
    """
    kind = present_type(description)
    later = ADDED.get(kind, {}) if isinstance(kind, str) else {}
    return {**description, **{name: value for name, value in later.items() if name not in description}}


def by_present_names(description: Any) -> Any:
    """A description with the present name and the present parameters of each type in it, at any depth."""
    if isinstance(description, Mapping):
        found = {name: by_present_names(part) for name, part in description.items()}
        return with_added(found) | {"type": present_type(found)} if "type" in found else found
    return [by_present_names(part) for part in description] if isinstance(description, list) else description
