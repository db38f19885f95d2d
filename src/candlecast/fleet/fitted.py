"""`FittedNet`: the trained weights of one job, with the scaling they were trained in, and how they forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from candlecast.dataset.jobs import Job, Unpickled
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import Samples
from candlecast.errors import RunError
from candlecast.features import Scaling
from candlecast.fleet.building import forecasting, unfilled
from candlecast.fleet.gather import windows_tensor
from candlecast.fleet.linear_part import LinearPart
from candlecast.fleet.net_spec import NetSpec
from candlecast.fleet.one_thread import one_thread
from candlecast.fleet.refitting import RefitState, Refitting
from candlecast.nets.layers.recurrent import Stepper
from candlecast.process.forking import require_threads
from candlecast.targets import components, label

ROUNDING = 1e-12  # of scaled outcomes
FORECAST_BATCH = 1_024  # windows forecast at once: bounds memory, large enough for full speed


class StreamState(NamedTuple):
    """State of a stream: the net's `memory`, or the last `window` scaled `rows`; and how many defined rows came last, `run`.

    refit: what a linear part that is refitted has learnt; None where it stays as trained.
    """

    memory: tuple[np.ndarray, ...]
    rows: np.ndarray
    run: int
    refit: RefitState | None = None


@dataclass(frozen=True, eq=False)
class FittedNet(Unpickled):
    """The trained net of one job.

    job: the training.
    spec: how its net is built.
    weights: parameters and stored buffers by name.
    inputs, outcomes: the scalings that it was trained with.
    losses: training and validation loss of each epoch (epoch, 2); the latter NaN without validation.
    linear: the linear part that the net adds to; None where it forecasts alone. From the first test row on it is fitted anew
        where the spec says so: see `refitting`.
    kept: share of what the net adds to each target's forecast that is kept, (N,); None where it is kept whole.
    """

    job: Job
    spec: NetSpec
    weights: dict[str, Tensor]
    inputs: Scaling
    outcomes: Scaling
    losses: np.ndarray
    linear: LinearPart | None = None
    kept: np.ndarray | None = None

    @property
    def window(self) -> int:
        """Bars that a forecast looks at."""
        return self.spec.window

    @cached_property
    def net(self) -> Any:
        """The trained net, for batches of scaled windows; see `candlecast.nets`."""
        net = unfilled(self.spec, self.job, len(self.inputs.shift)).eval()
        self._require_own(net)
        net.load_state_dict({**net.state_dict(), **self.weights})  # the rest is as the factory makes it
        return net

    def _require_own(self, net: Any) -> None:
        """Raise RunError unless the weights are those of a net like this one: every parameter, each of its shape."""
        shapes = {name: _shape(value) for name, value in net.state_dict().items()}
        lacking = [name for name, _ in net.named_parameters() if name not in self.weights]
        others = [name for name, value in self.weights.items() if shapes.get(name) != _shape(value)]
        if lacking or others:
            name = (lacking + others)[0]
            found = f"of shape {_shape(self.weights[name])}" if name in self.weights else "not there"
            raise RunError(
                f"the weights are of another net: {name} is {found}, and the study's net has it "
                + (f"of shape {shapes[name]}" if name in shapes else "not"),
                expected="weights of a net of this study",
                remedy="Give the study that was run, or run it again",
            )

    @cached_property
    def refitting(self) -> Refitting | None:
        """How the linear part is fitted anew in the test part; None where it stays as trained."""
        if self.linear is None or self.linear.penalty is None or self.spec.refit is None:
            return None
        return Refitting(self.job, self.linear, self.inputs, self.outcomes, self.spec.refit)

    def forecast(self, samples: Samples, rows: np.ndarray, *, linear: np.ndarray | None = None) -> Prediction:
        """Forecasts made at the close of `rows` (rising), in the target's units.

        `linear`: the scaled forecasts of the linear part at these rows, (rows, N), where the samples do not hold all that it
        has learnt from; None: it is fitted anew by what they hold.
        """
        if linear is None and self.refitting is not None and len(rows):
            linear = self.refitting.forecast(samples, rows)
        linear = self._linear_of(samples.inputs, rows) if linear is None else linear
        return self._in_units(self._outputs(samples, rows), linear)

    def added(self, samples: Samples, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the net adds to the forecasts of `rows`, and what the linear part leaves of their outcomes: scaled, (rows, N)."""
        added = self._locations(self._outputs(samples, rows))
        left = self.outcomes.apply(samples.y[rows])
        linear = self._linear_of(samples.inputs, rows)
        return added, left - (self.spec.level if linear is None else linear)

    def keeping(self, kept: np.ndarray) -> FittedNet:
        """The same with another share of what the net adds, (N,). The net is not made again."""
        found = replace(self, kept=kept)
        found.__dict__.update({name: self.__dict__[name] for name in ("net", "_stepper") if name in self.__dict__})
        return found

    def _linear_of(self, features: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray | None:
        """The linear part of the forecasts of rows of the features, or of all of them, scaled (rows, N); None without one."""
        return None if self.linear is None else self.linear.of(features, self.inputs, rows)

    def _outputs(self, samples: Samples, rows: np.ndarray) -> np.ndarray:
        """Outputs of the net for all targets, float64 (rows, N O)."""
        require_threads()
        if not len(rows):
            return np.empty((0, len(self.outcomes.shift) * self.spec.head.outputs))
        with torch.no_grad(), forecasting(self.spec):
            outputs = self._carry(samples, rows) if self.is_carried else self._by_window(samples, rows)
        return outputs.double().numpy()

    def _locations(self, outputs: np.ndarray) -> np.ndarray:
        """The forecasts that outputs stand for, as scaled differences to the linear part: (rows, N)."""
        each = np.split(outputs, len(self.outcomes.shift), axis=1)
        found = np.column_stack([self.spec.head.predict(part, shift=0.0, scale=1.0).mean for part in each])
        return found - self.spec.level

    def start(self, at: int | None = None) -> StreamState:
        """The state before the first bar of a stream. Take a new one after a gap in the candles.

        at: row of that bar in the samples of the job, which say what a linear part that is refitted has learnt by then. None:
            the linear part stays as trained.
        """
        memory = self.net.start() if self._is_stepped else ()
        refit = None if at is None or self.refitting is None else self.refitting.start(at)
        return StreamState(memory, np.zeros((self.window, len(self.inputs.shift)), np.float32), 0, refit)

    def step(
        self, state: StreamState, row: np.ndarray, known: np.ndarray | None = None
    ) -> tuple[StreamState, Prediction]:
        """One new closed bar in, one forecast out, in constant time and memory.

        The forecast is made at the bar's close. It equals that of `forecast` for the same bars, to the rounding of float32.

        Args:
            state: from `start` or the step before.
            row: the bar's row of the feature array, float64 (column,), unscaled.
            known: the outcomes that are known at this close and were not before, those of the bar `horizon` bars ago, (N,),
                unscaled; None where there is none. A linear part that is refitted learns from them.

        Returns:
            The next state, and the forecast: one row in the target's units, NaN until `window` defined rows in succession.
        """
        require_threads()
        scaled = self.inputs.apply(row).astype(np.float32)
        is_defined = bool(np.isfinite(scaled).all())
        scaled = scaled if is_defined else np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0)
        run = state.run + 1 if is_defined else 0
        if self._is_stepped:
            output, memory = self._stepper(scaled, state.memory)
            state = StreamState(memory, state.rows, run, state.refit)
        else:
            state = StreamState((), np.concatenate([state.rows[1:], scaled[None]]), run, state.refit)
            with torch.no_grad(), one_thread(), forecasting(self.spec):
                output = self.net(torch.from_numpy(state.rows)[None])[0].numpy().ravel()
        linear = None
        if state.refit is not None and self.refitting is not None:
            fresh = (
                np.full(len(self.outcomes.shift), np.nan) if known is None else self.outcomes.apply(np.asarray(known))
            )
            is_whole = np.array([run >= self.job.samples.window])
            refit, linear = self.refitting.step(state.refit, self.inputs.apply(row)[None], is_whole, fresh[None])
            state = state._replace(refit=refit)
        outputs = output[None].astype(np.float64)
        outputs = outputs if run >= self.window else np.full_like(outputs, np.nan)
        return state, self._in_units(outputs, self._linear_of(row[None]) if linear is None else linear)

    def carry(self, memory: Any, inputs: np.ndarray, *, linear: np.ndarray | None = None) -> tuple[Any, Prediction]:
        """Forecasts at the close of bars that follow each other, and the net's memory after them: the bits of `forecast`.

        Args:
            memory: None before the first bar, or what this gave for the bars before. Begin anew after a gap.
            inputs: rows of the feature array, float64 (time, column), unscaled; `window` - 1 bars before the first that counts.
            linear: the scaled forecasts of a linear part that is refitted, (time, N); None: those of the linear part as trained.

        Returns:
            The memory, and one forecast for each bar, in the target's units.
        """
        require_threads()
        length, found = len(inputs), []
        with torch.no_grad(), forecasting(self.spec):
            for first in range(0, length, FORECAST_BATCH):
                part = inputs[first : first + FORECAST_BATCH]
                x = windows_tensor(part, np.array([len(part) - 1]), len(part), self.inputs)
                outputs, memory = self.net(x, memory, len(part))  # (1, T, N O)
                found.append(outputs[0])
        return memory, self.in_units(torch.cat(found).double().numpy(), inputs, linear)

    def in_units(self, outputs: np.ndarray, inputs: np.ndarray, linear: np.ndarray | None = None) -> Prediction:
        """The net's outputs for rows of the feature array, float64 (rows, N O), as forecasts in the target's units.

        `linear`: as for `carry`.
        """
        return self._in_units(outputs, self._linear_of(inputs) if linear is None else linear)

    @cached_property
    def _stepper(self) -> Stepper:
        return self.net.stepper()

    @property
    def is_carried(self) -> bool:
        """Whether forecasts carry a memory from bar to bar; otherwise each reads its own window."""
        return self.spec.fit.sampling == "sequence"

    @property
    def _is_stepped(self) -> bool:
        """Whether the net steps by a state of its own; other nets read the last rows again at each step."""
        return self.is_carried and hasattr(self.net, "stepper")

    def _in_units(self, outputs: np.ndarray, linear: np.ndarray | None) -> Prediction:
        """Outputs of the net for all targets, float64 (rows, N O), as forecasts in their units.

        `linear`: forecasts of the linear part, scaled (rows, N).
        """
        targets = components(self.job.samples.target)
        each = np.split(self._kept_of(outputs), len(targets), axis=1)  # each (rows, O)
        first, *others = (
            self.spec.head.predict(part, shift=shift, scale=scale)
            for part, shift, scale in zip(each, self._shifts(linear, outputs), self.outcomes.scale, strict=True)
        )
        return replace(first, others={label(t): other for t, other in zip(targets[1:], others, strict=True)})

    def _shifts(self, linear: np.ndarray | None, outputs: np.ndarray) -> Sequence[Any]:
        """What is added to the scaled forecast of each target, in its units: a number, or one for each row.

        What is naive but for rounding is naive, so that nets which have learnt nothing forecast the same.
        """
        moved = None if linear is None else linear - self.spec.level
        if self.kept is not None and not self.spec.head.is_location:
            moved = (0.0 if moved is None else moved) + (self.kept - 1.0) * self._locations(outputs)
        if moved is None:
            return self.outcomes.shift.tolist()
        found = self.outcomes.shift + self.outcomes.scale * moved
        return list(np.where(np.abs(found) < ROUNDING * self.outcomes.scale, 0.0, found).T)

    def _kept_of(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs of the net (rows, N O) of which the share `kept` of each location is left; see `Head.is_location`.

        The outputs of other heads stay: what is not kept of their forecasts is in the shifts.
        """
        if self.kept is None or not self.spec.head.is_location:
            return outputs
        found, width = outputs.copy(), self.spec.head.outputs
        found[:, ::width] += (self.kept - 1.0) * self._locations(outputs)
        return found

    @classmethod
    def from_tensors(cls, job: Job, spec: NetSpec, tensors: Mapping[str, np.ndarray]) -> FittedNet:
        """What `tensors()` was taken from."""
        names = ["losses", *(f"{side}.{part}" for side in ("inputs", "outcomes") for part in ("shift", "scale"))]
        if any(name.startswith("linear.") for name in tensors):
            names += [f"linear.{part}" for part in ("constant", "weights")]
        if "linear.penalty" in tensors or "linear.share" in tensors:
            names += ["linear.penalty", "linear.share"]
        lacking = [name for name in names if name not in tensors]
        if lacking:
            raise RunError(
                f"{lacking[0]} of {job.words} is not there",
                expected="all that was learnt",
                remedy="Run the study again",
            )
        weights = {name[4:]: torch.from_numpy(value) for name, value in tensors.items() if name.startswith("net.")}
        inputs, outcomes = (
            Scaling(tensors[f"{side}.shift"], tensors[f"{side}.scale"]) for side in ("inputs", "outcomes")
        )
        parts = {name.removeprefix("linear."): value for name, value in tensors.items() if name.startswith("linear.")}
        linear = LinearPart.of_parts(parts) if parts else None
        return cls(job, spec, weights, inputs, outcomes, tensors["losses"], linear, tensors.get("kept"))

    def tensors(self) -> dict[str, np.ndarray]:
        """All that was learnt, by name: weights, shift and scale of inputs and outcomes, the linear part, losses."""
        scalings = {"inputs": self.inputs, "outcomes": self.outcomes}
        return {
            "losses": self.losses,
            **{f"net.{name}": value.numpy() for name, value in self.weights.items()},
            **{f"{side}.shift": scaling.shift for side, scaling in scalings.items()},
            **{f"{side}.scale": scaling.scale for side, scaling in scalings.items()},
            **({} if self.linear is None else {f"linear.{name}": value for name, value in self.linear.parts().items()}),
            **({} if self.kept is None else {"kept": self.kept}),
        }

    def _by_window(self, samples: Samples, rows: np.ndarray) -> Tensor:
        found = []
        for first in range(0, len(rows), FORECAST_BATCH):
            x = windows_tensor(samples.inputs, rows[first : first + FORECAST_BATCH], self.window, self.inputs)
            outputs, _ = self.net(x)  # (B, 1, N O)
            found.append(outputs[:, 0])
        return torch.cat(found)

    def _carry(self, samples: Samples, rows: np.ndarray) -> Tensor:
        """One long read, from a burn-in before the first row to the last row; the memory is emptied at each gap."""
        segments = samples.candles.segments
        found = []
        for segment in np.unique(segments[rows]):
            inside = rows[segments[rows] == segment]
            opening = int(np.searchsorted(segments, segment))
            first = max(opening, int(inside[0]) - self.window + 1)
            state, start = None, first
            while start <= inside[-1]:
                stop = min(start + FORECAST_BATCH, int(inside[-1]) + 1)
                x = windows_tensor(samples.inputs, np.array([stop - 1]), stop - start, self.inputs)
                outputs, state = self.net(x, state, stop - start)  # (1, T, N O)
                wanted = inside[(inside >= start) & (inside < stop)]
                found.append(outputs[0, wanted - start])
                start = stop
        return torch.cat(found)


def _shape(value: Tensor) -> tuple[int, ...]:
    """The shape of a tensor as it is stored: a scalar has shape (1,)."""
    return tuple(value.shape) or (1,)
