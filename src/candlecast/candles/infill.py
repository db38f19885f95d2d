"""Bars that fill gaps by interpolation: their moves go on into the next bar, as those of other bars do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from candlecast.candles.fills import SOME
from candlecast.candles.ticks import ticks

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

NEAR = 0.05  # of the median: a second difference, or what a bar's range has beyond open and close, is next to nothing
STEP = 1e-7  # relative: a line with smaller steps is taken for a standstill
BARE = 0.02  # of the median range: what a bar's range has beyond open and close is next to nothing
MORE = 0.1  # share of moves that go on, beyond that of other bars; 15,000 real minutes show 0.055 at most
SURE = 5.0  # standard errors of that difference
LEVELS = 10  # of the size of a move, within which bars are compared
MINIMUM = 10  # bars that show anything
OTHERS = 0.1  # of the bars, at least: what these are compared with


def is_interpolated(candles: Candles) -> np.ndarray:
    """Bool (time,): bars that look interpolated, where the moves of such bars are known to go on.

    An interpolated bar leads from a real price to the next real price: by then its move is only a part of the whole. Two
    kinds of bars may be interpolated: those without prices beyond open and close (next to none, by the usual range), and those
    whose four prices move by the steps of the bar before (next to it, by the usual difference of steps). Real bars look so at
    times: in fast markets of few trades, or on a coarse grid. What their moves say about the next is no more than other moves
    of the same size say. So a kind counts where the next move has the same sign more often than after other bars: by MORE,
    and by SURE standard errors, over LEVELS levels of size (Mantel and Haenszel 1959). Of 30 % of bars filled in, linear and
    monotone interpolation make nine of ten moves go on, cubic ones seven of ten, rounded or converted
    to another currency too. Where prices have no step, bars on exact lines count as they are: none lies there by chance.
    Retrospective: it describes the table as a whole.
    """
    found = np.zeros(len(candles), dtype=bool)
    if len(candles) < 3 * MINIMUM:
        return found
    returns = np.diff(np.log(candles.close), prepend=np.log(candles.close[0]))
    for kind in (_is_bare(candles), _is_even(candles)):
        if _goes_on(returns, kind):
            found |= kind
    exact = _is_even(candles, near=0.0)
    return found | exact if exact.any() and not ticks(candles).typical > 0 else found


def _is_bare(candles: Candles) -> np.ndarray:
    """Bool (time,): the bar moves, and its range is that from open to close."""
    ranges, bodies = candles.high - candles.low, np.abs(candles.close - candles.open)
    relative = ranges / candles.close
    usual = float(np.median(relative[relative > 0])) if (relative > 0).any() else 0.0
    return ((ranges - bodies) / candles.close <= BARE * usual) & (bodies > 0)


def _is_even(candles: Candles, near: float = NEAR) -> np.ndarray:
    """Bool (time,): each of the four prices moves by nearly the step of the bar before; `near`: of the median difference."""
    even = np.ones(len(candles), dtype=bool)
    even[:2] = False
    for prices in (candles.open, candles.high, candles.low, candles.close):
        bends = np.abs(np.diff(prices, 2)) / prices[2:]
        bent = bends[bends > 0]
        even[2:] &= bends <= max(near * float(np.median(bent)) if len(bent) else 0.0, SOME)
        even[2:] &= np.abs(np.diff(prices)[1:]) > STEP * prices[2:]
    return even


def _goes_on(returns: np.ndarray, kind: np.ndarray) -> bool:
    """Whether returns of bars of a kind go on into the next bar, beyond those of all others; float64 and bool (time,)."""
    difference, error = _excess(returns[1:-1], returns[2:], kind[1:-1])
    return difference > MORE and difference > SURE * error


def _excess(now: np.ndarray, later: np.ndarray, kind: np.ndarray) -> tuple[float, float]:
    """By how much more often the sign stays in bars of a kind than in others of the same size, and its standard error.

    0 and infinity for too few bars.
    """
    moved = (now != 0) & (later != 0)
    now, later, kind = now[moved], later[moved], kind[moved]
    count = int(kind.sum())
    if count < MINIMUM or len(kind) - count < max(OTHERS * len(kind), MINIMUM):
        return 0.0, np.inf
    stays = (now > 0) == (later > 0)
    level = np.argsort(np.argsort(np.abs(now))) * LEVELS // len(now)
    total = difference = variance = 0.0
    for each in range(LEVELS):
        own, others = stays[(level == each) & kind], stays[(level == each) & ~kind]
        if not len(own) or not len(others):
            continue
        weight = len(own) * len(others) / (len(own) + len(others))
        share = stays[level == each].mean()
        total += weight
        difference += weight * (own.mean() - others.mean())
        variance += weight * share * (1 - share)
    return (difference / total, float(np.sqrt(variance)) / total) if variance > 0 else (0.0, np.inf)
