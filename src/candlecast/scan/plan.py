"""`Plan`: what a scan looks at: assets x intervals x targets x models x costs, and how each of these cells is studied."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from candlecast.backtesting import Costs
from candlecast.backtesting.validation import require_kind
from candlecast.dataset.folds import Folds, WalkForward, require_folds
from candlecast.errors import ConfigError
from candlecast.features import Features
from candlecast.features.feature import require_features
from candlecast.interval import Interval
from candlecast.models import LSTM, Model
from candlecast.models.model import require_model
from candlecast.parameters import is_whole, require_kinds
from candlecast.recipes import describe
from candlecast.recipes.describing import unidentified
from candlecast.signals import Rule
from candlecast.signals.rule import require_rule
from candlecast.sources.source import Moment, moment, require_order
from candlecast.study import Study
from candlecast.targets import NextReturn, Target
from candlecast.targets.target import require_target


@dataclass(frozen=True)
class Plan:
    """Assets x intervals x targets x models x costs: each combination, a *cell*, is a study, and a trial.

    assets: a `Store`, all symbols of which are taken; or candles, frames or paths of files, one or a list.
    intervals: lengths of one candle, such as "1h"; candles are resampled to those that are not there. Each series as it is
        when empty.
    targets, costs: one or several.
    models: a list, named by their `name`, or a mapping from names of yours.
    features, folds, rule, cash, baselines, seeds: as in `Study`.
    symbols: of a store, those to take; all when empty. source: that of the symbols in a store, where several have them.
    largest: only this many assets, the largest by traded value in the `volume_span` before the start of each test part; a part
        in which an asset is not among them is neither trained nor tested. All assets when None.
    since, until: bars that open and close within these (ISO text, a date or a time, UTC).
    as_of: the day on which the list of assets was chosen, as in `compare`.

    Raises ConfigError for parts that do not fit, or that cannot be identified (`candlecast.recipes.identity`).

    >>> from candlecast.sources.synthetic import random_walk
    >>> plan = Plan(assets=random_walk(50, seed=0).candles, models=[LSTM(hidden=8)], intervals=["1h", "4h"])
    >>> list(plan.models), plan.intervals
    (['lstm'], ('1h', '4h'))
    """

    assets: Any
    intervals: Sequence[str] = ()
    targets: Sequence[Target] = (NextReturn(),)
    models: Mapping[str, Model] | Sequence[Model] = (LSTM(),)
    costs: Sequence[Costs] = (Costs(),)
    features: Features | None = None
    folds: Folds = field(default=WalkForward())
    rule: Rule | None = None
    cash: float = 10_000.0
    baselines: tuple[Model, ...] | None = None
    seeds: int = 3
    symbols: Sequence[str] = ()
    source: str | None = None
    largest: int | None = None
    volume_span: str = "90d"
    since: Moment | None = None
    until: Moment | None = None
    as_of: Moment | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        for name in ("intervals", "targets", "costs", "symbols"):
            object.__setattr__(self, name, _several(name, getattr(self, name)))
        object.__setattr__(self, "intervals", tuple(str(Interval.parse(each)) for each in self.intervals))
        object.__setattr__(self, "models", _named(self.models))
        for target in self.targets:
            require_target(target)
        for costs in self.costs:
            require_kind("costs", costs, Costs, "Use for example Costs(fee_bps=10)")
        require_folds(self.folds)
        require_features(self.features)
        if self.rule is not None:
            require_rule(self.rule)
        if self.baselines is not None:
            object.__setattr__(self, "baselines", _several("baselines", self.baselines, least=0))
        for model in self.baselines or ():
            require_model(model)
        if self.largest is not None and not is_whole(self.largest):
            raise ConfigError(
                f"largest is {self.largest!r}", expected="a number of assets, 1 or more", remedy="Use largest=100"
            )
        Interval.parse(self.volume_span)
        since, until = (None if each is None else moment(each) for each in (self.since, self.until))
        if since is not None and until is not None:
            require_order(since, until)
        _require_distinct(self)
        for _, _, study in self.studies:
            if found := unidentified(describe(study)):
                raise ConfigError(
                    f"a part of the plan cannot be identified ({found[0]})",
                    expected="functions and objects that are the same in every process, so that finished cells can be kept",
                    remedy="Define them in a module, without open files, locks or generators",
                )

    @property
    def chosen_on(self) -> datetime | None:
        """When the list of assets was chosen, UTC; None where that is not known."""
        return None if self.as_of is None else moment(self.as_of, "as_of")

    @property
    def studies(self) -> list[tuple[str, int, Study]]:
        """The study of each target, model and costs, with the name of the model and the place of the costs."""
        return [
            (name, place, self._study(target, model, costs))
            for target in self.targets
            for name, model in self.models.items()  # type: ignore[union-attr]
            for place, costs in enumerate(self.costs)
        ]

    def _study(self, target: Target, model: Model, costs: Costs) -> Study:
        return Study(
            model=model,
            features=self.features,
            target=target,
            folds=self.folds,
            rule=self.rule,
            costs=costs,
            cash=self.cash,
            baselines=self.baselines,
            seeds=self.seeds,
        )


def _several(name: str, values: Any, *, least: int | None = None) -> tuple[Any, ...]:
    """One or several values as a tuple."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        values = (values,)
    found = tuple(values)
    if len(found) < (least if least is not None else int(name in ("targets", "costs"))):
        raise ConfigError(f"{name} is empty", expected="one at least", remedy=f"Leave {name} out for the usual one")
    return found


def _named(models: Any) -> dict[str, Model]:
    """Models by the names that the table shows."""
    if isinstance(models, Mapping):
        named = dict(models)
    else:
        listed = list(models) if isinstance(models, (list, tuple)) else [models]
        for model in listed:
            require_model(model)
        names = [model.name for model in listed]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ConfigError(
                f"two models are called {doubled[0]}",
                expected="a name each",
                remedy='Name them: models={"small": cc.LSTM(16), "large": cc.LSTM(64)}',
            )
        named = dict(zip(names, listed, strict=True))
    if not named:
        raise ConfigError("there are no models", expected="one at least", remedy="Use models=[cc.LSTM()]")
    for name, model in named.items():
        require_model(model)
        if not isinstance(name, str) or not name:
            raise ConfigError(f"a model is called {name!r}", expected="a name", remedy="Use text")
    return named


def _require_distinct(plan: Plan) -> None:
    """Raise ConfigError for parts that come twice, which would be the same cells."""
    parts = {"intervals": plan.intervals, "symbols": plan.symbols}
    described = {"targets": plan.targets, "costs": plan.costs, "models": tuple(plan.models.values())}  # type: ignore[union-attr]
    parts |= {name: tuple(json.dumps(describe(each)) for each in values) for name, values in described.items()}
    for name, values in parts.items():
        doubled = next((each for place, each in enumerate(values) if each in values[:place]), None)
        if doubled is not None:
            raise ConfigError(
                f"{name} has {doubled[:80]} twice", expected="each once", remedy=f"Remove one of the {name}"
            )
