"""What a head is: the loss of a net's outputs, and the forecast that they stand for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from candlecast.dataset.prediction import Prediction
from candlecast.errors import ConfigError
from candlecast.features import Scaler
from candlecast.targets import Kind, Target

if TYPE_CHECKING:
    from torch import Tensor

    from candlecast.heads.arrays import Array

Shift = Any  # a number, or an array or a tensor with one for each row


class Head(ABC):
    """A recipe: holds no weights and no statistics. `outputs` numbers of the net stand for each outcome.

    Tensors have any leading dimensions, then T steps, and N outcomes at each (more than one for `Several` targets only).
    The loss is `loss` of the means of `terms` over all steps that count, so that it may be a ratio of means.

    A head of your own defines `terms`, and `columns`, or instead of it `predict`; it can be exported with `columns` only.
    """

    is_location: ClassVar[bool] = (
        False  # what is added to the first output is added to the forecast; a shift may differ by row
    )
    kinds: ClassVar[frozenset[Kind]] = frozenset({"value"})  # of the targets that it can learn

    @property
    def level(self) -> float | None:
        """The scaled forecast of a net that adds nothing to its linear part, where it has one; None: it never has one."""
        return 0.0 if self.is_location else None

    @property
    def outputs(self) -> int:
        """Numbers that the net gives for each outcome."""
        return 1

    @property
    def scaling(self) -> Scaler | None:
        """Scaling of the outcomes; the target's own when None. Probabilities and labels are not scaled."""
        return None

    @abstractmethod
    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Terms of the loss, which are averaged.

        Args:
            outputs: of the net, (..., T, N, O).
            y: scaled outcomes, (..., T, N).

        Returns:
            S terms for each outcome, (..., T, N, S), differentiable by the outputs.
        """

    def loss(self, means: Tensor) -> Tensor:
        """Means of the terms (..., S) -> loss (...)."""
        return means[..., 0]

    def sample_weight(self, outcomes: np.ndarray, train_rows: np.ndarray) -> np.ndarray:
        """Weight of each bar in the loss, (time,), from the outcomes (time,) of one target; only those of `train_rows` may be
        measured.
        """
        return np.ones(len(outcomes))

    def columns(self, outputs: Array, *, shift: Shift, scale: float) -> dict[str, Array]:
        """The forecast in the target's units, of NumPy arrays and of torch tensors alike.

        Args:
            outputs: of the net, (rows, O), float64.
            shift: of the outcome's scaling: y = shift + scale x its scaled value. A head with a `level` is given one for
                each row, (rows,), where its net adds to a linear part.
            scale: of the same.

        Returns:
            `mean`, then further columns of the forecast table, each (rows,).

        Raises:
            ConfigError: the head has no form for torch tensors.
        """
        raise ConfigError(
            f"the head {type(self).__name__} cannot be written as a graph",
            expected="a head that defines `columns`, as candlecast's own do",
            remedy="Export the net itself with torch.onnx, and read its outputs with the head's predict",
        )

    def predict(self, outputs: np.ndarray, *, shift: Shift, scale: float) -> Prediction:
        """The forecast of outputs (rows, O), float64; parameters as those of `columns`."""
        columns = self.columns(outputs, shift=shift, scale=scale)
        return Prediction(columns.pop("mean"), columns)

    def require(self, target: Target) -> None:
        """Raise ConfigError for a target that the head cannot learn."""
        if target.kind not in self.kinds:
            raise ConfigError(
                f"the head {type(self).__name__} cannot learn the target {target.name}, a {target.kind}",
                expected=f"a target that is a {' or a '.join(sorted(self.kinds))}",
                remedy="Leave head out to take the one that fits the target",
            )


class Elementwise(Head):
    """A head whose loss is the mean of one term with known derivatives, which trains faster than by autograd.

    A subclass that overrides `terms` overrides `slopes` too; otherwise its nets train by autograd.
    """

    @abstractmethod
    def slopes(self, outputs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The terms (...) and their derivatives by the outputs (..., O), for outputs (..., O) and y (...), all float64."""
