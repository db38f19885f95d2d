"""Batches gathered from the one feature array: scaled float32 copies of just the bars that a step reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from candlecast.features import Scaling
from candlecast.process.compiling import compiled


def gather_windows(inputs: np.ndarray, ends: np.ndarray, length: int, scaling: Scaling, out: np.ndarray) -> None:
    """Write the scaled windows of `length` bars that end at rows `ends` (B,) to `out` (T, F, B), float32.

    Undefined values, and bars before the first or after the last, become 0: the middle of a standard scale.
    """
    _compiled().windows(inputs, ends, length, scaling.shift, 1.0 / scaling.scale, out)


def gather_outcomes(
    values: np.ndarray,
    weights: np.ndarray,
    is_counted: np.ndarray,
    known: int,
    ends: np.ndarray,
    *,
    out: tuple[np.ndarray, np.ndarray],
) -> None:
    """Write outcomes and weights of the last bars of the sequences that end at rows `ends` (B,).

    Args:
        values: outcomes of all bars (time, N), float32.
        weights: their weights in the loss (time, N), float32.
        is_counted: whether each bar counts (time,). One that does not gets weight 0 and the outcome of row `known`.
        known: a row whose outcome is defined, so that no loss is undefined.
        ends: last rows, int64.
        out: y and weight, each (B, tail, N), float32.
    """
    _compiled().outcomes(values, weights, is_counted, known, ends, *out)


def windows_tensor(inputs: np.ndarray, ends: np.ndarray, length: int, scaling: Scaling) -> Tensor:
    """The same as a tensor (B, T, F), contiguous along the batch: the layout that the kernels read fastest."""
    out = torch.empty(length, inputs.shape[1], len(ends))
    gather_windows(inputs, ends, length, scaling, out.numpy())
    return out.permute(2, 0, 1)


class _Compiled(NamedTuple):
    windows: Callable[..., None]
    outcomes: Callable[..., None]


@cache
def _compiled() -> _Compiled:
    @compiled()
    def windows(inputs: Any, ends: Any, length: int, shift: Any, inverse: Any, out: Any) -> None:
        for b in range(len(ends)):
            first = ends[b] - length + 1
            for t in range(length):
                row = first + t
                is_inside = 0 <= row < len(inputs)
                for f in range(out.shape[1]):
                    value = (inputs[row, f] - shift[f]) * inverse[f] if is_inside else 0.0
                    out[t, f, b] = value if np.isfinite(value) else 0.0

    @compiled()
    def outcomes(values: Any, weights: Any, is_counted: Any, known: int, ends: Any, y: Any, weight: Any) -> None:
        tail = y.shape[1]
        for b in range(len(ends)):
            for t in range(tail):
                row = ends[b] - tail + 1 + t
                counts = 0 <= row < len(values) and is_counted[row]
                for n in range(y.shape[2]):
                    y[b, t, n] = values[row if counts else known, n]
                    weight[b, t, n] = weights[row, n] if counts else 0.0

    return _Compiled(windows, outcomes)
