"""`Clock`: where one job stands in its training, its best weights so far, and when it stops."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from candlecast.fleet.batching import Sampler
from candlecast.fleet.settings import Fit


@dataclass
class Clock:
    """One job's progress. `losses` has a pair per epoch: training loss, validation loss (NaN without validation)."""

    sampler: Sampler
    fit: Fit
    batches: list[np.ndarray] = field(default_factory=list)
    position: int = 0
    losses: list[tuple[float, float]] = field(default_factory=list)
    best_loss: float = math.inf
    best_epoch: int = 0
    total: float = 0.0

    def __post_init__(self) -> None:
        self.batches = self.sampler.epoch()

    @property
    def epoch(self) -> int:
        """Epochs finished."""
        return len(self.losses)

    @property
    def lr(self) -> float:
        """Step size of the coming step."""
        if self.fit.schedule == "constant":
            return self.fit.lr
        done = (self.epoch + self.position / len(self.batches)) / self.fit.epochs
        return self.fit.lr * 0.5 * (1 + math.cos(math.pi * done))

    def next_batch(self) -> np.ndarray:
        """Last rows of the sequences of the coming step."""
        self.position += 1
        return self.batches[self.position - 1]

    def add_loss(self, loss: float) -> bool:
        """Note the training loss of a step; whether it ended an epoch."""
        self.total += loss
        return self.position == len(self.batches)

    def end_epoch(self, validation: float) -> tuple[bool, bool]:
        """Close an epoch with its validation loss (NaN without): whether it is the best so far, and whether it is the last.

        Without validation, or without patience, the newest epoch counts as the best.
        """
        self.losses.append((self.total / len(self.batches), validation))
        watches = self.fit.patience is not None and not math.isnan(validation)
        is_best = not watches or validation < self.best_loss
        if is_best:
            self.best_loss, self.best_epoch = validation, self.epoch
        is_stalled = watches and self.epoch - self.best_epoch >= (self.fit.patience or 0)
        is_last = self.epoch == self.fit.epochs or is_stalled
        if not is_last:
            self.batches, self.position, self.total = self.sampler.epoch(), 0, 0.0
        return is_best, is_last
