"""Late bars: stretches whose highs and lows are those of some bars before, as a recorder with a lagging source writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

FIRST, LAST = 2, 12  # bars between a bar and its repetition
BLOCK = 250  # bars in which the steps of prices are measured
FEW_STEPS = 20.0  # steps of price in the range of a bar, below which it repeats prices by chance
SAME = 5e-7  # relative: extremes that differ by less are equal
MANY, LEAST = 0.02, 8  # of the bars, and bars, more than repeat extremes by chance


def late_share(candles: Candles) -> float:
    """Share of the bars that repeat extremes of bars FIRST to LAST before, above that of twice as far before.

    A source that lags by three and a half bars serves the path of prices once more. Its bars are cut elsewhere, so they differ,
    but an extreme of the path is the same price again: two extremes, high and low of a bar or of adjoining ones, equal those
    as many bars before. Bars of FEW_STEPS steps or fewer are left out. Prices on a grid repeat extremes by chance
    about as often from farther away, and this share is subtracted; it may be below zero. Retrospective.

    >>> from candlecast.sources import synthetic
    >>> late_share(synthetic.garch(1_000, seed=1).candles)
    0.0
    """
    if len(candles) <= 2 * LAST:
        return 0.0
    near, far = _repeats(candles, FIRST, LAST), _repeats(candles, LAST + 1, 2 * LAST - FIRST + 1)
    return (int(near.sum()) - int(far.sum())) / len(candles)


def are_late(candles: Candles, share: float) -> bool:
    """Whether so large a share of the bars is late that it is not by chance."""
    return share >= max(MANY, LEAST / max(len(candles), 1))


def _repeats(candles: Candles, first: int, last: int) -> np.ndarray:
    """Bool (time,): two extremes of the bar, or of it and one that adjoins it, are those of as many bars before."""
    high, low, least = candles.high, candles.low, SAME * candles.close
    is_wide = high - low > FEW_STEPS * np.maximum(_steps(candles), least)
    is_new_high, is_new_low = (np.abs(np.diff(each)) > least[1:] for each in (high, low))
    found = np.zeros(len(candles), dtype=bool)
    for lag in range(first, last + 1):
        both = np.zeros((2, len(candles)), dtype=bool)
        usable = is_wide[lag:] & is_wide[:-lag]
        for same, each in zip(both, (high, low), strict=True):
            same[lag:] = usable & (np.abs(each[lag:] - each[:-lag]) <= least[lag:])
        highs, lows = both
        adjoining = (highs[1:] & highs[:-1] & is_new_high) | (lows[1:] & lows[:-1] & is_new_low)
        adjoining |= (highs[1:] & lows[:-1]) | (lows[1:] & highs[:-1])
        found |= highs & lows
        found[1:] |= adjoining
        found[:-1] |= adjoining
    return found


def _steps(candles: Candles) -> np.ndarray:
    """The median distance from one price of a block of bars to the next higher one, (time,): also of sixteenths in cents."""
    count = max(len(candles) // BLOCK, 1)
    steps = []
    for high, low in zip(np.array_split(candles.high, count), np.array_split(candles.low, count), strict=True):
        gaps = np.diff(np.unique(np.concatenate([high, low])))
        gaps = gaps[gaps > SAME * high[0]]
        steps.append(np.full(len(high), float(np.median(gaps)) if len(gaps) else 0.0))
    return np.concatenate(steps)
