"""Pretrained forecasters that come with an extra, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from candlecast.errors import ConfigError

Quantiles = Callable[[np.ndarray, int], np.ndarray]


@lru_cache(maxsize=1)
def fracast() -> Quantiles:
    """Fracast-0 (85,001 parameters, deciles); its weights are in the wheel of the package, and nothing is downloaded."""
    try:
        from fracast import FracastModel
    except ImportError as error:
        raise ConfigError(
            "fracast is not installed",
            expected="the extra zeroshot",
            remedy="Install it with: pip install 'candlecast[zeroshot]'",
        ) from error
    model: Any = FracastModel.from_pretrained()

    def quantiles(past: np.ndarray, horizon: int) -> np.ndarray:
        is_empty = np.isfinite(past).sum(axis=1) == 0
        return model.forecast_batch(np.where(is_empty[:, None], 0.0, past), horizon=horizon)

    return quantiles


LOADERS: dict[str, Callable[[], Quantiles]] = {"fracast": fracast}


def version_of(name: str) -> str:
    """The name of a forecaster with the version of its package, which holds its weights."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return name
