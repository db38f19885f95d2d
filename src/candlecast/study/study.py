"""`Study`: the whole chain as one recipe, from candles to a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from candlecast.audit import AuditReport, quick_audit
from candlecast.backtesting import Costs
from candlecast.backtesting.validation import require_cash, require_kind
from candlecast.candles import Candles
from candlecast.dataset.folds import Folds, WalkForward, require_folds
from candlecast.dataset.forecast import Forecast
from candlecast.dataset.membership import WhileMember
from candlecast.dataset.usual_features import features_for
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.evaluation.accuracy import skills
from candlecast.evaluation.beside import begun_beside, counted_if_stopped
from candlecast.evaluation.trials import Subject, begin, has_own_target, judged_since
from candlecast.events import Listener, Progress, ignore
from candlecast.features import Features
from candlecast.features.feature import require_features
from candlecast.ledger import Ledger, as_ledger
from candlecast.models import (
    ARIMA,
    ETS,
    EWMA,
    GARCH,
    HAR,
    Baseline,
    CalendarHAR,
    Drift,
    LinearRegression,
    Model,
    Naive,
    Ridge,
    SeasonalNaive,
)
from candlecast.models.model import judged_from, learns_position, require_learnable, require_model
from candlecast.parameters import is_whole, require_kinds
from candlecast.process.memory import return_memory
from candlecast.recipes import describe
from candlecast.recipes.environment import environment
from candlecast.signals import HoldPosition, InverseVolatility, NoTradeBand, Rule
from candlecast.signals.rule import require_rule
from candlecast.sources.files import as_candles
from candlecast.study.deciding import positions_by_model
from candlecast.study.result import StudyResult
from candlecast.study.seal import digests_of
from candlecast.targets import NextReturn, Target, Volatility, components, primary
from candlecast.walkforward import CheckpointStore, FoldForecast, WalkPlan, tables, walk_jobs
from candlecast.walkforward.plan import require_seeds

BASELINES: tuple[Baseline, ...] = (
    Naive(),
    Drift(),
    SeasonalNaive(),
    EWMA(),
    ETS(),
    ARIMA(),
    LinearRegression(),
    Ridge(),
    HAR(),
    CalendarHAR(),
    GARCH(),
)
VOLATILITY_RULE = InverseVolatility(power=1.5, usual=0.5, band=0.25)  # by `bench/rule_worlds.py`, on its first worlds


@dataclass(frozen=True)
class Study:
    """Model, features, target, folds, rule and costs: everything that decides what comes out of given candles.

    `features`: the standard ones for the candles' interval when not given. `rule`, when not given: HoldPosition for a model
    that learns positions, `VOLATILITY_RULE` for a target that implies no return, NoTradeBand otherwise. `baselines`
    walk the same folds and trade by the same rule: all of `BASELINES` that fit the target when not given, and naive and
    drift always (see `baseline_models`).
    `seeds`: trainings per fold; forecasts are their mean.
    """

    model: Model
    features: Features | None = None
    target: Target = field(default=NextReturn())
    folds: Folds = field(default=WalkForward())
    rule: Rule | None = None
    costs: Costs = field(default=Costs())
    cash: float = 10_000.0
    baselines: tuple[Model, ...] | None = None
    seeds: int = 3

    def __post_init__(self) -> None:
        require_kinds(self)
        if not is_whole(self.seeds):
            raise ConfigError(
                f"seeds is {self.seeds!r}",
                expected="1 training per fold or more",
                remedy="Use Study(seeds=3)",
            )
        require_folds(self.folds)
        require_features(self.features)
        if self.rule is not None:
            require_rule(self.rule)
        require_learnable(self.model, self.target)
        if not isinstance(self.baselines, (tuple, list, type(None))):
            raise ConfigError(
                f"baselines is {self.baselines!r}", expected="a tuple of models", remedy="Use baselines=(cc.Naive(),)"
            )
        for model in self.baselines or ():
            require_model(model)
        require_cash(self.cash)
        require_kind("costs", self.costs, Costs, "Use for example Costs(fee_bps=10) or Costs.binance_spot()")
        names = [model.name for model in (self.model, *self.baseline_models)]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ConfigError(
                f"two models are called {doubled[0]}",
                expected="a name each",
                remedy='Remove one of them, or give both names: compare({"one": ..., "two": ...}, candles)',
            )

    @property
    def baseline_models(self) -> tuple[Model, ...]:
        """The baselines that are run with the model. The model replaces the default baseline of its own name."""
        if self.baselines is None:
            return tuple(
                model
                for model in BASELINES
                if all(map(model.fits, components(self.target))) and model.name != self.model.name
            )
        others = [model for model in self.baselines if model != self.model]
        needed = [model for model in (Naive(), Drift()) if model not in (self.model, *others)]
        return (*needed, *others)

    @property
    def window(self) -> int:
        """The longest window of all models, by which the rows are chosen."""
        return max(model.window for model in (self.model, *self.baseline_models))

    def walk_plan(self, candles: Candles, *, seed: int = 0) -> WalkPlan:
        """The plan by which the model and the baselines walk these candles."""
        return WalkPlan(
            features=self.features_on(candles),
            target=self.target,
            folds=self.folds,
            seeds=tuple(range(seed, seed + self.seeds)),
            window=self.window,
        )

    def recipe(self, candles: Candles, *, seed: int = 0) -> dict[str, Any]:
        """The study on these candles as JSON values, with what was left open filled in.

        `window` is the longest of all models, by which the rows are chosen.
        """
        return describe(self) | {
            "baselines": describe(self.baseline_models),
            "features": describe(self.features_on(candles)),
            "rule": describe(self.trading_rule),
            "window": self.window,
            "seed": seed,
        }

    def run(
        self,
        candles: Any,
        *,
        seed: int = 0,
        checkpoints: CheckpointStore | None = None,
        ledger: Ledger | None = None,
        progress: Listener = ignore,
    ) -> StudyResult:
        """Walk forward, trade, record the trial, and judge.

        Baselines that learn from the features or have parameters of their own, and forecasts of further targets, are trials
        as well, since their results are seen: later trials count them.

        Args:
            candles: `Candles`, a pandas or Polars frame, or the path of a file.
            seed: the first seed; the others are `seed` + 1, `seed` + 2, ...
            checkpoints: stores finished jobs, so that an interrupted run continues; `candlecast.run_study` stores them on disk.
            ledger: where the trial is recorded, and whose trials the verdict counts; that of the folder `runs` when not
                given. `Ledger.in_memory()` forgets it.
            progress: receives events.

        Raises:
            CandleError: for unsound candles.
            ConfigError: for parts that do not fit.
            NotEnoughDataError: for too few candles.
            LookaheadError: for a part that uses what is not known yet.
            RunError: before the model is trained, when the ledger cannot be written.
        """
        require_seeds([seed])
        candles = as_candles(candles)
        ledger = as_ledger(ledger)
        models = [*self.baseline_models, self.model]
        since = self.judged_from
        for model in models:
            require_learnable(model, self.target)
        plan = self.walk_plan(candles, seed=seed)
        prepared = plan.prepared(candles)
        self.begin_walk(candles, seed=seed, since=since, ledger=ledger)
        parts: dict[str, list[FoldForecast]] = {}
        for done, model in enumerate(models):
            if model is self.model:
                progress(Progress("baselines", done, done))
                ledger.require_writable()
            else:
                progress(Progress("baselines", done, len(models) - 1, model.name))
            parts[model.name] = list(
                walk_jobs(
                    model,
                    plan.of_model(model, prepared),
                    checkpoints=checkpoints if model is self.model else None,
                    progress=progress if model is self.model else ignore,
                )
            )
        progress(Progress("judge", 0, 1))
        return_memory()
        result = self.assemble(candles, parts, seed=seed, since=since, ledger=ledger)
        return_memory()
        report = self.audited(candles, parts[self.model.name], seed=seed)
        del prepared, parts  # the features of all bars, which the verdict does not need
        return_memory()
        result = replace(result, audit=report).record(ledger)
        progress(Progress("judge", 1, 1, str(result.verdict)))
        return_memory()
        return result

    @property
    def judged_from(self) -> datetime | None:
        """The moment from which on forecasts are judged: the end of what a pretrained model among them was trained on."""
        return judged_from([*self.baseline_models, self.model])

    def begin_walk(
        self,
        candles: Candles,
        *,
        seed: int = 0,
        since: datetime | None = None,
        ledger: Ledger | None = None,
        added: Mapping[str, Any] | None = None,
    ) -> None:
        """Count a study before its models walk, if its target is code of the user's; parameters as those of `assemble`.

        Such code is given the forecasts of tested bars as they are made. Raises RunError.
        """
        recipe = judged_since(self.recipe(candles, seed=seed), since) | dict(added or {})
        if has_own_target(recipe):
            begin(ledger, recipe, Subject.of(candles, self.target))

    def assemble(
        self,
        candles: Candles,
        parts: Mapping[str, list[FoldForecast]],
        *,
        seed: int = 0,
        name: str | None = None,
        since: datetime | None = None,
        ledger: Ledger | None = None,
        added: Mapping[str, Any] | None = None,
    ) -> StudyResult:
        """The result that finished walks add up to, by model, the studied one among them; not yet a trial.

        Args:
            candles: those of the walks.
            parts: finished folds by model.
            seed: the first seed.
            name: that of the studied model among the parts, where it is not its own.
            since: the moment from which on forecasts are judged (`judged_from`); of all bars when not given.
            ledger: where the trial is recorded once the result is judged; that of the folder `runs` when not given.
            added: further parts of its recipe.
        """
        name = self.model.name if name is None else name
        forecasts = {
            model: Forecast.joined([part.frame for part in finished], primary(self.target).horizon)
            for model, finished in parts.items()
        }
        return self.judged(
            candles, forecasts, parts[name], seed=seed, name=name, since=since, ledger=ledger, added=added
        )

    def judged(
        self,
        candles: Candles,
        forecasts: Mapping[str, Forecast],
        parts: Sequence[FoldForecast],
        *,
        seed: int = 0,
        name: str | None = None,
        since: datetime | None = None,
        ledger: Ledger | None = None,
        trading: Sequence[str] | None = None,
        added: Mapping[str, Any] | None = None,
    ) -> StudyResult:
        """The result that forecasts add up to, by model, with the finished folds of the studied one; as `assemble`.

        `trading`: the models that get positions, the studied one among them; all when not given. `added`: further parts of its
        recipe.
        """
        name, every = self.model.name if name is None else name, dict(forecasts)
        if since is not None:
            forecasts = {model: _from(forecast, since) for model, forecast in every.items()}
        studied = sorted(parts, key=lambda part: part.job.key)  # in whatever order they ended
        recipe = judged_since(self.recipe(candles, seed=seed), since) | dict(added or {})
        subject = Subject.of(candles, self.target)
        if not has_own_target(recipe):
            begin(ledger, recipe, subject, lambda: skills(forecasts[name], primary(self.target)))
        traded = {model: each for model, each in forecasts.items() if trading is None or model in trading}
        with counted_if_stopped(
            ledger,
            recipe,
            lambda: begun_beside(recipe, subject, traded, self.target, model=name),
        ):
            positions = positions_by_model(
                self.trading_rule,
                traded,
                candles,
                self.costs,
                parts=tables.fold_table(studied) if isinstance(self.folds, WhileMember) else None,
            )
        result = StudyResult(
            recipe=recipe,
            model=name,
            candles=candles,
            target=self.target,
            forecasts=dict(forecasts),
            positions=positions,
            costs=self.costs,
            cash=self.cash,
            folds=tables.fold_table(studied, is_whole=_is_ranked(self.folds)),
            losses=tables.loss_table(studied),
            lost=tables.lost(studied),
            tensors={part.job.key: part.fitted.tensors() for part in studied},
            searches=tables.searches(studied),
            ledger=ledger,
            environment=environment(),
            unjudged={} if since is None else {model: _before(forecast, since) for model, forecast in every.items()},
        )
        return replace(result, digests=digests_of(result))

    def audited(self, candles: Candles, parts: Sequence[FoldForecast], *, seed: int = 0) -> AuditReport:
        """The quick audit of the first seed's trainings, from the finished folds of the studied model."""
        first = sorted((part for part in parts if part.job.seed == seed), key=lambda part: part.job.fold.index)
        return quick_audit(self.completed(candles), [part.job for part in first], [part.fitted for part in first])

    def completed(self, candles: Candles) -> Study:
        """The same study with the features and the rule that it has on these candles."""
        return replace(self, features=self.features_on(candles), rule=self.trading_rule)

    def features_on(self, candles: Candles) -> Features:
        """The features on these candles: the standard ones of interval and target where the study names none."""
        return features_for(self.features, candles, self.target)

    @property
    def trading_rule(self) -> Rule:
        """The rule; that of the model and the target where the study names none."""
        if self.rule is not None:
            return self.rule
        if learns_position(self.model):
            return HoldPosition()
        return VOLATILITY_RULE if isinstance(primary(self.target), Volatility) else NoTradeBand()


def _is_ranked(folds: Folds) -> bool:
    """Whether test parts are left out only where the asset was not among the largest ones, which was known before each."""
    return isinstance(folds, WhileMember) and folds.largest is not None


def _from(forecast: Forecast, since: datetime) -> Forecast:
    """The forecasts of bars that close after a moment. Raises NotEnoughDataError for fewer than two."""
    kept = forecast.later_than(since)
    if kept.frame["time"].n_unique() < 2:
        raise NotEnoughDataError(
            f"{forecast.model} forecasts up to {forecast.frame['time'].max()}, and a model of the study may know all bars "
            f"up to {since:%Y-%m-%d %H:%M} UTC",
            expected="bars after the end of its training data to judge it on",
            remedy="Give newer candles, or a model that was trained on older data",
        )
    return kept


def _before(forecast: Forecast, since: datetime) -> Forecast:
    return replace(forecast, frame=forecast.frame.filter(pl.col("time") <= since))
