"""Bars after which a cut tells a look-ahead at few bars: where values or candles are unusual, and evenly spread ones.

A mistake such as a repair of bad ticks by the prices around them, or a week that ends a bar too late, reads the future at one
bar in twenty or in two hundred. Three cuts at any bars would miss it.
"""

from __future__ import annotations

import numpy as np

from candlecast.candles import Candles
from candlecast.causality.compare import informative

BEFORE = 20  # bars left before each
SPREAD = 48  # bars spread over all, each at a random place of its part
EACH = 6  # bars of one kind of unusual candle
OF_VALUES = 48  # bars with unusual values, of all columns together


def telling_rows(candles: Candles, values: np.ndarray, first: int, seed: int) -> list[int]:
    """Numbers of bars after `first`, rising, but the last one.

    Args:
        candles: those that the values are of.
        values: float (time, column).
        first: the bar before which there is nothing to compare; some bars after it are left out too.
        seed: of the spread bars.

    >>> from candlecast.sources import synthetic
    >>> candles, values = synthetic.random_walk(400, seed=0).candles, np.zeros((400, 1))
    >>> values[123] = 1.0
    >>> 123 in telling_rows(candles, values, 50, 0)
    True
    """
    first, last = first + BEFORE, len(candles) - 2
    if last < first:
        return []
    generator = np.random.default_rng(seed)
    edges = np.linspace(first, last + 1, SPREAD + 1)
    found = [(edges[:-1] + generator.random(SPREAD) * np.diff(edges)).astype(np.int64)]
    each = max(OF_VALUES // (3 * values.shape[1]), 2)
    for column in values.T:
        found += _unusual(column, each, generator)
    for size in _sizes(candles):
        largest = np.argsort(-size, kind="stable")[:EACH]
        found += [largest, largest - 1]
    rows = np.unique(np.concatenate(found))
    return rows[(rows >= first) & (rows <= last)].tolist()


def _unusual(column: np.ndarray, count: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Bars with values that are not the usual one, with the largest and the smallest ones, and with the largest changes."""
    rows = np.flatnonzero(informative(column))
    if not len(rows):
        return []
    values, middle = column[rows], np.median(column[rows])
    changes = np.abs(np.diff(values, prepend=values[:1]))
    return [
        generator.choice(rows, min(count, len(rows)), replace=False),
        rows[np.argsort(-np.abs(values - middle), kind="stable")[:count]],
        rows[np.argsort(-changes, kind="stable")[:count]],
    ]


def _sizes(candles: Candles) -> list[np.ndarray]:
    """By what a bar can be unusual, each (time,): return, range, volume, the time until the next, the end of a week or month."""
    closes = candles.close
    returns = np.abs(np.diff(np.log(closes), prepend=np.log(closes[:1])))
    ranges = np.log(candles.high / candles.low)
    opens = candles.open_time
    gap = np.diff(opens, append=opens[-1:]).astype(np.float64)
    ends = [
        np.diff(opens.astype(f"datetime64[{unit}]"), append=opens[-1:].astype(f"datetime64[{unit}]")).astype(np.float64)
        for unit in ("W", "M")
    ]
    mixed = np.random.default_rng(0).random(len(opens))  # which ends are taken
    return [returns, ranges, np.nan_to_num(candles.volume), gap, *(end * (1.0 + mixed) for end in ends)]
