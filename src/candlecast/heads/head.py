"""What a head is: the numbers that a net gives for an outcome, their loss, and the forecast that they mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from candlecast.dataset.prediction import Prediction
from candlecast.errors import ConfigError
from candlecast.features import Scaler
from candlecast.targets import Kind, Target

if TYPE_CHECKING:
    from torch import Tensor


class Head(ABC):
    """A recipe: holds no weights and no statistics. `outputs` numbers of the net stand for each outcome.

    Tensors: T steps in a row, N outcomes at each (more than one for `Several` targets only), any dimensions before them.
    The loss is `loss` of the means of `terms` over all steps that count, so that it may be a ratio of means.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"value"})  # of targets that it can learn

    @property
    def outputs(self) -> int:
        """Numbers that the net gives for each outcome."""
        return 1

    @property
    def scaling(self) -> Scaler | None:
        """How outcomes are scaled; as the target says when None. Chances and labels are learnt as they are."""
        return None

    @abstractmethod
    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        """outputs (..., T, N, O) and scaled outcomes y (..., T, N) -> what is averaged, (..., T, N, S)."""

    def loss(self, means: Tensor) -> Tensor:
        """Means of the terms (..., S) -> loss (...)."""
        return means[..., 0]

    def sample_weight(self, outcomes: np.ndarray, train_rows: np.ndarray) -> np.ndarray:
        """Weight of each bar in the loss, (time,), from the outcomes (time,) of one target; only those of `train_rows` may be
        measured.
        """
        return np.ones(len(outcomes))

    @abstractmethod
    def predict(self, outputs: np.ndarray, *, shift: float, scale: float) -> Prediction:
        """Outputs (rows, O), float64 -> the forecast in the target's units: y = shift + scale x its scaled value."""

    def require(self, target: Target) -> None:
        """Raise ConfigError for a target that the head cannot learn."""
        if target.kind not in self.kinds:
            raise ConfigError(
                f"the head {type(self).__name__} cannot learn the target {target.name}, a {target.kind}",
                expected=f"a target that is a {' or a '.join(sorted(self.kinds))}",
                remedy="Leave head out to take the one that fits the target",
            )


class Elementwise(Head):
    """A head whose loss is the mean of a single term, of which the derivatives are known.

    A class that changes `terms` has to change `slopes` too, or nets are trained by autograd again.
    """

    @abstractmethod
    def slopes(self, outputs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The terms and their derivatives by the outputs: outputs (..., O) and y (...), float64 -> (...) and (..., O)."""
