"""Layer norm that also takes the stacked parameters of K models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

EPSILON = 1e-5


class LayerNorm(nn.Module):
    """y = gain (x - mean(x)) / sqrt(var(x) + 1e-5) + bias, over the units of each bar (Ba, Kiros and Hinton 2016).

    x (B, T, H) with gain and bias (H,), or all with a leading K.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(units))
        self.bias = nn.Parameter(torch.zeros(units))

    def forward(self, x: Tensor) -> Tensor:
        gain, bias = (
            parameter[..., None, None, :] for parameter in (self.gain, self.bias)
        )  # (1, 1, H) or (K, 1, 1, H)
        return nn.functional.layer_norm(x, x.shape[-1:], eps=EPSILON) * gain + bias

    def stepper(self) -> Callable[[np.ndarray], np.ndarray]:
        """The same for one bar of one model, (H,), in NumPy."""
        gain, bias = self.gain.detach().numpy(), self.bias.detach().numpy()

        def step(x: np.ndarray) -> np.ndarray:
            centred = x - x.mean()
            return centred / np.sqrt(np.mean(centred * centred) + np.float32(EPSILON)) * gain + bias

        return step
