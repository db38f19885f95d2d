"""`LinearPart`: the linear regression that a net adds to, and how much of a forecast survives what it was measured with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from candlecast.dataset.jobs import TrainingJob
from candlecast.features import Scaling
from candlecast.fleet.one_thread import one_thread

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # per row, on scaled features; then a linear part of zero
PART = 1 << 16  # rows scaled at a time, which bounds memory
BLOCKS = 5  # of the rows, in order of time: each is forecast by a regression on the others


@dataclass(frozen=True, eq=False)
class LinearPart:
    """Scaled outcomes as `constant` (N,) + scaled features x `weights` (column, N).

    `penalty` and `share` (N,): what was chosen on the training rows, for one that is refitted later (`fleet.refitting`); None
    for one that stays as it is.
    """

    constant: np.ndarray
    weights: np.ndarray
    penalty: np.ndarray | None = None
    share: np.ndarray | None = None

    def parts(self) -> dict[str, np.ndarray]:
        """Its arrays by name."""
        named = {name: getattr(self, name) for name in ("constant", "weights", "penalty", "share")}
        return {name: value for name, value in named.items() if value is not None}

    @classmethod
    def of_parts(cls, parts: Mapping[str, np.ndarray]) -> LinearPart:
        """What `parts()` was taken from."""
        return cls(parts["constant"], parts["weights"], parts.get("penalty"), parts.get("share"))

    @property
    def fixed(self) -> LinearPart:
        """The same as one that is not refitted."""
        return LinearPart(self.constant, self.weights)

    def forecast(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled outcomes (rows, N) for scaled features (rows, column), undefined ones counted as 0.

        Added up column by column, so that a row's bits do not depend on the rows beside it.
        """
        found = np.tile(self.constant, (len(scaled), 1))
        defined = np.where(np.isfinite(scaled), scaled, 0.0)
        for column, weights in zip(defined.T, self.weights, strict=True):
            found += column[:, None] * weights
        return found

    def of(self, features: np.ndarray, inputs: Scaling, rows: np.ndarray | None = None) -> np.ndarray:
        """The same for features (time, column) before they are scaled by `inputs`, of all rows or of some; a part at a time."""
        count = len(features) if rows is None else len(rows)
        found = np.empty((count, len(self.constant)))
        for first in range(0, count, PART):
            some = slice(first, first + PART)
            found[some] = self.forecast(inputs.apply(features[some if rows is None else rows[some]]))
        return found


def shrinkage(product: float, square: float, noise: float, *, doubt: float = 1.0) -> float:
    """How much of a forecast f of an outcome y is kept: its slope, at most 1, less what its own uncertainty explains.

    slope x max(0, 1 - doubt / t^2), with the slope of y on f by least squares through the origin and t that slope over its
    standard error; 0 where the slope is not positive. James and Stein (1961), the positive part, for one coefficient; Copas
    (1983) for forecasts.

    Args:
        product: sum of f x y, `square`: sum of f^2, both over rows that f was not fitted to.
        noise: variance of the error of y.
        doubt: 1 where f was not chosen on these rows, and more where it was.

    >>> shrinkage(20.0, 20.0, 1.0), shrinkage(2.0, 4.0, 1.0), shrinkage(-3.0, 4.0, 1.0)
    (0.95, 0.0, 0.0)
    """
    if not (product > 0.0 and square > 0.0):
        return 0.0
    t_square = product**2 / (square * noise) if noise > 0.0 else np.inf
    return min(product / square, 1.0) * max(0.0, 1.0 - doubt / t_square)


def fit_linear_part(job: TrainingJob, inputs: Scaling, outcomes: Scaling, *, horizon: int) -> LinearPart:
    """The ridge regression of a job's outcomes on its features, as large as rows that it did not see allow.

    Its penalty has the least squared error over `BLOCKS` blocks of the training and validation rows, each forecast by a
    regression on the other blocks; no regression at all is among the choices. It is then fitted to all of these rows and
    shrunk by the `shrinkage` of the forecasts of the blocks. Where the naive forecast is constant, as for returns, the mean
    of the outcomes is shrunk towards it likewise. `horizon`: errors of overlapping outcomes count as so many times fewer.
    """
    samples = job.samples
    rows = np.sort(np.concatenate([job.train_rows, job.valid_rows]))
    x = torch.from_numpy(np.nan_to_num(inputs.apply(samples.inputs[rows]), copy=False, nan=0.0, posinf=0.0, neginf=0.0))
    y = torch.from_numpy(outcomes.apply(samples.y[rows]))
    naive = constant_naive(job, rows, outcomes)
    with one_thread():
        parts = [_column(x, y[:, n], naive if n == 0 else None, horizon) for n in range(y.shape[1])]
    constants, weights, penalties, shares = zip(*parts, strict=True)
    return LinearPart(np.array(constants), np.column_stack(weights), np.array(penalties), np.array(shares))


def constant_naive(job: TrainingJob, rows: np.ndarray, outcomes: Scaling) -> float | None:
    """The naive forecast of the first target in its scale where it is the same for all rows, else None."""
    naive = np.unique(job.samples.naive[rows])
    return float((naive[0] - outcomes.shift[0]) / outcomes.scale[0]) if len(naive) == 1 else None


def _column(x: Tensor, y: Tensor, naive: float | None, horizon: int) -> tuple[float, np.ndarray, float, float]:
    """Constant, weights (column,), penalty and share of one outcome, of x (rows, column) and y (rows,)."""
    sums = _Sums.of(x, y)
    mean_x, mean_y = sums.x / sums.rows, sums.y / sums.rows
    about = sums.about(mean_x, mean_y)
    weights = torch.zeros_like(mean_x)
    penalty, share = _chosen(x, y, sums, horizon) if len(y) >= 2 * BLOCKS else (PENALTIES[-1], 0.0)
    if share:
        identity = torch.eye(len(mean_x), dtype=x.dtype)
        weights = share * torch.linalg.solve(about.xx + penalty * sums.rows * identity, about.xy)
    level = mean_y
    if naive is not None:
        gap, error = mean_y - naive, about.yy / sums.rows**2 * horizon
        level = naive + gap * max(0.0, 1.0 - error / gap**2) if gap else naive
    return level - float(mean_x @ weights), weights.numpy(), penalty, share


def _chosen(x: Tensor, y: Tensor, sums: _Sums, horizon: int) -> tuple[float, float]:
    """The penalty with the least error on rows that were left out, and the share of its forecasts that is kept."""
    bounds = np.linspace(0, len(y), BLOCKS + 1).astype(int).tolist()
    penalties = torch.tensor(PENALTIES, dtype=x.dtype)
    products, squares, total = torch.zeros_like(penalties), torch.zeros_like(penalties), 0.0
    for first, last in pairwise(bounds):
        around = slice(max(first - horizon, 0), last + horizon)  # rows whose outcomes overlap with those of the block
        left = sums.less(_Sums.of(x[around], y[around]))
        if left.rows < BLOCKS:
            return PENALTIES[-1], 0.0
        mean_x, mean_y = left.x / left.rows, left.y / left.rows
        seen, block = left.about(mean_x, mean_y), _Sums.of(x[first:last], y[first:last]).about(mean_x, mean_y)
        values, vectors = torch.linalg.eigh(seen.xx)
        turned = (vectors.T @ seen.xy)[:, None] / (values.clamp(min=0.0)[:, None] + penalties * left.rows)
        weights = vectors @ turned  # (column, penalty)
        products += block.xy @ weights
        squares += (weights * (block.xx @ weights)).sum(0)
        total += block.yy
    gains = 2 * products - squares  # squared error saved of a forecast by the mean
    best = int(gains.argmax())
    noise = (total - float(gains[best])) / len(y) * horizon
    return PENALTIES[best], shrinkage(float(products[best]), float(squares[best]), noise)


class _Sums(NamedTuple):
    """Sums over `rows` rows of features x (column,) and an outcome y, and of their products."""

    rows: int
    x: Tensor
    y: float
    xx: Tensor
    xy: Tensor
    yy: float

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> _Sums:
        return cls(len(y), x.sum(0), float(y.sum()), x.T @ x, x.T @ y, float(y @ y))

    def less(self, other: _Sums) -> _Sums:
        """The sums without the rows of the other."""
        return _Sums(
            self.rows - other.rows,
            self.x - other.x,
            self.y - other.y,
            self.xx - other.xx,
            self.xy - other.xy,
            self.yy - other.yy,
        )

    def about(self, x: Tensor, y: float) -> _Sums:
        """The sums of the differences to a point."""
        return _Sums(
            self.rows,
            self.x - self.rows * x,
            self.y - self.rows * y,
            self.xx - torch.outer(self.x, x) - torch.outer(x, self.x) + self.rows * torch.outer(x, x),
            self.xy - self.x * y - x * self.y + self.rows * y * x,
            self.yy - 2 * y * self.y + self.rows * y * y,
        )
