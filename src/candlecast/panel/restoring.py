"""The parts of a study of a panel, made again from the recipe of its run: recipes of candlecast alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from candlecast.errors import RunError, listed
from candlecast.panel.baselines import Momentum, Reversal, Scored
from candlecast.recipes import restore

PARTS = ("model", "features", "target", "folds", "rule", "costs")
NEEDED = (*PARTS, "cash", "baselines", "seeds")
SCORED: dict[str, type[Scored]] = {"Reversal": Reversal, "Momentum": Momentum}  # that may be made again


def study_parts(recipe: Mapping[str, Any], *, remedy: str) -> dict[str, Any]:
    """The parameters of `PanelStudy` that the recipe of a run holds, all but the universe.

    Raises RunError for a recipe that lacks a part, and, with the `remedy`, for code of a user's, which is never stored.
    """
    absent = [name for name in NEEDED if name not in recipe]
    if absent:
        raise RunError(
            f"the recipe of the run has no {listed(absent)}",
            expected=listed(NEEDED, most=len(NEEDED)),
            remedy="Take the run from where it was made",
        )
    try:
        parts = {name: restore(recipe[name]) for name in PARTS}
        return parts | {
            "cash": recipe["cash"],
            "baselines": tuple(_baseline(each) for each in recipe["baselines"]),
            "seeds": recipe["seeds"],
        }
    except RunError as error:
        raise RunError(
            f"the run stores your own code by name only ({error.wrong})",
            expected="the study that was run",
            remedy=remedy,
        ) from error


def _baseline(description: Any) -> Any:
    """A baseline across assets, or a model."""
    kind = SCORED.get(str(description.get("type"))) if isinstance(description, dict) else None
    if kind is None:
        return restore(description)
    names = {field.name for field in fields(kind) if field.init}
    return kind(**{name: value for name, value in description.items() if name in names})
