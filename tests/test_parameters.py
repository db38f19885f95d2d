"""Parameters of the wrong type: each public recipe and feature refuses them in a sentence, and takes none of them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

import candlecast as cc
from candlecast.parameters import as_path, require_kinds

WRONG = {  # values that are not of a plain type, by its name in an annotation
    "int": ["7", 1.5, True, None, [1], float("nan"), 10**400, b"7"],
    "float": ["7", True, None, [1.0], {}, 3 + 4j, 10**400],
    "bool": ["yes", 1, None, [], 0.0],
    "str": [7, None, [], b"x"],
}
NO_RECIPES = {
    "TrialCount",
    "TradingClock",
    "ProgressLines",
}  # values that candlecast makes, and what only a stream reads


def cases():
    """Every parameter of a plain type of what can be called without one."""
    for name in sorted(set(cc.__all__) - NO_RECIPES):
        made = getattr(cc, name)
        if not callable(made) or (isinstance(made, type) and not hasattr(made, "__dataclass_fields__")):
            continue
        parameters = inspect.signature(made).parameters.values()
        if any(each.default is each.empty for each in parameters if each.kind is not each.VAR_POSITIONAL):
            continue
        for each in parameters:
            kinds = str(each.annotation).split(" | ")
            if set(kinds) <= {*WRONG, "None"}:
                wrong = [value for kind in kinds if kind in WRONG for value in WRONG[kind]]
                others = [value for value in wrong if not any(is_of(value, kind) for kind in kinds)]
                yield pytest.param(made, each.name, others, id=f"{name}({each.name})")


def is_of(value, kind):
    if kind == "None":
        return value is None
    if kind == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value and abs(value) < 1e300
    return type(value).__name__ == kind


@pytest.mark.parametrize(("made", "name", "wrong"), list(cases()))
def test_a_parameter_of_another_type_is_refused(made, name, wrong):
    for value in wrong:
        with pytest.raises(cc.CandlecastError) as refused:
            made(**{name: value})
        assert refused.value.expected and refused.value.remedy


@dataclass
class Plain:
    count: int = 1
    size: float | None = None
    way: Literal["up", "down"] | None = "up"
    steps: tuple[int, ...] = (1, 2)
    place: str | Path = "here"
    other: dict | None = None

    def __post_init__(self):
        require_kinds(self)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"count": 2.0}, r"count is 2.0; expected a whole number. Change Plain\(count=...\)"),
        ({"size": "x" * 100}, "size is of type str; expected a number or None"),
        ({"way": "left"}, "way is 'left'; expected 'up' or 'down' or None"),
        ({"steps": [1]}, r"steps is \[1\]; expected a tuple, each item a whole number"),
        ({"steps": (1, "2")}, "steps is"),
        ({"place": 5}, "place is 5; expected text or a path"),
    ],
)
def test_the_first_wrong_parameter_is_named(given, message):
    with pytest.raises(cc.ConfigError, match=message):
        Plain(**given)


def test_right_types_pass_and_others_are_left_to_whoever_uses_them():
    Plain(2, 1.5, None, (), Path("there"), 5)  # type: ignore[arg-type]
    Plain(size=3)


@pytest.mark.parametrize("use", [cc.Ledger, cc.list_runs, cc.list_sessions, lambda folder: cc.Limits(kill_file=folder)])
def test_a_folder_is_text_or_a_path(use):
    with pytest.raises(cc.ConfigError, match="is 5; expected"):
        use(5)
    assert as_path(Path("a"), "folder") == as_path("a", "folder")
