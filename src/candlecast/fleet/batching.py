"""What each step reads: sequences, the outcomes to learn, and how much each of them counts."""

from __future__ import annotations

import numpy as np
import torch

from candlecast.dataset.folds import Rows
from candlecast.dataset.jobs import Job, job_generator
from candlecast.features import Scaling
from candlecast.fleet.gather import gather_outcomes, gather_windows
from candlecast.fleet.net_spec import Blueprint


class Batch:
    """Sequences of K jobs, and what is to be learnt from them: filled on the host, job by job, read on the device.

    x (K, B, T, F), y and weight (K, B, tail, N). They stay in their place.
    """

    def __init__(self, jobs: int, sampler: Sampler, size: int, device: torch.device) -> None:
        shape = jobs, size, sampler.tail, sampler.targets
        self._host = torch.zeros(jobs, sampler.length, sampler.columns, size), torch.zeros(shape), torch.zeros(shape)
        self._device = tuple(part.to(device) for part in self._host)  # the host's own on CPU
        x, self.y, self.weight = self._device
        self.x = x.permute(0, 3, 1, 2)
        self.arrays = list(zip(*(part.numpy() for part in self._host), strict=True))  # of each job, see `Sampler`

    def send(self) -> None:
        """What was filled, to the device."""
        for placed, part in zip(self._device, self._host, strict=True):
            if placed is not part:
                placed.copy_(part)


class Sampler:
    """Draws the batches of one job.

    A sequence of `length` bars is read and the last `tail` of them are learnt: the window and 1, or, sampled in
    sequence, a burn-in of window - 1 bars and a chunk. Only rows that the job may learn from count.
    """

    def __init__(self, job: Job, blueprint: Blueprint, inputs: Scaling, outcomes: Scaling) -> None:
        fit = blueprint.fit
        self.tail = fit.chunk if fit.sampling == "sequence" else 1
        self.length = blueprint.window + self.tail - 1
        self.columns, self.targets = job.samples.inputs.shape[1], job.samples.y.shape[1]
        self._values, self._scaling, self._batch = job.samples.inputs, inputs, fit.batch
        self._outcomes = outcomes.apply(np.nan_to_num(job.samples.y)).astype(np.float32)  # (time, N)
        shares = [blueprint.head.sample_weight(each, job.train_rows) for each in job.samples.y.T]
        self._importance = (np.column_stack(shares) * job.samples.sample_weight).astype(np.float32)  # (time, N)
        self._fold, self._train_rows, self._valid_rows = job.fold, job.train_rows, job.valid_rows
        self._is_train, self._is_valid = (
            _among(rows, len(self._outcomes)) for rows in (job.train_rows, job.valid_rows)
        )
        self._generator = job_generator(job, purpose=1)

    def epoch(self) -> list[np.ndarray]:
        """Last rows of the sequences of each step of one epoch, newly shuffled: int64 arrays of at most (batch,)."""
        offset = int(self._generator.integers(self.tail))  # chunks are cut elsewhere in each epoch
        ends = self._generator.permutation(self._ends(self._train_rows, self._fold.train, offset))
        return [ends[first : first + self._batch] for first in range(0, len(ends), self._batch)]

    def validation(self) -> np.ndarray:
        """Last rows of the sequences that cover the validation rows once, int64."""
        return self._ends(self._valid_rows, self._fold.valid, 0)

    def fill_training(self, ends: np.ndarray, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
        """Write one training batch; see `_fill`."""
        self._fill(self._train_rows, self._is_train, ends, x, y, weight)

    def fill_validation(self, ends: np.ndarray, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
        """Write one validation batch; see `_fill`."""
        self._fill(self._valid_rows, self._is_valid, ends, x, y, weight)

    def _fill(
        self,
        counted: np.ndarray,
        is_counted: np.ndarray,
        ends: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
    ) -> None:
        """Write x (T, F, B), y (B, tail, N) and weight (B, tail, N) for sequences that end at rows `ends`; places left over
        get zeros and weight 0.
        """
        gather_windows(self._values, ends, self.length, self._scaling, x)
        gather_outcomes(self._outcomes, self._importance, is_counted, counted[0], ends, y, weight)
        x[..., len(ends) :] = 0.0
        weight[len(ends) :] = 0.0

    def _ends(self, rows: np.ndarray, part: Rows, offset: int) -> np.ndarray:
        """Last rows of sequences whose learnt bars cover `rows` once, the first of them cut `offset` bars early.

        Behind test rows the cut comes later instead, and leaves the bars before it out, so that none of the sequences
        reads farther back than the burn-in.
        """
        if self.tail == 1 or not len(rows):
            return rows
        ends = []
        for span in part.parts:
            inside = rows[np.searchsorted(rows, span.start) : np.searchsorted(rows, span.stop)]
            if len(inside):
                first = -offset if span.start < self._fold.test.first else -offset % self.tail
                ends.append(np.arange(inside[0] + self.tail - 1 + first, inside[-1] + self.tail, self.tail))
        return np.concatenate(ends)


def _among(rows: np.ndarray, count: int) -> np.ndarray:
    """Which of so many bars are among these rows: bool (time,)."""
    found = np.zeros(count, bool)
    found[rows] = True
    return found
