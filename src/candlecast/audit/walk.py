"""The stages of a study on given candles: features, target, scaling, weights, forecasts, positions, account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

import numpy as np

from candlecast.audit.stage import Stage, stages_of
from candlecast.backtesting import Costs
from candlecast.backtesting.simulate import account_table
from candlecast.candles import Candles
from candlecast.dataset.folds import Folds
from candlecast.dataset.forecast import Forecast
from candlecast.dataset.jobs import Job
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import Samples, make_samples
from candlecast.errors import ConfigError
from candlecast.events import Listener, ignore
from candlecast.features import Features
from candlecast.models import Fitted, Model
from candlecast.signals.rule import decide
from candlecast.targets import Target, bars_until_known, components, label, sample_weight
from candlecast.walkforward.walk import forecast_frame, moments_of


def features_of(features: Features, candles: Candles) -> Stage:
    """All columns, known at the close of each bar."""
    return _of_columns(features, features.compute(candles), candles)


def inputs_of(samples: Samples) -> Stage:
    """The same as `features_of`, of samples, which hold them."""
    return _of_columns(samples.features, samples.inputs, samples.candles)


def _of_columns(features: Features, values: np.ndarray, candles: Candles) -> Stage:
    pairs = zip(features.columns, values.T, strict=True)
    return Stage.of("features", ((name, candles.close_time, each) for name, each in pairs))


def target_of(target: Target, candles: Candles, *, samples: Samples | None = None) -> Stage:
    """Outcomes and their weights, when each is known, and naive forecasts at the close of each bar.

    `samples`: of these candles and this target, which hold most of it.
    """
    bars = np.arange(len(candles))
    columns = []
    for number, part in enumerate(components(target)):
        known = bars + bars_until_known(part, candles)
        times = np.full(len(candles), np.datetime64("NaT", "us"))
        times[known < len(candles)] = candles.close_time[known[known < len(candles)]]
        outcomes = part.values(candles) if samples is None else samples.y[:, number]
        weights = sample_weight(part, candles) if samples is None else samples.sample_weight[:, number]
        naive = part.naive(candles) if samples is None or number else samples.naive
        columns += [
            (f"outcome of {label(part)}", times, np.asarray(outcomes)),
            (f"weight of {label(part)}", times, np.asarray(weights)),
            (f"naive forecast of {label(part)}", candles.close_time, np.asarray(naive)),
        ]
    return Stage.of("target", columns)


def require_study(study: object, *, takes_functions: bool = False) -> bool:
    """Whether it is a study; False for a function, where those are taken. Raises ConfigError for anything else."""
    is_thing = not isinstance(study, type)
    is_study = is_thing and hasattr(study, "completed") and hasattr(study, "model")
    if not is_study and not (takes_functions and is_thing and callable(study)):
        or_function = ", or a function of candles that gives the tables of its stages" if takes_functions else ""
        raise ConfigError(
            f"study is {study!r:.80}",
            expected=f"a Study{or_function}",
            remedy="Make one, such as cc.Study(cc.LSTM())",
        )
    return is_study


class CompletedStudy(Protocol):
    """What an audit reads of a study whose features and rule are chosen; see `Study.completed`."""

    @property
    def model(self) -> Model: ...

    @property
    def baseline_models(self) -> tuple[Model, ...]: ...

    @property
    def features(self) -> Any: ...

    @property
    def target(self) -> Target: ...

    @property
    def folds(self) -> Folds: ...

    @property
    def rule(self) -> Any: ...

    @property
    def costs(self) -> Costs: ...

    @property
    def cash(self) -> float: ...

    @property
    def judged_from(self) -> datetime | None: ...

    def recipe(self, candles: Candles, *, seed: int = 0) -> dict[str, Any]: ...


@dataclass(frozen=True, eq=False)
class Walk:
    """A completed study with its first seed's trainings, one for each fold; `fitted` in the order of `jobs`."""

    study: CompletedStudy
    jobs: Sequence[Job]
    fitted: Sequence[Fitted]
    known_trading: dict[tuple[int, ...], tuple[Stage, Stage]] = field(
        default_factory=dict
    )  # on the studied candles, by folds
    known_moments: dict[int, tuple[float, float, float]] = field(default_factory=dict)  # of signals, by fold

    @property
    def samples(self) -> Samples:
        """The samples of all jobs."""
        return self.jobs[0].samples

    @property
    def candles(self) -> Candles:
        """The candles that were studied."""
        return self.samples.candles

    def samples_of(self, candles: Candles) -> Samples:
        """The same samples of other candles."""
        return make_samples(
            candles, features=self.samples.features, target=self.study.target, window=self.samples.window
        )

    def learnt(self, fitted: Sequence[Fitted], part: str) -> Stage:
        """What was learnt in each fold in the order of time, used from its first tested bar on.

        part: "scaling" (shift and scale of inputs and outcomes) or "weights" (everything else; for a model without tensors
        its forecasts of the tested bars).
        """
        columns = []
        for each in fitted:
            if not each.job.fold.is_in_time_order:
                continue
            time = self.candles.close_time[each.job.fold.test.first - 1]
            tensors = {
                name: np.asarray(values, np.float64).ravel()
                for name, values in each.tensors().items()
                if name.startswith(("inputs.", "outcomes.")) == (part == "scaling")
            }
            if part == "weights" and not each.tensors():
                own = next(job for job in self.jobs if job.fold.index == each.job.fold.index)
                tensors = {"forecasts": numbers_of(each.forecast(own.samples, own.test_rows)).ravel()}
            for name, values in tensors.items():
                columns.append((f"{name} of fold {each.job.fold.index}", np.full(len(values), time), values))
        return Stage.of(part, columns)

    def refitted(self, jobs: Sequence[Job], progress: Listener = ignore) -> list[Fitted]:
        """The model learnt again from other jobs, by fold."""
        return sorted(self.study.model.fit(jobs, progress=progress), key=lambda each: each.job.fold.index)

    def forecasts_of(self, samples: Samples, last: int, *, folds: Sequence[int]) -> Stage:
        """Forecasts of the tested bars of some folds up to bar `last`, made from these samples by the original nets."""
        stages = []
        for job, fitted in zip(self.jobs, self.fitted, strict=True):
            rows = job.test_rows[job.test_rows <= last]
            if job.fold.index in folds and len(rows):
                for number, values in enumerate(numbers_of(fitted.forecast(samples, rows))):
                    name = f"forecast of fold {job.fold.index}" + (f", number {number}" if number else "")
                    stages.append((name, samples.candles.close_time[rows], values))
        return Stage.of("forecasts", stages)

    def forecast(self, samples: Samples, *, folds: Sequence[int]) -> Forecast:
        """The forecast of the tested bars of some folds, made from these samples by the original nets."""
        pairs = [pair for pair in zip(self.jobs, self.fitted, strict=True) if pair[0].fold.index in folds]
        name = self.study.model.name
        frames = [
            forecast_frame(fitted, name, job=replace(job, samples=samples), moments=self._moments(fitted))
            for job, fitted in pairs
        ]
        return Forecast.joined(frames, components(self.study.target)[0].horizon)

    def traded(self, samples: Samples, *, folds: Sequence[int]) -> tuple[Stage, Stage]:
        """Positions and the account that follow from forecasts of some folds, made from these samples by the original nets."""
        key = tuple(folds)
        if samples is self.samples and key in self.known_trading:
            return self.known_trading[key]
        forecast = self.forecast(samples, folds=folds)
        positions = decide(self.study.rule, forecast, samples.candles, costs=self.study.costs)
        equity = account_table(samples.candles, positions, costs=self.study.costs, cash=self.study.cash)
        tables = {
            "positions": positions.frame.select("time", "position"),
            "orders": equity.select("time", "equity", "position", "units", "cost"),
        }
        held, account = stages_of(tables, samples.candles).values()
        if samples is self.samples:
            self.known_trading[key] = held, account
        return held, account

    def _moments(self, fitted: Fitted) -> tuple[float, float, float]:
        """The moments of a fold's signal on its own samples, whichever samples it forecasts now."""
        fold = fitted.job.fold.index
        if fold not in self.known_moments:
            self.known_moments[fold] = moments_of(fitted)
        return self.known_moments[fold]


def of_fold(stage: Stage, fold: int) -> Stage:
    """The columns of one fold of a stage of what was learnt."""
    columns = {name: column for name, column in stage.columns.items() if name.endswith(f" of fold {fold}")}
    return Stage(stage.name, columns)


def numbers_of(prediction: Prediction) -> np.ndarray:
    """All numbers of a forecast, (column, row)."""
    others = [numbers_of(other) for other in prediction.others.values()]
    return np.concatenate([np.array([prediction.mean, *prediction.columns.values()]), *others])
