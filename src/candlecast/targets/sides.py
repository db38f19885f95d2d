"""`Sides`: what a classifier learns of outcomes that lie half a step around their naive forecast, and what it forecasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-9  # of a half: naive + 1/2 - naive is 1/2 but for the last bit


@dataclass(frozen=True)
class Sides:
    """Two classes of the outcomes of a target of kind "probability".

    `teaches`: bool (rows,), whether an outcome is one of the two classes; `classes`: of those that are, 1.0 or 0.0, float64.
    `share`: the part of the outcomes that are; NaN where outcomes are the classes themselves, and a chance is forecast as
    it is.
    """

    teaches: np.ndarray
    classes: np.ndarray
    share: float

    @property
    def has_both(self) -> bool:
        """Whether there are two classes to tell apart."""
        return len(self.classes) > 0 and bool(np.ptp(self.classes) > 0)

    @property
    def only(self) -> float:
        """The chance of class 1 where there is but one class, or none."""
        return float(self.classes.mean()) if len(self.classes) else 0.5

    def forecast(self, chances: np.ndarray, naive: np.ndarray) -> np.ndarray:
        """The forecast that chances of class 1 mean, in the unit of the outcomes, within [0, 1]; all (rows,).

        N + s (p - 1/2), s the share of outcomes that are of either class: E[outcome] - N is half the difference of what
        is above and what is below.
        """
        if np.isnan(self.share):
            return chances
        return np.clip(self.share * chances + (naive - 0.5 * self.share), 0.0, 1.0)


def sides_of(outcomes: np.ndarray, naive: np.ndarray) -> Sides:
    """The classes of outcomes with their naive forecasts, both float64 (rows,) and finite.

    Where every outcome is its naive forecast or half a step above or below it, as of `Direction`: 1 above, 0 below, and
    those that are neither teach nothing. Of all others the outcomes, 0 or 1.

    >>> sides_of(np.array([0.9, -0.1, 0.4, 1.0]), np.array([0.4, 0.4, 0.4, 0.5])).classes.tolist()
    [1.0, 0.0, 1.0]
    """
    moves = outcomes - naive
    is_moved = np.abs(np.abs(moves) - 0.5) <= ROUNDING
    if not (is_moved | (np.abs(moves) <= ROUNDING)).all():
        return Sides(np.ones(len(outcomes), dtype=bool), outcomes, np.nan)
    share = float(is_moved.mean()) if len(outcomes) else 1.0
    return Sides(is_moved, (moves[is_moved] > 0).astype(np.float64), share)
