"""Validation of arrays that belong together: one length, no NaN."""

from __future__ import annotations

import numpy as np

from candlecast.errors import ConfigError


def aligned(**arrays: np.ndarray) -> list[np.ndarray]:
    """The named arrays as float64, shape (time,) each. Raises ConfigError for other shapes, unlike lengths or NaN."""
    values = {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()}
    first, length = next((name, array.shape) for name, array in values.items())
    for name, array in values.items():
        if array.ndim != 1 or array.shape != length:
            raise ConfigError(
                f"{name} has shape {array.shape}",
                expected=f"one dimension, as long as {first} with shape {length}",
                remedy="Pass one value for each moment, of the same moments",
            )
        if not np.isfinite(array).all():
            row = int((~np.isfinite(array)).argmax())
            raise ConfigError(
                f"{name} holds {array[row]} in row {row}",
                expected="finite numbers",
                remedy="Drop the moments at which any of the arrays is not known",
            )
    return list(values.values())


def ratio(numerator: float, denominator: float) -> float:
    """numerator / denominator; 0.0 for nothing over nothing, NaN for something over nothing.

    A denominator below 1e-12 of the numerator is rounding, hence nothing.

    >>> ratio(1.0, 4.0), ratio(0.0, 0.0), ratio(1.0, 0.0)
    (0.25, 0.0, nan)
    """
    if abs(denominator) > 1e-12 * abs(numerator):
        return numerator / denominator
    return 0.0 if numerator == 0.0 else float("nan")
