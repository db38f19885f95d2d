"""Recipes as JSON: a description of a study that can be stored, compared, read by people, and made into recipes again.

A recipe of candlecast is described by its parameters, and made again from them. A user's own function, class or object is
described by its name and `identity`, and never made again: a run may come from anybody.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from types import FunctionType, MappingProxyType
from typing import Any

import numpy as np

from candlecast import backtesting, features, heads, models, signals, targets
from candlecast.candles import Candles
from candlecast.dataset import folds, membership
from candlecast.errors import CandlecastError, RunError, listed
from candlecast.features import FACTORIES, NESTING, Feature, Features, Known
from candlecast.fleet import settings
from candlecast.models.wrappers.estimator import described
from candlecast.models.wrappers.known_estimators import make, refused, require_known
from candlecast.recipes.identity import identify
from candlecast.recipes.old_names import present_type, with_added
from candlecast.recipes.provenance import is_installed
from candlecast.targets import Several

MODULES: dict[Any, Sequence[str]] = {  # the recipes that may be made again, by module
    backtesting: ("Costs", "DrawdownStop", "Filters"),
    features: ("MinMax", "Robust", "Standard", "Unscaled"),
    membership: ("WhileMember",),
    folds: ("CombinatorialPurged", "Holdout", "PurgedKFold", "WalkForward"),
    heads: heads.__all__,
    models: models.__all__,
    settings: ("Fit",),
    signals: signals.__all__,
    targets: targets.__all__,
}
PLAIN = (bool, int, float, str)
DEEPEST, LARGEST, LONGEST = 32, 2**63, 10_000  # limits on levels, whole numbers and characters of a text


def describe(value: Any) -> Any:
    """A recipe (a frozen dataclass, or a part of one) as JSON values.

    A dataclass becomes an object with its `type`, its `name` if it has one, and its constructor parameters; a feature one
    with its `kind`, parameters and warm-up; an estimator one with its class and parameters. Candles are named, not stored.
    A user's own code or object has an `identity` as well (`candlecast.recipes.identity`), which tells two of one name apart.
    If it cannot be identified, `unidentified` says why, and the description equals none that another process makes.

    >>> from candlecast.dataset.folds import Holdout
    >>> describe(Holdout(0.8))
    {'type': 'Holdout', 'train': 0.8, 'valid': 0.0, 'purge': None}
    """
    kind = type(value)
    if value is None or kind in PLAIN:
        return value
    if kind in (list, tuple):
        return [describe(item) for item in value]
    if kind in (dict, OrderedDict, MappingProxyType):
        return {"type": "dict", "items": [[describe(key), describe(item)] for key, item in value.items()]}
    if isinstance(value, np.generic) and type(value.item()) in PLAIN:
        return value.item()
    if isinstance(value, Feature):
        return _described_feature(value)
    if isinstance(value, Features):
        shown = {"features": describe(value.features), "scaling": describe(value.scaling)}
    elif isinstance(value, Several):
        shown = {"name": value.name, "targets": describe(value.targets)}
    elif isinstance(value, Candles):
        shown = {"symbol": value.symbol, "interval": str(value.interval), "fingerprint": value.fingerprint}
    elif is_dataclass(value) and not isinstance(value, type):
        names = _stored(value)
        if hasattr(value, "name") and "name" not in names:
            names.append("name")
        shown = {name: describe(getattr(value, name)) for name in names}
    elif (estimator := described(value)) is not None:
        name, parameters, is_whole = estimator
        found = {
            "type": "Estimator",
            "class": name,
            "parameters": {key: describe(parameters[key]) for key in parameters},
        }
        return found if is_whole and is_installed(kind) else found | _identity(value)
    else:
        name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', kind.__qualname__)}"
        return {"type": "function" if callable(value) else "object", "name": name, **_identity(value)}
    return {"type": kind.__name__, **shown, **({} if is_installed(kind) else _identity(value))}


def unidentified(description: Any) -> list[str]:
    """The parts of a description that could not be identified; empty for one that is the same in every process."""
    if isinstance(description, Mapping):
        own = [str(description["unidentified"])] if "unidentified" in description else []
        parts = own or [said for part in description.values() for said in unidentified(part)]
    else:
        parts = [said for part in description for said in unidentified(part)] if isinstance(description, list) else []
    return list(dict.fromkeys(parts))


def identities(description: Any) -> dict[str, str]:
    """The parts of a description that are a user's own code or objects: name and identity of each."""
    if isinstance(description, Mapping):
        name = description.get("name") or description.get("kind") or description.get("class") or description.get("type")
        own = {_shown(name): str(description["identity"])} if "identity" in description else dict[str, str]()
        parts = list(description.values())
    else:
        own, parts = dict[str, str](), description if isinstance(description, list) else []
    for part in parts:
        own |= identities(part)
    return own


def pythons(description: Any) -> set[str]:
    """The Python versions that the identities in a description were made with."""
    if isinstance(description, Mapping):
        own = {str(description["identity"]).partition(":")[0]} if "identity" in description else set[str]()
        return own.union(*map(pythons, description.values()))
    return set[str]().union(*map(pythons, description)) if isinstance(description, list) else set()


def restore(description: Any, *, candles: Sequence[Candles] = ()) -> Any:
    """The recipe that `describe` described. `candles`: those that the description may name.

    Makes only recipes of candlecast and estimators that `candlecast.models.wrappers.known_estimators` lists, and checks the whole
    description before it makes anything. Raises RunError for anything else (such as a user's own function, which is not
    stored), for a malformed description, and for candles that are not given.

    >>> restore({"type": "Holdout", "train": 0.8, "valid": 0.0, "purge": None})
    Holdout(train=0.8, valid=0.0, purge=None)
    """
    _require_restorable(description)
    return _made(description, candles)


def _identity(value: object) -> dict[str, str]:
    found = identify(value)
    return {"identity": found.digest} | ({"unidentified": "; ".join(found.unknown[:3])} if found.unknown else {})


def _described_feature(value: Feature) -> dict[str, Any]:
    """Kind and parameters of a feature of candlecast's; its identity as well for a user's own."""
    scaling = describe(value.scaling)
    if _is_stock(value):
        parameters = {name: describe(part) for name, part in value.parameters.items()}
        return {
            "type": "Feature",
            "kind": value.kind,
            "parameters": parameters,
            "warmup": value.warmup,
            "scaling": scaling,
        }
    return {
        "type": "Feature",
        "kind": value.kind,
        "parameters": {str(name): describe(part) for name, part in value.parameters.items()},
        "warmup": value.warmup,
        "outputs": list(value.outputs),
        "scaling": scaling,
        **_identity(value),
    }


def _is_stock(value: Feature) -> bool:
    """Whether the function of candlecast's named by its kind makes an equal feature from its parameters."""
    inner = value.parameters.get("feature")
    if value.kind in NESTING and type(value) is Feature and isinstance(inner, Feature):
        return _is_stock(inner) and _is_made_again(value)
    if (
        value.kind not in FACTORIES
        or type(value) is not Feature
        or not all(type(each) in PLAIN for each in value.parameters.values())
    ):
        return False
    return _is_made_again(value)


def _is_made_again(value: Feature) -> bool:
    """Whether the function that its kind names makes an equal feature."""
    try:
        again = getattr(features, value.kind)(**value.parameters)
    except (CandlecastError, TypeError):  # parameters of a user's feature with the same name
        return False
    others = [field.name for field in fields(Feature) if field.name not in ("compute", "scaling", "resolve")]
    return all(repr(getattr(again, name)) == repr(getattr(value, name)) for name in others) and _is_same(
        again.compute, value.compute
    )


def _is_same(one: Any, other: Any) -> bool:
    """Whether two functions do the same. Functions with the same code and plain closures are compared without a digest."""
    functions = isinstance(one, FunctionType) and isinstance(other, FunctionType)
    if functions and one.__code__ is other.__code__ and one.__globals__ is other.__globals__:
        held = [[cell.cell_contents for cell in each.__closure__ or ()] for each in (one, other)]
        if any(isinstance(value, Feature) for value in held[0]):  # of `at`: the very feature that the parameters hold
            return all(a is b or (type(a) in PLAIN and a == b) for a, b in zip(*held, strict=True))
        if all(type(value) in PLAIN for values in held for value in values):
            return repr([one.__defaults__, held[0]]) == repr([other.__defaults__, held[1]])
    if isinstance(one, Known) and isinstance(other, Known):
        return one.combine is None and other.combine is None and one.digest == other.digest
    return identify(one) == identify(other)


def _require_restorable(description: Any, depth: int = 0) -> None:
    """Raise RunError for a description that cannot, or must not, be made into a recipe. Imports nothing."""
    if depth > DEEPEST:
        raise _malformed(f"nests more than {DEEPEST} levels")
    if isinstance(description, list | tuple):
        for item in description:
            _require_restorable(item, depth + 1)
    elif isinstance(description, dict):
        _require_object(description)
        for key, item in description.items():
            nested = (
                description["type"] in ("Feature", "Estimator") and key == "parameters"
            )  # the one dict without a type
            for part in item.values() if nested else [item]:
                _require_restorable(part, depth + 1)
    elif isinstance(description, str) and len(description) > LONGEST:
        raise _malformed(f"holds a text of {len(description):,} letters")
    elif isinstance(description, int) and abs(description) >= LARGEST:
        raise _malformed("holds a whole number of more than 63 bits")
    elif not (description is None or isinstance(description, int | float | str)):
        raise _malformed(f"holds a {type(description).__name__}")


def _require_object(description: dict[Any, Any]) -> None:
    """Raise RunError unless an object has a type that may be made, and the keys of that type."""
    kind = present_type(description)
    if not isinstance(kind, str) or not all(isinstance(key, str) for key in description):
        raise _malformed("has an object without a type")
    if "identity" in description or kind in ("function", "object"):
        name = description.get("name", description.get("kind", description.get("class", kind)))
        raise refused(
            f"{_shown(name)} is not a recipe of candlecast, but code or data of the user who ran the study", "a recipe"
        )
    if kind in SHAPES:
        keys, require = SHAPES[kind]
        lacking = sorted(keys - set(description))
        if lacking:
            raise _malformed(f"has a {kind} without {', '.join(lacking)}")
        require(description)
    elif not any(kind in names for names in MODULES.values()):
        raise RunError(
            f"{_shown(kind)} is not a recipe of this version",
            expected="a recipe that candlecast knows",
            remedy="Install the version that the run was made with, or give the object in code: "
            "load_run(folder).fitted(study=study)",
        )


def _require_candles(description: dict[str, Any]) -> None:
    if not all(isinstance(description[name], str) for name in ("symbol", "interval", "fingerprint")):
        raise _malformed("has candles whose names are not text")


def _require_pairs(description: dict[str, Any]) -> None:
    pairs = description["items"]
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise _malformed("has a dict whose items are not pairs")


def _require_estimator(description: dict[str, Any]) -> None:
    require_known(description["class"], description["parameters"])


def _require_feature(description: dict[str, Any]) -> None:
    kind, parameters = description["kind"], description["parameters"]
    allowed = {"feature": "Feature", "other": "Candles"} if kind in NESTING else {}
    if not isinstance(parameters, dict) or not all(
        type(each) in PLAIN or (isinstance(each, dict) and each.get("type") == allowed.get(name, ""))
        for name, each in parameters.items()
    ):
        raise _malformed("has a Feature whose parameters are not plain")
    if not isinstance(kind, str) or kind not in (*FACTORIES, *NESTING):
        raise refused(f"{_shown(kind)} is not a recipe of this version", "a feature of candlecast's own")


def _require_features(description: dict[str, Any]) -> None:
    items = description["features"]
    if not isinstance(items, list) or not all(
        isinstance(item, dict) and item.get("type") == "Feature" for item in items
    ):
        raise _malformed("has Features that are not a list of features")


def _require_several(description: dict[str, Any]) -> None:
    if not isinstance(description["targets"], list):
        raise _malformed("has Several without a list of targets")


Shape = tuple[set[str], Callable[[dict[str, Any]], None]]  # keys of a description, and the check of their values
SHAPES: dict[str, Shape] = {  # of what is described otherwise than by constructor parameters
    "Candles": ({"symbol", "interval", "fingerprint"}, _require_candles),
    "Estimator": ({"class", "parameters"}, _require_estimator),
    "Feature": ({"kind", "parameters", "warmup", "scaling"}, _require_feature),
    "Features": ({"features", "scaling"}, _require_features),
    "Several": ({"targets"}, _require_several),
    "dict": ({"items"}, _require_pairs),
}


def _made(description: Any, candles: Sequence[Candles]) -> Any:
    """The value of a description that has been checked."""
    if isinstance(description, list | tuple):
        return tuple(_made(item, candles) for item in description)
    if not isinstance(description, dict):
        return description
    kind = present_type(description)
    if kind == "Candles":
        return _given(description, candles)
    if kind == "Feature":
        return _made_feature(description, candles)
    if kind == "Estimator":
        parameters = {key: _made(part, candles) for key, part in description["parameters"].items()}
        return make(description["class"], parameters)
    if kind == "dict":
        return _called(kind, dict, [_made(pair, candles) for pair in description["items"]])
    parts = {name: _made(value, candles) for name, value in with_added(description).items() if name != "type"}
    if kind == "Features":
        _require_scaler(parts["scaling"])
        return _called(kind, Features, *parts["features"], scaling=parts["scaling"])
    if kind == "Several":
        return _called(kind, Several, *parts["targets"])
    recipe = _recipe(kind)
    names = set(_stored(recipe))
    unknown = sorted(parts.keys() - names - {"name"})  # a name may be computed from the rest
    if unknown:
        raise _malformed(f"has a {kind} with {_shown(unknown[0])}, which this version does not know")
    return _called(kind, recipe, **{name: part for name, part in parts.items() if name in names})


def _stored(recipe: Any) -> list[str]:
    """Names of the parameters of a recipe or its class, but for places of this machine, which a recipe of others may not name."""
    return [field.name for field in fields(recipe) if field.init and field.metadata.get("is_stored", True)]


def _made_feature(description: dict[str, Any], candles: Sequence[Candles]) -> Feature:
    kind = description["kind"]
    parameters = {name: _made(part, candles) for name, part in description["parameters"].items()}
    built = _called(kind, getattr(features, kind), **parameters)
    if built.warmup != description["warmup"]:
        raise RunError(
            f"{kind} has a warm-up of {built.warmup} bars, and in the run one of {str(description['warmup'])[:20]}",
            expected="a feature that is computed as it was in the run",
            remedy="Run the study again, or install the version of candlecast that it was run with",
        )
    if description["scaling"] is None:
        return replace(built, scaling=None)
    scaling = _made(description["scaling"], ())
    _require_scaler(scaling)
    return built.scaled(scaling)


def _require_scaler(scaling: Any) -> None:
    if not callable(getattr(scaling, "measure", None)):
        raise _malformed(f"scales by a {type(scaling).__name__}")


def _recipe(kind: str) -> type[Any]:
    """The class of that name: a frozen dataclass of candlecast with equality by value."""
    for module, names in MODULES.items():
        found = getattr(module, kind, None) if kind in names else None
        if isinstance(found, type) and is_dataclass(found) and is_installed(found):
            options: Any = getattr(found, "__dataclass_params__", None)
            if found.__module__.startswith("candlecast.") and options.frozen and options.eq:
                return found
    raise refused(f"{_shown(kind)} is not a recipe", "a recipe of candlecast")


def _called(kind: str, constructor: Callable[..., Any], /, *parts: Any, **named: Any) -> Any:
    try:
        return constructor(*parts, **named)
    except Exception as error:  # constructors raise errors of many types for bad values
        text = str(error).strip() or type(error).__name__
        raise _malformed(f"has a {kind} that cannot be made ({text[:200]})") from error


def _shown(name: object) -> str:
    """A name from a description, made printable and short for a message."""
    text = "".join(letter if letter.isprintable() else "?" for letter in str(name)[:100])
    return text or "''"


def _malformed(how: str) -> RunError:
    return RunError(
        f"the description of a recipe {how}",
        expected="what candlecast writes",
        remedy="Take the run from where it was made, or give the study in code: load_run(folder).fitted(study=study)",
    )


def _given(description: dict[str, Any], candles: Sequence[Candles]) -> Candles:
    for each in candles:
        if each.fingerprint == description["fingerprint"]:
            return each
    given = listed(f"{each.symbol} {each.interval} ({each.fingerprint[:12]})" for each in candles)
    raise RunError(
        f"the candles of {description['symbol']} {description['interval']} are named, not stored"
        + (f", and those given are {given}" if candles else ""),
        expected=f"candles with the fingerprint {description['fingerprint'][:12]}",
        remedy="Give them: load_run(folder, candles=[candles])",
    )
