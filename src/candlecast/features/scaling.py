"""Scaling recipes: what is measured on the training rows, and only there, to bring columns to one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.parameters import require_kinds

ROUNDING = 1e-12


class Scaler(Protocol):
    """A scaling recipe: holds no statistics, so that folds cannot share any."""

    def measure(self, values: np.ndarray) -> tuple[float, float]:
        """Shift and scale of one column of training values, shape (time,), all finite."""
        ...


@dataclass(frozen=True)
class Standard:
    """Zero mean and unit standard deviation: (x - mean) / sd."""

    def measure(self, values: np.ndarray) -> tuple[float, float]:
        return float(values.mean()), float(values.std())


@dataclass(frozen=True)
class Robust:
    """Zero median and unit interquartile range: (x - median) / (q75 - q25). Little moved by outliers."""

    def measure(self, values: np.ndarray) -> tuple[float, float]:
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        return float(middle), float(high - low)


@dataclass(frozen=True)
class MinMax:
    """The training range brought to [low, high]; later values may lie outside, and are not clipped."""

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        require_kinds(self)
        if not self.low < self.high:
            raise ConfigError(
                f"MinMax range is {self.low}..{self.high}", expected="low below high", remedy="Use MinMax()"
            )

    def measure(self, values: np.ndarray) -> tuple[float, float]:
        scale = float(values.max() - values.min()) / (self.high - self.low)
        return float(values.min()) - self.low * scale, scale


@dataclass(frozen=True)
class Unscaled:
    """Values as they are."""

    def measure(self, values: np.ndarray) -> tuple[float, float]:
        return 0.0, 1.0


@dataclass(frozen=True, eq=False)
class Scaling:
    """Measured scaling of several columns: scaled = (x - shift) / scale; `shift` and `scale` have shape (column,)."""

    shift: np.ndarray
    scale: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Scaled copy of values of shape (..., column)."""
        scaled = values - self.shift
        scaled /= self.scale  # without a second copy
        return scaled

    def undo(self, scaled: np.ndarray) -> np.ndarray:
        """Values of shape (..., column) in their own units again."""
        return scaled * self.scale + self.shift

    def within(self, outer: Scaling) -> Scaling:
        """Both in one, for values that `outer` scaled before."""
        return Scaling(outer.shift + outer.scale * self.shift, outer.scale * self.scale)


def require_scaler(scaling: object, *, of: str) -> None:
    """Raise ConfigError for a scaling (None: not given) that is no scaling recipe, such as a number or a class."""
    if scaling is not None and (isinstance(scaling, type) or not callable(getattr(scaling, "measure", None))):
        raise ConfigError(
            f"scaling of {of} is {scaling!r}",
            expected="a scaling recipe, such as MinMax() or Standard()",
            remedy="Leave it out, or pass an instance: scaling=MinMax()",
        )


def fit_scaling(scalers: Sequence[Scaler], values: np.ndarray) -> Scaling:
    """Measure each column of training rows, shape (time, column), NaN left out.

    A column that is constant but for rounding (scale below 1e-12 of its largest value) gets scale 1.

    Raises NotEnoughDataError when a column has no finite value.

    >>> fit_scaling([MinMax()], np.array([[10.0], [30.0]])).apply(np.array([[20.0], [50.0]])).ravel()
    array([0.5, 2. ])
    """
    shift, scale = np.zeros(len(scalers)), np.ones(len(scalers))
    for column, scaler in enumerate(scalers):
        finite = values[:, column][np.isfinite(values[:, column])]
        if not len(finite):
            raise NotEnoughDataError(
                f"column {column} has no finite value among {len(values):,} training rows",
                expected="at least one",
                remedy="Give more candles, or remove the feature",
            )
        shift[column], measured = scaler.measure(finite)
        scale[column] = measured if measured > ROUNDING * np.abs(finite).max() else 1.0
    return Scaling(shift, scale)
