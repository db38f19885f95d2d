"""The parts of a study of a panel, made again from the recipe of its run: recipes of candlecast alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from candlecast.panel.baselines import Momentum, Reversal, Scored
from candlecast.recipes import restore
from candlecast.recipes.restoring import restoring

PARTS = ("model", "features", "target", "folds", "rule", "costs")
NEEDED = (*PARTS, "cash", "baselines", "seeds")
SCORED: dict[str, type[Scored]] = {"Reversal": Reversal, "Momentum": Momentum}  # that may be made again


def study_parts(recipe: Mapping[str, Any], *, remedy: str) -> dict[str, Any]:
    """The parameters of `PanelStudy` that the recipe of a run holds, all but the universe.

    Raises RunError for a recipe that lacks a part, and, with the `remedy`, for code of a user's, which is never stored.
    """
    with restoring(recipe, NEEDED, remedy=remedy):
        parts = {name: restore(recipe[name]) for name in PARTS}
        baselines = tuple(_baseline(each) for each in recipe["baselines"])
        others = {"cash": recipe["cash"], "seeds": recipe["seeds"], "adjusted": recipe.get("adjusted", False)}
        return parts | others | {"baselines": baselines}


def _baseline(description: Any) -> Any:
    """A baseline across assets, or a model."""
    kind = SCORED.get(str(description.get("type"))) if isinstance(description, dict) else None
    if kind is None:
        return restore(description)
    names = {field.name for field in fields(kind) if field.init}
    return kind(**{name: value for name, value in description.items() if name in names})
