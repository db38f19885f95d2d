"""`Graph`: a fitted net as one torch module, from raw windows to forecasts in the target's units."""

from __future__ import annotations

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

    def __init__(self, fitted: FittedNet) -> None:
        super().__init__()
        self.net, self.head = fitted.net, fitted.spec.head
        self.register_buffer("shift", torch.tensor(fitted.inputs.shift))
        self.register_buffer("scale", torch.tensor(fitted.inputs.scale))
        self.units = list(zip(fitted.outcomes.shift.tolist(), fitted.outcomes.scale.tolist(), strict=True))
        _, *further = components(fitted.job.samples.target)
        marks = ["", *(f"@{label(target)}" for target in further)]
        example = torch.zeros(1, self.head.outputs, dtype=torch.float64)
        columns = self.head.columns(example, shift=0.0, scale=1.0)
        self.names = [f"{name}{mark}" for mark in marks for name in columns]
        self.eval()

    def forward(self, windows: Tensor) -> tuple[Tensor, ...]:
        outputs, _ = self.net(((windows - self.shift) / self.scale).float())  # (B, 1, N O)
        each = outputs[:, 0].double().split(self.head.outputs, dim=1)  # N of (B, O)
        return tuple(
            column
            for part, (shift, scale) in zip(each, self.units, strict=True)
            for column in self.head.columns(part, shift=shift, scale=scale).values()
        )
