"""The fitted models of a study that was run: made again from its recipe and its tensors, without training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from candlecast.candles import Candles
from candlecast.dataset.folds import Folds
from candlecast.errors import RunError
from candlecast.features import Features
from candlecast.models import Fitted, Model
from candlecast.models.model import require_model
from candlecast.parameters import is_whole
from candlecast.recipes.describing import pythons, restore, unidentified
from candlecast.recipes.identity import PYTHON
from candlecast.recipes.old_names import by_present_names
from candlecast.signals import Rule
from candlecast.walkforward import WalkPlan

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult
    from candlecast.study.study import Study


def fitted_of(result: StudyResult, *, fold: int, seed: int, study: Study | None = None) -> Fitted:
    """The fitted model of one training of a study, from its recipe and tensors; see `StudyResult.fitted`."""
    try:
        return _fitted(result, fold, seed, study)
    except RunError:
        raise
    except Exception as error:  # parts of a manifest that are missing, malformed or inconsistent
        raise RunError(
            f"the training of fold {fold} with seed {seed} does not fit its study ({type(error).__name__}: "
            f"{str(error)[:200]})",
            expected="what candlecast writes",
            remedy="Take the run from where it was made, or run it again",
        ) from error


class Parts(NamedTuple):
    """The recipes of a study, with what was left open filled in."""

    model: Model
    features: Features
    folds: Folds
    rule: Rule


def parts_of(result: StudyResult, study: Study | None = None, *, how: str = "study=...") -> Parts:
    """The recipes that a result was made by; from `study` where they are functions of the user's, which a run names only.

    Raises RunError for a study that is not the one of the result, and where a recipe is the user's and `study` is not given;
    `how` says where to give it.
    """
    recipe = result.recipe
    if study is not None:
        require_same(study, recipe, result.candles)
        completed = study.completed(result.candles)
        assert completed.features is not None
        assert completed.rule is not None
        return Parts(completed.model, completed.features, completed.folds, completed.rule)
    try:
        model, features, folds, rule = (restore(recipe[name]) for name in ("model", "features", "folds", "rule"))
    except RunError as error:
        raise not_made(error, how) from error
    require_model(model)
    return Parts(model, features, folds, rule)


def _fitted(result: StudyResult, fold: int, seed: int, study: Study | None) -> Fitted:
    recipe, known, seeds = result.recipe, result.folds["fold"].to_list(), result.forecast.seeds
    if fold not in known or seed not in seeds:
        raise RunError(
            f"there is no training of fold {fold} with seed {seed}",
            expected=f"fold {' or '.join(map(str, known))} and seed {' or '.join(map(str, seeds))}",
            remedy="Choose from these",
        )
    if study is None:
        try:
            model, features, folds = (restore(recipe[name]) for name in ("model", "features", "folds"))
        except RunError as error:
            raise not_made(error, "fitted(study=...)") from error
    else:
        require_same(study, recipe, result.candles)
        model, features, folds = study.model, study.features, study.folds
    require_model(model)
    plan = WalkPlan(features, result.target, folds, (seed,), recipe["window"])
    (job,) = (job for job in plan.jobs(model, result.candles) if job.fold.index == fold)
    return model.restore(job, result.tensors.get(job.key, {}))


def not_made(error: RunError, how: str) -> RunError:
    return RunError(
        f"the run stores your own code by name only ({error.wrong})",
        expected="the study that was run",
        remedy=f"Give it: {how}",
    )


def require_same(study: Study, recipe: dict[str, Any], candles: Candles) -> None:
    """Raise RunError for a study that differs from the recipe, or that cannot be compared with it."""
    given, recipe = study.recipe(candles, seed=recipe["seed"]), by_present_names(recipe)
    given |= {name: recipe[name] for name in ("window", "seeds") if _is_of_comparison(name, given[name], recipe[name])}
    require_same_parts(given, recipe)


def require_same_parts(given: Mapping[str, Any], recipe: Mapping[str, Any]) -> None:
    """Raise RunError for the recipe of a study, of which a part differs from that of a run or cannot be compared with it."""
    for name, part in given.items():
        if json.dumps(part, sort_keys=True) == json.dumps(recipe.get(name), sort_keys=True):
            continue
        if opaque := unidentified(part) or unidentified(recipe.get(name)):
            raise RunError(
                f"the part {name!r} of the study cannot be identified ({'; '.join(opaque)})",
                expected="code that holds only values, such as numbers and arrays",
                remedy="Open files, locks and generators inside the function, and run the study again",
            )
        if others := pythons(recipe.get(name)) - {PYTHON}:
            raise RunError(
                f"the part {name!r} of the run holds code of {' and '.join(sorted(others))}",
                expected=f"code of this Python, {PYTHON}: bytecode of other versions cannot be compared",
                remedy="Load the run with the Python that it was run with",
            )
        raise RunError(
            f"this is not the study of the run: the part {name!r} differs",
            expected="the study that was run",
            remedy="Build it with the same parts and parameters",
        )


def _is_of_comparison(name: str, own: Any, held: Any) -> bool:
    """Whether a comparison gives a study this part: the longest window of all its models, and seeds one by one."""
    if name == "seeds":
        return isinstance(held, list) and len(held) == own
    return is_whole(held) and held >= own
