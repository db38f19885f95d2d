"""Checks of the parameters of recipes: their plain types, and whether a value can mean anything."""

from __future__ import annotations

import ast
import math
import numbers
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache, partial
from pathlib import Path
from typing import TypeGuard

from candlecast.errors import ConfigError

LARGEST = 2**1023  # whole number that is a float
LONGEST_VALUE = 60  # characters of a value in a message


def require_parameters(recipe: object, checks: Mapping[str, tuple[bool, str]]) -> None:
    """Raise ConfigError for the first invalid parameter. `checks`: for each, whether it is valid, and what was expected."""
    for name, (is_fine, expected) in checks.items():
        if not is_fine:
            raise ConfigError(
                f"{name} is {getattr(recipe, name)!r}",
                expected=expected,
                remedy=f"Change {type(recipe).__name__}({name}=...)",
            )


def require_kinds(recipe: object) -> None:
    """Raise ConfigError for the first parameter of a recipe, a dataclass, that is not of the plain types it is annotated with.

    Call it before values are compared. Checked are bool, int (of 64 bits), float, str, Path, None, Literal, and tuples of one of
    them. A parameter of any other type is not checked here.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Mean:
    ...     bars: int = 20
    ...     def __post_init__(self):
    ...         require_kinds(self)
    >>> Mean(bars="20")
    Traceback (most recent call last):
    candlecast.errors.ConfigError: bars is '20'; expected a whole number. Change Mean(bars=...).
    """
    for each in fields(recipe):  # type: ignore[arg-type]
        kinds = _kinds(str(each.type))
        if not each.init or kinds is None:
            continue
        value = getattr(recipe, each.name)
        if not any(is_kind(value) for _, is_kind in kinds):
            raise ConfigError(
                f"{each.name} is {_cut(value)}",
                expected=" or ".join(words for words, _ in kinds),
                remedy=f"Change {type(recipe).__name__}({each.name}=...)",
            )


@cache
def _kinds(annotation: str) -> tuple[tuple[str, Callable[[object], bool]], ...] | None:
    """Each plain type of an annotation in words, and whether a value is of it; None where it has another type too."""
    found: list[tuple[str, Callable[[object], bool]]] = []
    for part in annotation.split(" | "):
        tuple_of = re.fullmatch(r"tuple\[(\w+), \.\.\.\]", part)
        if part in PLAIN_TYPES:
            found.append(PLAIN_TYPES[part])
        elif tuple_of and tuple_of[1] in PLAIN_TYPES:
            words, is_kind = PLAIN_TYPES[tuple_of[1]]
            found.append((f"a tuple, each item {words}", partial(_is_tuple_of, is_kind)))
        elif part.startswith("Literal["):
            options = ast.literal_eval(f"({part.removeprefix('Literal[').removesuffix(']')},)")
            found.append((" or ".join(map(repr, options)), partial(_is_one_of, options)))
        else:
            return None
    return tuple(found)


def _is_one_of(options: tuple[object, ...], value: object) -> bool:
    return any(type(value) is type(option) and value == option for option in options)


def _is_tuple_of(is_kind: Callable[[object], bool], value: object) -> bool:
    return isinstance(value, tuple) and all(map(is_kind, value))


def _cut(value: object) -> str:
    """A value in a message: long ones and those of other types than text and numbers by type."""
    text = repr(value) if isinstance(value, (str, bytes, int, float, complex, list, tuple, dict, type(None))) else ""
    return text if 0 < len(text) <= LONGEST_VALUE else f"of type {type(value).__name__}"


def as_path(value: object, name: str) -> Path:
    """A path that was given as text or as a Path. Raises ConfigError for anything else.

    >>> as_path("runs", "folder")
    PosixPath('runs')
    """
    if not isinstance(value, (str, Path)):
        raise ConfigError(f"{name} is {_cut(value)}", expected="a path", remedy='Use text, such as "runs"')
    return Path(value)


def is_whole(value: object, least: int = 1) -> bool:
    """Whether a value is a whole number of at least that; True and False are not.

    >>> is_whole(3), is_whole(3.0), is_whole(True), is_whole(0)
    (True, False, False, False)
    """
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= least


def require_seed(seed: object) -> None:
    """Raise ConfigError for what is no whole number of 0 or more.

    >>> require_seed("a")
    Traceback (most recent call last):
    candlecast.errors.ConfigError: seed is 'a'; expected a whole number, 0 or more. Use for example seed=0.
    """
    if not is_whole(seed, 0):
        raise ConfigError(
            f"seed is {_cut(seed)}", expected="a whole number, 0 or more", remedy="Use for example seed=0"
        )


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a real number that a float can hold; True and False are none.

    >>> is_number(2), is_number("2"), is_number(True), is_number(10**400)
    (True, False, False, False)
    """
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    return not isinstance(value, int) or -LARGEST < value < LARGEST


def _is_int(value: object) -> bool:
    return is_whole(value, -(2**63)) and int(value) < 2**63  # type: ignore[call-overload]


def _is_float(value: object) -> bool:
    return is_number(value) and not math.isnan(value)


PLAIN_TYPES: dict[str, tuple[str, Callable[[object], bool]]] = {  # of annotations
    "int": ("a whole number", _is_int),
    "float": ("a number", _is_float),
    "bool": ("True or False", lambda value: type(value).__name__ in ("bool", "bool_")),
    "str": ("text", lambda value: isinstance(value, str)),
    "Path": ("a path", lambda value: isinstance(value, Path)),
    "None": ("None", lambda value: value is None),
}
