"""Cells: one study of one series of candles each, named by everything that decides its result; and those that cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from candlecast.candles import Candles
from candlecast.errors import CandlecastError
from candlecast.evaluation.trials import judged_since
from candlecast.models.model import require_learnable
from candlecast.recipes import describe
from candlecast.scan.address import Address
from candlecast.scan.folder import digest_of
from candlecast.scan.plan import Plan
from candlecast.scan.words import cell_words
from candlecast.study import Study
from candlecast.targets import label, primary

TRADING = ("rule", "costs", "cash", "baselines", "model", "type")  # parts of a recipe that no baseline depends on
OWN_TRADING = ("rule", "costs", "cash", "baselines", "type")  # parts that no training depends on
SHORT = 16  # characters of the second digest in the name of a cell
FAILURES = {
    name: pl.String() for name in ("symbol", "interval", "target", "model", "costs", "kind", "sentence")
}  # columns


@dataclass(frozen=True)
class Series:
    """Candles of a scan: `name` is that under which the folder keeps them; `place` is their number in the plan.

    `address` is where a worker reads them by itself; None where they are in no store.
    """

    place: int
    name: str
    symbol: str
    interval: str
    bars: int
    bars_per_year: float
    address: Address | None = None


@dataclass(frozen=True)
class Cell:
    """One study of one series.

    `target` and `costs` are as the tables write them, `model` is the name of the model in the plan. `recipe` is the study on the
    candles as JSON values. `name` is a digest of what decides the nets, and one of the rest: equal for equal cells of any scan.
    `baselines` is a digest of what decides the forecasts of the baselines, which other cells may share.
    """

    series: Series
    target: str
    model: str
    costs: str
    study: Study
    recipe: dict[str, Any]
    name: str
    baselines: str

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """Symbol, interval, target, model and costs."""
        return self.series.symbol, self.series.interval, self.target, self.model, self.costs

    @property
    def words(self) -> str:
        """The same for people, in the order of the tables."""
        symbol, interval, target, model, costs = self.key
        return cell_words({"symbol": symbol, "interval": interval, "target": target, "model": model, "costs": costs})

    @property
    def judged_recipe(self) -> dict[str, Any]:
        """The recipe, and the moment from which on its forecasts are judged where that is not the first."""
        return judged_since(self.recipe, self.study.judged_from)

    @property
    def walk(self) -> str:
        """The digest of what decides the nets."""
        return self.name.partition("-")[0]


@dataclass(frozen=True)
class Failure:
    """A cell, or what would have been several, without a result: `sentence` says why. Parts that do not apply are empty."""

    symbol: str
    interval: str
    target: str
    model: str
    costs: str
    kind: str
    sentence: str

    @classmethod
    def of(cls, key: tuple[str, str, str, str, str], error: Exception) -> Failure:
        """The failure of a cell, by its key."""
        sentence = str(error) if isinstance(error, CandlecastError) else f"unexpected: {type(error).__name__}: {error}"
        return cls(*key, type(error).__name__, sentence)


def failure_table(failures: Iterable[Failure]) -> pl.DataFrame:
    """Failures as a table, in their order."""
    rows = [tuple(getattr(each, name) for name in FAILURES) for each in failures]
    return pl.DataFrame(rows, schema=FAILURES, orient="row")


def cells_of(plan: Plan, series: Series, candles: Candles, *, seed: int) -> Iterator[Cell | Failure]:
    """The cells of one series, in the order of the plan, and those whose model cannot learn their target."""
    from candlecast import __version__

    words = costs_words(plan)
    for model, costs, study in plan.studies:
        target = label(primary(study.target))
        key = (series.symbol, series.interval, target, model, words[costs])
        try:
            for each in (study.model, *study.baseline_models):
                require_learnable(each, study.target)
            recipe = study.recipe(candles, seed=seed)
        except CandlecastError as error:
            yield Failure.of(key, error)
            continue
        shared = [__version__, series.name, series.symbol, series.interval]
        walk = digest_of([*shared, {name: part for name, part in recipe.items() if name not in OWN_TRADING}])
        whole = digest_of([*shared, model, recipe])[:SHORT]
        every = describe(every_baseline(study))
        baselines = [
            *shared,
            every,
            {name: part for name, part in recipe.items() if name not in TRADING},
        ]
        yield Cell(series, target, model, words[costs], study, recipe, f"{walk}-{whole}", digest_of(baselines))


def every_baseline(study: Study) -> tuple[Any, ...]:
    """The baselines of the cells that share a target, whether or not the studied model is one of them."""
    usual = study.baseline_models
    known = {model.name for model in usual}
    from candlecast.study.study import BASELINES

    if study.baselines is None and study.model in BASELINES and study.model.name not in known:
        return tuple(model for model in BASELINES if model.name in known or model == study.model)
    return usual


def costs_words(plan: Plan) -> list[str]:
    """What the costs of a plan are called: basis points a side, numbered where several have as many."""
    rates = [f"{costs.per_side_bps:g} bp" for costs in plan.costs]
    return [
        rate if rates.count(rate) == 1 else f"{rate} #{rates[:place].count(rate) + 1}"
        for place, rate in enumerate(rates)
    ]
