"""Smoothed prices: ranges that are too wide for the moves of the closes, which go on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

MINIMUM = 200  # moves that show anything
TRIMMED = 0.98  # quantile of the sizes above which they count as that quantile
WIDE = 1.2  # variance of ranges / that of moves; real moves with a wider range hardly go on
GOING_ON = 0.15  # autocorrelation of moves, at least
ERRORS = 4.0  # standard errors of that autocorrelation


class Smoothing(NamedTuple):
    """Variance by ranges over that by moves of closes, and the autocorrelation of these; NaN for too few bars.

    `is_smoothed`: the prices are averages over several bars.
    """

    ratio: float
    autocorrelation: float
    is_smoothed: bool


def smoothing(candles: Candles) -> Smoothing:
    """How wide the ranges are for the moves of the closes, and whether these go on.

    By its range, the variance of a bar is E[ln(H / L)^2] / (4 ln 2) (Parkinson 1980); by closes, that of ln(C_t / C_{t-1}). Where
    moves go on from bar to bar they do so within bars, and the second is the larger one. A moving average of all columns keeps
    the ranges but cuts the moves, to (1 - a) / (1 + a) of their variance in an exponential one of autocorrelation a: so a ratio
    of WIDE or more with an autocorrelation of GOING_ON or more is that of averages. Sizes are cut at their TRIMMED quantile.
    Retrospective.

    >>> from candlecast.sources import synthetic
    >>> found = smoothing(synthetic.ar1(2_000, seed=1, phi=0.3).candles)
    >>> round(found.ratio, 1), round(found.autocorrelation, 1), found.is_smoothed
    (0.7, 0.3, False)
    """
    if len(candles) <= MINIMUM:
        return Smoothing(math.nan, math.nan, False)
    moves, ranges = np.diff(np.log(candles.close)), np.log(candles.high / candles.low)
    largest = float(np.quantile(np.abs(moves), TRIMMED))
    moves = np.clip(moves, -largest, largest)
    ranges = np.minimum(ranges, np.quantile(ranges, TRIMMED))
    variance = float(moves.var())
    if not variance > 0:
        return Smoothing(math.nan, math.nan, False)
    ratio = float(np.mean(ranges**2)) / (4 * math.log(2) * variance)
    moves = moves - moves.mean()
    going_on = float(np.mean(moves[1:] * moves[:-1])) / variance
    is_smoothed = ratio >= WIDE and going_on >= max(GOING_ON, ERRORS / math.sqrt(len(moves)))
    return Smoothing(ratio, going_on, is_smoothed)
