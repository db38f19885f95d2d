"""Models and targets by the names that commands know them by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from candlecast import models
from candlecast.errors import ConfigError, near_misses

if TYPE_CHECKING:
    from candlecast.models import Model
    from candlecast.targets import Target

SHORT = {
    "AttentionLSTM": "alstm",
    "CalendarHAR": "har-calendar",
    "LinearRegression": "linear",
    "SeasonalNaive": "seasonal",
    "ThresholdHAR": "har-threshold",
}
NO_CHOICE = (
    "Baseline",
    "Conformal",
    "Fitted",
    "FittedSearch",
    "Forecaster",
    "Keras",
    "MemoryProbe",
    "Model",
    "NetModel",
    "Pooled",
    "RecurrentModel",
    "Search",
    "Sklearn",
    "Torch",
    "ZeroShot",
    "probe_memory",
)  # are no model, or need to be given one
MODELS = dict(sorted((SHORT.get(name, name.lower()), name) for name in models.__all__ if name not in NO_CHOICE))
TARGETS = {
    "return": "NextReturn",
    "price": "Price",
    "direction": "Direction",
    "volatility": "Volatility",
    "triplebarrier": "TripleBarrier",
    "scaled": "ScaledReturn",
}


def model(name: str) -> Model:
    """The model of that name, with its default parameters. Raises ConfigError."""
    return getattr(models, _known("model", name, MODELS))()


def target(name: str, *, horizon: int = 1) -> Target:
    """The target of that name. Raises ConfigError."""
    from candlecast import targets

    return getattr(targets, _known("target", name, TARGETS))(horizon=horizon)


def _known(kind: str, name: str, known: Mapping[str, str]) -> str:
    if name.lower() not in known:
        raise ConfigError(
            f"there is no {kind} {name!r}",
            expected=f"one of {', '.join(known)}",
            remedy=near_misses(name, known, are_listed=True),
        )
    return known[name.lower()]
