"""Weekends of quotes that come back to the price of Friday: moves on Saturday that Sunday takes back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from candlecast.candles.clock import DAY, HOUR, WEEK
from candlecast.candles.gaps import wall_clock

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

MINIMUM = 10  # weekends that show anything
LEAST = 8  # bars of a weekend
CELLS = 48  # of a weekend at most
MONDAY = 3 * DAY  # from a Monday to 1 January 1970
LARGEST = 0.35  # V_w / V_h, at most: 0.5 is that of any price with a level, and of bounces
LARGEST_LATER = 0.5  # the same of the tested bars alone
LEAST_HALF = 0.5  # V_h: where it is smaller, bounces or a level have a part in the reversals
LEVEL = 3e-4  # of the test, over all hours at which weekends may begin
BEGINNINGS = (0, 2 * HOUR, 3 * HOUR)  # before Saturday, in UTC


class WeekendQuotes(NamedTuple):
    """Variance of a weekend's return by that of its bars, over the same of its halves; NaN for too few weekends.

    are_found: quotes move away at weekends and come back to the price of Friday.
    """

    ratio: float
    are_found: bool


def weekend_quotes(candles: Candles, *, first: int = 0) -> WeekendQuotes:
    """Whether the returns of weekends nearly vanish, although those of their halves do not.

    V_w = mean over weekends of (sum r)^2 / sum r^2, r the returns of bars over their mean size by the hour of the week, and V_h
    the same of halves of weekends. Of a random walk both are one, whatever its volatility does. Of any stationary process V_w
    is half of V_h or more, as of a price with a level, or of a bounce between bid and ask. Quotes that are only
    indicative while a market is closed, and return before it opens, give far less. The test takes n V_w for a chi-square
    statistic of n degrees of freedom, n weekends. It is of all bars; from row `first` on, that of the first bar that was tested,
    V_w / V_h must be LARGEST_LATER at most. Retrospective.

    >>> from candlecast.sources import synthetic
    >>> found = weekend_quotes(synthetic.random_walk(5_000, seed=0, interval="1h").candles)
    >>> round(found.ratio, 1), found.are_found
    (1.0, False)
    """
    step = candles.interval.microseconds
    if candles.interval.months or step * LEAST > 2 * DAY or candles.has_sessions:
        return WeekendQuotes(math.nan, False)
    found = [(*_ratio(candles, before), before) for before in BEGINNINGS if before % step == 0]
    found = [each for each in found if math.isfinite(each[0])]
    if not found:
        return WeekendQuotes(math.nan, False)
    ratio, p, before = min(found, key=lambda each: (each[1], each[0]))
    are_found = ratio <= LARGEST and p * len(found) <= LEVEL
    if are_found and first:
        are_found = not _ratio(candles[first:], before)[0] > LARGEST_LATER
    return WeekendQuotes(ratio, are_found)


def _ratio(candles: Candles, before: int) -> tuple[float, float]:
    """V_w / V_h and the p-value of V_w, one where V_h is too small, for weekends that begin so long before Saturday."""
    if len(candles) < LEAST:
        return math.nan, math.nan
    step = candles.interval.microseconds
    clock = wall_clock(candles) + MONDAY + before
    cell = -(-2 * DAY // CELLS // step) * step
    number = clock // cell
    is_last = np.append(np.diff(number) != 0, True)
    time, returns = clock[is_last][1:], np.diff(np.log(candles.close[is_last]))
    is_weekend = time % WEEK >= 5 * DAY
    time, returns = time[is_weekend], returns[is_weekend]
    weeks, places = np.unique(time // WEEK), (time % WEEK - 5 * DAY) // cell
    if len(weeks) < MINIMUM:
        return math.nan, math.nan
    sizes = np.bincount(places, np.abs(returns)) / np.maximum(np.bincount(places), 1)
    x = np.divide(returns, sizes[places], out=np.zeros(len(returns)), where=sizes[places] > 0)
    whole, half = _variance_ratio(x, time // WEEK), _variance_ratio(x, time // DAY)
    if not half > 0:
        return math.nan, math.nan
    return whole / half, _below(whole, len(weeks)) if half >= LEAST_HALF else 1.0


def _variance_ratio(x: np.ndarray, block: np.ndarray) -> float:
    """Mean over blocks of the square of the sum over the sum of squares."""
    block = np.unique(block, return_inverse=True)[1]
    squares = np.bincount(block, x**2)
    moved = squares > 0
    return float(np.mean(np.bincount(block, x)[moved] ** 2 / squares[moved])) if moved.any() else math.nan


def _below(ratio: float, count: int) -> float:
    """Probability that a chi-square statistic is below `ratio` times its degrees of freedom (Wilson and Hilferty 1931)."""
    spread = 2 / (9 * count)
    return math.erfc((1 - spread - ratio ** (1 / 3)) / math.sqrt(2 * spread)) / 2
