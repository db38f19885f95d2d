"""`ParameterLayout`: the parameters of K nets as one matrix, one row per net."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

ALIGNMENT = 16  # floats of a cache line: every row starts on one, so that no rounding depends on the position of a net

ModelTensors = dict[str, Tensor]  # name -> (K, ...), a parameter or buffer of K nets


@dataclass(frozen=True)
class ParameterLayout:
    """Names and shapes of a net's parameters, in the order of a row (P,), which is padded with zeros.

    `tied`: other names of shared parameters in the net, each with the name that the parameter has here.
    """

    shapes: dict[str, torch.Size]
    tied: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, net: nn.Module) -> ParameterLayout:
        """The layout of nets like this one."""
        names = {id(parameter): name for name, parameter in net.named_parameters()}
        tied = {
            f"{prefix}.{own}".lstrip("."): names[id(parameter)]
            for prefix, module in net.named_modules()
            for own, parameter in module.named_parameters(recurse=False, remove_duplicate=False)
        }
        tied = {place: name for place, name in tied.items() if place != name}
        return cls({name: parameter.shape for name, parameter in net.named_parameters()}, tied)

    @property
    def sizes(self) -> list[int]:
        """Count of numbers of each parameter, and of the padding."""
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        return [*sizes, -sum(sizes) % ALIGNMENT]

    def rows(self, nets: Sequence[nn.Module]) -> Tensor:
        """A copy of the parameters of these nets: (K, P)."""
        rows = torch.zeros(len(nets), sum(self.sizes))
        for row, net in zip(rows, nets, strict=True):
            parts = [parameter.detach().flatten() for parameter in net.parameters()]
            row[: sum(map(len, parts))] = torch.cat(parts)
        return rows

    def views(self, rows: Tensor) -> ModelTensors:
        """The parameters by name, each (K, ...), as views of rows (K, P)."""
        *parts, _ = rows.split(self.sizes, dim=1)
        return {
            name: part.unflatten(1, shape) if shape else part.squeeze(1)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def with_tied(self, params: ModelTensors) -> ModelTensors:
        """The parameters under every name that they have in the net."""
        return {**params, **{place: params[name] for place, name in self.tied.items()}} if self.tied else params

    def net(self, row: Tensor) -> dict[str, Tensor]:
        """The parameters of one net by name, copied from its row (P,)."""
        return {name: value[0].clone() for name, value in self.views(row[None]).items()}
