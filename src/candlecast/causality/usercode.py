"""Which models hold code of a user: their own class, or a function or estimator that one of candlecast's was given."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import NamedTuple

import numpy as np

from candlecast.models import Conformal, Fitted, Model, NetModel, Search, Sklearn
from candlecast.models.wrappers.conformal import FittedConformal
from candlecast.models.wrappers.known_estimators import is_known
from candlecast.models.wrappers.search import FittedSearch

ROOT = "candlecast."
TRAINED = ("fit", "restore", "measured")  # methods of a net by which candlecast trains and restores it


class Core(NamedTuple):
    """What is inside candlecast's wrappers: a model, what it learnt, and a name of its parameters where these were searched."""

    model: Model
    fitted: Fitted
    chosen: str = ""


def core(model: Model, fitted: Fitted) -> Core:
    """The innermost model within `Conformal` and `Search`; of a search, the one that was chosen for this job."""
    chosen = ""
    while True:
        if type(model) is Conformal and isinstance(fitted, FittedConformal):
            model, fitted = model.model, fitted.fitted
        elif type(model) is Search and isinstance(fitted, FittedSearch):
            parameters = fitted.chosen.parameters
            chosen += repr(sorted(parameters.items()))
            model, fitted = model.made_of(fitted.chosen), fitted.fitted
        else:
            return Core(model, fitted, chosen)


def is_ours(value: object) -> bool:
    """Whether a recipe is candlecast's own, and holds nothing but numbers, texts, and recipes of that kind.

    Estimators of scikit-learn and LightGBM that compute each row by itself count as such, with plain parameters.

    >>> import candlecast as cc
    >>> is_ours(cc.Conformal(cc.LSTM())), is_ours(cc.Torch(lambda inputs: None))
    (True, False)
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str) or isinstance(value, np.generic | np.ndarray):
        return True
    if kind in (list, tuple, set, frozenset):
        return all(map(is_ours, value))  # type: ignore[call-overload]
    if isinstance(value, Mapping):
        return all(map(is_ours, value.values()))
    if isinstance(value, types.FunctionType | type):
        return value.__module__.startswith(ROOT) and "<" not in value.__qualname__  # no lambda, no inner function
    if kind.__module__.startswith(ROOT):
        if isinstance(value, NetModel) and not sees_arrays_only(value):
            return False
        return not is_dataclass(value) or all(is_ours(getattr(value, item.name)) for item in fields(value) if item.init)
    return is_known(value)


def sees_arrays_only(model: object) -> bool:
    """Whether what a user wrote in it gets windows of features and training outcomes, and no candles."""
    if isinstance(model, NetModel):
        kind = type(model)
        return all(getattr(kind, name).__module__.startswith(ROOT) for name in TRAINED)
    inner = getattr(model, "model", None)
    if inner is not None and type(model).__module__.startswith(ROOT):
        return sees_arrays_only(inner)
    return type(model) is Sklearn
