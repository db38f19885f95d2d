"""Copies of what a user wrote, as if it had never been called: functions, objects, and what they keep from call to call.

A function that fits itself on the candles of its first call and keeps the fit gives the same values ever after; one that keeps
results by the first bars of the candles gives them for any that begin alike. Two copies show it: one that is called at once, and
one that is called on something else before, on other candles and on the same ones with another future. Where it was called
earlier, copies without the data that it holds show it: what is a store fills again, and what is configuration is missing in both.
"""

from __future__ import annotations

import copy
import functools
import sysconfig
import types
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import polars as pl

from candlecast.candles import Candles

SHARED = (Candles, pl.DataFrame, pl.Series, types.MappingProxyType, types.ModuleType, types.BuiltinFunctionType)
CODE = (  # and what cannot be changed, which no copy goes without
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.ModuleType,
    functools.partial,
    types.MappingProxyType,
    functools._lru_cache_wrapper,
    type,
)
STORES = (dict, list, set, bytearray)
PLAIN = (type(None), bool, int, float, complex, str, bytes, tuple, frozenset)
LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
GENERATED = ("<string>", "<attrs")  # files of methods that dataclasses and attrs write
OWN = __file__.rpartition("causality")[0]
KEPT = {
    "__dict__",
    "__weakref__",
    "__doc__",
    "__module__",
    "__slots__",
    "__annotations__",
    "__qualname__",
    "__classcell__",
}


def by_earlier_calls(
    part: Any, call: Callable[[Any, Any], np.ndarray], *, own: Any, others: Sequence[Any]
) -> tuple[np.ndarray, np.ndarray] | None:
    """What `call(part, own)` gives at first, and once it was called with the others before, where these differ; else None."""
    for is_emptied in (False, True):
        first, later = fresh(part, is_emptied=is_emptied), fresh(part, is_emptied=is_emptied)
        try:
            at_once = call(first, own)
            failures = sum(not _works(call, later, other) for other in others)
            if failures == len(others) and is_emptied:
                continue
            after = call(later, own)
        except Exception:  # it needs what it was left without; other failures show when it is called itself
            continue
        if not np.array_equal(at_once, after, equal_nan=True):
            return at_once, after
    return None


def _works(call: Callable[[Any, Any], np.ndarray], part: Any, given: Any) -> bool:
    """Calls it; what it does with other input is checked elsewhere."""
    try:
        call(part, given)
    except Exception:
        return False
    return True


def fresh(part: Any, *, is_emptied: bool = False) -> Any:
    """A copy of a user's function or object that shares nothing which it could change, as far as it can be copied.

    With `is_emptied`, the containers that it holds are empty in the copy, and its arrays and objects are None.
    """
    return _Copier(is_emptied).copied(part)


class _Copier:
    """Copies values that refer to one another: each is copied once."""

    def __init__(self, is_emptied: bool) -> None:
        self.is_emptied = is_emptied
        self.made: dict[int, Any] = {}
        self.held: list[Any] = []  # keeps what was copied alive, so that no identity is used twice

    def copied(self, value: Any) -> Any:
        """The copy of what is called: a function, a method, a partial, or an object."""
        if id(value) not in self.made:
            self.held.append(value)
            self.made[id(value)] = value  # for values that refer to themselves and cannot be copied
            self.made[id(value)] = self._made(value)
        return self.made[id(value)]

    def _made(self, value: Any) -> Any:
        if isinstance(value, PLAIN + SHARED):
            return value
        if isinstance(value, types.FunctionType):
            return value if is_of_a_library(value.__code__.co_filename) else self._function(value)
        if isinstance(value, types.MethodType):
            return types.MethodType(self.copied(value.__func__), self.copied(value.__self__))
        if isinstance(value, functools.partial):
            named = {name: self._data(each) for name, each in value.keywords.items()}
            return functools.partial(self.copied(value.func), *map(self._data, value.args), **named)
        if isinstance(value, functools._lru_cache_wrapper):
            return functools.lru_cache(**value.cache_parameters())(self.copied(value.__wrapped__))
        if isinstance(value, type):
            return self._class(value)
        return self._object(value)

    def _function(self, function: types.FunctionType) -> types.FunctionType:
        names = self._names_of(function)
        closure = tuple(types.CellType() for _ in function.__closure__ or ())
        made = types.FunctionType(function.__code__, names, function.__name__, None, closure or None)
        self.made[id(function)] = made
        for name in _names(function.__code__):
            if name in function.__globals__ and names[name] is function.__globals__[name]:
                names[name] = self._data(function.__globals__[name])
        for cell, own in zip(closure, function.__closure__ or (), strict=True):
            try:
                cell.cell_contents = self._data(own.cell_contents)
            except ValueError:  # an empty cell
                continue
        made.__defaults__ = function.__defaults__ and tuple(map(self._data, function.__defaults__))
        made.__kwdefaults__ = function.__kwdefaults__ and {k: self._data(v) for k, v in function.__kwdefaults__.items()}
        if not self.is_emptied:
            made.__dict__.update({name: self._data(each) for name, each in function.__dict__.items()})
        made.__qualname__, made.__module__ = function.__qualname__, function.__module__
        return made

    def _names_of(self, function: types.FunctionType) -> dict[str, Any]:
        """The names of the function's module, the same for all copies of its functions."""
        place = id(function.__globals__)
        if place not in self.made:
            self.held.append(function.__globals__)
            self.made[place] = dict(function.__globals__)
        return self.made[place]

    def _data(self, value: Any) -> Any:
        """What is held: code is copied, and data are too, or left out."""
        if not self.is_emptied or isinstance(value, (*CODE, *PLAIN)):
            return self.copied(value)
        if isinstance(value, STORES):
            return self.made.setdefault(id(value), type(value)())
        is_kept = callable(value) or _is_recipe(value) or _is_written_by_user(type(value))
        return self.copied(value) if is_kept else None

    def _class(self, kind: type) -> type:
        """A class of a user as a class derived from it, with copies of its methods and of the data that it holds."""
        if not _is_written_by_user(kind):
            return kind
        own: dict[str, Any] = {}
        for base in reversed(kind.__mro__):
            if _is_written_by_user(base):
                own |= {name: each for name, each in vars(base).items() if name not in KEPT}
        try:
            made = type(kind)(
                kind.__name__, (kind,), {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
            )
        except Exception:  # a class that cannot be derived from
            return kind
        self.made[id(kind)] = made
        for name, each in own.items():
            if isinstance(each, staticmethod | classmethod):
                changed: Any = type(each)(self.copied(each.__func__))
            elif isinstance(each, property):
                changed = property(*(each and self.copied(each) for each in (each.fget, each.fset, each.fdel)))
            elif isinstance(each, types.FunctionType):
                changed = self.copied(each)
            elif isinstance(each, (*STORES, np.ndarray)) and not name.startswith("__"):
                changed = self._data(each)
            else:
                continue
            try:
                setattr(made, name, changed)
            except (AttributeError, TypeError):
                continue
        return made

    def _object(self, value: Any) -> Any:
        kind = type(value)
        if _is_recipe(value):
            made = copy.copy(value)
            vars(made).update({name: self._data(each) for name, each in vars(value).items()})
            return made
        if not _is_written_by_user(kind) or not hasattr(value, "__dict__"):
            try:
                return copy.deepcopy(value)
            except Exception:  # files, locks, generators: they stay what they are
                return value
        try:
            made = object.__new__(self.copied(kind))
        except TypeError:
            return value
        self.made[id(value)] = made
        held = {name: self._data(each) for name, each in vars(value).items()}
        vars(made).update(held)
        return made


def is_of_a_library(filename: str) -> bool:
    """Whether code is of an installed package, candlecast among them, or of Python itself, by its file."""
    return filename.startswith((*LIBRARIES, OWN)) or "site-packages" in filename


def _is_recipe(value: object) -> bool:
    """Whether it is a dataclass of candlecast, which may hold a user's function, as a feature does."""
    return is_dataclass(value) and type(value).__module__.startswith("candlecast.") and hasattr(value, "__dict__")


def _is_written_by_user(kind: type) -> bool:
    """Whether a class has a method of its own, or is derived from one that has, outside of installed packages."""
    code = [
        getattr(inner, "__code__", None)
        for each in vars(kind).values()
        for inner in (getattr(each, "__func__", getattr(each, "fget", each)),)
    ]
    files = {each.co_filename for each in code if each is not None}
    return any(not name.startswith(GENERATED) and not is_of_a_library(name) for name in files)


def _names(code: types.CodeType) -> set[str]:
    """Names that code may read from its module, that of functions within it as well."""
    inner = [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))
