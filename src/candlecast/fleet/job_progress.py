"""`JobProgress`: how far one job has trained, its best epoch so far, and when it stops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from candlecast.fleet.settings import Fit


class JobProgress(NamedTuple):
    """One job part way through training.

    batches: last rows of the sequences of each batch of the running epoch.
    position: batches of it that are done.
    total: sum of their training losses.
    losses: training and validation loss of each finished epoch; the latter NaN without validation.
    best_loss, best_epoch: of the epoch whose weights are kept; epochs are counted from 1.
    """

    batches: Sequence[np.ndarray]
    position: int
    total: float
    losses: tuple[tuple[float, float], ...]
    best_loss: float
    best_epoch: int

    @property
    def rows(self) -> np.ndarray:
        """Last rows of the sequences of the coming batch."""
        return self.batches[self.position]

    @property
    def is_epoch_over(self) -> bool:
        """Whether the running epoch has no batch left."""
        return self.position == len(self.batches)


class Epoch(NamedTuple):
    """What the end of an epoch means for its job: whether its weights are the best so far, and whether the job stops."""

    is_best: bool
    is_last: bool


def start(batches: Sequence[np.ndarray]) -> JobProgress:
    """A job before its first step, with the batches of its first epoch."""
    return JobProgress(batches, 0, 0.0, (), math.inf, 0)


def step(progress: JobProgress, loss: float) -> JobProgress:
    """After one more batch with that training loss."""
    batches, position, total, losses, best_loss, best_epoch = progress
    return JobProgress(batches, position + 1, total + loss, losses, best_loss, best_epoch)


def end_epoch(progress: JobProgress, validation: float, fit: Fit) -> tuple[JobProgress, Epoch]:
    """After an epoch with that validation loss, NaN without validation.

    Without validation, or without `fit.patience`, the newest epoch counts as the best.

    >>> first, epoch = end_epoch(step(start([np.array([7])]), 0.5), 0.4, Fit(patience=1))
    >>> first.losses, epoch
    (((0.5, 0.4),), Epoch(is_best=True, is_last=False))
    >>> _, epoch = end_epoch(step(next_epoch(first, [np.array([7])]), 0.3), 0.6, Fit(patience=1))
    >>> epoch
    Epoch(is_best=False, is_last=True)
    """
    losses = (*progress.losses, (progress.total / len(progress.batches), validation))
    is_watched = fit.patience is not None and not math.isnan(validation)
    is_best = not is_watched or validation < progress.best_loss
    best_loss, best_epoch = (validation, len(losses)) if is_best else (progress.best_loss, progress.best_epoch)
    is_stalled = is_watched and len(losses) - best_epoch >= (fit.patience or 0)
    ended = progress._replace(losses=losses, best_loss=best_loss, best_epoch=best_epoch)
    return ended, Epoch(is_best, is_last=len(losses) == fit.epochs or is_stalled)


def next_epoch(progress: JobProgress, batches: Sequence[np.ndarray]) -> JobProgress:
    """The same job at the start of its next epoch, with the batches of that epoch."""
    return progress._replace(batches=batches, position=0, total=0.0)


def step_size(progress: JobProgress, fit: Fit) -> float:
    """Step size of the coming step."""
    if fit.schedule == "constant":
        return fit.lr
    done = (len(progress.losses) + progress.position / len(progress.batches)) / fit.epochs
    return fit.lr * 0.5 * (1 + math.cos(math.pi * done))
