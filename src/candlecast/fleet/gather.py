"""Batches out of the one feature array: scaled float32 copies of just the bars that a step reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from candlecast.features import Scaling


def gather_windows(inputs: np.ndarray, ends: np.ndarray, length: int, scaling: Scaling, out: Tensor) -> None:
    """Write the scaled windows of `length` bars that end at rows `ends` (B,) to `out` (T, F, B), float32.

    Undefined values, and bars before the first and behind the last, become 0: the middle of a standard scale.
    """
    _compiled()(inputs, ends, length, scaling.shift, 1.0 / scaling.scale, out.numpy())


def windows_tensor(inputs: np.ndarray, ends: np.ndarray, length: int, scaling: Scaling) -> Tensor:
    """The same as a tensor (B, T, F) whose batch lies contiguous, as the kernels like it."""
    out = torch.empty(length, inputs.shape[1], len(ends))
    gather_windows(inputs, ends, length, scaling, out)
    return out.permute(2, 0, 1)


@cache
def _compiled() -> Callable[..., Any]:
    from numba import njit

    @njit(cache=True, nogil=True)
    def gather(inputs, ends, length, shift, inverse, out):  # noqa: ANN001, ANN202
        for b in range(len(ends)):
            first = ends[b] - length + 1
            for t in range(length):
                row = first + t
                is_inside = 0 <= row < len(inputs)
                for f in range(out.shape[1]):
                    value = (inputs[row, f] - shift[f]) * inverse[f] if is_inside else 0.0
                    out[t, f, b] = value if np.isfinite(value) else 0.0

    return gather
