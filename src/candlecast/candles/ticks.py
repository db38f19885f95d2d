"""The smallest step of prices, found in the prices themselves, against price and against the move of a bar."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

BLOCK = 250  # bars that share one step, at least: steps change with rules, and with the factors of adjusted prices
BLOCKS = 32  # at most
LOOKED_AT = 400  # of the differences of prices in a block, at most
MINIMUM = 12  # differences that show a step
CANDIDATES = 8  # of the smallest differences, each whole and in up to PARTS parts
PARTS = 5
NEAR = 0.05  # of a step: a difference this near to a multiple of it is one
SHARE = 0.95  # of the differences that are multiples of the step
ROUNDING = 1e-9  # relative: differences below this are none
COARSE = 0.5  # of a bar's mean move: a step this large makes prices turn back by rounding alone


@dataclass(frozen=True, eq=False)
class Ticks:
    """The smallest step of prices by block of bars; arrays of shape (block,).

    `first` and `end`: rows of the block. `step`: in units of price, NaN where prices have no common step. `price`: median
    close. `move`: mean absolute change of the close. `unchanged`: share of the closes that equal the close before.
    """

    first: np.ndarray
    end: np.ndarray
    step: np.ndarray
    price: np.ndarray
    move: np.ndarray
    unchanged: np.ndarray

    @property
    def is_coarse(self) -> np.ndarray:
        """Bool (block,): the step is half of the mean move of a bar or more."""
        with np.errstate(invalid="ignore"):
            return self.step >= COARSE * self.move

    @property
    def typical(self) -> float:
        """The median step, in units of price; 0.0 where prices have none."""
        known = self.step[~np.isnan(self.step)]
        return float(np.median(known)) if len(known) else 0.0

    @property
    def bps(self) -> float:
        """The mean over blocks of step / price, in basis points; 0.0 where prices have no step."""
        known = ~np.isnan(self.step)
        return float(np.mean(self.step[known] / self.price[known])) * 1e4 if known.any() else 0.0


def ticks(candles: Candles) -> Ticks:
    """The largest step of which nearly all differences of prices are whole multiples, block by block.

    Differences within a bar and from close to close, so that prices which an adjustment has multiplied keep their step.
    A step far below a thousandth of a bar's move does not show.

    >>> from candlecast.sources import synthetic
    >>> candles = synthetic.random_walk(500, seed=0).candles       # 100 at the start, 1 % a bar
    >>> ticks(candles).bps
    0.0
    >>> from dataclasses import replace
    >>> import polars as pl
    >>> rounded = candles.frame.with_columns(pl.col("open", "high", "low", "close").round(2))
    >>> round(ticks(replace(candles, frame=rounded)).typical, 6)
    0.01
    """
    bars = len(candles)
    count = min(max(bars // BLOCK, 1), BLOCKS)
    edges = np.linspace(0, bars, count + 1).astype(int)
    values = [_block(candles, first, end) for first, end in pairwise(edges.tolist())]
    step, price, move, unchanged = np.array(values).T
    return Ticks(edges[:-1], edges[1:], step, price, move, unchanged)


def _block(candles: Candles, first: int, end: int) -> tuple[float, float, float, float]:
    opened, high, low, close = (
        prices[first:end] for prices in (candles.open, candles.high, candles.low, candles.close)
    )
    if not len(close):
        return np.nan, np.nan, np.nan, np.nan
    changes = np.abs(np.diff(close))
    price = float(np.median(close))
    differences = np.concatenate([high - low, high - opened, close - low, changes, np.abs(opened[1:] - close[:-1])])
    differences = np.sort(differences[differences > ROUNDING * price])
    is_still = changes <= ROUNDING * price
    move, unchanged = (float(np.mean(changes)), float(np.mean(is_still))) if len(changes) else (np.nan, np.nan)
    return _step(differences), price, move, unchanged


def _step(differences: np.ndarray) -> float:
    """The largest number of which nearly all differences (sorted, above 0) are multiples; NaN when there is none."""
    if len(differences) < MINIMUM:
        return np.nan
    is_new = np.diff(differences, prepend=0.0) > NEAR * differences
    smallest = differences[is_new][:CANDIDATES]
    candidates = (smallest[:, None] / np.arange(1, PARTS + 1)).ravel()
    stride = -(-len(differences) // LOOKED_AT)
    ratios = differences[::stride] / candidates[:, None]  # (candidate, difference)
    whole = np.rint(ratios)
    shares = np.mean((np.abs(ratios - whole) < NEAR) & (whole >= 1), axis=1)
    steps = candidates[shares >= SHARE]
    return float(steps.max()) if len(steps) else np.nan
