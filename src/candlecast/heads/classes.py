"""Heads of probabilities: `Bernoulli` of an outcome that is 0 or 1, `Labels` of -1, 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from candlecast.features import Scaler, Unscaled
from candlecast.heads.arrays import exp, maximum, sigmoid, softplus
from candlecast.heads.head import Elementwise
from candlecast.parameters import require_kinds
from candlecast.targets import LABELS, Kind

if TYPE_CHECKING:
    from torch import Tensor

    from candlecast.heads.arrays import Array

MARGIN = 0.05  # of a probability to 0 or 1, from which `inside` changes it
NAMES = ("p_down", "p_flat", "p_up")  # columns of the probabilities of `LABELS`


class _Classes(Elementwise):
    """Outcomes that are classes, not scaled. `balanced`: all classes have the same total weight."""

    balanced: bool

    @property
    def scaling(self) -> Scaler:
        return Unscaled()

    def sample_weight(self, outcomes: np.ndarray, train_rows: np.ndarray) -> np.ndarray:
        return balance(outcomes, train_rows) if self.balanced else super().sample_weight(outcomes, train_rows)


@dataclass(frozen=True)
class Centred:
    """Shifts outcomes around a naive forecast N: 1 above it, 0 below it, 1/2 at it. Outcomes of 0 and 1 stay as they are.

    `Direction` has outcomes N + 1/2, N - 1/2 and N where closes may stay unchanged. The shift is the mean difference.
    """

    def measure(self, values: np.ndarray) -> tuple[float, float]:
        return float(np.mean(values - _sides(values))), 1.0


def _sides(outcomes: np.ndarray) -> np.ndarray:
    """1.0 for an outcome of N + 1/2, 0.0 for N - 1/2, 0.5 for N, with N in (0, 1/2]; 0 and 1 as they are."""
    return np.where(outcomes > 0.5, 1.0, np.where(outcomes <= 0.0, 0.0, 0.5))


@dataclass(frozen=True)
class Bernoulli(_Classes):
    """Probability p = sigmoid(a) that an outcome is 1, learnt by cross-entropy: -y ln p - (1 - y) ln(1 - p).

    Outcomes around a naive forecast N (`Direction` where closes may stay unchanged) are learnt as 1 above, 0 below and 1/2 at
    it. The forecast is p minus the mean of 1/2 - N over the training rows, so that an untrained net forecasts N.

    `balanced`: both outcomes have the same total weight in training. The forecast is then the probability in a sample with as
    many of one as of the other: 0.5 carries no information, and the squared error is not minimised.

    A net that adds to a linear part q, a regression of the probability, learns y - q + 1/2 by the same cross-entropy, whose
    expectation is least where sigmoid(a) - 1/2 is what q leaves of the probability. The forecast is q + sigmoid(a) - 1/2,
    brought into (0, 1) by `inside`. `balanced` nets have no linear part, since a regression would not be balanced.
    """

    balanced: bool = False
    kinds: ClassVar[frozenset[Kind]] = frozenset({"probability"})

    @property
    def level(self) -> float | None:
        return None if self.balanced else 0.5

    def __post_init__(self) -> None:
        require_kinds(self)

    @property
    def scaling(self) -> Scaler:
        return Centred()

    def sample_weight(self, outcomes: np.ndarray, train_rows: np.ndarray) -> np.ndarray:
        return super().sample_weight(_sides(outcomes), train_rows)

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(outputs, y.unsqueeze(-1), reduction="none")

    def slopes(self, outputs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logit = outputs[..., 0]
        return softplus(logit) - y * logit, (sigmoid(logit) - y)[..., None]

    def columns(self, outputs: Array, *, shift: float, scale: float) -> dict[str, Array]:
        p = sigmoid(outputs[:, 0]) + shift
        return {"mean": p.clip(0.0, 1.0) if isinstance(shift, float) else inside(p)}


Chance = Bernoulli  # its earlier name


@dataclass(frozen=True)
class Labels(_Classes):
    """Probabilities of the labels -1, 0 and 1: `p_down`, `p_flat`, `p_up`. The mean is the expected label, p_up - p_down.

    Learnt by cross-entropy of a softmax over three outputs; or, `ordinal`, of cumulative logits (McCullagh 1980) for labels in
    the order down, flat, up: P(up) = sigmoid(a) and P(flat or up) = sigmoid(a + softplus(c)) of two outputs.
    `balanced`: all labels have the same total weight in training; the probabilities are then those in a sample with as many of
    each.
    """

    ordinal: bool = False
    balanced: bool = False
    kinds: ClassVar[frozenset[Kind]] = frozenset({"label"})

    def __post_init__(self) -> None:
        require_kinds(self)

    @property
    def outputs(self) -> int:
        return 2 if self.ordinal else 3

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        import torch
        from torch.nn.functional import log_softmax, logsigmoid

        if self.ordinal:
            up, step = outputs[..., :1], outputs[..., 1:]
            flat_or_up = up + torch.nn.functional.softplus(step)
            # sigmoid(p) - sigmoid(q) = sigmoid(p) sigmoid(-q) (1 - exp(q - p)), and exp(-softplus(c)) = sigmoid(-c)
            flat = logsigmoid(flat_or_up) + logsigmoid(-up) + logsigmoid(step)
            logs = torch.cat([logsigmoid(-flat_or_up), flat, logsigmoid(up)], dim=-1)  # (..., T, N, 3)
        else:
            logs = log_softmax(outputs, dim=-1)
        is_label = y.unsqueeze(-1) == outputs.new_tensor(LABELS)
        return -torch.where(is_label, logs, 0.0).sum(-1, keepdim=True)

    def slopes(self, outputs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        is_label = y[..., None] == LABELS  # (..., 3)
        if not self.ordinal:
            logits = outputs - outputs.max(-1, keepdims=True)
            weights = np.exp(logits)
            total = weights.sum(-1, keepdims=True)
            return np.sum((np.log(total) - logits) * is_label, -1), weights / total - is_label
        up, step = outputs[..., 0], outputs[..., 1]
        flat_or_up = up + softplus(step)
        terms = [softplus(flat_or_up), softplus(-flat_or_up) + softplus(up) + softplus(-step), softplus(-up)]
        above, rising = sigmoid(flat_or_up), sigmoid(step)
        by_up = [above, above - sigmoid(-up), -sigmoid(-up)]
        by_step = [above * rising, above * rising - 1, np.zeros_like(up)]
        each = np.stack([np.stack(part, -1) for part in (terms, by_up, by_step)])  # (3, ..., 3)
        term, *slopes = np.sum(each * is_label, -1)
        return term, np.stack(slopes, -1)

    def columns(self, outputs: Array, *, shift: float, scale: float) -> dict[str, Array]:
        if self.ordinal:
            up, step = outputs[:, 0], outputs[:, 1]
            flat_or_up = up + softplus(step)
            flat = sigmoid(flat_or_up) * sigmoid(-up) * sigmoid(step)
            probabilities = [sigmoid(-flat_or_up), flat, sigmoid(up)]
        else:
            logits = [outputs[:, place] for place in range(len(NAMES))]
            highest = maximum(maximum(logits[0], logits[1]), logits[2])
            down, flat, up = (exp(logit - highest) for logit in logits)
            total = down + flat + up
            probabilities = [down / total, flat / total, up / total]
        down, _, up = probabilities
        return {"mean": up - down, **dict(zip(NAMES, probabilities, strict=True))}


def inside(p: Array) -> Array:
    """Sums of probabilities brought into (0, 1), in their order.

    Between m = 0.05 and 1 - m they stay; e beyond that, they are m^2 / (m + e) from 0 or 1. Value and slope are continuous.

    >>> inside(np.array([-0.05, 0.05, 0.5, 1.0])).round(4).tolist()
    [0.0167, 0.05, 0.5, 0.975]
    """
    above, below = (p - (1.0 - MARGIN)).clip(min=0.0), (MARGIN - p).clip(min=0.0)
    return p.clip(MARGIN, 1.0 - MARGIN) + above * MARGIN / (above + MARGIN) - below * MARGIN / (below + MARGIN)


def balance(outcomes: np.ndarray, train_rows: np.ndarray) -> np.ndarray:
    """Weight of each bar (time,) that gives every value the same total weight in the training rows: n / (values x its count).

    >>> balance(np.array([0.0, 1.0, 1.0, 1.0]), np.arange(4)).round(3).tolist()
    [2.0, 0.667, 0.667, 0.667]
    """
    values, counts = np.unique(outcomes[train_rows], return_counts=True)
    weights = np.ones(len(outcomes))
    for value, count in zip(values, counts, strict=True):
        weights[outcomes == value] = len(train_rows) / (len(values) * count)
    return weights
