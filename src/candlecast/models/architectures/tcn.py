"""TCN: dilated causal convolutions with residual connections (Bai, Kolter and Koltun 2018)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from candlecast.fleet.settings import Fit
from candlecast.heads import Head
from candlecast.models.net import NetModel
from candlecast.nets import Causal, Linear
from candlecast.nets.layers.dropout import Dropout
from candlecast.parameters import is_whole


@dataclass(frozen=True)
class TCN(NetModel, uses_local_rng=True):
    """Blocks of two dilated causal convolutions each, over a sequence or a window (Bai, Kolter and Koltun 2018).

    conv(x)_t = sum_{j < kernel} W_j x_{t - j d} + b; block l, of dilation d = 2^l: y = relu(x + f(x)) with
    f = drop relu conv drop relu conv, and x brought to `hidden` units by a linear layer where it has others. A block reads
    2 (kernel - 1) 2^l bars farther back than the one before it; there are as many as the window holds: two with
    kernel=3 and window=16, whose forecast reads 13 bars. The weight normalisation of the paper is left out.

    hidden: units of each convolution; kernel: bars that it reads; dropout: share of its outputs zeroed in training.
    """

    hidden: int = 16
    kernel: int = 3
    dropout: float = 0.0
    window: int = 16
    training: Fit = Fit(lr=2e-3)
    head: Head | None = None
    name: str = field(default="tcn", init=False)

    def __post_init__(self) -> None:
        is_kernel = is_whole(self.kernel) and self.kernel > 1
        self.require(
            {
                "kernel": (is_kernel, "a whole number of bars, 2 or more"),
                "window": (
                    is_whole(self.window) and (not is_kernel or self.blocks > 0),
                    "a whole number of bars, at least the 2 kernel - 1 that one block reads",
                ),
            }
        )

    @property
    def blocks(self) -> int:
        """Blocks that fit into the window: the most L with 1 + 2 (kernel - 1) (2^L - 1) <= window."""
        return ((self.window - 1) // (2 * (self.kernel - 1)) + 1).bit_length() - 1

    def build(self, inputs: int, outputs: int) -> nn.Module:
        sizes = [inputs, *[self.hidden] * self.blocks]
        blocks = [
            _Block(a, b, kernel=self.kernel, dilation=2**level, dropout=self.dropout)
            for level, (a, b) in enumerate(itertools.pairwise(sizes))
        ]
        reach = 1 + sum(block.reads for block in blocks)
        return Causal(nn.Sequential(*blocks), reach=reach, hidden=self.hidden, outputs=outputs)


class _Block(nn.Module):
    """x (B, n, I) -> (B, n - reads, H): what the convolutions would have to pad is left out."""

    def __init__(self, inputs: int, hidden: int, *, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.first = _Convolution(inputs, hidden, kernel=kernel, dilation=dilation, dropout=dropout)
        self.second = _Convolution(hidden, hidden, kernel=kernel, dilation=dilation, dropout=dropout)
        self.skip = nn.Identity() if inputs == hidden else Linear(inputs, hidden)
        self.reads = 2 * (kernel - 1) * dilation

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.skip(x[..., self.reads :, :]) + self.second(self.first(x)))  # (B, n - reads, H)


class _Convolution(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.linear = Linear(kernel * inputs, outputs)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        bars = x.shape[-2] - (self.kernel - 1) * self.dilation
        taps = [x[..., j * self.dilation : j * self.dilation + bars, :] for j in range(self.kernel)]
        return self.dropout(torch.relu(self.linear(torch.cat(taps, -1))))  # (B, bars, kernel I) -> (B, bars, O)
