"""The check of a target at the start of a walk: outcomes are known after `horizon` bars, naive forecasts at once."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from candlecast import targets as package
from candlecast.candles import Candles
from candlecast.causality import markets
from candlecast.causality.compare import Passed, minute, require_equal
from candlecast.errors import LookaheadError
from candlecast.targets import Target, components

logger = logging.getLogger(__name__)

BARS, CUTS = 2_000, 3

_passed = Passed()


def require_causal_target(target: Target, candles: Candles, *, seed: int = 0) -> None:
    """Raise unless each target that is not candlecast's own knows its outcomes `horizon` bars later and not before.

    On a stretch of these candles, when later ones are cut off or replaced: `values` at and before t - horizon, `naive` and
    `expected_return` at and before t do not move by a bit. Nor do `naive` and `expected_return` when all dates move by 28
    years: what is forecast and earned is computed from the candles, whatever the outcome is. `check_target` of
    `candlecast.testing` looks closer.

    Raises LookaheadError.
    """
    for part in components(target):
        if _is_ours(part) or _passed.holds(candles, part):
            continue
        _require_causal(part, candles, seed)
        _passed.add(candles, part)
        logger.debug("target %s is causal on %s", part.name, candles.symbol)


def _is_ours(target: Target) -> bool:
    return getattr(package, type(target).__name__, None) is type(target)


def _require_causal(target: Target, candles: Candles, seed: int) -> None:
    horizon = target.horizon
    length = BARS + 4 * horizon
    first = max(len(candles) - length, 0) // 2
    part = candles[first : first + length]
    if len(part) < 2 * horizon + 40:
        return
    values, naive = target.values(part), target.naive(part)
    forecast = naive + 0.01 * np.random.default_rng(seed).standard_normal(len(part))
    implied = target.expected_return(forecast, part)
    subject = f"target {target.name} (horizon {horizon})"
    for bar, other in markets.other_futures(part, horizon, seed, moments=CUTS):
        mixed = np.where(np.arange(len(other)) <= bar, forecast[: len(other)], forecast[::-1][: len(other)])
        pairs = {
            "values": (values, target.values(other), max(bar + 1 - horizon, 0)),
            "naive": (naive, target.naive(other), bar + 1),
            "expected_return": (implied, target.expected_return(mixed, other), bar + 1),
        }
        for name, (before, after, stop) in pairs.items():
            require_equal(
                before[:stop, None], after[:stop, None], (name,), part, bar, subject=f"{name} of {subject}", first=first
            )
    later = markets.dated_otherwise(part, markets.same_calendar(part))
    for name, before, again in (
        ("naive", naive, lambda: target.naive(later)),
        ("expected_return", implied, lambda: target.expected_return(forecast, later)),
    ):
        _require_same(subject, name, part, before, again)


def _require_same(
    subject: str, name: str, candles: Candles, before: np.ndarray, again: Callable[[], np.ndarray]
) -> None:
    expected = "values computed from the candles given; only outcomes may come from elsewhere"
    remedy = "Compute them from the candles"
    try:
        after = again()
    except Exception as error:
        raise LookaheadError(
            f"{name} of {subject} fails on the same candles with other dates ({type(error).__name__})",
            expected=expected,
            remedy=remedy,
        ) from error
    moved = np.flatnonzero((before != after) & ~(np.isnan(before) & np.isnan(after)))
    if len(moved):
        row = int(moved[0])
        raise LookaheadError(
            f"{name} of {subject} is {before[row]:.6g} at {minute(candles, row)} and {after[row]:.6g} on the "
            "same candles with other dates: it is found by date",
            expected=expected,
            remedy=remedy,
        )
