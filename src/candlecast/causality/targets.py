"""The check of a target at the start of a walk: outcomes are known after `horizon` bars, naive forecasts at once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from candlecast import targets as package
from candlecast.candles import Candles
from candlecast.causality import markets
from candlecast.causality.compare import Passed, informative, minute, naming, require_equal
from candlecast.causality.copies import by_earlier_calls
from candlecast.errors import ConfigError, LookaheadError, said
from candlecast.targets import Target, components

logger = logging.getLogger(__name__)

BARS, CUTS, SHORT = 2_000, 3, 400
MINIMUM = 60  # informative rows for a comparison
NAMES = ("values", "naive", "expected_return")

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
    subject = f"target {target.name} (horizon {horizon})"
    short = part[-(SHORT + 4 * horizon) :]
    _require_nothing_kept(target, short, [markets.unseen(short, seed), *markets.other_ends(short, seed)], subject)
    with naming(f"the values or the naive forecast of {subject}", part):
        given = target.values(part), target.naive(part)
    values, naive = _numbers(target, given, NAMES, part)
    forecast = naive + 0.01 * np.random.default_rng(seed).standard_normal(len(part))
    with naming(f"expected_return of {subject}", part):
        given = (target.expected_return(forecast, part),)
    (implied,) = _numbers(target, given, NAMES[2:], part)
    for bar, other in markets.other_futures(part, horizon, seed, moments=CUTS):
        forecast_there = np.where(np.arange(len(other)) <= bar, forecast[: len(other)], forecast[::-1][: len(other)])
        with naming(subject, other):
            given = target.values(other), target.naive(other), target.expected_return(forecast_there, other)
        found = _numbers(target, given, NAMES, other)
        pairs = {
            "values": (values, found[0], max(bar + 1 - horizon, 0)),
            "naive": (naive, found[1], bar + 1),
            "expected_return": (implied, found[2], bar + 1),
        }
        for name, (before, after, stop) in pairs.items():
            require_equal(
                before[:stop, None], after[:stop, None], (name,), part, bar, subject=f"{name} of {subject}", first=first
            )
    _require_answers(target, part, (values, naive, implied), forecast, subject, seed)
    later = markets.dated_otherwise(part, markets.same_calendar(part))
    for name, before, again in (
        ("naive", naive, lambda: target.naive(later)),
        ("expected_return", implied, lambda: target.expected_return(forecast, later)),
    ):
        _require_same(subject, name, part, before, again)


def _numbers(
    target: Target, given: tuple[Any, ...], methods: tuple[str, ...], candles: Candles
) -> tuple[np.ndarray, ...]:
    """What methods of a target gave, as arrays. Raises ConfigError for anything but real numbers, one for each bar."""
    found = tuple(np.asarray(each) for each in given)
    for each, method in zip(found, methods, strict=False):
        if each.shape != (len(candles),) or each.dtype.kind not in "fiub":
            raise ConfigError(
                f"{method} of the target {target.name} gave {each.dtype} of shape {each.shape} for {len(candles):,} candles",
                expected=f"{len(candles):,} real numbers, one for each bar",
                remedy=f"Correct {type(target).__name__}.{method}",
            )
    return found


def _require_answers(
    target: Target, candles: Candles, before: tuple[np.ndarray, ...], forecast: np.ndarray, subject: str, seed: int
) -> None:
    """What depends on prices moves after a bar when all candles after it are replaced; outcomes from elsewhere never do."""
    bar, generator = len(candles) // 2, np.random.default_rng(seed)

    def found(other: Candles) -> tuple[np.ndarray, ...]:
        with naming(subject, other):
            given = target.values(other), target.naive(other), target.expected_return(forecast, other)
        return _numbers(target, given, NAMES, other)

    after = found(markets.another_path(candles, bar, generator))
    later = slice(bar + 1 + target.horizon, len(candles) - target.horizon)
    unmoved = [
        column
        for column, (one, two) in enumerate(zip(before, after, strict=True))
        if informative(one[later]).sum() >= MINIMUM and np.array_equal(one[later], two[later], equal_nan=True)
    ]
    if not unmoved:
        return
    elsewhere = found(markets.unseen(candles, seed))
    for column in unmoved:
        if not np.array_equal(before[column][later], elsewhere[column][later], equal_nan=True):
            raise LookaheadError(
                f"{NAMES[column]} of {subject} has the same values after bar {bar:,} when all candles after it are replaced, "
                "though it depends on prices: it answers from memory",
                expected="numbers computed from the candles given",
                remedy="Keep nothing between calls, or by candles.fingerprint, which names all of them",
            )


def _require_nothing_kept(target: Target, candles: Candles, others: list[Candles], subject: str) -> None:
    """The same outcomes and forecasts for the same candles, whatever the target was called with before."""

    def call(copy: Target, given: Candles) -> np.ndarray:
        naive = copy.naive(given)
        return np.column_stack([copy.values(given), naive, copy.expected_return(naive, given)])

    kept = by_earlier_calls(target, call, own=candles, others=others)
    if kept is not None:
        row, column = (int(i) for i in np.argwhere((kept[0] != kept[1]) & ~np.isnan(kept).all(axis=0))[0])
        raise LookaheadError(
            f"{NAMES[column]} of {subject} is {kept[0][row, column]:.6g} at "
            f"{minute(candles, row)}, and {kept[1][row, column]:.6g} when other candles were given before: it keeps something "
            "between calls",
            expected="the same numbers for the same candles, whatever it was called with before",
            remedy="Fit nothing inside a target",
        )


def _require_same(
    subject: str, name: str, candles: Candles, before: np.ndarray, again: Callable[[], np.ndarray]
) -> None:
    expected = "values computed from the candles given; only outcomes may come from elsewhere"
    remedy = "Compute them from the candles"
    try:
        after = again()
    except Exception as error:
        raise LookaheadError(
            f"{name} of {subject} fails on the same candles with other dates ({said(error)})",
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
