"""Offsets that come and go: large moves that others undo some bars later, as where bars of another venue are mixed in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from candlecast.candles.fills import local_median

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

MINIMUM = 200  # moves that show anything
LARGE = (1.5, 2.0, 2.5)  # robust standard deviations of the moves around it, from which a move is large
FIRST, LAST = 2, 20  # bars between two moves of a pair; the next bar may undo a bounce between bid and ask
ALIKE = 0.5  # of the smaller one: the most by which the sizes of a pair differ
USUAL = 0.55  # share of opposite pairs that honest prices may have without any correlation
LARGEST = 3.0  # standard deviations at which moves count in the share that a correlation explains
HIGHEST = 0.99  # such a share, at most
ERRORS = 2.0  # standard errors of that correlation, added to it
REVERSAL = 3.0  # standard errors, from which small moves reverse at one lag
SPREADS = 2.0  # spreads between bid and ask: a smaller move may be a bounce
SHARE = 0.63  # of the pairs that are opposite, at least
SURE, PRESENT = 2.8, 1.3  # standard deviations above what is explained: in all bars, in those of the range
TRADED = 0.3  # share of the bars that open away from the close before, for their gaps to be judged


class Offsets(NamedTuple):
    """Share of the pairs of large moves that are opposite, and how many standard deviations it lies above an honest one.

    Of the bars of the range; NaN for too few moves. `are_found`: prices are offset for some bars at a time.
    """

    share: float
    statistic: float
    are_found: bool


NOTHING = Offsets(math.nan, math.nan, False)


def offsets(candles: Candles, *, first: int = 0, spread: float = 0.0) -> Offsets:
    """Whether large moves are undone by others of about their size, in all bars and in those from row `first` on.

    A venue whose price lies 1 % higher, taken for some bars, adds a move of 1 % and one of -1 % later: the signs of
    successive large moves alternate. Both have LARGE robust standard deviations (1.4826 times the median size of the moves
    around them), follow one another, lie FIRST to LAST bars apart, and have sizes that are ALIKE. In honest prices such pairs
    have equal signs about as often as opposite ones, however volatility clusters. True reversal makes opposite ones more
    frequent, and explains how much: where normal moves x and y (in standard deviations) have correlation rho, the log odds of
    opposite signs are -2 rho x y / (1 - rho^2), for small and large moves alike. So rho comes from the moves that are not
    large, by one step of a logistic regression, and lags at which these reverse by themselves are left out. What remains lies
    SURE standard deviations above the share that is explained, at least USUAL.

    Moves of closes and gaps between a close and the next open are judged each by itself, since files are joined in gaps.
    Moves of less than SPREADS times `spread`, that between bid and ask as a share of the price, are left out. Retrospective.

    >>> from candlecast.sources import synthetic
    >>> found = offsets(synthetic.ar1(2_000, seed=2, phi=-0.3).candles)
    >>> round(found.share, 1), found.are_found
    (0.5, False)
    """
    closes, opens = np.log(candles.close), np.log(candles.open)
    kinds = [np.diff(closes), opens[1:] - closes[:-1]]
    if kinds[1].size and np.mean(kinds[1] != 0) < TRADED:
        kinds = kinds[:1]
    found, least = NOTHING, SPREADS * spread
    for moves in kinds:
        if len(moves) - first <= MINIMUM:
            continue
        for large in LARGE:
            whole, part = _opposite(moves, large, first=first, least=least)
            are_found = whole.statistic >= SURE and part.statistic >= PRESENT and min(whole.share, part.share) >= SHARE
            found = max(found, Offsets(part.share, part.statistic, are_found), key=_rank)
    return found


def _rank(found: Offsets) -> tuple[bool, float]:
    return found.are_found, -math.inf if math.isnan(found.statistic) else found.statistic


def _opposite(moves: np.ndarray, large: float, *, first: int, least: float) -> tuple[Offsets, Offsets]:
    """Share and statistic of opposite signs in pairs of successive large moves: of all, and of those from `first` on."""
    size = np.abs(moves)
    scale = 1.4826 * local_median(size)
    scaled = np.divide(moves, scale, out=np.zeros_like(moves), where=scale > 0)
    is_large = np.abs(scaled) >= large
    slope, lags = _explained(np.where(is_large, 0.0, scaled))
    rows = np.flatnonzero(is_large)
    one, other = rows[:-1], rows[1:]
    smaller = np.minimum(size[one], size[other])
    are_alike = np.abs(size[one] - size[other]) <= ALIKE * smaller
    is_used = np.isin(other - one, lags) & are_alike & (smaller >= least)
    one, other = one[is_used], other[is_used]
    is_opposite = moves[one] * moves[other] < 0
    product = np.minimum(np.abs(scaled[one]), LARGEST) * np.minimum(np.abs(scaled[other]), LARGEST)
    chance = np.clip(1 / (1 + np.exp(slope * product)), USUAL, HIGHEST)
    return _against(is_opposite, chance), _against(is_opposite[one >= first], chance[one >= first])


def _against(is_opposite: np.ndarray, chance: np.ndarray) -> Offsets:
    """The share of opposite pairs, and its statistic against their chances; NaN without a pair."""
    if not len(is_opposite):
        return NOTHING
    surplus = float(is_opposite.sum() - 0.5 - chance.sum())
    return Offsets(float(is_opposite.mean()), surplus / math.sqrt(float(np.sum(chance * (1 - chance)))), False)


def _explained(small: np.ndarray) -> tuple[float, list[int]]:
    """Slope of the log odds of equal signs in the product of two moves, 0 or below, and the lags that it is of.

    `small`: scaled moves, 0 where they are large. The slope is ERRORS standard errors below its estimate.
    """
    total, squares, lags = 0.0, 0.0, []
    for lag in range(FIRST, LAST + 1):
        product = small[lag:] * small[:-lag]
        power = float(np.sum(product**2))
        if power > 0 and float(product.sum()) < -REVERSAL * math.sqrt(power):
            continue
        lags.append(lag)
        total, squares = total + float(product.sum()), squares + power
    if not squares > 0:
        return 0.0, lags
    return min(2 * (total - ERRORS * math.sqrt(squares)) / squares, 0.0), lags
