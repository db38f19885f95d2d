"""Candles with another future: everything known at the close of a bar stays, and what comes after it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.causality.markets import another_path

PRICES = ("open", "high", "low", "close")
WIDER, LARGER = 1.05, 2.0  # factors by which a high and a volume change
STEP = 1.1  # factor by which all prices of a single bar change


class Perturbation(NamedTuple):
    """A way to change candles after bar t; `apply(candles, t, generator)` gives sound candles that are equal up to t."""

    name: str
    apply: Callable[[Candles, int, np.random.Generator], Candles]


def noise(candles: Candles, bar: int, generator: np.random.Generator) -> Candles:
    """Another random path of prices and volumes after the bar."""
    return another_path(candles, bar, generator)


def reversal(candles: Candles, bar: int, generator: np.random.Generator) -> Candles:
    """The bars after the bar in reversed order, as changes from close to close."""
    later = slice(bar + 1, None)
    before = candles.close[bar:-1]
    relative = {name: (getattr(candles, name)[later] / before)[::-1] for name in PRICES}
    closes = candles.close[bar] * np.cumprod(relative["close"])
    before = np.concatenate([candles.close[bar : bar + 1], closes[:-1]])
    new = {name: before * values for name, values in relative.items()} | {"close": closes}
    every = np.stack([new[name] for name in PRICES])
    new |= {"high": every.max(axis=0), "low": every.min(axis=0)}
    new |= {name: getattr(candles, name)[later][::-1] for name in _volumes(candles)}
    return _later(candles, bar, new)


def mirror(candles: Candles, bar: int, generator: np.random.Generator) -> Candles:
    """Every later log return with the other sign, so that what follows the sign of a later move changes for certain."""
    before = candles.close[bar:-1]
    inverse = {name: before / getattr(candles, name)[bar + 1 :] for name in PRICES}
    closes = candles.close[bar] * np.cumprod(inverse["close"])
    start = np.concatenate([candles.close[bar : bar + 1], closes[:-1]])
    new = {name: start * values for name, values in inverse.items()} | {"close": closes}
    every = np.stack([new[name] for name in PRICES])
    new |= {"high": every.max(axis=0), "low": every.min(axis=0)}
    new |= {name: LARGER * getattr(candles, name)[bar + 1 :] + 1 for name in _volumes(candles)}
    return _later(candles, bar, new)


def truncation(candles: Candles, bar: int, generator: np.random.Generator) -> Candles:
    """The candles up to the bar and no others."""
    return candles[: bar + 1]


def next_bar(candles: Candles, bar: int, generator: np.random.Generator) -> Candles:
    """The bar after the bar at other prices, with another volume; later bars stay."""
    new = {name: getattr(candles, name)[bar + 1 :].copy() for name in (*PRICES, *_volumes(candles))}
    for name in PRICES:
        new[name][:1] *= STEP
    for name in _volumes(candles):
        new[name][:1] = LARGER * new[name][:1] + 1
    return _later(candles, bar, new)


def other_column(name: str) -> Perturbation:
    """The perturbation that changes one column of all later bars, within what keeps candles sound."""

    def apply(candles: Candles, bar: int, generator: np.random.Generator) -> Candles:
        held = {each: getattr(candles, each)[bar + 1 :] for each in (*PRICES, "volume")}
        changed = {
            "open": held["low"] + held["high"] - held["open"],
            "close": held["low"] + held["high"] - held["close"],
            "high": held["high"] * WIDER,
            "low": held["low"] / WIDER,
            "volume": held["volume"] * LARGER + 1,
        }
        new = {name: np.clip(changed[name], *_bounds(name, held))}
        if name == "volume":
            new |= {each: LARGER * getattr(candles, each)[bar + 1 :] + 1 for each in candles.activity}
        return _later(candles, bar, new)

    return Perturbation(f"other {name}s" if name != "volume" else "other volumes", apply)


NOISE, NEXT_BAR, MIRROR, TRUNCATION = (
    Perturbation("noise", noise),
    Perturbation("next bar", next_bar),
    Perturbation("mirror", mirror),
    Perturbation("truncation", truncation),
)
PERTURBATIONS = (
    NOISE,
    NEXT_BAR,
    MIRROR,
    Perturbation("reversal", reversal),
    TRUNCATION,
    *(other_column(name) for name in (*PRICES, "volume")),
)


def _volumes(candles: Candles) -> tuple[str, ...]:
    return ("volume", *candles.activity)


def _bounds(name: str, held: dict[str, np.ndarray]) -> tuple[np.ndarray | float, np.ndarray | float]:
    """Rounding must not move an open or a close out of the range of its bar."""
    return (held["low"], held["high"]) if name in ("open", "close") else (0.0, np.inf)


def _later(candles: Candles, bar: int, new: dict[str, np.ndarray]) -> Candles:
    """The candles with other values of some columns after the bar."""
    columns = {name: np.concatenate([getattr(candles, name)[: bar + 1], values]) for name, values in new.items()}
    return replace(candles, frame=candles.frame.with_columns(**{name: pl.Series(v) for name, v in columns.items()}))
