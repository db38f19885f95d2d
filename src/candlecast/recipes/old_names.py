"""Names that recipes had in earlier versions: what was stored under one of them is restored under the present one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED = {  # type of a description: the present one
    "Chance": "Bernoulli",
    "DrawdownBrake": "DrawdownStop",
}


def present_type(description: Mapping[str, Any]) -> Any:
    """The type of a described recipe, by its present name.

    >>> present_type({"type": "Chance"}), present_type({"type": "LSTM"})
    ('Bernoulli', 'LSTM')
    """
    kind = description.get("type")
    return RENAMED.get(kind, kind) if isinstance(kind, str) else kind


def by_present_names(description: Any) -> Any:
    """A description with the present name of each type in it, at any depth."""
    if isinstance(description, Mapping):
        found = {name: by_present_names(part) for name, part in description.items()}
        return found | {"type": present_type(found)} if "type" in found else found
    return [by_present_names(part) for part in description] if isinstance(description, list) else description
