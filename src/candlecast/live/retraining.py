"""Training once more during a session: on everything known by a bar, swapped in at a later close."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.folds import Fold
from candlecast.dataset.jobs import Job
from candlecast.dataset.latest import latest_fold
from candlecast.dataset.samples import make_samples
from candlecast.disk.files import put_flushed, read_regular
from candlecast.errors import RunError
from candlecast.events import ignore
from candlecast.live.generations import Generation
from candlecast.models import Fitted
from candlecast.study.fitted import Parts
from candlecast.targets import Target


@dataclass(frozen=True)
class Trainer:
    """What every training of a session has in common."""

    parts: Parts
    target: Target
    window: int
    seeds: tuple[int, ...]
    last: Fold

    def jobs(self, candles: Candles, index: int) -> list[Job]:
        """The trainings on everything known by the last of the candles."""
        samples = make_samples(candles, features=self.parts.features, target=self.target, window=self.window)
        fold = latest_fold(
            self.parts.folds,
            self.last,
            times=candles.close_time,
            usable=samples.usable,
            horizon=self.target.horizon,
            index=index,
        )
        return [Job(samples, fold, seed) for seed in self.seeds]

    def fit(self, candles: Candles, index: int) -> list[Fitted]:
        """All of them trained, as one fleet, in the order of the seeds."""
        jobs = self.jobs(candles, index)
        fitted = {each.job.seed: each for each in self.parts.model.fit(jobs, progress=ignore)}
        return [fitted[job.seed] for job in jobs]

    def restored(self, candles: Candles, index: int, since: np.datetime64, path: Path) -> Generation:
        """Models that were trained on these candles, from their stored tensors. Raises RunError."""
        from candlecast.runs.tables import read_arrays

        jobs = self.jobs(candles, index)
        try:
            arrays = read_arrays(read_regular(path))
        except (FileNotFoundError, ValueError) as error:
            raise RunError(
                f"the trained models {path} cannot be read ({error})",
                expected="the file that the session wrote",
                remedy="Restore it from a copy, or begin a new session with another name",
            ) from error
        fitted = []
        for job in jobs:
            own = {name.split("|", 1)[1]: value for name, value in arrays.items() if name.startswith(f"{job.seed}|")}
            fitted.append(self.parts.model.restore(job, own))
        return Generation(index, since, tuple(jobs), tuple(fitted))


class Background:
    """One training at a time, on a thread of its own."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="candlecast-refit")
        self._running: Future[list[Fitted]] | None = None

    @property
    def is_running(self) -> bool:
        """Whether a training was begun and not taken yet."""
        return self._running is not None

    def begin(self, candles: Candles, index: int) -> None:
        """Begin a training."""
        self._running = self._pool.submit(self._trainer.fit, candles, index)

    def taken(self, *, wait: bool) -> list[Fitted] | None:
        """What was trained, once it is; None before. Raises what the training raised."""
        if self._running is None or not (wait or self._running.done()):
            return None
        running, self._running = self._running, None
        return running.result()

    def close(self) -> None:
        """Give up what is running."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def save_tensors(path: Path, fitted: Sequence[Fitted]) -> None:
    """Write the tensors of models, one for each seed, to one file, completely or not at all. Raises OSError."""
    from safetensors.numpy import save

    tensors: dict[str, Any] = {
        f"{each.job.seed}|{name}": np.ascontiguousarray(value)
        for each in fitted
        for name, value in each.tensors().items()
    }
    put_flushed(path, save(tensors))
