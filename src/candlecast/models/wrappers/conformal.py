"""`Conformal`: an interval around the forecast of any model, from its own known errors."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from candlecast.dataset.folds import Fold
from candlecast.dataset.jobs import Job, Unpickled
from candlecast.dataset.prediction import Prediction, quantile_column, quantile_level
from candlecast.dataset.rows import Rows
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.events import Listener, ignore
from candlecast.models.model import Fitted, Model, require_learnable, require_model
from candlecast.models.wrappers.wrapped import Wrapped
from candlecast.parameters import is_whole, require_kinds, require_parameters
from candlecast.targets import Target, components, label

CALIBRATION_SHARE = 0.2  # of the training part, where a fold has no validation part


@dataclass(frozen=True)
class Conformal(Wrapped[Model]):
    """Quantiles of levels (1 - coverage) / 2 and 1 minus that, around the forecasts of a model that is wrapped.

    Split conformal prediction (Vovk et al. 2005): the later half of the fold's validation part is kept from the model, and its
    errors there are the first scores: y - m, in standard deviations where the model says `sigma`; beyond its own outermost
    quantiles where it says those (Romano, Patterson and Candes 2019). Markets change, so that such an interval would lose its
    coverage; hence each tail follows the adaptive rule of Gibbs and Candes (2021) with every outcome that becomes known in
    the test part: a <- a + step ((1 - coverage) / 2 - missed), and the bound at t is the 1 - a quantile of the last `memory`
    scores known by then, that is of bars up to t - horizon. Beyond the largest score it does not go.

    The wrapped models train together as one fleet. A bar before the end of the calibration gets the interval that was
    reached there. Raises ConfigError for a target that is no value; NotEnoughDataError when nothing is left to calibrate on.
    """

    model: Model
    coverage: float = 0.9
    memory: int = 500
    step: float = 0.01
    name: str = field(init=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        require_model(self.model)
        require_parameters(
            self,
            {
                "coverage": (0 < self.coverage < 1, "a share in (0, 1)"),
                "memory": (is_whole(self.memory, 20), "a whole number of bars, 20 or more"),
                "step": (0 <= self.step < 1, "a number in [0, 1)"),
            },
        )
        object.__setattr__(self, "name", f"conformal_{self.model.name}")

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[FittedConformal]:
        """Fit the wrapped model to all jobs, each without the rows that it is calibrated on."""
        self.require_target(jobs[0].samples.target)
        divided = [_divided(job)[0] for job in jobs]
        whole = {id(part): job for part, job in zip(divided, jobs, strict=True)}
        for fitted in self.model.fit(divided, progress=progress):
            yield FittedConformal(self, whole[id(fitted.job)], fitted)

    def require_target(self, target: Target) -> None:
        """Raise ConfigError for a target that is no value, or that the wrapped model cannot learn."""
        require_learnable(self.model, target)
        if target.kind != "value":
            raise ConfigError(
                f"{self.name} puts intervals around values, and the target {target.name} is a {target.kind}",
                expected="a target of values, as a return or a volatility",
                remedy="Use the model as it is: its probabilities show how sure it is",
            )

    def restore(self, job: Job, tensors: Mapping[str, np.ndarray]) -> FittedConformal:
        """The same from the wrapped model's tensors; the calibration follows from the candles."""
        return FittedConformal(self, job, self.model.restore(_divided(job)[0], tensors))


@dataclass(frozen=True, eq=False)
class FittedConformal(Unpickled):
    """The wrapped model as fitted to one job, and its errors on the rows that were kept from it."""

    recipe: Conformal
    job: Job
    fitted: Fitted

    @property
    def losses(self) -> np.ndarray:
        """Those of the wrapped model."""
        return self.fitted.losses

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Those of the wrapped model."""
        return self.fitted.tensors()

    def forecast(self, samples: Samples, rows: np.ndarray) -> Prediction:
        """The wrapped model's forecasts at the close of `rows`, with an interval from what was known by then."""
        if not len(rows):
            return self.fitted.forecast(samples, rows)
        times = samples.candles.close_time
        start = int(np.searchsorted(times, self.job.samples.candles.close_time[self.calibration[-1]], side="right"))
        followed = np.arange(start, rows[-1] + 1)
        followed = np.union1d(followed[samples.is_complete[start : rows[-1] + 1]], rows[rows >= start])
        every = np.union1d(followed, rows)
        said, first = self.fitted.forecast(samples, every), self._calibrated
        wanted = np.searchsorted(every, rows)
        is_known = samples.is_known[every] & (every >= start)
        results = [
            self._bounded(each, samples.y[every, place], scores, rows=every, is_known=is_known, wanted=wanted)
            for place, (each, scores) in enumerate(zip((said, *said.others.values()), first, strict=True))
        ]
        names = [label(target) for target in components(samples.target)[1:]]
        return replace(results[0], others=dict(zip(names, results[1:], strict=True)))

    @cached_property
    def calibration(self) -> np.ndarray:
        """Rows of the job's own samples that only the calibration sees, int64, rising."""
        return _divided(self.job)[1]

    @cached_property
    def _calibrated(self) -> list[np.ndarray]:
        """Scores of the calibration rows for each target: (2, rows), below and above."""
        samples, rows = self.job.samples, self.calibration
        said = self.fitted.forecast(samples, rows)
        return [_scores(each, samples.y[rows, place]) for place, each in enumerate((said, *said.others.values()))]

    def _bounded(
        self,
        said: Prediction,
        outcomes: np.ndarray,
        scores: np.ndarray,
        *,
        rows: np.ndarray,
        is_known: np.ndarray,
        wanted: np.ndarray,
    ) -> Prediction:
        """The forecasts of the `wanted` places with their intervals, once all `rows` were followed in order of time."""
        miss = (1 - self.recipe.coverage) / 2
        known = np.searchsorted(
            rows, rows - self.job.samples.horizon, side="right"
        )  # rows before this place are known at each row
        own = _scores(said, outcomes)
        reach = np.stack([self._followed(*pair, is_known, known, miss) for pair in zip(scores, own, strict=True)])
        low, high, spread = _edges(said)
        ends = np.sort([low - spread * reach[0], high + spread * reach[1]], axis=0)[:, wanted]
        columns = {name: values[wanted] for name, values in said.columns.items() if quantile_level(name) is None}
        levels = round(miss, 10), round(1 - miss, 10)
        return Prediction(said.mean[wanted], columns | dict(zip(map(quantile_column, levels), ends, strict=True)))

    def _followed(
        self, first: np.ndarray, own: np.ndarray, is_known: np.ndarray, known: np.ndarray, miss: float
    ) -> np.ndarray:
        """The score that the bound of each row allows, (rows,): one tail, step by step."""
        recent = deque(first[-self.recipe.memory :].tolist())
        ordered, level = sorted(recent), miss
        reach, seen = np.empty(len(own)), 0
        for row in range(len(own)):
            for past in range(seen, int(known[row])):
                if not is_known[past]:
                    continue
                score = float(own[past])
                level += self.recipe.step * (miss - (score > reach[past]))
                recent.append(score)
                insort(ordered, score)
                if len(recent) > self.recipe.memory:
                    del ordered[bisect_left(ordered, recent.popleft())]
            seen = int(known[row])
            place = math.ceil((len(ordered) + 1) * (1 - level))
            reach[row] = ordered[min(max(place, 1), len(ordered)) - 1]
        return reach


def _edges(said: Prediction) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the interval begins before anything is added to it, and the unit of what is added: three times (rows,)."""
    levels = {level: name for name in said.columns if (level := quantile_level(name)) is not None}
    if len(levels) > 1 and "sigma" not in said.columns:
        return said.columns[levels[min(levels)]], said.columns[levels[max(levels)]], np.ones(len(said.mean))
    return said.mean, said.mean, said.columns.get("sigma", np.ones(len(said.mean)))


def _scores(said: Prediction, outcomes: np.ndarray) -> np.ndarray:
    """How far each outcome lies below and above the edges, in their unit: (2, rows)."""
    low, high, spread = _edges(said)
    return np.stack([(low - outcomes) / spread, (outcomes - high) / spread])


def _divided(job: Job) -> tuple[Job, np.ndarray]:
    """The job of the wrapped model, and the learnable rows that are kept for calibration."""
    fold, horizon, samples = job.fold, job.samples.horizon, job.samples
    if len(fold.valid):
        rows = fold.valid.array
        first = rows[len(rows) // 2]
        divided = Fold(fold.index, fold.train, Rows.of(rows[rows < first - horizon]), fold.test)
    else:
        rows = fold.train.array
        first = rows[int(len(rows) * (1 - CALIBRATION_SHARE))]
        divided = Fold(fold.index, Rows.of(rows[rows < first - horizon]), Rows(), fold.test)
    kept = rows[(rows >= first) & samples.is_complete[rows] & samples.is_known[rows]]
    if not len(kept) or not len(divided.train):
        raise NotEnoughDataError(
            f"fold {fold.index} of {job.symbol} has {len(kept)} rows to calibrate on and {len(divided.train)} to learn from",
            expected="at least one of each",
            remedy="Give more candles, or folds with a larger validation part",
        )
    return replace(job, fold=divided), kept
