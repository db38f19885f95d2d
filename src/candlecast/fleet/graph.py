"""`Graph`: a fitted net as one torch module, from raw windows to forecasts in the target's units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from candlecast.fleet.fitted import FittedNet
from candlecast.targets import components, label


class Graph(nn.Module):
    """Unscaled feature windows (batch, window, column), float64 -> forecasts, each float64 (batch,), in the order of `names`.

    The scaling of inputs and outcomes is inside. `names` are those of the forecast table: `mean`, then the columns of the
    head; of the further targets of `Several` as `mean@return_5`. The net begins each window with an empty memory. Raises
    ConfigError for a head without `columns`.
    """

    shift: Tensor
    scale: Tensor
    constant: Tensor
    weights: Tensor

    def __init__(self, fitted: FittedNet) -> None:
        super().__init__()
        self.net, self.head, self.level = fitted.net, fitted.spec.head, fitted.spec.level
        self.register_buffer("shift", torch.tensor(fitted.inputs.shift))
        self.register_buffer("scale", torch.tensor(fitted.inputs.scale))
        self.units = list(zip(fitted.outcomes.shift.tolist(), fitted.outcomes.scale.tolist(), strict=True))
        self.linear = fitted.linear
        if fitted.linear is not None:
            self.register_buffer("constant", torch.tensor(fitted.linear.constant))
            self.register_buffer("weights", torch.tensor(fitted.linear.weights))
        self.kept = None if fitted.kept is None else fitted.kept.tolist()
        _, *further = components(fitted.job.samples.target)
        marks = ["", *(f"@{label(target)}" for target in further)]
        example = torch.zeros(1, self.head.outputs, dtype=torch.float64)
        columns = self.head.columns(example, shift=0.0, scale=1.0)
        self.names = [f"{name}{mark}" for mark in marks for name in columns]
        self.eval()

    def forward(self, windows: Tensor) -> tuple[Tensor, ...]:
        scaled = (windows - self.shift) / self.scale
        outputs, _ = self.net(scaled.float())  # (B, 1, N O)
        each = outputs[:, 0].double().split(self.head.outputs, dim=1)  # N of (B, O)
        return tuple(
            column
            for place, part in enumerate(each)
            for column in self.head.columns(
                part, shift=self._shift(place, part, scaled[:, -1]), scale=self.units[place][1]
            ).values()
        )

    def _shift(self, place: int, part: Tensor, scaled: Tensor) -> Any:
        """What is added to the scaled forecast of the target at `place`, in its units; as `FittedNet` adds it."""
        shift, scale = self.units[place]
        if self.linear is None and self.kept is None:
            return shift
        moved: Any = 0.0
        if self.linear is not None:
            moved = moved + self.constant[place] - self.level + scaled @ self.weights[:, place]
        if self.kept is not None:
            added = self.head.columns(part, shift=0.0, scale=1.0)["mean"] - self.level
            moved = moved + (self.kept[place] - 1.0) * added
        return shift + scale * moved
