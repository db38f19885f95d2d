"""What each step reads: sequences, the outcomes to learn, and the weight of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
import torch

from candlecast.dataset.jobs import TrainingJob, job_generator
from candlecast.dataset.rows import Rows
from candlecast.features import Scaling, fit_scaling
from candlecast.fleet.gather import gather_outcomes, gather_windows
from candlecast.fleet.linear_part import LinearPart, fit_linear_part
from candlecast.fleet.net_spec import NetSpec
from candlecast.heads import Head
from candlecast.targets import components


class SequenceShape(NamedTuple):
    """A sequence: `length` bars of `columns` are read, and the `targets` outcomes of each of its last `tail` bars are learnt."""

    length: int
    columns: int
    tail: int
    targets: int


class Slot(NamedTuple):
    """One job's part of a batch, on the host: x (T, F, B), y and weight (B, tail, N), float32."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray


class Batch:
    """Sequences of K models, their outcomes and the weights of these. Samplers fill `slots`; `send` copies them to the device.

    x (K, B, T, F), y and weight (K, B, tail, N). The memory stays the same for the life of the batch.
    """

    def __init__(self, models: int, shape: SequenceShape, size: int, device: torch.device) -> None:
        outcomes = models, size, shape.tail, shape.targets
        self._host = (
            torch.zeros(models, shape.length, shape.columns, size),
            torch.zeros(outcomes),
            torch.zeros(outcomes),
        )
        self._device = tuple(part.to(device) for part in self._host)  # on CPU the host's own
        x, self.y, self.weight = self._device
        self.x = x.permute(0, 3, 1, 2)
        self.slots = [Slot(*parts) for parts in zip(*(part.numpy() for part in self._host), strict=True)]

    def send(self) -> None:
        """Copy the slots to the device, where it is not the host itself."""
        for placed, part in zip(self._device, self._host, strict=True):
            if placed is not part:
                placed.copy_(part)


class RowSet(NamedTuple):
    """Rows that count, int64, rising, and whether each bar is one of them, bool (time,)."""

    rows: np.ndarray
    is_member: np.ndarray


class Sampler:
    """Chooses the sequences of one job's batches, and writes them.

    Sampled by windows, a sequence is one window, and its last bar is learnt. Sampled in sequence, it is a burn-in of
    window - 1 bars and a chunk of bars that are all learnt. Outcomes count only at rows that the job may learn from.
    """

    def __init__(
        self,
        job: TrainingJob,
        spec: NetSpec,
        inputs: Scaling,
        outcomes: Scaling,
        linear: LinearPart | None = None,
    ) -> None:
        samples, fit = job.samples, spec.fit
        tail = fit.chunk_of(len(job.train_rows)) if fit.sampling == "sequence" else 1
        self.shape = SequenceShape(spec.window + tail - 1, samples.inputs.shape[1], tail, samples.y.shape[1])
        self._inputs, self._scaling, self._batch = samples.inputs, inputs, fit.batch
        y = outcomes.apply(np.nan_to_num(samples.y))  # (time, N)
        left = y if linear is None else y - (linear.of(samples.inputs, inputs) - spec.level)  # what the net is to learn
        self._y = left.astype(np.float32)
        by_head = [spec.head.sample_weight(each, job.train_rows) for each in samples.y.T]
        self._weights = (np.column_stack(by_head) * samples.sample_weight).astype(np.float32)  # (time, N)
        self._fold = job.fold
        self.train, self.valid = (_row_set(rows, len(self._y)) for rows in (job.train_rows, job.valid_rows))
        self._generator = job_generator(job, purpose=1)

    def again(self, job: TrainingJob) -> Sampler:
        """The sampler of another job on the same samples and fold, which shares all but the random numbers."""
        found = copy(self)
        found._generator = job_generator(job, purpose=1)
        return found

    def epoch(self) -> list[np.ndarray]:
        """Last rows of the sequences of each batch of one epoch, newly shuffled: int64 arrays of at most (batch,)."""
        offset = int(self._generator.integers(self.shape.tail))  # each epoch cuts its chunks elsewhere
        ends = self._ends(self.train.rows, self._fold.train, offset)
        if not len(ends):  # short parts after test rows, all of which the cut leaves out
            ends = self._ends(self.train.rows, self._fold.train, 0)
        ends = self._generator.permutation(ends)
        return [ends[first : first + self._batch] for first in range(0, len(ends), self._batch)]

    def validation(self) -> np.ndarray:
        """Last rows of the sequences that cover the validation rows once, int64."""
        return self._ends(self.valid.rows, self._fold.valid, 0)

    def fill(self, counted: RowSet, ends: np.ndarray, slot: Slot) -> None:
        """Write the sequences that end at rows `ends` to the slot; unused places of it get zeros and weight 0.

        Args:
            counted: the rows whose outcomes count, `train` or `valid`; the outcomes of others get weight 0.
            ends: last rows of the sequences, int64, no more than the slot has places.
            slot: written in place.
        """
        gather_windows(self._inputs, ends, self.shape.length, self._scaling, slot.x)
        gather_outcomes(self._y, self._weights, counted.is_member, counted.rows[0], ends, out=(slot.y, slot.weight))
        if len(ends) < len(slot.weight):
            slot.x[..., len(ends) :] = 0.0
            slot.weight[len(ends) :] = 0.0

    def _ends(self, rows: np.ndarray, part: Rows, offset: int) -> np.ndarray:
        """Last rows of sequences whose learnt bars cover `rows` once, the first of them cut `offset` bars early.

        After test rows the cut comes later instead, and leaves out the bars before it, so that no sequence reads farther
        back than the burn-in.
        """
        tail = self.shape.tail
        if tail == 1 or not len(rows):
            return rows
        ends = []
        for span in part.parts:
            inside = rows[np.searchsorted(rows, span.start) : np.searchsorted(rows, span.stop)]
            if len(inside):
                first = -offset if span.start < self._fold.test.first else -offset % tail
                ends.append(np.arange(inside[0] + tail - 1 + first, inside[-1] + tail, tail))
        return np.concatenate(ends)


class Filling:
    """Writes to a batch what each coming step reads: of each model, its sampler's sequences that end at `rows`."""

    def __init__(self, samplers: Sequence[Sampler], batch: Batch) -> None:
        self.samplers, self.batch = samplers, batch
        self.rows: Sequence[np.ndarray] = [np.empty(0, np.int64)] * len(samplers)

    def fill(self, thread: int, first: int, last: int) -> None:
        """The slots of the models first to last; for `share`."""
        for sampler, rows, slot in zip(
            self.samplers[first:last], self.rows[first:last], self.batch.slots[first:last], strict=True
        ):
            sampler.fill(sampler.train, rows, slot)


def scalings(job: TrainingJob, head: Head) -> tuple[Scaling, Scaling]:
    """Scaling of inputs and of outcomes, measured on the training rows of this job only."""
    samples = job.samples
    inputs = fit_scaling(samples.scalers, job.fold.train.of_all(samples.inputs))
    scalers = [head.scaling or target.scaling for target in components(samples.target)]
    return inputs, fit_scaling(scalers, samples.y[job.train_rows])


def linear_part(job: TrainingJob, spec: NetSpec, inputs: Scaling, outcomes: Scaling) -> LinearPart | None:
    """The linear part of a job in these scalings; None where the net forecasts alone."""
    if not spec.adds_linear:
        return None
    found = fit_linear_part(job, inputs, outcomes, horizon=job.samples.target.horizon)
    return found if spec.refit is not None and job.fold.is_in_time_order else found.fixed


def _row_set(rows: np.ndarray, bars: int) -> RowSet:
    is_member = np.zeros(bars, bool)
    is_member[rows] = True
    return RowSet(rows, is_member)
