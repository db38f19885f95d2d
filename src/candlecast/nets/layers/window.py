"""Any torch module that maps a window to a forecast, with the interface of the recurrent stack."""

from __future__ import annotations

from torch import Tensor, nn

from candlecast.errors import ConfigError
from candlecast.nets.layers.recurrent import State


class PerWindow(nn.Module):
    """Wraps a module x (B, T, F) -> (B, O), or (B,) for a single output: no state to carry."""

    def __init__(self, net: nn.Module, outputs: int) -> None:
        super().__init__()
        self.net, self.outputs = net, outputs

    def forward(self, x: Tensor, state: State | None = None, tail: int = 1) -> tuple[Tensor, State]:
        outputs = self.net(x)
        if not isinstance(outputs, Tensor):
            raise ConfigError(
                f"the net returns a {type(outputs).__name__} for windows {tuple(x.shape)}",
                expected=f"one tensor: ({len(x)}, {self.outputs})",
                remedy="Return the forecasts alone; of torch.nn.LSTM's pair, the last time step of the first",
            )
        if outputs.shape != (len(x), self.outputs) and (self.outputs > 1 or outputs.shape != (len(x),)):
            numbers = "one number" if self.outputs == 1 else f"{self.outputs} numbers"
            raise ConfigError(
                f"the net maps windows {tuple(x.shape)} to {tuple(outputs.shape)}",
                expected=f"{numbers} per window: ({len(x)}, {self.outputs})",
                remedy=f"End the net with nn.Linear(..., {self.outputs}), and take the last time step of a recurrent "
                "layer's output",
            )
        return outputs.reshape(x.shape[0], 1, -1), ()  # (B, 1, O)
