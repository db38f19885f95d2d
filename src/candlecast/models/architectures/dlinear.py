"""DLinear and NLinear: a window mapped to a forecast by linear layers alone (Zeng et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from candlecast.fleet.settings import Fit
from candlecast.heads import Head
from candlecast.models.net import BY_WINDOW, NetModel
from candlecast.nets import Dense, PerWindow
from candlecast.parameters import is_whole


@dataclass(frozen=True)
class DLinear(NetModel, uses_local_rng=True):
    """Trend and remainder of each column, each mapped by a linear layer of its own (Zeng et al. 2023).

    trend_t = mean(x_{t - average + 1} ... x_t), remainder = x - trend; y = W trend + V remainder + b, W and V over all bars
    and columns. The mean is a trailing one, and over the first bars of a window that of those there are.
    """

    average: int = 8
    window: int = 32
    training: Fit = BY_WINDOW
    head: Head | None = None
    has_memory: ClassVar[bool] = False
    name: str = field(default="dlinear", init=False)

    def __post_init__(self) -> None:
        self.require({"average": (is_whole(self.average), "a whole number of bars, 1 or more")})

    def build(self, inputs: int, outputs: int) -> nn.Module:
        return PerWindow(_Decomposed(inputs * self.window, outputs, self.average), outputs)


@dataclass(frozen=True)
class NLinear(NetModel, uses_local_rng=True):
    """The last bar subtracted, one linear layer, for levels that wander: y = W (x - x_T) + V x_T + b (Zeng et al. 2023).

    The paper adds x_T itself back to the forecast, since there the outcome is a column of the input; here V learns how much
    of it belongs there.
    """

    window: int = 32
    training: Fit = BY_WINDOW
    head: Head | None = None
    has_memory: ClassVar[bool] = False
    name: str = field(default="nlinear", init=False)

    def build(self, inputs: int, outputs: int) -> nn.Module:
        return PerWindow(_Centred(inputs, self.window, outputs), outputs)


class _Decomposed(nn.Module):
    def __init__(self, values: int, outputs: int, average: int) -> None:
        super().__init__()
        self.average = average
        self.trend, self.remainder = Dense(values, outputs), Dense(values, outputs)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, F) -> (B, O)
        total = nn.functional.pad(x, (0, 0, 1, 0)).cumsum(1)  # (B, T + 1, F)
        last = torch.arange(1, x.shape[1] + 1, device=x.device)
        first = (last - self.average).clamp(min=0)
        trend = (total[:, last] - total[:, first]) / (last - first)[:, None]  # (B, T, F)
        return self.trend(trend.flatten(1)) + self.remainder((x - trend).flatten(1))


class _Centred(nn.Module):
    def __init__(self, inputs: int, window: int, outputs: int) -> None:
        super().__init__()
        self.shape, self.level = Dense(inputs * window, outputs), Dense(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, F) -> (B, O)
        last = x[:, -1]  # (B, F)
        return self.shape((x - last[:, None]).flatten(1)) + self.level(last)
