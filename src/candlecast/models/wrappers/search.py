"""`Search`: hyper-parameters chosen inside each training part, by Optuna; the test part is never seen."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from candlecast.dataset.folds import nested
from candlecast.dataset.jobs import Job, Unpickled
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError
from candlecast.events import Listener, Progress, ignore
from candlecast.ledger import Searched
from candlecast.models.model import Fitted, Model
from candlecast.models.net import NetModel
from candlecast.parameters import is_whole, require_parameters
from candlecast.process.shared import Shared

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Search:
    """The best of `trials` configurations, for each asset and fold by itself (Akiba et al. 2019; nested: Varma and Simon 2006).

    `space(trial)` makes a model of what Optuna suggests:

        def space(trial):
            training = cc.Fit(lr=trial.suggest_float("lr", 1e-4, 1e-2, log=True))
            return cc.LSTM(hidden=trial.suggest_categorical("hidden", [8, 16, 32]), training=training)

        cc.Search(space, trials=20, window=32)

    Each is trained on the first 60 % of the fold's training part, stopped by the next 20 % and scored on the last 20 %, its
    labels purged in between. The best is then trained on the whole training part, for every seed. `at_once` configurations
    are suggested before the first of them is scored; those that differ in nothing but their step size train as one fleet, over
    all folds and assets. `window` is the longest among them. Needs the extra `optuna`.

    The configuration that is chosen for each fold is kept, and written into the ledger. The others do not count as trials, since
    no choice has seen the test part: the search is one trial. They are not kept either: they are scored on bars that an earlier
    fold, or another study, tests, and who knew their errors could choose by these.
    """

    space: Callable[[optuna.Trial], Model]
    trials: int = 20
    at_once: int = 10
    window: int = 32
    name: str = "search"

    def __post_init__(self) -> None:
        require_parameters(
            self,
            {
                "space": (callable(self.space), "a function of an Optuna trial that makes a model"),
                "trials": (is_whole(self.trials), "a whole number, 1 or more"),
                "at_once": (is_whole(self.at_once), "a whole number, 1 or more"),
                "window": (is_whole(self.window), "a whole number of bars, 1 or more"),
            },
        )

    @property
    def is_seeded(self) -> bool:
        """Whether trainings with other seeds give other results."""
        return True

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[FittedSearch]:
        """Choose for every asset and fold, then train the choice for each of its jobs."""
        groups: dict[tuple[str, int], list[Job]] = {}
        for job in jobs:
            groups.setdefault((job.symbol, job.fold.index), []).append(job)
        inner = [
            replace(group[0], fold=nested(group[0].fold, horizon=group[0].samples.horizon)) for group in groups.values()
        ]
        chosen: dict[int, Searched] = {}
        models: dict[int, Model] = {}
        for group, found in zip(groups.values(), self._best(inner, progress), strict=True):
            model = self.made_of(found)
            models |= {id(job): model for job in group}
            chosen |= {id(job): found for job in group}
        for fitted, job in _fitted([(models[id(job)], job) for job in jobs], progress):
            yield FittedSearch(fitted, job, chosen[id(job)])

    def restore(self, job: Job, tensors: Mapping[str, np.ndarray]) -> FittedSearch:
        """What `fit` made of the job, from its `tensors()`."""
        chosen = Searched(**json.loads(bytes(tensors["search"])))
        own = {name: value for name, value in tensors.items() if name != "search"}
        return FittedSearch(self.made_of(chosen).restore(job, own), job, chosen)

    def made_of(self, chosen: Searched) -> Model:
        """The model of a configuration that was chosen."""
        return self._made(_optuna().trial.FixedTrial(dict(chosen.parameters)))

    def _best(self, inner: Sequence[Job], progress: Listener) -> list[Searched]:
        """The configuration of least error in each of the inner jobs."""
        optuna = _optuna()
        with _silent.block():
            studies = [optuna.create_study(sampler=optuna.samplers.TPESampler(seed=_seed(job))) for job in inner]
            for first in range(0, self.trials, self.at_once):
                count = min(self.at_once, self.trials - first)
                asked = [
                    (study, job, study.ask()) for study, job in zip(studies, inner, strict=True) for _ in range(count)
                ]
                tried = [(self._made(trial), replace(job)) for _, job, trial in asked]
                errors = {id(job): _error(fitted, job) for fitted, job in _fitted(tried, ignore)}
                for (study, _, trial), (_, job) in zip(asked, tried, strict=True):
                    study.tell(trial, errors[id(job)])
                progress(Progress("search", first + count, self.trials, f"{len(inner)} training parts"))
        return [
            Searched(job.symbol, job.fold.index, study.best_trial.number, study.best_params, study.best_value)
            for study, job in zip(studies, inner, strict=True)
        ]

    def _made(self, trial: Any) -> Model:
        model = self.space(trial)
        if not callable(getattr(model, "fit", None)) or not is_whole(getattr(model, "window", None)):
            raise ConfigError(
                f"the space of {self.name} made a {type(model).__name__}",
                expected="a model, such as cc.LSTM(...)",
                remedy="Return a model from the function",
            )
        if model.window > self.window:
            raise ConfigError(
                f"the space of {self.name} made a model with a window of {model.window} bars",
                expected=f"at most {self.window}, by which rows and folds were chosen",
                remedy=f"Use Search(..., window={model.window})",
            )
        return model


@dataclass(frozen=True, eq=False)
class FittedSearch(Unpickled):
    """What the chosen model learnt, and the configuration that was `chosen`."""

    fitted: Fitted
    job: Job
    chosen: Searched

    @property
    def losses(self) -> np.ndarray:
        """Those of the chosen model."""
        return self.fitted.losses

    def forecast(self, samples: Samples, rows: np.ndarray) -> Prediction:
        """Forecasts made at the close of `rows` (rising), in the target's units."""
        return self.fitted.forecast(samples, rows)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """All that `Search.restore` needs."""
        chosen = json.dumps(asdict(self.chosen)).encode()
        return {**self.fitted.tensors(), "search": np.frombuffer(chosen, np.uint8)}


def _fitted(tried: Sequence[tuple[Model, Job]], progress: Listener) -> Iterator[tuple[Fitted, Job]]:
    """Each job fitted by its model, with the job it was given as; nets that differ only in their step size as one fleet."""
    fleets: dict[Model, dict[int, Job]] = {}
    given: dict[int, Job] = {}
    for model, job in tried:
        if isinstance(model, NetModel):
            alike, own = model.without_lr(), replace(job, lr=model.training.lr)
        else:
            alike, own = model, job
        fleets.setdefault(alike, {})[id(own)] = own
        given[id(own)] = job
    done = 0
    for model, jobs in fleets.items():

        def listen(event: Progress, before: int = done, share: int = len(jobs)) -> None:
            progress(Progress("train", before + share * event.done / event.total, len(tried), event.detail))

        for fitted in model.fit(list(jobs.values()), progress=listen):
            yield fitted, given[id(fitted.job)]
        done += len(jobs)


def _error(fitted: Fitted, job: Job) -> float:
    """Mean squared error over naive's, on the test rows of the inner fold."""
    rows = job.test_rows[job.samples.is_known[job.test_rows]]
    outcome = job.samples.outcomes[rows]
    mistakes, naive = outcome - fitted.forecast(job.samples, rows).mean, outcome - job.samples.naive[rows]
    return float((mistakes @ mistakes) / (naive @ naive))


def _seed(job: Job) -> int:
    return zlib.crc32(f"{job.key} search".encode())


class _Silent(Shared):
    """Optuna's own lines about each trial are left out."""

    _level: int | None = None

    def make(self) -> None:
        if self._level is None:
            self._level = _optuna().logging.get_verbosity()
        _optuna().logging.set_verbosity(_optuna().logging.WARNING)

    def undo(self) -> None:
        _optuna().logging.set_verbosity(self._level)
        self._level = None


_silent = _Silent()


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(
            "Optuna is not installed",
            expected="the extra optuna",
            remedy="Install it with: pip install 'candlecast[optuna]'",
        ) from error
    return optuna
