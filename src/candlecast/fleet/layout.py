"""`Layout`: the parameters of K nets as one matrix, a row of numbers per net."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

ALIGNMENT = 16  # floats of a cache line: every row starts on one, so that no arithmetic depends on a net's place

Stack = dict[str, Tensor]  # name -> (K, ...), a parameter or buffer of K nets


@dataclass(frozen=True)
class Layout:
    """Names and shapes of a net's parameters, in the order in which they lie in a row (P,), filled up with zeros.

    `tied`: other names under which modules of the net hold a parameter, each with the name that it has here.
    """

    shapes: dict[str, torch.Size]
    tied: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, net: nn.Module) -> Layout:
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
        """Numbers of each parameter, and of the filling."""
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        return [*sizes, -sum(sizes) % ALIGNMENT]

    def rows(self, nets: Sequence[nn.Module]) -> Tensor:
        """A copy of the parameters of these nets: (K, P)."""
        rows = torch.zeros(len(nets), sum(self.sizes))
        for row, net in zip(rows, nets, strict=True):
            parts = [parameter.detach().flatten() for parameter in net.parameters()]
            row[: sum(map(len, parts))] = torch.cat(parts)
        return rows

    def stack(self, rows: Tensor) -> Stack:
        """The parameters by name, each (K, ...), as views of rows (K, P)."""
        *parts, _ = rows.split(self.sizes, dim=1)
        return {
            name: part.unflatten(1, shape) if shape else part.squeeze(1)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def everywhere(self, stack: Stack) -> Stack:
        """The parameters under every name that a module of the net holds them by."""
        return {**stack, **{place: stack[name] for place, name in self.tied.items()}} if self.tied else stack

    def net(self, row: Tensor) -> dict[str, Tensor]:
        """The parameters of one net by name, as copies out of its row (P,)."""
        return {name: value[0].clone() for name, value in self.stack(row[None]).items()}
