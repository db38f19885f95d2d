"""Operations on NumPy arrays and torch tensors alike, so that a head's prediction is written once for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    Array = TypeVar("Array", np.ndarray, Tensor)


def softplus(x: Array) -> Array:
    """ln(1 + e^x), without overflow. NaN stays NaN without a warning.

    >>> softplus(np.array([0.0, 1000.0])).round(4).tolist()
    [0.6931, 1000.0]
    """
    if isinstance(x, np.ndarray):
        return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))
    return x.clamp(min=0) + (-x.abs()).exp().log1p()  # torch's own softplus has no ONNX operation for float64


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x) = e^-softplus(-x), without overflow and with all its digits: the derivative of softplus.

    >>> sigmoid(np.array([0.0, -1000.0])).tolist()
    [0.5, 0.0]
    """
    return exp(-softplus(-x))


def exp(x: Array) -> Array:
    """e^x."""
    return np.exp(x) if isinstance(x, np.ndarray) else x.exp()


def maximum(x: Array, y: Array) -> Array:
    """The larger of two arrays, element by element."""
    return np.maximum(x, y) if isinstance(x, np.ndarray) else x.maximum(y)


def mean(parts: Sequence[Array]) -> Array:
    """The mean of several arrays of one shape, element by element."""
    if isinstance(parts[0], np.ndarray):
        return np.stack(cast("Sequence[np.ndarray]", parts), -1).mean(-1)
    import torch

    return torch.stack(cast("list[Tensor]", list(parts)), -1).mean(-1)
