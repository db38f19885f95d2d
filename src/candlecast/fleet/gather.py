"""Batches out of the one feature array: scaled float32 copies of just the bars that a step reads."""

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

    Undefined values, and bars before the first and behind the last, become 0: the middle of a standard scale.
    """
    _compiled().windows(inputs, ends, length, scaling.shift, 1.0 / scaling.scale, out)


def gather_outcomes(
    outcomes: np.ndarray,
    sample_weight: np.ndarray,
    is_counted: np.ndarray,
    known: int,
    ends: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
) -> None:
    """Write outcomes and weights (time, N) of the last bars of sequences that end at rows `ends` to y and weight (B, tail, N).

    Bars that are not counted (time,) have weight 0, and for their outcome that of row `known`: a value that can be one.
    """
    _compiled().outcomes(outcomes, sample_weight, is_counted, known, ends, y, weight)


def windows_tensor(inputs: np.ndarray, ends: np.ndarray, length: int, scaling: Scaling) -> Tensor:
    """The same as a tensor (B, T, F) whose batch lies contiguous, as the kernels like it."""
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
    def outcomes(values: Any, sample_weight: Any, is_counted: Any, known: int, ends: Any, y: Any, weight: Any) -> None:
        tail = y.shape[1]
        for b in range(len(ends)):
            for t in range(tail):
                row = ends[b] - tail + 1 + t
                counts = 0 <= row < len(values) and is_counted[row]
                for n in range(y.shape[2]):
                    y[b, t, n] = values[row if counts else known, n]
                    weight[b, t, n] = sample_weight[row, n] if counts else 0.0

    return _Compiled(windows, outcomes)
