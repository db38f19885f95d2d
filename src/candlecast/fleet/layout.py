"""`Layout`: the parameters of K nets as one matrix, a row of numbers per net."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Stack = dict[str, Tensor]  # name -> (K, ...), a parameter or buffer of K nets


@dataclass(frozen=True)
class Layout:
    """Names and shapes of a net's parameters, in the order in which they lie in a row (P,)."""

    shapes: dict[str, torch.Size]

    @classmethod
    def of(cls, net: nn.Module) -> Layout:
        """The layout of nets like this one."""
        return cls({name: parameter.shape for name, parameter in net.named_parameters()})

    def rows(self, nets: Sequence[nn.Module]) -> Tensor:
        """A copy of the parameters of these nets: (K, P)."""
        return torch.stack([torch.cat([p.detach().flatten() for p in net.parameters()]) for net in nets])

    def stack(self, rows: Tensor) -> Stack:
        """The parameters by name, each (K, ...), as views of rows (K, P); differentiable."""
        parts = rows.split([math.prod(shape) for shape in self.shapes.values()], dim=1)
        return {
            name: part.unflatten(1, shape) if shape else part.squeeze(1) for (name, shape), part in self._with(parts)
        }

    def net(self, row: Tensor) -> dict[str, Tensor]:
        """The parameters of one net by name, as copies out of its row (P,)."""
        return {name: value[0].clone() for name, value in self.stack(row[None]).items()}

    def _with(self, parts: Sequence[Tensor]) -> zip[tuple[tuple[str, torch.Size], Tensor]]:
        return zip(self.shapes.items(), parts, strict=True)
