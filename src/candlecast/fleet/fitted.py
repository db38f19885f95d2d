"""`FittedNet`: the trained weights of one job, with the scaling they were trained in, and how they forecast."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from candlecast.features import Scaling
from candlecast.fleet.gather import windows_tensor
from candlecast.fleet.settings import Fit
from candlecast.jobs import Job
from candlecast.nets.recurrent import Stepper
from candlecast.windows import Samples

FORECAST_BATCH = 1_024  # windows forecast at once: bounds memory, large enough for full speed


class StreamState(NamedTuple):
    """What a stream remembers: the net's `memory`, or the last `window` scaled `rows`; and the `run` of defined rows."""

    memory: tuple[np.ndarray, ...]
    rows: np.ndarray
    run: int


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
        with torch.no_grad():
            scaled = self._carry(samples, rows) if self._is_carried else self._by_window(samples, rows)
        return self._in_units(scaled.double().numpy())

    def start(self) -> StreamState:
        """The state before the first bar of a stream; take a new one behind a hole in the candles."""
        memory = self._net.start() if self._is_carried else ()
        return StreamState(memory, np.zeros((self.window, len(self.inputs.shift)), np.float32), 0)

    def step(self, state: StreamState, row: np.ndarray) -> tuple[StreamState, float]:
        """One new closed bar in, one forecast out, in constant time and memory.

        `row` is the bar's row of the feature array, float64 (column,), unscaled. The forecast, made at the bar's close, is in
        the target's units, and NaN until `window` defined rows followed each other. Equal to `forecast` on the same bars, to
        the rounding of float32.
        """
        scaled = self.inputs.apply(row).astype(np.float32)
        is_defined = bool(np.isfinite(scaled).all())
        scaled = scaled if is_defined else np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0)
        run = state.run + 1 if is_defined else 0
        if self._is_carried:
            output, memory = self._stepper(scaled, state.memory)
            state = StreamState(memory, state.rows, run)
        else:
            state = StreamState((), np.concatenate([state.rows[1:], scaled[None]]), run)
            with torch.no_grad():
                output = self._net(torch.from_numpy(state.rows)[None])[0].numpy().ravel()
        return state, float(self._in_units(output[:1].astype(np.float64))[0]) if run >= self.window else math.nan

    @cached_property
    def _net(self) -> Any:
        net = self.build(len(self.inputs.shift)).eval()
        net.load_state_dict({**net.state_dict(), **self.weights})  # what is not learnt is as the factory makes it
        return net

    @cached_property
    def _stepper(self) -> Stepper:
        return self._net.stepper()

    @property
    def _is_carried(self) -> bool:
        return self.fit.sampling == "sequence"

    def _in_units(self, scaled: np.ndarray) -> np.ndarray:
        """Outputs of the net, float64 (rows,), in the target's units."""
        if self.job.samples.target.kind == "probability":
            return 0.5 + 0.5 * np.tanh(0.5 * scaled)
        return self.outcomes.undo(scaled[:, None])[:, 0]

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

    def _by_window(self, samples: Samples, rows: np.ndarray) -> Tensor:
        parts = []
        for first in range(0, len(rows), FORECAST_BATCH):
            x = windows_tensor(samples.inputs, rows[first : first + FORECAST_BATCH], self.window, self.inputs)
            outputs, _ = self._net(x)  # (B, 1, 1)
            parts.append(outputs[:, 0, 0])
        return torch.cat(parts)

    def _carry(self, samples: Samples, rows: np.ndarray) -> Tensor:
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
                outputs, state = self._net(x, state, stop - start)  # (1, T, 1)
                wanted = inside[(inside >= start) & (inside < stop)]
                parts.append(outputs[0, wanted - start, 0])
                start = stop
        return torch.cat(parts)
