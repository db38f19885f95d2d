"""`FittedNet`: the trained weights of one job, with the scaling they were trained in, and how they forecast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from candlecast.features import Scaling
from candlecast.fleet.gather import windows_tensor
from candlecast.fleet.settings import Fit
from candlecast.jobs import Job
from candlecast.windows import Samples

FORECAST_BATCH = 1_024  # windows forecast at once: bounds memory, large enough for full speed


@dataclass(frozen=True, eq=False)
class FittedNet:
    """What one job learnt. `losses` has one row per epoch: training and validation loss (NaN without validation)."""

    job: Job
    fit: Fit
    window: int
    build: Callable[[int], nn.Module]
    weights: dict[str, Tensor]
    inputs: Scaling
    outcomes: Scaling
    losses: np.ndarray

    def forecast(self, samples: Samples, rows: np.ndarray) -> np.ndarray:
        """Forecasts made at the close of `rows` (rising), in the target's units; float64, shape (rows,)."""
        if not len(rows):
            return np.empty(0)
        net = self.build(samples.inputs.shape[1]).eval()
        with torch.no_grad():
            carried = self.fit.sampling == "sequence"
            scaled = self._carry(net, samples, rows) if carried else self._by_window(net, samples, rows)
        scaled = scaled.double()
        if samples.target.kind == "probability":
            return scaled.sigmoid().numpy()
        return self.outcomes.undo(scaled.numpy()[:, None])[:, 0]

    @classmethod
    def from_tensors(
        cls,
        job: Job,
        fit: Fit,
        window: int,
        build: Callable[[int], nn.Module],
        tensors: Mapping[str, np.ndarray],
    ) -> FittedNet:
        """What `tensors()` was taken from."""
        weights = {name[4:]: torch.from_numpy(value) for name, value in tensors.items() if name.startswith("net.")}
        inputs, outcomes = (
            Scaling(tensors[f"{side}.shift"], tensors[f"{side}.scale"]) for side in ("inputs", "outcomes")
        )
        return cls(job, fit, window, build, weights, inputs, outcomes, tensors["losses"])

    def tensors(self) -> dict[str, np.ndarray]:
        """All that was learnt, by name: weights, shift and scale of inputs and outcomes, losses."""
        scalings = {"inputs": self.inputs, "outcomes": self.outcomes}
        return {
            "losses": self.losses,
            **{f"net.{name}": value.numpy() for name, value in self.weights.items()},
            **{f"{side}.shift": scaling.shift for side, scaling in scalings.items()},
            **{f"{side}.scale": scaling.scale for side, scaling in scalings.items()},
        }

    def _by_window(self, net: nn.Module, samples: Samples, rows: np.ndarray) -> Tensor:
        parts = []
        for first in range(0, len(rows), FORECAST_BATCH):
            x = windows_tensor(samples.inputs, rows[first : first + FORECAST_BATCH], self.window, self.inputs)
            outputs, _ = functional_call(net, self.weights, (x,))  # (B, 1, 1)
            parts.append(outputs[:, 0, 0])
        return torch.cat(parts)

    def _carry(self, net: nn.Module, samples: Samples, rows: np.ndarray) -> Tensor:
        """One long read from a burn-in in front of the first row to the last; the memory is emptied at each hole."""
        segments = samples.candles.segments
        parts = []
        for segment in np.unique(segments[rows]):
            inside = rows[segments[rows] == segment]
            opening = int(np.searchsorted(segments, segment))
            first = max(opening, int(inside[0]) - self.window + 1)
            state, start = None, first
            while start <= inside[-1]:
                stop = min(start + FORECAST_BATCH, int(inside[-1]) + 1)
                x = windows_tensor(samples.inputs, np.array([stop - 1]), stop - start, self.inputs)
                outputs, state = functional_call(net, self.weights, (x, state, stop - start))  # (1, T, 1)
                wanted = inside[(inside >= start) & (inside < stop)]
                parts.append(outputs[0, wanted - start, 0])
                start = stop
        return torch.cat(parts)
