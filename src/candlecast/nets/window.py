"""Any torch module that maps a window to a forecast, behind the interface of the recurrent stack."""

from __future__ import annotations

from torch import Tensor, nn

from candlecast.errors import ConfigError
from candlecast.nets.recurrent import State


class PerWindow(nn.Module):
    """Wraps a module x (B, T, F) -> (B, O) or (B,): one output per window, no state to carry."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, state: State | None = None, tail: int = 1) -> tuple[Tensor, State]:
        outputs = self.net(x)
        if outputs.shape not in ((len(x),), (len(x), 1)):
            raise ConfigError(
                f"the net maps windows {tuple(x.shape)} to {tuple(outputs.shape)}",
                expected=f"one forecast per window: ({len(x)},) or ({len(x)}, 1)",
                remedy="End the net with nn.Linear(..., 1), and take the last time step of a recurrent layer's output",
            )
        return outputs.reshape(x.shape[0], 1, -1), ()  # (B, 1, O)
