"""Head of several quantiles that never cross."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from candlecast.dataset.prediction import quantile_column
from candlecast.heads.arrays import mean, sigmoid, softplus
from candlecast.heads.head import Elementwise, Shift
from candlecast.parameters import require_kinds, require_parameters

if TYPE_CHECKING:
    from torch import Tensor

    from candlecast.heads.arrays import Array


@dataclass(frozen=True)
class Quantiles(Elementwise):
    """Quantiles of the given levels, learnt by the mean of their pinball losses (Koenker and Bassett 1978).

    The first output is the lowest quantile, each further one the step to the next: q_i = q_{i-1} + softplus(a_i). The
    forecast's mean is the median where it is among them, and the mean of all quantiles otherwise.
    """

    is_location: ClassVar[bool] = True

    levels: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)

    def __post_init__(self) -> None:
        require_kinds(self)
        levels = self.levels if isinstance(self.levels, tuple) else ()
        rising = bool(levels) and all(a < b for a, b in zip((0.0, *levels), (*levels, 1.0), strict=True))
        require_parameters(self, {"levels": (rising, "a tuple of rising numbers in (0, 1), as (0.05, 0.5, 0.95)")})

    @property
    def outputs(self) -> int:
        return len(self.levels)

    def terms(self, outputs: Tensor, y: Tensor) -> Tensor:
        import torch

        first, steps = outputs[..., :1], torch.nn.functional.softplus(outputs[..., 1:])
        gap = y.unsqueeze(-1) - torch.cat([first, first + steps.cumsum(-1)], dim=-1)  # (..., T, N, levels)
        share = outputs.new_tensor(self.levels)
        return torch.maximum(share * gap, (share - 1) * gap).mean(-1, keepdim=True)

    def slopes(self, outputs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        steps = np.concatenate([outputs[..., :1], softplus(outputs[..., 1:])], -1)
        gap = y[..., None] - np.cumsum(steps, -1)  # (..., levels)
        below = 0.5 - 0.5 * np.sign(gap)  # 1 where the outcome is below the quantile
        by_quantile = below - self.levels
        by_step = np.cumsum(by_quantile[..., ::-1], -1)[..., ::-1]  # a step moves all quantiles from its own on
        by_step[..., 1:] *= sigmoid(outputs[..., 1:])
        return np.mean(-by_quantile * gap, -1), by_step / len(self.levels)

    def columns(self, outputs: Array, *, shift: Shift, scale: float) -> dict[str, Array]:
        scaled = [outputs[:, 0]]
        for place in range(1, len(self.levels)):
            scaled.append(scaled[-1] + softplus(outputs[:, place]))
        quantiles = {quantile_column(q): shift + scale * each for q, each in zip(self.levels, scaled, strict=True)}
        median = quantiles.get(quantile_column(0.5))
        return {"mean": mean(list(quantiles.values())) if median is None else median, **quantiles}
