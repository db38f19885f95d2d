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
from candlecast.causality.telling import telling_rows
from candlecast.errors import ConfigError, LookaheadError, said
from candlecast.targets import Target, components

logger = logging.getLogger(__name__)

BARS, CUTS, SHORT = 2_000, 3, 400
MINIMUM = 60  # informative rows for a comparison
ROWS = 8  # rows without and with an outcome whose future is replaced, to see whether it decides which they are
NAMES = ("values", "naive", "expected_return")

_passed = Passed()


def require_causal_target(target: Target, candles: Candles, *, seed: int = 0) -> None:
    """Raise unless each target that is not candlecast's own knows its outcomes `horizon` bars later and not before.

    On a stretch of these candles, when later ones are cut off or replaced: `values` at and before t - horizon, `naive` and
    `expected_return` at and before t do not move by a bit. Nor do `naive` and `expected_return` when all dates move by 28
    years: what is forecast and earned is computed from the candles, whatever the outcome is. Whether a row has an outcome does
    not depend on the prices after it: a sample without some of its outcomes is selected by them. `check_target` of
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
    everywhere = telling_rows(part, np.column_stack([values, naive, implied]), horizon, seed)
    cuts = [(bar, other, True) for bar, other in markets.other_futures(part, horizon, seed, moments=CUTS)]
    for bar, other, is_exact in [*cuts, *((bar, part[: bar + 1], False) for bar in everywhere)]:
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
                before[:stop, None],
                after[:stop, None],
                (name,),
                part,
                bar,
                subject=f"{name} of {subject}",
                first=first,
                is_exact=is_exact,
            )
    _require_answers(target, part, (values, naive, implied), forecast, subject, seed)
    _require_unselected(target, part, values, subject, seed)
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


def _require_unselected(target: Target, candles: Candles, values: np.ndarray, subject: str, seed: int) -> None:
    """Whether a row has an outcome stays the same when the prices after it are replaced.

    Looked at are rows between the first and the last outcome, so that a warm-up and the end of the candles do not count; of
    those without an outcome, the ones after which trading goes on and the price has changed at the horizon.
    """
    horizon = target.horizon
    is_known = np.isfinite(values)
    known = np.flatnonzero(is_known)
    if not len(known) or is_known[known[0] : known[-1]].all():
        return
    rows = np.arange(known[0], min(int(known[-1]) + 1, len(candles) - horizon))
    missing = rows[~is_known[rows] & _is_traded_after(candles, horizon)[rows]]
    generator = np.random.default_rng(seed)
    for row in (*_spread_over(missing), *_spread_over(rows[is_known[rows]])):
        other = markets.another_path(candles, row, generator)
        with naming(f"the values of {subject}", other):
            (found,) = _numbers(target, (target.values(other),), NAMES[:1], other)
        if np.isfinite(found[row]) != is_known[row]:
            words = ("has no outcome", "has one") if not is_known[row] else ("has an outcome", "has none")
            raise LookaheadError(
                f"{subject} {words[0]} at {minute(candles, row)}, and {words[1]} when the prices after that bar are others: the "
                f"future decides which rows count, so the sample is selected by its outcomes ({len(missing):,} of {len(rows):,} "
                "rows have none)",
                expected="an outcome at every row whose future is in the candles",
                remedy="Give every row its value; leave rows out by what is known at their time, such as a feature that is NaN "
                "there or a filter of the rule",
            )


def _is_traded_after(candles: Candles, horizon: int) -> np.ndarray:
    """Whether each bar is followed by `horizon` bars with a range, with volume where others have some, and by another close."""
    rows = len(candles)
    has_trades = (candles.high > candles.low) & ((candles.volume > 0) | ~(candles.volume > 0).any())
    found = np.zeros(rows, bool)
    found[: rows - horizon] = candles.close[horizon:] != candles.close[:-horizon]
    for ahead in range(1, horizon + 1):
        found[: rows - ahead] &= has_trades[ahead:]
    return found


def _spread_over(rows: np.ndarray) -> list[int]:
    """At most `ROWS` of these rows, at equal distances."""
    if not len(rows):
        return []
    return np.unique(rows[np.linspace(0, len(rows) - 1, ROWS).astype(int)]).tolist()


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
