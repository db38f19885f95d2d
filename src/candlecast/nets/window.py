"""Any torch module that maps a window to a forecast, behind the interface of the recurrent stack."""

from __future__ import annotations

from torch import Tensor, nn

from candlecast.nets.recurrent import State


class PerWindow(nn.Module):
    """Wraps a module x (B, T, F) -> (B, O) or (B,): one output per window, no state to carry."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, state: State | None = None, tail: int = 1) -> tuple[Tensor, State]:
        outputs = self.net(x)
        return outputs.reshape(x.shape[0], 1, -1), ()  # (B, 1, O)
