"""The result of a run, computed again from its recipe and its candles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from candlecast.candles import Candles
from candlecast.errors import RunError
from candlecast.events import Listener, Progress, ignore
from candlecast.ledger import Ledger
from candlecast.models import Pooled
from candlecast.recipes import restore
from candlecast.recipes.restoring import restoring
from candlecast.study import Study, StudyResult
from candlecast.study.deciding import positions_by_model
from candlecast.walkforward import WalkPlan, walk_by_plan

PARTS = ("model", "features", "target", "folds", "rule")
NEEDED = (*PARTS, "costs", "cash", "baselines", "seeds", "window")


def study_of(
    recipe: Mapping[str, Any], *, candles: Sequence[Candles] = (), remedy: str = "Give it: replay(folder, study=...)"
) -> Study:
    """The study of a recipe. Raises RunError for one that lacks a part, and, with the `remedy`, for code of a user's."""
    with restoring(recipe, NEEDED, remedy=remedy):
        seeds = recipe["seeds"]
        return Study(
            **{name: restore(recipe[name], candles=candles) for name in PARTS},
            costs=restore(recipe["costs"]),
            cash=recipe["cash"],
            baselines=tuple(restore(each) for each in recipe["baselines"]),
            seeds=len(seeds) if isinstance(seeds, list) else seeds,
        )


def recomputed(
    before: StudyResult, study: Study, assets: Sequence[Candles], *, progress: Listener = ignore
) -> StudyResult:
    """The result of a study on the candles of its walk, with the names, seeds, window and view that `before` has.

    assets: those that a pooled model learns from, that of the study among them; for any other model the one.
    It is judged among the trials of `before`, and recorded nowhere.
    """
    recipe = before.recipe
    (candles,) = (each for each in assets if each.symbol == before.candles.symbol)
    models = {model.name: model for model in study.baseline_models} | {before.model: study.model}
    seeds = recipe["seeds"]
    plan = WalkPlan(
        features=study.features_on(candles),
        target=study.target,
        folds=study.folds,
        seeds=tuple(seeds) if isinstance(seeds, list) else tuple(range(before.seed, before.seed + seeds)),
        window=recipe["window"],
    )
    parts = {}
    for done, name in enumerate(before.forecasts):
        is_studied = name == before.model
        if not is_studied:
            progress(Progress("baselines", done, len(before.forecasts) - 1, name))
        walked = assets if isinstance(models[name], Pooled) else [candles]
        walk = walk_by_plan(plan, models[name], walked, name=name, progress=progress if is_studied else ignore)
        parts[name] = [part for part in walk if part.job.symbol == candles.symbol]
    progress(Progress("judge", 0, 1))
    after = study.assemble(candles, parts, seed=before.seed, name=before.model, ledger=Ledger.in_memory())
    if before.audit is not None:
        after = replace(after, audit=study.audited(candles, parts[before.model], seed=before.seed))
    after = _viewed(after, before, study)
    progress(Progress("judge", 1, 1))
    return replace(after, recipe=recipe, trial_count=before.trial_count)


def is_view(recipe: Mapping[str, Any]) -> bool:
    """Whether a recipe is that of a part of a study; see `StudyResult.between`."""
    return bool(recipe.get("since") or recipe.get("until"))


def candles_of_walk(folder: Path, before: StudyResult, given: Sequence[Candles]) -> Candles:
    """The candles that a run was walked on: its own, or for a view that ends earlier the given ones that go on after it.

    Raises RunError for such a view without them.
    """
    own = before.candles
    if not before.recipe.get("until"):
        return own
    for each in given:
        if each.symbol == own.symbol and each[: len(own)].fingerprint == own.fingerprint:
            return each
    raise RunError(
        f"{folder} is a part of a study, until {before.recipe['until']}, and holds no candles after that",
        expected="all candles of the study, from which its folds follow",
        remedy="Give them: replay(folder, candles=[candles]); or replay the run that it was taken from",
    )


def assets_of_walk(folder: Path, before: StudyResult, study: Study, given: Sequence[Candles]) -> list[Candles]:
    """The assets that a run was walked on, in the order of the walk: several for a pooled model of a comparison.

    Raises RunError where some are needed that are not given.
    """
    own = candles_of_walk(folder, before, given)
    if not isinstance(study.model, Pooled):
        return [own]
    tensors = next(iter(before.tensors.values()))
    learnt = len(tensors["inputs.shift"]) - len(study.features_on(own).columns)
    place, named = int(tensors["asset"].item()), json.dumps(before.recipe)
    others = [each for each in given if each.symbol != own.symbol and each.fingerprint not in named]
    if len(others) != learnt - 1:
        raise RunError(
            f"the pooled model of {folder} learnt from {learnt} assets, and {len(others)} besides its own are given",
            expected="all assets of the comparison, of which a run stores its own",
            remedy="Give the others in their order: replay(folder, candles=[...])",
        )
    return [*others[:place], own, *others[place:]]


def _viewed(whole: StudyResult, before: StudyResult, study: Study) -> StudyResult:
    """The same view of a whole result. A rule may have been applied to the whole forecast or to that of the view alone."""
    if not is_view(before.recipe):
        return whole
    view = whole.between(before.recipe.get("since"), before.recipe.get("until"))
    if _are_equal(view, before):
        return view
    traded = replace(view, positions=positions_by_model(study.trading_rule, view.forecasts, view.candles, view.costs))
    return traded if _are_equal(traded, before) else view


def _are_equal(one: StudyResult, two: StudyResult) -> bool:
    """Whether two results have the same positions."""
    return all(one.positions[name].frame.equals(held.frame) for name, held in two.positions.items())
