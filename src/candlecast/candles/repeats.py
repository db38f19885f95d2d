"""Stretches of bars that occurred before: the same moves and ranges once more, at another price, mirrored or jittered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from candlecast.candles.ticks import ticks

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

SHORTEST, LONGEST = 8, 40  # bars of a stretch: that are compared at least, and at most
NEAR = 0.1  # of a bar's range: root mean square difference of the prices of two stretches
FARTHEST = 0.3  # of the range of its bar: the largest such difference of a bar
FEW_TICKS = 10.0  # steps of price in the median range of a stretch, below which bars repeat by chance
CHANCE = 1e-3  # expected number of repeated stretches in a table whose bars repeat by chance
LAGS, COMPARED = 32, 4_000  # lags and bars that are compared to find how often bars repeat by chance
SELDOM = 0.02  # share of bars that are taken to repeat after one that does, at least
CELL = 0.25  # of the median range: bars within the same cell are compared
OFFSETS = (0.0, 1 / 3, 2 / 3)  # of a cell: what lies on the edge of one cell lies inside another
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # of a multiplicative hash (Knuth 1998, 6.4)


def is_repeated(candles: Candles) -> np.ndarray:
    """Bool (time,): the bar belongs to a stretch of bars that occurred before in the table.

    Stretches are compared by their prices relative to the close before each bar, so the level of the price does not count, and
    also with the other one turned upside down. They are the same when these prices differ by NEAR of the range of the bars or
    less, since vendors' prices differ by a few basis points. A stretch has SHORTEST bars, or as many as it takes that fewer
    than CHANCE of them repeat by chance, where the bars of a table are much alike; if that takes more than LONGEST, none is
    found. Bars of few steps of price are left out, and so are bars of one price. Retrospective.

    >>> import numpy as np, polars as pl
    >>> from candlecast.candles import Candles
    >>> from candlecast.sources import synthetic
    >>> frame = synthetic.random_walk(200, seed=1).candles.frame
    >>> pasted = pl.concat([frame[:150], frame[20:70].with_columns(pl.col("open", "high", "low", "close") * 2)])
    >>> again = Candles.from_frame(pasted.with_columns(open_time=frame["open_time"]).drop("close_time"), interval="1d")
    >>> int(is_repeated(again)[:150].sum()), int(is_repeated(again)[150:].sum())
    (0, 49)
    """
    found = np.zeros(len(candles), dtype=bool)
    if len(candles) <= 2 * SHORTEST:
        return found
    before = np.log(candles.close[:-1])
    shape = np.stack([np.log(getattr(candles, name)[1:]) - before for name in ("open", "high", "low", "close")], axis=1)
    ranges = shape[:, 1] - shape[:, 2]  # (bar,)
    length = _length(shape, ranges)
    if length > min(LONGEST, len(ranges) // 2):
        return found
    usable = _usable(candles, ranges, length)
    if not usable.any():
        return found
    for one, other in _candidates(shape[:, 3], ranges, usable, length):
        is_same = _are_same(shape, ranges, one, other, length)
        is_same |= _are_same(shape, ranges, one, other, length, mirrored=True)
        for bar in range(length):
            found[1 + other[is_same] + bar] = True
    return found


def _length(shape: np.ndarray, ranges: np.ndarray) -> int:
    """The number of bars of which fewer than CHANCE stretches repeat by chance; (bar, 4), (bar,).

    From the share of bars that repeat after one that does, at LAGS lags. The quarter of these at which most do is left out: it
    may be that of a copy.
    """
    bars = len(ranges)
    counts = []
    for lag in np.unique(np.linspace(SHORTEST, bars // 2, LAGS).astype(int)).tolist():
        first = max(bars - lag - COMPARED, 0) // 2
        one, other = slice(first, min(first + COMPARED, bars - lag)), slice(first + lag, first + lag + COMPARED)
        scale = (ranges[one] + ranges[other]) / 2
        equal = (np.mean((shape[one] - shape[other]) ** 2, axis=1) <= (NEAR * scale) ** 2) & (scale > 0)
        counts.append((equal.mean(), equal.sum(), (equal[1:] & equal[:-1]).sum(), len(equal)))
    usual = np.array(sorted(counts)[: math.ceil(0.75 * len(counts))])
    matches, pairs, compared = usual[:, 1:].sum(axis=0)
    share = max(matches / compared, pairs / matches if matches >= SHORTEST else 0.0, SELDOM)
    if share >= 1.0:
        return LONGEST + 1
    return max(SHORTEST, math.ceil(math.log(CHANCE / bars**2) / math.log(share)))


def _usable(candles: Candles, ranges: np.ndarray, length: int) -> np.ndarray:
    """Bool (stretch,): the bars of the stretch have ranges, of more than FEW_TICKS steps in the middle."""
    tick = ticks(candles).typical
    steps = ranges * candles.close[1:] / tick if tick > 0 else np.where(ranges > 0, np.inf, 0.0)
    by_stretch = np.lib.stride_tricks.sliding_window_view(steps, length)
    return (by_stretch.min(axis=1) > 0) & (np.median(by_stretch, axis=1) > FEW_TICKS)


def _candidates(
    move: np.ndarray, ranges: np.ndarray, usable: np.ndarray, length: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of first bars of stretches whose moves and ranges lie in the same cells; those that overlap are left out."""
    size = CELL * float(np.median(ranges[ranges > 0]))
    starts = np.flatnonzero(usable)
    side = np.where(move[starts] < 0, -1.0, 1.0)  # a stretch and its mirror image look the same
    pairs = []
    for offset in OFFSETS:
        names = np.zeros(len(starts), dtype=np.uint64)
        for values, turned in ((move, side), (ranges, 1.0)):
            for bar in range(length):
                cells = np.floor(values[starts + bar] * turned / size + offset).astype(np.int64)
                names ^= cells.view(np.uint64)
                names *= MULTIPLIER
                names ^= names >> np.uint64(29)
        order = np.argsort(names, kind="stable")
        for apart in (1, 2):
            equal = names[order[:-apart]] == names[order[apart:]]
            one, other = starts[order[:-apart][equal]], starts[order[apart:][equal]]
            is_clear = other - one >= length
            pairs.append((one[is_clear], other[is_clear]))
    return pairs


def _are_same(
    shape: np.ndarray, ranges: np.ndarray, one: np.ndarray, other: np.ndarray, length: int, *, mirrored: bool = False
) -> np.ndarray:
    """Bool (pair,): two stretches have the same prices relative to the closes before; (bar, 4), (bar,), first bars."""
    bars = np.arange(length)
    first, second = shape[one[:, None] + bars], shape[other[:, None] + bars]  # (pair, length, 4)
    if mirrored:
        second = -second[..., [0, 2, 1, 3]]
    scale = (ranges[one[:, None] + bars] + ranges[other[:, None] + bars]) / 2
    difference = np.mean((first - second) ** 2, axis=2) / scale**2  # (pair, length)
    return (difference.mean(axis=1) <= NEAR**2) & (difference.max(axis=1) <= FARTHEST**2)
