"""Where code comes from, and what it reads outside itself: module-level names, attributes, and its own imports."""

from __future__ import annotations

import builtins
import dis
import functools
import importlib.util
import os
import sys
import sysconfig
import types
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

LIBRARIES = [
    Path(os.path.abspath(__file__)).parents[1],
    *(Path(os.path.realpath(path)) for path in map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib"))),
]
# module attributes that name the place of the code
PLACES = {"__builtins__", "__doc__", "__file__", "__loader__", "__name__", "__package__", "__spec__"}


class Absent:
    """Stands for an unbound name."""


class Reads(NamedTuple):
    """What code looks up outside itself: module-level names, attributes of any object, and its own imports."""

    names: frozenset[str]
    attributes: frozenset[str]
    imports: frozenset[tuple[str, int, tuple[str, ...]]]  # module, leading dots, imported names


def reads_of(code: types.CodeType) -> Reads:
    """What code, and the code nested in it, looks up."""
    names, attributes, imports = set[str](), set[str](), set[tuple[str, int, tuple[str, ...]]]()
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    for place, step in enumerate(steps):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            names.add(step.argval)
        elif step.opname == "IMPORT_NAME":
            imports.add((step.argval, steps[place - 2].argval, tuple(steps[place - 1].argval or ())))
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM"):
            attributes.add(step.argval)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            further = reads_of(inner)
            names |= further.names
            attributes |= further.attributes
            imports |= further.imports
    return Reads(frozenset(names - PLACES), frozenset(attributes), frozenset(imports))


def looked_up(function: types.FunctionType, name: str) -> object:
    return function.__globals__.get(name, getattr(builtins, name, Absent))


def held_by(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return Absent


def imported(function: types.FunctionType, reads: Reads) -> Iterator[str]:
    """Full names of the modules that a function imports when it is called."""
    package = function.__globals__.get("__package__") or ""
    for name, level, listed in sorted(reads.imports):
        full = name
        with suppress(ImportError, ValueError):
            full = importlib.util.resolve_name("." * level + name, package) if level else name
        yield full
        yield from (f"{full}.{each}" for each in listed)


def content(module: str) -> bytes:
    """The source file of a user's module, which is not imported; b"" for an installed module."""
    file = _file(module)
    if file is None or _is_library(file) or _is_library(_file(module.partition(".")[0]) or ""):
        return b""
    with suppress(OSError):
        return Path(file).read_bytes()
    return b""


def _file(name: str) -> str | None:
    """The file of a module, None if unknown. Submodules of a package that was not imported are not searched."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__file__", None)
    if "." in name and name.rpartition(".")[0] not in sys.modules:
        return None
    try:
        spec = importlib.util.find_spec(name)
    except Exception:  # of the user's own finders
        return None
    return spec.origin if spec and spec.has_location else None


def is_of_a_package(where: types.ModuleType | str | None) -> bool:
    """Whether a module or a file belongs to Python, candlecast or an installed package."""
    if where is None or isinstance(where, str):
        return bool(where) and _is_library(str(where))
    root = sys.modules.get(where.__name__.split(".")[0])
    return any(
        getattr(getattr(each, "__spec__", None), "origin", None) in ("built-in", "frozen")
        or _is_library(getattr(each, "__file__", None) or "")
        for each in (where, root)
    )


@functools.cache
def _is_library(file: str) -> bool:
    if not file or file.startswith("<"):
        return file.startswith("<frozen ")
    paths = Path(os.path.abspath(file)), Path(os.path.realpath(file))
    return any(
        {"site-packages", "dist-packages"} & set(path.parts) or any(map(path.is_relative_to, LIBRARIES))
        for path in paths
    )


def is_found(thing: Any) -> bool:
    """Whether a function or class is what its module has under its name."""
    found: Any = sys.modules.get(thing.__module__ or "")
    for name in thing.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is thing


def is_installed(kind: type) -> bool:
    """Whether a class belongs to Python, candlecast or an installed package, and is found there by its name."""
    return is_found(kind) and is_of_a_package(sys.modules.get(kind.__module__))
