"""`Job`: one training of one model on one (asset, fold, seed), and the rows it may use."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from candlecast.dataset.folds import Fold
from candlecast.dataset.rows import Rows
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.features import Scaler
from candlecast.targets import Target


class TrainingSamples(Protocol):
    """What training reads of samples; see `Samples`."""

    @property
    def inputs(self) -> np.ndarray:
        """Features of all bars (time, column)."""
        ...

    @property
    def y(self) -> np.ndarray:
        """Outcomes of all bars (time, N)."""
        ...

    @property
    def sample_weight(self) -> np.ndarray:
        """Weight of each outcome in training (time, N)."""
        ...

    @property
    def scalers(self) -> Sequence[Scaler]:
        """How each column of the inputs is scaled."""
        ...

    @property
    def naive(self) -> np.ndarray:
        """The naive forecast of the first target, (time,)."""
        ...

    @property
    def target(self) -> Target:
        """What is forecast."""
        ...


class TrainingJob(Protocol):
    """What training reads of a job: a `Job`, or the jobs of several assets that share one net."""

    @property
    def samples(self) -> TrainingSamples:
        """Inputs and outcomes."""
        ...

    @property
    def fold(self) -> Fold:
        """The division of their rows."""
        ...

    @property
    def symbol(self) -> str:
        """The asset, or all of them."""
        ...

    @property
    def key(self) -> str:
        """A name that is unique among the jobs that train together."""
        ...

    @property
    def words(self) -> str:
        """The same for people."""
        ...

    @property
    def seed(self) -> int:
        """Seed of all that is random in the training."""
        ...

    @property
    def lr(self) -> float | None:
        """A step size of its own; that of the recipe when None."""
        ...

    @cached_property
    def train_rows(self) -> np.ndarray:
        """Rows to learn from, int64, rising, at least one."""
        ...

    @cached_property
    def valid_rows(self) -> np.ndarray:
        """Rows for early stopping; may be empty."""
        ...


@dataclass(frozen=True, eq=False)
class Job:
    """One (asset, fold, seed) training. Row arrays are int64, rising: bars with a whole window and a known outcome.

    `lr`: a step size of its own, for a net; that of its recipe when None.
    """

    samples: Samples
    fold: Fold
    seed: int
    lr: float | None = None

    @property
    def symbol(self) -> str:
        """The asset."""
        return self.samples.candles.symbol

    @property
    def key(self) -> str:
        """A name that is unique in a walk: `BTCUSDT/fold-3/seed-0`."""
        return f"{self.symbol}/fold-{self.fold.index}/seed-{self.seed}"

    @property
    def words(self) -> str:
        """The same for people: `BTCUSDT, fold 3, seed 0`."""
        return f"{self.symbol}, fold {self.fold.index}, seed {self.seed}"

    def of(self, target: Target) -> Job:
        """The same training for one of the targets of `Several`."""
        return replace(self, samples=self.samples.of(target))

    @cached_property
    def train_rows(self) -> np.ndarray:
        """Rows to learn from. Raises NotEnoughDataError when there is none."""
        return self._require_rows(self._learnable(self.fold.train))

    @cached_property
    def valid_rows(self) -> np.ndarray:
        """Rows for early stopping; may be empty."""
        return self._learnable(self.fold.valid)

    @cached_property
    def fit_rows(self) -> np.ndarray:
        """Rows to learn from for a model that does not stop early."""
        return self._require_rows(self._learnable(self.fold.fit))

    @cached_property
    def fit_stretches(self) -> list[np.ndarray]:
        """The same, in stretches without tested rows in between."""
        rows = self.fit_rows
        if len(self.fold.fit.parts) == 1:
            return [rows]
        found = [rows[(rows >= part.start) & (rows < part.stop)] for part in self.fold.fit.parts]
        return [stretch for stretch in found if len(stretch)]

    @cached_property
    def test_rows(self) -> np.ndarray:
        """Rows to forecast: every bar of the test part with a whole window, its outcome known or not."""
        return self.samples.forecastable(self.fold.test)

    def _learnable(self, part: Rows) -> np.ndarray:
        return self.samples.learnable(part)

    def _require_rows(self, rows: np.ndarray) -> np.ndarray:
        if not len(rows):
            raise NotEnoughDataError(
                f"fold {self.fold.index} of {self.symbol} has no whole window with a known outcome to learn from",
                expected="at least one",
                remedy="Give more candles, a shorter window, or fewer folds",
            )
        return rows


class Unpickled:
    """Base of fitted models: they are sent and stored as tensors, never pickled.

    Features and fits are functions, which cannot be pickled; and reading a pickle runs code.
    """

    job: Any

    def __reduce__(self) -> Any:
        """Raises ConfigError."""
        raise ConfigError(
            f"the {type(self).__name__} of {self.job.words} cannot be pickled",
            expected="its tensors, which are NumPy arrays, to be sent or stored instead",
            remedy="Send fitted.tensors(), plan the same jobs there, and call model.restore(job, tensors); or keep the whole "
            "run with result.save(folder), and read it by load_run(folder)",
        )


def job_generator(job: TrainingJob, purpose: int) -> np.random.Generator:
    """The job's own generator for one purpose: depends on asset, fold and seed, not on what else is trained."""
    return np.random.default_rng([job.seed, job.fold.index, zlib.crc32(job.symbol.encode()), purpose])
