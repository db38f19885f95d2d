"""Values for JSON: NumPy's numbers become Python's, and undefined or infinite ones become None."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any


def json_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same as JSON values, at any depth; moments become text.

    >>> import numpy as np
    >>> json_values({"p": np.float64(0.5), "high": math.inf, "has_spikes": np.bool_(False), "trials": (1, np.int64(2))})
    {'p': 0.5, 'high': None, 'has_spikes': False, 'trials': [1, 2]}
    """
    return {name: json_value(value) for name, value in values.items()}


def json_value(value: Any) -> Any:
    """One value as a JSON value; a type that JSON does not have stays as it is."""
    if hasattr(value, "dtype") and value.ndim == 0:  # a number of NumPy
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return json_values(value)
    if isinstance(value, (list, tuple)):
        return [json_value(each) for each in value]
    return value
