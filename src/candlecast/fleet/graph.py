"""`Graph`: a fitted net as one torch module, from raw windows to forecasts in the target's units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from candlecast.dataset.prediction import quantile_column
from candlecast.errors import ConfigError
from candlecast.fleet.fitted import FittedNet
from candlecast.heads import AbsoluteError, Chance, Gaussian, Head, Huber, Labels, Quantiles, SquaredError, StudentT
from candlecast.heads.classes import NAMES
from candlecast.heads.normal import LEVELS, MINIMUM
from candlecast.targets import LABELS, components, label


class Graph(nn.Module):
    """Unscaled feature windows (batch, window, column), float64 -> forecasts, each float64 (batch,), in the order of `names`.

    The scaling of inputs and outcomes is inside. `names` are those of the forecast table: `mean`, then the columns of the
    head; of the further targets of `Several` as `mean@return_5`. The net begins each window with an empty memory. Raises
    ConfigError for a head that it does not know.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, fitted: FittedNet) -> None:
        super().__init__()
        self.net, self.head = fitted.net, fitted.blueprint.head
        self.register_buffer("shift", torch.tensor(fitted.inputs.shift))
        self.register_buffer("scale", torch.tensor(fitted.inputs.scale))
        self.units = list(zip(fitted.outcomes.shift.tolist(), fitted.outcomes.scale.tolist(), strict=True))
        targets = components(fitted.job.samples.target)
        marks = ["", *(f"@{label(target)}" for target in targets[1:])]
        columns = decoded(self.head, torch.zeros(1, self.head.outputs), shift=0.0, scale=1.0)
        self.names = [f"{name}{mark}" for mark in marks for name in columns]
        self.eval()

    def forward(self, windows: Tensor) -> tuple[Tensor, ...]:
        outputs, _ = self.net(((windows - self.shift) / self.scale).float())  # (B, 1, N O)
        each = outputs[:, 0].double().split(self.head.outputs, dim=1)  # N of (B, O)
        return tuple(
            column
            for part, (shift, scale) in zip(each, self.units, strict=True)
            for column in decoded(self.head, part, shift=shift, scale=scale).values()
        )


def decoded(head: Head, outputs: Tensor, *, shift: float, scale: float) -> dict[str, Tensor]:
    """`Head.predict` in torch: outputs (B, O) -> mean and further columns, each (B,)."""
    match head:
        case SquaredError() | AbsoluteError() | Huber():
            return {"mean": shift + scale * outputs[:, 0]}
        case Chance():
            return {"mean": (outputs[:, 0].sigmoid() + shift).clamp(0.0, 1.0)}
        case Gaussian():
            return {"mean": shift + scale * outputs[:, 0], "sigma": scale * (_softplus(outputs[:, 1]) + MINIMUM)}
        case StudentT():
            mean, spread = shift + scale * outputs[:, 0], scale * (_softplus(outputs[:, 1]) + MINIMUM)
            quantiles = {quantile_column(level): mean + spread * head.distance(level) for level in LEVELS}
            return {"mean": mean, "sigma": spread * head.width, **quantiles}
        case Quantiles():
            steps = torch.cat([outputs[:, :1], _softplus(outputs[:, 1:])], dim=1)
            quantiles = shift + scale * steps.cumsum(1)  # (B, levels)
            columns = {quantile_column(level): quantiles[:, place] for place, level in enumerate(head.levels)}
            return {"mean": columns[quantile_column(0.5)] if 0.5 in head.levels else quantiles.mean(1), **columns}
        case Labels():
            if head.ordinal:
                up, down = outputs[:, 0].sigmoid(), (-outputs[:, 0] - _softplus(outputs[:, 1])).sigmoid()
                chances = [down, 1 - down - up, up]
            else:
                chances = list(outputs.softmax(1).unbind(1))
            mean = sum((value * chance for value, chance in zip(LABELS, chances, strict=True)), outputs.new_zeros(()))
            return {"mean": mean, **dict(zip(NAMES, chances, strict=True))}
    raise ConfigError(
        f"the head {type(head).__name__} cannot be written as a graph",
        expected="one of candlecast's own heads",
        remedy="Export the net itself with torch.onnx, and read its outputs with the head's predict",
    )


def _softplus(x: Tensor) -> Tensor:
    """ln(1 + e^x) in operations that runtimes know for float64."""
    return x.clamp(min=0) + (1 + (-x.abs()).exp()).log()
