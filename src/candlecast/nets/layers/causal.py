"""Nets that read a bounded number of bars, with the interface of the recurrent stack: their memory is the bars themselves."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from candlecast.nets.layers.dense import Dense
from candlecast.nets.layers.recurrent import State
from candlecast.nets.layers.stacked import Stacked


class Causal(Stacked):
    """Wraps a module x (B, n, F) -> (B, n - reach + 1, H) whose units for a bar read that bar and the reach - 1 before it, and
    maps them to outputs (O,).

    `forward(x, state, tail)`: x (B, T, F) -> outputs of the last `tail` bars (B, tail, O), and the state after bar T: the
    last reach - 1 bars, ((rows,),) with rows (B, reach - 1, F). Without `state` zeros lie before the first bar. A bar's
    output is the same wherever its window is cut out of the sequence.

    The outputs begin as zeros, the middle of a standard scale. Where there is little to learn, a net whose first forecasts
    are as large as the outcomes stops early, before they have shrunk.
    """

    def __init__(self, net: nn.Module, *, reach: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.net, self.reach = net, reach
        self.head = Dense(hidden, outputs)
        nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor, state: State | None = None, tail: int = 1) -> tuple[Tensor, State]:
        before = self.reach - 1
        rows = x.new_zeros(*x.shape[:-2], before, x.shape[-1]) if state is None else state[0][0]
        x = torch.cat([rows, x], -2)  # (B, reach - 1 + T, F)
        bars = x.shape[-2]
        units = self.net(x[..., bars - before - tail :, :])  # (B, tail, H)
        return self.head(units), ((x[..., bars - before :, :],),)  # (B, tail, O)
