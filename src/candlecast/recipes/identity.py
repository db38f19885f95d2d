"""Identity: a digest of a value and of everything that decides what it does, so that two different studies never get one run.

    identify(function).digest      equal for equal code that closes over equal values, in every process of one Python version
    identify(function).unknown     what could not be identified: such a value equals no value of another process

The digest of a function covers its bytecode (what runs: the source file may have been edited since), defaults, closure cells,
attributes, and the module-level names that it reads. Functions and classes among them are digested the same way, other
values by their content. The digest of an object covers its class and its state. Code of installed packages counts by its
name only. Comments, line numbers, file names, memory addresses and the order of sets do not count; names of local
variables do.

Bytecode differs between Python versions: a digest begins with the version that it was made with.
"""

from __future__ import annotations

import copyreg
import functools
import logging
import os
import random
import secrets
import sys
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from hashlib import sha256
from typing import Any

import numpy as np

from candlecast.candles import Candles
from candlecast.recipes.provenance import (
    content,
    held_by,
    imported,
    is_found,
    is_installed,
    is_of_a_package,
    looked_up,
    reads_of,
)

PYTHON = str(sys.implementation.cache_tag)
DEEPEST = 100  # levels of values within values
PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, range, type(Ellipsis), type(NotImplemented))
REPEATABLE = {type(None), bool, int, float, str}  # different values have different reprs
POINTER = np.dtype(np.intp).itemsize
BY_NAME = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
UNREAD = {  # attributes of a class that follow from the others, or do not change what it does
    "__abstractmethods__",
    "__annotate_func__",
    "__annotations__",
    "__annotations_cache__",
    "__conditional_annotations__",
    "__dataclass_fields__",
    "__dataclass_params__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__match_args__",
    "__module__",
    "__orig_bases__",
    "__parameters__",
    "__slotnames__",
    "__static_attributes__",
    "__weakref__",
    "_abc_impl",
}


@dataclass(frozen=True)
class Identity:
    """`digest`: Python version and hexadecimal digits. `unknown`: a description of each part that could not be identified.

    For an unknown part, the digest uses a random number drawn for that object in this process: the object equals itself
    while the process lives, and nothing in another process.
    """

    digest: str
    unknown: tuple[str, ...] = ()


def identify(value: object) -> Identity:
    """The identity of a value: equal for values that do the same, different for others; see the module docstring.

    Raises nothing: `unknown` lists what cannot be identified.

    >>> def scaled(by):
    ...     return lambda price: by * price
    >>> identify(scaled(2)) == identify(scaled(2)), identify(scaled(2)) == identify(scaled(3))
    (True, False)
    >>> identify(iter([1, 2])).unknown
    ('a list_iterator',)
    """
    walk = _Walk()
    digest = walk.of(value)
    return Identity(f"{PYTHON}:{digest.hex()[:32]}", tuple(dict.fromkeys(walk.unknown)))


class _Walk:
    """One pass over a value. `stack`: the objects around the current one; `labels`: the names on the way to it."""

    def __init__(self) -> None:
        self.stack: list[int] = []
        self.labels: list[str] = []
        self.seen: dict[int, tuple[bytes, object]] = {}  # keeps the objects alive: no address is reused
        self.unknown: list[str] = []

    def of(self, value: object) -> bytes:
        """The digest of any value."""
        if type(value) in PLAIN:
            return _hash(type(value).__name__, _text(value))
        place = id(value)
        if place in self.stack:
            return _hash("cycle", str(len(self.stack) - self.stack.index(place)))
        if place in self.seen:
            return self.seen[place][0]
        if len(self.stack) >= DEEPEST:
            return self._unknown(value, f" more than {DEEPEST} levels deep")
        self.stack.append(place)
        try:
            found = self._digest(value)
        except RecursionError:
            found = self._unknown(value, " nested too deeply")
        except Exception as error:  # of the object's own code
            found = self._unknown(value, f" that raises {type(error).__name__} when it is inspected")
        finally:
            self.stack.pop()
        self.seen[place] = found, value
        return found

    def _digest(self, value: Any) -> bytes:
        if type(value) in EXACT:
            return EXACT[type(value)](self, value)
        for kind, digest in KINDS:
            if isinstance(value, kind):
                return digest(self, value)
        for package, name, digest in FOREIGN:
            if any(base.__name__ == name and base.__module__.split(".")[0] == package for base in type(value).__mro__):
                return digest(self, value)
        if _is_opaque(type(value)):
            return self._opaque(value)
        return _hash("object", self.of(type(value)), self._state(value))

    def _unknown(self, value: object, why: str = "") -> bytes:
        path = ".".join(self.labels)
        self.unknown.append((f"{path} is " if path else "") + f"a {type(value).__qualname__}{why}")
        return _hash("unknown", _nonce(value))

    def _named(self, items: Mapping[str, object], attributes: frozenset[str] = frozenset()) -> bytes:
        """Values by name, sorted by name. Of a module of the user's, only the given `attributes` count."""
        parts: list[str | bytes] = []
        for name in sorted(items):
            with self._inside(name):
                value = items[name]
                is_module = isinstance(value, types.ModuleType)
                parts += [name, self._module(value, attributes) if is_module else self.of(value)]
        return _hash(*parts)

    @contextmanager
    def _inside(self, label: str) -> Iterator[None]:
        self.labels.append(label)
        try:
            yield
        finally:
            self.labels.pop()

    # code

    def _function(self, value: types.FunctionType) -> bytes:
        code, is_library = value.__code__, is_of_a_package(value.__code__.co_filename)
        name = f"{value.__module__}.{value.__qualname__}" if is_library else ""
        if is_library and is_found(value):
            return _hash("library", name, self.of(code))
        reads = reads_of(code)
        with self._inside(value.__name__):
            cells = {name: held_by(cell) for name, cell in zip(code.co_freevars, value.__closure__ or (), strict=True)}
            known = {} if is_library else {each: looked_up(value, each) for each in reads.names}
            attributes = {each: held for each, held in vars(value).items() if each != "__wrapped__"}
            return _hash(
                "function",
                name,
                self.of(code),
                self.of(value.__defaults__),
                self.of(value.__kwdefaults__),
                self._named(cells, reads.attributes),
                self._named(known, reads.attributes),
                self._named(attributes),
                *(() if is_library else (_hash(each, content(each)) for each in imported(value, reads))),
            )

    def _code(self, code: types.CodeType) -> bytes:
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        table = getattr(code, "co_exceptiontable", b"")
        return _hash("code", code.co_code, table, repr(counts), repr(names), *map(self.of, code.co_consts))

    def _class(self, kind: type) -> bytes:
        if is_installed(kind):
            return _hash("class", f"{kind.__module__}.{kind.__qualname__}")
        own = {name: value for name, value in vars(kind).items() if name not in UNREAD}
        with self._inside(kind.__name__):
            bases = [self.of(base) for base in (*kind.__bases__, type(kind))]
            return _hash("own class", kind.__name__, *bases, self._named(own))

    def _module(self, module: types.ModuleType, attributes: frozenset[str] = frozenset()) -> bytes:
        """Of an installed package, its name; of the user's, the `attributes` that are read, or all of its file without any."""
        if is_of_a_package(module):
            return _hash("module", module.__name__)
        if id(module) in self.stack:
            return _hash("module within itself", module.__name__)
        if not attributes:
            return _hash("module", module.__name__, content(module.__name__))
        self.stack.append(id(module))
        try:
            read = {name: value for name, value in vars(module).items() if name in attributes}
            return _hash("own module", self._named(read, attributes))
        finally:
            self.stack.pop()

    def _method(self, value: types.MethodType) -> bytes:
        return _hash("method", self.of(value.__func__), self.of(value.__self__))

    def _builtin(self, value: types.BuiltinFunctionType) -> bytes:
        owner = value.__self__
        is_function = owner is None or isinstance(owner, types.ModuleType)
        name = f"{getattr(value, '__module__', None)}.{value.__qualname__}"
        return _hash("builtin", name, b"" if is_function else self.of(owner))

    def _by_name(self, value: Any) -> bytes:
        return _hash("descriptor", self.of(value.__objclass__), value.__name__)

    def _partial(self, value: functools.partial[Any]) -> bytes:
        return _hash("partial", *map(self.of, (type(value), value.func, value.args, value.keywords, vars(value))))

    def _compiled(self, value: Any) -> bytes:
        return _hash("compiled", self.of(value.py_func), self.of(value.targetoptions))

    def _wrapping(self, value: Any) -> bytes:
        return _hash(type(value).__name__, self.of(value.__func__))

    def _property(self, value: property) -> bytes:
        return _hash("property", *map(self.of, (value.fget, value.fset, value.fdel)))

    def _cached_property(self, value: functools.cached_property[Any]) -> bytes:
        return _hash("cached property", self.of(value.func))

    # values

    def _sequence(self, value: list[Any] | tuple[Any, ...]) -> bytes:
        name = type(value).__name__
        if set(map(type, value)) <= REPEATABLE:
            with suppress(ValueError):  # a whole number of thousands of digits has no decimal text
                return _hash(f"plain {name}", repr(value))
        return _hash(name, *map(self.of, value))

    def _set(self, value: set[Any] | frozenset[Any]) -> bytes:
        return _hash("set", *sorted(self._apart(each) for each in value))

    def _apart(self, value: object) -> bytes:
        """The digest of a value, independent of what was digested before it."""
        walk = _Walk()
        walk.stack, walk.labels, walk.unknown = self.stack, self.labels, self.unknown
        return walk.of(value)

    def _mapping(self, value: Mapping[Any, Any]) -> bytes:
        """Pairs in their order, since code may depend on it."""
        if {type(each) for pair in value.items() for each in pair} <= REPEATABLE:
            with suppress(ValueError):
                return _hash("plain mapping", repr(dict(value)))
        parts: list[bytes] = []
        for key, held in value.items():
            with self._inside(key if isinstance(key, str) else "..."):
                parts += [self.of(key), self.of(held)]
        return _hash("mapping", *parts)

    def _slice(self, value: slice) -> bytes:
        return _hash("slice", *map(self.of, (value.start, value.stop, value.step)))

    def _enum(self, value: Enum) -> bytes:
        return _hash("enum", self.of(type(value)), value.name, self.of(value.value))

    def _scalar(self, value: np.generic) -> bytes:
        return self._array(np.asarray(value))

    def _array(self, value: np.ndarray) -> bytes:
        plain = np.asarray(value)
        if plain.dtype.names:
            values = _hash(*(self._array(plain[name]) for name in plain.dtype.names))  # without padding bytes
        elif plain.dtype.hasobject:
            values = _hash(*map(self.of, plain.ravel().tolist()))
        else:
            values = np.ascontiguousarray(plain).tobytes()
        state = b"" if type(value) in (np.ndarray, np.memmap) else _hash(self.of(type(value)), self._state(value))
        return _hash("array", repr(plain.dtype.descr), repr(plain.shape), values, state)

    def _ufunc(self, value: np.ufunc) -> bytes:
        for package in ("numpy", "scipy.special"):
            if getattr(sys.modules.get(package), value.__name__, None) is value:
                return _hash("ufunc", f"{package}.{value.__name__}")
        return self._unknown(value)  # made from a function that it gives no access to

    def _generator(self, value: Any) -> bytes:
        """A random number generator by its state; the global one, which all code may change, by its name."""
        if any(value is each for each in COMMON):
            return _hash("the process's generator", type(value).__name__)
        return self._opaque(value)

    def _candles(self, value: Candles) -> bytes:
        return _hash("candles", value.fingerprint)

    def _logger(self, value: logging.Logger) -> bytes:
        return _hash("logger", value.name)

    def _polars_frame(self, value: Any) -> bytes:
        return _hash("frame", *(self.of(column) for column in value.get_columns()))

    def _polars_series(self, value: Any) -> bytes:
        with suppress(Exception):  # a type that is not stored as numbers
            if value.dtype.is_numeric() or value.dtype.is_temporal():
                numbers = value.to_physical()
                filled = (value.is_null().to_numpy(), numbers.fill_null(0).to_numpy())
                return _hash("series", value.name, str(value.dtype), *map(self._array, filled))
        return _hash("series", value.name, str(value.dtype), self.of(value.to_list()))

    def _polars_expression(self, value: Any) -> bytes:
        return _hash("expression", value.meta.serialize())

    def _pandas_frame(self, value: Any) -> bytes:
        columns = (self.of(value.iloc[:, place]) for place in range(value.shape[1]))
        return _hash("pandas", self.of(value.columns), self.of(value.index), *columns)

    def _pandas_series(self, value: Any) -> bytes:
        index = getattr(value, "index", None)
        held = getattr(getattr(value, "_values", None), "asi8", None)  # `to_numpy` gives objects for times with a zone
        held = value.to_numpy() if held is None else held
        names = repr(getattr(value, "names", value.name))
        return _hash("pandas", names, str(value.dtype), self.of(index), self._array(held))

    def _tensor(self, value: Any) -> bytes:
        flat = value.detach().cpu().contiguous().flatten()
        content = flat.view(sys.modules["torch"].uint8).numpy() if flat.numel() else np.empty(0)
        return _hash("tensor", str(value.dtype), repr(tuple(value.shape)), self._array(content))

    def _torch_module(self, value: Any) -> bytes:
        """Class, parameters, buffers, submodules, hooks and other attributes, without torch's internal state."""
        usual = vars(sys.modules["torch"].nn.Module())
        state: dict[str, Any] = {}
        for name, held in vars(value).items():
            if "hooks" in name and isinstance(held, dict):
                state[name] = list(held.values())  # the keys depend on all hooks of the process
            elif name in ("_parameters", "_buffers", "_modules"):
                state[name] = dict(held)
            elif name == "training" or not (name in usual or name.startswith("_flat_weight")):
                state[name] = held
        return _hash("net", self.of(type(value)), self._named(state))

    # objects

    def _state(self, value: object) -> bytes:
        """Attributes and slots, without cached properties; of a dataclass of an installed package, its fields."""
        kind = type(value)
        if is_dataclass(value) and is_installed(kind):
            return self._named({field.name: getattr(value, field.name, None) for field in fields(value)})
        cached = {name for base in kind.__mro__ for name, held in vars(base).items() if type(held) is CACHED}
        state = {name: held for name, held in getattr(value, "__dict__", {}).items() if name not in cached}
        for name, slot in _slots(kind):
            with suppress(AttributeError):  # one that was never set
                state[name] = slot.__get__(value)
        return self._named(state)

    def _opaque(self, value: Any) -> bytes:
        """Of an object implemented in C: what it wraps, or else the arguments with which `copy` would rebuild it."""
        kind = type(value)
        if callable(value) and (wrapped := getattr(value, "__wrapped__", None)) is not None:
            options = getattr(value, "cache_parameters", dict)()
            return _hash("wrapper", self.of(kind), self.of(wrapped), self.of(options))
        if hasattr(kind, "__next__"):  # an iterator changes as it is used
            return self._unknown(value)
        try:
            copier = copyreg.dispatch_table.get(kind)
            reduced = copier(value) if copier else value.__reduce_ex__(4)
        except Exception:  # an object that cannot be copied raises errors of many types
            return self._unknown(value)
        if isinstance(reduced, str):
            return _hash("global", str(getattr(value, "__module__", kind.__module__)), reduced)
        rebuild, arguments, *rest = reduced
        rest = [list(part) if hasattr(part, "__next__") else part for part in rest if part is not None]
        return _hash("copied", self.of(kind), self.of(rebuild), self.of(arguments), *map(self.of, rest))


CACHED = functools.cached_property
COMMON = (np.random.rand.__self__, random.random.__self__)  # type: ignore[attr-defined]
EXACT: dict[type, Callable[[_Walk, Any], bytes]] = {  # not of subclasses
    list: _Walk._sequence,
    tuple: _Walk._sequence,
    dict: _Walk._mapping,
    set: _Walk._set,
    frozenset: _Walk._set,
    slice: _Walk._slice,
    Candles: _Walk._candles,
}
KINDS: list[tuple[Any, Callable[[_Walk, Any], bytes]]] = [
    (type, _Walk._class),
    (types.FunctionType, _Walk._function),
    (types.CodeType, _Walk._code),
    (types.MethodType, _Walk._method),
    ((types.BuiltinFunctionType, types.MethodWrapperType), _Walk._builtin),
    (BY_NAME, _Walk._by_name),
    (types.ModuleType, _Walk._module),
    (functools.partial, _Walk._partial),
    ((staticmethod, classmethod), _Walk._wrapping),
    (property, _Walk._property),
    (CACHED, _Walk._cached_property),
    (Enum, _Walk._enum),
    (np.generic, _Walk._scalar),
    (np.ndarray, _Walk._array),
    (np.ufunc, _Walk._ufunc),
    (types.MappingProxyType, _Walk._mapping),
    (logging.Logger, _Walk._logger),
    ((np.random.RandomState, random.Random), _Walk._generator),
]
FOREIGN: list[tuple[str, str, Callable[[_Walk, Any], bytes]]] = [  # by name, so that none of them is imported
    ("polars", "DataFrame", _Walk._polars_frame),
    ("polars", "Series", _Walk._polars_series),
    ("polars", "LazyFrame", _Walk._unknown),
    ("polars", "Expr", _Walk._polars_expression),
    ("pandas", "DataFrame", _Walk._pandas_frame),
    ("pandas", "Series", _Walk._pandas_series),
    ("pandas", "Index", _Walk._pandas_series),
    ("torch", "Tensor", _Walk._tensor),
    ("torch", "Module", _Walk._torch_module),
    ("numba", "Dispatcher", _Walk._compiled),
]


def _slots(kind: type) -> list[tuple[str, Any]]:
    slotted = (vars(base).items() for base in kind.__mro__ if "__slots__" in vars(base))
    return [(name, slot) for held in slotted for name, slot in held if isinstance(slot, types.MemberDescriptorType)]


def _is_opaque(kind: type) -> bool:
    """Whether objects of a class hold more than attributes and slots, in a C struct."""
    pointers = len(_slots(kind)) + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    return kind.__itemsize__ > 0 or kind.__basicsize__ > object.__basicsize__ + POINTER * pointers


_nonces: dict[int, tuple[Callable[[], object], str]] = {}


def _nonce(value: object) -> str:
    """A random number for an object, drawn at the first call and the same for as long as the object lives in this process."""
    place = id(value)
    known = _nonces.get(place)
    if known is None or known[0]() is not value:
        try:
            held: Callable[[], object] = weakref.ref(value, lambda _: _nonces.pop(place, None))
        except TypeError:  # no weak reference: keep it alive, so that its address is not reused
            held = functools.partial(_itself, value)
        known = _nonces[place] = held, secrets.token_hex(16)
    return f"{known[1]} {os.getpid()}"


def _itself(value: object) -> object:
    return value


def _text(value: Any) -> str | bytes:
    if isinstance(value, int):
        return hex(value)
    return bytes(value) if isinstance(value, bytes | bytearray) else value if isinstance(value, str) else repr(value)


def _hash(*parts: str | bytes) -> bytes:
    digest = sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()
