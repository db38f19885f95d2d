"""Blocks of the calendar whose inner prices were computed from their ends: moves go on within blocks, not across their ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from candlecast.candles.blocks import Blocks, blocks

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

MINIMUM = 30  # blocks that show anything
LEVEL = 1e-3  # of the test, over all kinds of blocks together
EXCESS = 0.35  # of the variance of a block, at least
DAILY_EXCESS = 0.6  # of trading days, at least: of 357 real ones in 2008 and 2009 it was 0.42
DROP = 2.5  # by which the statistic falls, at least, where blocks begin half a block later
CUT = 4.0  # standard deviations at which returns are cut
JUMP = 12.0  # medians of the sizes at which returns are cut before their means are taken
NEAR = 3  # blocks whose returns give the local scale
FEW = 8  # returns at a position that show its mean and scale
STEEPEST = 0.5  # autocorrelation of neighbouring returns that is taken off, at most


class BlockLines(NamedTuple):
    """What blocks of the calendar show of lines between their ends; NaN and "" for too few bars.

    statistic: the largest, a number of standard errors; excess: by how much the variance of such a block's return is larger than
        moves across its ends let expect, as a share of the sum of its variances. block: the kind, such as "week".
    is_found: prices within such blocks were computed from their ends.
    """

    statistic: float
    excess: float
    block: str
    is_found: bool


def block_lines(candles: Candles, *, first: int = 0) -> BlockLines:
    """Whether returns go on within blocks of the calendar and not across their ends.

    A block of M returns of which only the end is known, filled in by a line and k times the deviations from it, has returns
    R / M + k (e_i - mean e): any two of them, whatever their lag, have the covariance (1 - k^2) / M, and two on both sides of
    an end have none. In markets the autocorrelation of a lag is the same anywhere. So the statistic compares pairs of returns

        T = n_1 (mean_w x_i x_(i-1) - mean_a x_i x_(i-1)) + n_2 (mean_w x_i x_(i-k) - phi^k - c)

    w within blocks and a across their ends, k = 2 to 2 M, phi = mean_a x_i x_(i-1), c = mean_a (x_i x_(i-k) - phi^k), n the
    harmonic numbers of pairs: an AR(1) process has none of it, nor has a slow trend. x are returns less their mean by position
    and day of the week, over their scale by position and nearby, cut at CUT standard deviations. The error is that of sums
    by block. Momentum within sessions that ends with them shows EXCESS where any two moves of a day have a correlation
    of DAILY_EXCESS / M, 0.09 of seven hours; that of real days is 0.1 / M. In a trend that lasts for some blocks the statistic is
    as large for blocks that begin elsewhere: it has to fall by DROP where they begin half a block later.

    Args:
        candles: the whole table; the test is of all its bars.
        first: row of the first bar that was tested; from there on the excess must be half of EXCESS at least.

    Retrospective.

    >>> from candlecast.sources import synthetic
    >>> found = block_lines(synthetic.ar1(2_000, seed=1, phi=0.3).candles)
    >>> found.excess < 0.2, found.is_found
    (True, False)
    """
    tests = [(kind, *_test(kind)) for kind in blocks(candles)]
    tests = [each for each in tests if math.isfinite(each[1])]
    if not tests:
        return BlockLines(math.nan, math.nan, "", False)
    own = sum(kind.shift == 0 for kind, *_ in tests)

    def error(kind: Blocks, statistic: float) -> float:
        """Of the first kind, over all kinds; half of it falls to blocks that begin as those of the calendar do."""
        # twice the share of a normal distribution beyond the statistic
        return math.erfc(statistic / math.sqrt(2)) * (own if kind.shift == 0 else len(tests) - own)

    kind, statistic, excess = min(tests, key=lambda each: (error(each[0], each[1]), -each[1]))
    least = DAILY_EXCESS if kind.name == "trading day" else EXCESS
    is_found = excess >= least and error(kind, statistic) <= LEVEL and statistic - _test(_shifted(kind))[0] >= DROP
    if is_found and first:
        later = next((each for each in blocks(candles[first:]) if each[:2] == kind[:2]), None)
        is_found = later is not None and not _test(later)[1] < least / 2
    return BlockLines(statistic, excess, kind.name, is_found)


def _test(kind: Blocks) -> tuple[float, float]:
    """The statistic and the excess of a kind of blocks; NaN for too few."""
    block = kind.block - kind.block[0] if len(kind.block) else kind.block
    if len(block) < MINIMUM or block[-1] < MINIMUM:
        return math.nan, math.nan
    x = _scaled(kind)
    if x is None:
        return math.nan, math.nan
    size, count = kind.size, int(block[-1]) + 1
    rows = np.arange(len(x))
    is_first = np.append(True, np.diff(block) != 0)
    start = np.maximum.accumulate(np.where(is_first, rows, 0))
    since = np.maximum(rows - 2 * size, 0)
    totals = np.append(0.0, np.cumsum(x))  # totals[i] is the sum of x before i
    before = np.maximum(rows - 1, 0)  # pairs have a lag of two or more

    product, is_across = x[1:] * x[:-1], is_first[1:]
    phi = float(np.clip(product[is_across].mean(), -STEEPEST, STEEPEST))
    powers = np.cumsum(phi ** np.arange(2, 2 * size + 2))
    expected = np.append(0.0, powers)  # expected[n] is the sum of phi^k over n lags from 2 on

    def far(oldest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums of products with all returns from `oldest` on, less what phi explains, and their numbers; both (time,)."""
        pairs = np.minimum(np.maximum(before - oldest, 0), 2 * size)
        oldest = before - pairs
        return x * (totals[before] - totals[oldest]) - expected[pairs], pairs

    (within, within_pairs), (near, near_pairs) = far(start), far(since)
    one = _difference(product * ~is_across, ~is_across, product * is_across, is_across, block[1:], count)
    two = _difference(within, within_pairs, near - within, near_pairs - within_pairs, block, count)
    errors = one[1] + two[1]
    error = math.sqrt(float(np.sum(errors**2)))
    if not error > 0 or not math.isfinite(error):
        return math.nan, math.nan
    return (one[0] + two[0]) / error, two[2] * size


def _shifted(kind: Blocks) -> Blocks:
    """The same returns by blocks that begin half a block later."""
    half = max(kind.size // 2, 1)
    return kind._replace(block=np.append(np.full(half, kind.block[0]), kind.block[:-half]))


def _difference(
    within: np.ndarray,
    within_pairs: np.ndarray,
    across: np.ndarray,
    across_pairs: np.ndarray,
    block: np.ndarray,
    count: int,
) -> tuple[float, np.ndarray, float]:
    """n (mean within - mean across), its deviations by block, and the difference of means; n is w a / (w + a) of the pairs."""
    by_block = [np.bincount(block, each, count) for each in (within, within_pairs, across, across_pairs)]
    w, a = float(by_block[1].sum()), float(by_block[3].sum())
    if not w > 0 or not a > 0:
        return math.nan, np.full(count, math.nan), math.nan
    means = float(by_block[0].sum()) / w, float(by_block[2].sum()) / a
    n = w * a / (w + a)
    deviations = n * ((by_block[0] - means[0] * by_block[1]) / w - (by_block[2] - means[1] * by_block[3]) / a)
    return n * (means[0] - means[1]), deviations, means[0] - means[1]


def _scaled(kind: Blocks) -> np.ndarray | None:
    """Returns less their means by position and day, over their scale there and nearby, cut, with a mean square of one."""
    usual = JUMP * float(np.median(np.abs(kind.returns)))
    x = np.clip(kind.returns, -usual, usual)
    for place in (kind.position, kind.day):
        x = x - _by(place, x, 0.0)[place]
    sizes = _by(kind.position, np.abs(x), float(np.abs(x).mean()))[kind.position]
    x = np.divide(x, sizes, out=np.zeros(len(x)), where=sizes > 0)
    width = 2 * (NEAR * kind.size // 2) + 1
    if len(x) > 2 * width:
        ones = np.ones(width)
        nearby = np.convolve(np.abs(x), ones, "same") / np.convolve(np.ones(len(x)), ones, "same")
        x = np.divide(x, nearby, out=np.zeros(len(x)), where=nearby > 0)
    scale = math.sqrt(float(np.mean(x**2)))
    if not scale > 0:
        return None
    x = np.clip(x / scale, -CUT, CUT)
    return x / math.sqrt(float(np.mean(x**2)))


def _by(place: np.ndarray, values: np.ndarray, otherwise: float) -> np.ndarray:
    """The mean of values by place, and another value where there are few."""
    counts = np.bincount(place)
    return np.where(counts >= FEW, np.bincount(place, values) / np.maximum(counts, 1), otherwise)
