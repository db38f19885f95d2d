"""Bars that were generated from longer ones: the order of the low and the high tells how the longer bar ends."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from candlecast.candles.clock import DAY, HOUR, WEEK
from candlecast.candles.gaps import month_numbers, trading_days, wall_clock

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

LEAST, WHOLE = 4, 0.75  # bars of a block, and their share of the usual number
NEAR = 0.25  # of a block's range: it ends about where it began
MINIMUM = 25  # such blocks
FLAT = 0.2  # share of the bars that close where they open, at most: without a path within bars, ends are highs or lows
MOST, USUAL = 0.85, 0.76  # share of them whose order tells their end: at least; of real ones, at most
LEVEL = 1e-4  # of a binomial test against USUAL


class BlockPaths(NamedTuple):
    """What the order of low and high tells of how a longer bar ends; NaN and "" for too few bars.

    share: of the blocks that end near their beginning, those whose low is before their high and that rise, or the opposite.
        block: the kind of blocks of which most are so. is_found: the bars were generated from longer ones.
    """

    share: float
    block: str
    is_found: bool


def block_paths(candles: Candles) -> BlockPaths:
    """Whether the bars of an hour, a day, a week or a month take the path open, low, high, close where it rises.

    Programs that need shorter bars than they have draw a path from the open by the low and the high to the close, and by the
    high and the low where the close is below the open. Then the order of low and high tells how the longer bar ends, some bars
    before. In a market the order tells it too, as long as the move is large. Where the block ends near its open, at less than
    NEAR of its range, it tells little: by time reversal half of such blocks have either order if the move is nothing, and 0.69
    of those of a random walk have this one. On real candles it is 0.55 to 0.76, and MOST or more where bars were generated, with
    noise as large as the path too. Retrospective.

    >>> from candlecast.sources import synthetic
    >>> found = block_paths(synthetic.random_walk(10_000, seed=0, interval="1h").candles)
    >>> found.share < 0.76, found.is_found
    (True, False)
    """
    found = BlockPaths(math.nan, "", False)
    if not len(candles):
        return found
    if np.mean(candles.open == candles.close) > FLAT:
        return found
    for name, block in _blocks(candles):
        count, same = _orders(candles, block)
        if count < MINIMUM:
            continue
        share = same / count
        is_found = share >= MOST and _chance(same, count) <= LEVEL
        if (is_found, share) > (found.is_found, found.share if found.block else -1.0):
            found = BlockPaths(share, name, is_found)
    return found


def _blocks(candles: Candles) -> Iterator[tuple[str, np.ndarray]]:
    """Kinds of blocks by name, with the number of the block of each bar, int64 (time,)."""
    step = candles.interval.microseconds
    if candles.interval.months or step > DAY:
        return
    clock = wall_clock(candles)
    days = trading_days(candles).astype(np.int64)
    for name, length in (("hour", HOUR), ("four-hour block", 4 * HOUR)):
        if step * LEAST <= length:
            yield name, clock // length
    if step * LEAST <= DAY:
        yield "day", days
    if step == DAY:
        yield "month", month_numbers(candles)
    yield "week", (days + 3) // (WEEK // DAY)


def _orders(candles: Candles, block: np.ndarray) -> tuple[int, int]:
    """How many blocks end near their beginning, and of how many of these the order of low and high tells the end."""
    rows = np.arange(len(block))
    first = np.flatnonzero(np.append(True, np.diff(block) != 0)) if len(block) else rows
    if not len(first):
        return 0, 0
    sizes = np.diff(np.append(first, len(block)))
    high, low = np.maximum.reduceat(candles.high, first), np.minimum.reduceat(candles.low, first)
    of_high, of_low = np.repeat(high, sizes), np.repeat(low, sizes)
    when_high = np.minimum.reduceat(np.where(candles.high >= of_high, rows, len(rows)), first)
    when_low = np.minimum.reduceat(np.where(candles.low <= of_low, rows, len(rows)), first)
    move = candles.close[first + sizes - 1] - candles.open[first]
    is_whole = sizes >= max(WHOLE * float(np.median(sizes)), LEAST)
    is_near = is_whole & (when_high != when_low) & (move != 0) & (np.abs(move) < NEAR * (high - low))
    return int(is_near.sum()), int((is_near & ((when_low < when_high) == (move > 0))).sum())


def _chance(same: int, count: int) -> float:
    """Probability of at least as many successes of a binomial distribution with the probability USUAL."""
    ways = (math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) for k in range(same, count + 1))
    logs = (log + k * math.log(USUAL) + (count - k) * math.log(1 - USUAL) for k, log in enumerate(ways, same))
    return min(sum(map(math.exp, logs)), 1.0)
