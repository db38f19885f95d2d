"""Heads of chances: that something happens, and which label comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from candlecast.heads.head import Head
from candlecast.prediction import Prediction
from candlecast.targets import LABELS, Kind

if TYPE_CHECKING:
    from torch import Tensor

NAMES = ("p_down", "p_flat", "p_up")  # columns of the chances of `LABELS`


@dataclass(frozen=True)
class Chance(Head):
    """Chance p = sigmoid(a) that an outcome is 1, learnt by cross-entropy: -y ln p - (1 - y) ln(1 - p).

    `balanced`: both outcomes count alike, however rare one is in the training rows.
    """

    balanced: bool = False
    kinds: ClassVar[frozenset[Kind]] = frozenset({"probability"})

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(outputs, y.unsqueeze(-1), reduction="none")

    def importance(self, outcomes: np.ndarray, train_rows: np.ndarray) -> np.ndarray:
        return balance(outcomes, train_rows) if self.balanced else super().importance(outcomes, train_rows)

    def predict(self, outputs: np.ndarray, *, shift: float, scale: float) -> Prediction:
        return Prediction(0.5 + 0.5 * np.tanh(0.5 * outputs[:, 0]))


@dataclass(frozen=True)
class Labels(Head):
    """Chances of the labels -1, 0 and 1; the forecast's mean is the expected label, p_up - p_down.

    Learnt by cross-entropy of a softmax over three outputs; or, `ordinal`, by the cumulative logits of a proportional-odds
    model (McCullagh 1980): P(label > k) = sigmoid(a - b_k), b_1 = b_0 + softplus(c), which knows that flat lies between
    down and up. `balanced`: all labels count alike, however rare one is in the training rows.
    """

    ordinal: bool = False
    balanced: bool = False
    kinds: ClassVar[frozenset[Kind]] = frozenset({"label"})

    @property
    def outputs(self) -> int:
        return 2 if self.ordinal else 3

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        import torch
        from torch.nn.functional import log_softmax, logsigmoid, softplus

        if self.ordinal:
            high, step = outputs[..., :1], softplus(outputs[..., 1:])
            low, both = high + step, -torch.expm1(-step)  # P(flat) = P(> down) - P(> flat)
            middle = logsigmoid(low) + logsigmoid(-high) + both.clamp(min=1e-6).log()
            logs = torch.cat([logsigmoid(-low), middle, logsigmoid(high)], dim=-1)  # (..., T, N, 3)
        else:
            logs = log_softmax(outputs, dim=-1)
        # a sum over exact zeros and ones, since picking by index has no rule for stacked nets that keeps bits
        is_label = y.unsqueeze(-1) == outputs.new_tensor(LABELS)
        return -(logs * is_label).sum(-1, keepdim=True)

    def importance(self, outcomes: np.ndarray, train_rows: np.ndarray) -> np.ndarray:
        return balance(outcomes, train_rows) if self.balanced else super().importance(outcomes, train_rows)

    def predict(self, outputs: np.ndarray, *, shift: float, scale: float) -> Prediction:
        if self.ordinal:
            up = _sigmoid(outputs[:, 0])
            down = _sigmoid(-(outputs[:, 0] + np.logaddexp(0.0, outputs[:, 1])))
            chances = np.column_stack([down, 1.0 - down - up, up])
        else:
            weights = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            chances = weights / weights.sum(axis=1, keepdims=True)
        return Prediction(chances @ np.array(LABELS), dict(zip(NAMES, chances.T, strict=True)))


def balance(outcomes: np.ndarray, train_rows: np.ndarray) -> np.ndarray:
    """Weight of each bar (time,) by which all values that occur in the training rows count alike: n / (values x their count).

    >>> balance(np.array([0.0, 1.0, 1.0, 1.0]), np.arange(4)).round(3).tolist()
    [2.0, 0.667, 0.667, 0.667]
    """
    values, counts = np.unique(outcomes[train_rows], return_counts=True)
    weights = np.ones(len(outcomes))
    for value, count in zip(values, counts, strict=True):
        weights[outcomes == value] = len(train_rows) / (len(values) * count)
    return weights


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * x)
