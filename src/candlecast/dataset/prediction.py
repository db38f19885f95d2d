"""`Prediction`: a model's forecasts of some bars, in the target's units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Prediction:
    """Forecasts of some rows. `mean` and each of `columns` are float64 of shape (rows,).

    `columns` go into the forecast table after the mean: `sigma`, the standard deviation of the outcome around it;
    quantiles, such as `q05`, of level 0.05; `p_down`, `p_flat` and `p_up`, probabilities of labels; `position`, of a model that
    learns what to hold. `others` are forecasts of the further targets of `Several`, by their names.
    """

    mean: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    others: Mapping[str, Prediction] = field(default_factory=dict)


def quantile_column(level: float) -> str:
    """Column of the quantile of a level in (0, 1): its decimals, two at least.

    >>> quantile_column(0.05), quantile_column(0.5), quantile_column(0.975), quantile_column(0.00001)
    ('q05', 'q50', 'q975', 'q00001')
    """
    return f"q{np.format_float_positional(level)[2:]:0<2}"


def quantile_level(column: str) -> float | None:
    """The level of a quantile's column; None for any other column.

    >>> quantile_level("q975"), quantile_level("sigma")
    (0.975, None)
    """
    return float(f"0.{column[1:]}") if column[:1] == "q" and column[1:].isdigit() else None
