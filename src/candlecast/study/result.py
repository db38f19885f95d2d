"""`StudyResult`: what came out of a study of one asset, and the verdict on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.audit import AuditReport
from candlecast.backtesting import BacktestResult, Costs, backtest
from candlecast.backtesting.validation import require_cash, require_kind
from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError, NotEnoughDataError, RunError
from candlecast.evaluation.accuracy import accuracy, accuracy_by_part, skills
from candlecast.evaluation.ageing import accuracy_by_age
from candlecast.evaluation.beside import further_trials, trials_of_baselines
from candlecast.evaluation.conditions import NO_AUDIT, Conditions, conditions_of
from candlecast.evaluation.following import follows_forecast
from candlecast.evaluation.trial_count import TrialCount, counted_among, recorded
from candlecast.evaluation.trials import Subject, begin, has_own_target, trial_of
from candlecast.evaluation.verdict import Verdict, judge
from candlecast.events import Listener, ignore
from candlecast.ledger import Ledger, Searched, Trial, as_ledger
from candlecast.models import Fitted
from candlecast.recipes import describe, restore
from candlecast.recipes.describing import identities
from candlecast.signals import Positions, Rule
from candlecast.signals.positions import PositionsByModel
from candlecast.sources.source import moment
from candlecast.study.computed import computed_of
from candlecast.study.deciding import positions_by_model
from candlecast.study.seal import OF_STUDY, digests_of, digests_of_view, replaced_parts
from candlecast.targets import Target, primary
from candlecast.targets.words import described
from candlecast.text.formatting import count as count_words
from candlecast.text.notebook import notebook_paragraph
from candlecast.walkforward.tables import is_in_time_order, trains_by_place, untested

if TYPE_CHECKING:
    from candlecast.study.next_bar import NextBar
    from candlecast.study.study import Study

LEVEL = 0.95  # of intervals
FORECASTS = ("forecasts", "target", "model", "seed")  # what tables of accuracy depend on
TRADING = ("candles", "positions", "costs", "cash", "model")  # what backtests depend on


@dataclass(frozen=True, eq=False)
class StudyResult:
    """Everything a study found on one asset. Tables, judgements and figures follow from what is held here.

    `recipe` is the study as JSON values; `forecasts` and `positions` are by model, the baselines first (`backtest` and
    `break_even` take the studied model's of the latter); `folds` has one
    row per fold (`fold`, `train_first`, `train_last`, `test_first`, `test_last`: closes of bars); `losses` one row per
    fold, seed and epoch (`train`, `valid`); `lost` counts bars that could not be learnt from, by cause; `tensors` what
    each job learnt; `searches` what was chosen inside training parts; `trial_count` the trials that were counted when this one
    was recorded, None before; `ledger` where it is recorded, that of the folder `runs` when None; `environment` what it was
    computed with (`candlecast.recipes.environment`), None where that is not known; `digests` those of the parts that the study
    made (`candlecast.study.seal`); `unjudged` the forecasts, by model, of bars that a pretrained model may know, for figures
    alone: no number is computed of them, and a run does not store them; `folder` is that of the run that it was loaded
    from, None for others.

    Reading `verdict` makes a trial of the result, or of a view of it (`between`, `rebacktest`, a changed copy): if it is not
    in the ledger yet, it is recorded then. Costs, cash and ledger may be replaced in a copy; with other candles,
    forecasts or positions than the study made, it gets no verdict on skill.
    """

    recipe: dict[str, Any]
    model: str
    candles: Candles
    target: Target
    forecasts: dict[str, Forecast]
    positions: dict[str, Positions]
    costs: Costs
    cash: float
    folds: pl.DataFrame
    losses: pl.DataFrame
    lost: dict[str, int]
    tensors: Mapping[str, Mapping[str, np.ndarray]]
    searches: tuple[Searched, ...] = ()
    trial_count: TrialCount | None = None
    ledger: Ledger | None = None
    audit: AuditReport | None = None
    environment: Mapping[str, Any] | None = None
    digests: Mapping[str, str] | None = field(default=None, repr=False)
    unjudged: Mapping[str, Forecast] = field(default_factory=dict, repr=False)
    folder: Path | None = field(default=None, repr=False)
    computed: dict[str, tuple[tuple[Any, ...], Any]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        kinds: dict[str, tuple[object, type | UnionType]] = {
            "candles": (self.candles, Candles),
            "costs": (self.costs, Costs),
            "trial_count": (self.trial_count, TrialCount | None),
            "audit": (self.audit, AuditReport | None),
        }
        for name, (value, kind) in kinds.items():
            require_kind(name, value, kind, f"Leave {name} as the study made it")
        require_cash(self.cash)
        as_ledger(self.ledger)
        object.__setattr__(self, "positions", PositionsByModel.of(self.positions, studied=self.model))
        object.__setattr__(self, "computed", dict(self.computed))  # a copy goes on with its own

    def _repr_html_(self) -> str:
        """The verdict, for notebooks; it is recorded as reading `verdict` does."""
        heading = f"{self.candles.symbol} {self.candles.interval}, {self.model}: {self.verdict.headline}"
        return notebook_paragraph(heading, is_bold=True) + self.verdict._repr_html_()

    def __repr__(self) -> str:
        answer = f": {self.verdict.headline}" if "verdict" in self.__dict__ else ""  # reading it records a trial
        return (
            f"StudyResult({self.candles.symbol} {self.candles.interval}, {self.model}, {described(self.primary_target)}, "
            f"{count_words(self.folds.height, 'fold')} x {count_words(len(self.forecast.seeds), 'seed')}{answer})"
        )

    @property
    def forecast(self) -> Forecast:
        """The studied model's forecasts, all seeds."""
        return self.forecasts[self.model]

    @property
    def primary_target(self) -> Target:
        """The target that is traded and evaluated: the first of `Several`, or the only one."""
        return primary(self.target)

    @property
    def seed(self) -> int:
        """The first seed; bootstrap intervals use it too."""
        return int(self.recipe["seed"])

    @computed_of(*TRADING)
    def backtests(self) -> dict[str, BacktestResult]:
        """Backtests by model, the baselines first."""
        return {name: self.backtest if name == self.model else self._backtest(name) for name in self.positions}

    @computed_of(*TRADING)
    def backtest(self) -> BacktestResult:
        """The studied model's backtest."""
        return self._backtest(self.model)

    def _backtest(self, model: str) -> BacktestResult:
        return backtest(self.candles, self.positions[model], costs=self.costs, cash=self.cash)

    def summary(self, level: float = LEVEL, seed: int | None = None) -> pl.DataFrame:
        """Statistics of the studied model's backtest with their intervals, as `BacktestResult.summary` gives them.

        `seed`: of the bootstrap; the study's when not given.
        """
        if level == LEVEL and seed in (None, self.seed):
            return self._summary
        return self.backtest.summary(level, self.seed if seed is None else seed)

    @computed_of(*TRADING, "seed")
    def _summary(self) -> pl.DataFrame:
        return self.backtest.summary(LEVEL, self.seed)

    @computed_of(*TRADING, "seed")
    def summaries(self) -> dict[str, pl.DataFrame]:
        """The same for each backtest, by model."""
        return {
            name: self.summary() if name == self.model else result.summary(seed=self.seed)
            for name, result in self.backtests.items()
        }

    @computed_of(*FORECASTS)
    def accuracy(self) -> pl.DataFrame:
        """How good each model's forecasts are; see `candlecast.accuracy.accuracy`."""
        return accuracy(self.forecasts, self.primary_target, seed=self.seed)

    @computed_of(*FORECASTS)
    def own_accuracy(self) -> pl.DataFrame:
        """The row of the studied model in the accuracy table; those of the baselines take no part in the verdict."""
        if "accuracy" in self.computed:
            return self.accuracy.filter(pl.col("model") == self.model)
        return accuracy(self.forecasts, self.primary_target, models=[self.model], seed=self.seed)

    @computed_of(*FORECASTS)
    def accuracy_by_part(self) -> pl.DataFrame:
        """The studied model's skill by fold and seed."""
        return accuracy_by_part(self.forecast, self.primary_target)

    @computed_of(*FORECASTS)
    def accuracy_by_age(self) -> pl.DataFrame:
        """The studied model's error by the bars since its fold's test part began; see `candlecast.evaluation.ageing`."""
        return accuracy_by_age(self.forecast, self.primary_target)

    @cached_property
    def verdict(self) -> Verdict:
        """Can it be forecast, and does it pay? In plain words."""
        return judge(
            self.own_accuracy,
            self.backtest,
            self.summary(),
            self.primary_target,
            model=self.model,
            trained=self.folds.height * len(self.forecast.seeds),
            trial_count=self.counted,
            conditions=self.conditions,
            seed=self.seed,
        )

    @cached_property
    def conditions(self) -> Conditions:
        """The conditions of market, prices, folds and audit, which may forbid a claim whatever the tests give."""
        is_own_target = has_own_target(self.recipe)
        return conditions_of(
            self.candles,
            self.positions[self.model],
            self.backtest,
            is_in_time_order=is_in_time_order(self.folds),
            trains_by_place=trains_by_place(self.folds),
            untested=untested(self.folds),
            implies_return=self.forecast.frame["expected_return"].null_count() < self.forecast.frame.height,
            forecast=self.forecast if is_own_target or identities(self.recipe.get("rule")) else None,
            target=self.primary_target if is_own_target else None,
            described=[self.recipe.get(part) for part in ("features", "target", "rule", "model")],
            seed=self.seed,
            audit=self.audit.line if self.audit else NO_AUDIT,
            leaks=self.audit.failures if self.audit else (),
            clock=self.audit.clock_features if self.audit else "",
            replaced=self.replaced,
        )

    @property
    def parts(self) -> Mapping[str, Callable[[StudyResult], str]]:
        """What gives the digest of each part that the study makes."""
        return OF_STUDY

    @cached_property
    def replaced(self) -> tuple[str, ...]:
        """Names of the parts of this copy that its study did not make, such as positions from elsewhere."""
        return replaced_parts(self)

    @cached_property
    def counted(self) -> TrialCount:
        """The trials among which this one is judged; what is not recorded yet is recorded. Raises RunError."""
        return counted_among(self.trial, self.trial_count, as_ledger(self.ledger), beside=lambda: self.beside)

    @computed_of(*TRADING, *FORECASTS, "recipe", "searches")
    def trial(self) -> Trial:
        """What the ledger keeps of it: the studied model's returns, by candles, choices and code.

        The baselines that run with it are no choice of its own; see `beside`.
        """
        return trial_of(
            self.backtest,
            self.recipe,
            Subject.of(self.candles, self.target),
            model=self.model,
            skills=skills(self.forecast, self.primary_target),
            searches=self.searches,
            free=lambda: backtest(
                self.candles, self.positions[self.model], costs=self.costs.of_holding(), cash=self.cash
            ),
        )

    @property
    def beside(self) -> list[Trial]:
        """The trials that are shown beside its own, and counted by later ones; see `candlecast.evaluation.beside`."""
        names = [name for name in self.positions if name != self.model]
        baselines = trials_of_baselines(
            replace(self, searches=()),
            names,
            follows=lambda name: follows_forecast(self.positions[name], self.forecasts[name]),
        )
        found = [*baselines.values()]
        for name, trial in {self.model: self.trial, **baselines}.items():
            found += further_trials(trial, self.forecasts[name], self.target)
        return found

    def record(self, ledger: Ledger) -> StudyResult:
        """The same, its trial written down and judged among all trials of the ledger. Raises RunError."""
        return record_all([self], ledger)[0]

    def rebacktest(
        self,
        *,
        rule: Rule | None = None,
        costs: Costs | None = None,
        cash: float | None = None,
        ledger: Ledger | None = None,
    ) -> StudyResult:
        """The same forecasts traded in another way, which is another trial: recorded as `Study.run` records.

        Args:
            rule: what turns the forecasts into positions; that of before when not given. With other costs, a rule of
                candlecast's decides anew; positions of a rule of yours stay, unless it is given again.
            costs: those of before when not given.
            cash: initial cash in quote currency; that of before when not given.
            ledger: where the trial is recorded; that of this result when not given.

        Raises:
            ConfigError: for what cannot be traded so.
            LookaheadError: for a rule that looks at what is not known yet.
            RunError: when the ledger cannot be written.
        """
        ledger = self._ledger(ledger)
        return self._traded(rule, costs, cash, ledger).record(ledger)

    def sweep(
        self,
        rules: Iterable[Rule],
        *,
        costs: Costs | None = None,
        cash: float | None = None,
        ledger: Ledger | None = None,
    ) -> list[StudyResult]:
        """The same forecasts traded by each of several rules, such as one threshold after another.

        As `rebacktest` for each, but all are recorded before any is judged: each among all of them. Raises ConfigError for
        what is no list of rules.
        """
        if callable(rules) or not isinstance(rules, Iterable):
            raise ConfigError(
                f"rules is {rules!r}",
                expected="a list of rules",
                remedy="Use for example result.sweep([Threshold(enter=each) for each in (0.001, 0.002)])",
            )
        ledger = self._ledger(ledger)
        return record_all([self._traded(rule, costs, cash, ledger) for rule in rules], ledger)

    def _ledger(self, given: Ledger | None) -> Ledger:
        """The ledger that was given, or else the one of this result, or else that of the folder `runs`."""
        return as_ledger(self.ledger if given is None else given)

    def _traded(self, rule: Rule | None, costs: Costs | None, cash: float | None, ledger: Ledger) -> StudyResult:
        """What is not None traded in its place; not yet a trial of the ledger, but begun."""
        changed = {
            name: describe(value)
            for name, value in (("rule", rule), ("costs", costs), ("cash", cash))
            if value is not None
        }
        paid = costs or self.costs
        decides = self._rule_again() if rule is None and paid != self.costs else rule
        begin(
            ledger,
            self.recipe | changed,
            Subject.of(self.candles, self.target),
            lambda: skills(self.forecast, self.primary_target),
        )
        positions = (
            self.positions if decides is None else positions_by_model(decides, self.forecasts, self.candles, paid)
        )
        traded = replace(
            self,
            recipe=self.recipe | changed,
            positions=positions,
            costs=paid,
            cash=self.cash if cash is None else cash,
            trial_count=None,
        )
        if decides is None:
            return traded
        return replace(traded, digests={**(self.digests or {}), "positions": digests_of(traded)["positions"]})

    def _rule_again(self) -> Rule | None:
        """The rule of the recipe, where it can be made again and the positions are its own."""
        if "positions" in self.replaced:
            return None
        try:
            return restore(self.recipe["rule"])
        except RunError:
            return None

    def between(self, since: str | datetime | None = None, until: str | datetime | None = None) -> StudyResult:
        """The same forecasts from `since` on and before `until` (UTC), traded no longer than that; a trial once judged.

        Raises ConfigError for a time that cannot be read, NotEnoughDataError when nothing is left.
        """
        if since is None and until is None:
            return self
        first, last = (
            None if each is None else moment(each, name) for each, name in ((since, "since"), (until, "until"))
        )
        if first is not None and last is not None and first >= last:
            raise ConfigError(
                f"since {first:%Y-%m-%d %H:%M} is not before until {last:%Y-%m-%d %H:%M}",
                expected="a first moment and a later one",
                remedy="Change their order; a year alone stands for its first day",
            )
        held = [self.recipe.get(name) and moment(self.recipe[name], name) for name in ("since", "until")]
        first, last = (
            max(filter(None, (first, held[0])), default=None),
            min(filter(None, (last, held[1])), default=None),
        )
        chosen = pl.lit(True)
        if first is not None:
            chosen &= pl.col("time") >= first
        if last is not None:
            chosen &= pl.col("time") < last
        rows = len(self.candles) if last is None else int((self.candles.frame["close_time"] < last).sum())
        positions = {name: replace(each, frame=each.frame.filter(chosen)) for name, each in self.positions.items()}
        if any(len(each) < 2 for each in positions.values()):
            raise NotEnoughDataError(
                f"there are fewer than 2 forecasts from {since or 'the start'} to {until or 'the end'}",
                expected="a range that the run has forecast",
                remedy=f"Its forecasts go from {self.forecast.frame['time'].min()} to {self.forecast.frame['time'].max()}",
            )
        view = replace(
            self,
            recipe=self.recipe | {"since": first and first.isoformat(), "until": last and last.isoformat()},
            candles=self.candles[:rows],
            forecasts={name: replace(each, frame=each.frame.filter(chosen)) for name, each in self.forecasts.items()},
            positions=positions,
            trial_count=None,
        )
        return replace(view, digests=digests_of_view(self, view))

    def fitted(self, *, fold: int = 0, seed: int | None = None, study: Study | None = None) -> Fitted:
        """What the training of that fold and seed (the first when not given) learnt, also of a run on disk.

        Nothing is trained again, except baselines, which are fitted faster than they are read. `study` is that of the run,
        needed where its model or features are functions of yours, which a run names only. Raises RunError.
        """
        from candlecast.study.fitted import fitted_of

        return fitted_of(self, fold=fold, seed=self.seed if seed is None else seed, study=study)

    def next(
        self, candles: Candles | None = None, *, study: Study | None = None, progress: Listener = ignore
    ) -> NextBar:
        """What is forecast after the last known bar: the model is trained once more on everything known by then.

        Args:
            candles: those of the study with later bars; the study's own when not given. Bars after those of the study are
                forecast by its last fold, but for the last one.
            study: that of the run, needed where its model, features or rule are functions of yours.
            progress: receives events.

        Raises:
            CandleError: for candles of something else, or older ones.
            NotEnoughDataError: when the last bar has no whole window.
            RunError: where the study has to be given.
        """
        from candlecast.study.next_bar import next_bar

        return next_bar(self, candles, study=study, progress=progress)

    def save(self, folder: str | Path) -> Path:
        """Keep everything as a run on disk; see `candlecast.runs`."""
        from candlecast.runs import save_run

        return save_run(self, folder)

    def report(self, path: str | Path = "report.html") -> Path:
        """Write one self-contained HTML page with figures, evidence and verdict; gives its path."""
        from candlecast.report import write_report

        return write_report(self, path)


def record_all(results: Sequence[StudyResult], ledger: Ledger) -> list[StudyResult]:
    """Results that are chosen among together: each is judged among all of them. Raises RunError."""
    trial_counts = recorded(
        [result.trial for result in results],
        ledger,
        beside=lambda: [each for result in results for each in result.beside],
    )
    return [
        replace(result, trial_count=trial_count, ledger=ledger)
        for result, trial_count in zip(results, trial_counts, strict=True)
    ]
