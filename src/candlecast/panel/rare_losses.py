"""The losses that a portfolio would have at the worst known moments of its assets, and in the worst stretches of moments."""

from __future__ import annotations

import math

import numpy as np

from candlecast.panel.account import carried
from candlecast.panel.panel import Panel
from candlecast.stats.rare_losses import LARGE_EXPOSURE, MIN_STRETCHES, STRETCHES, rare_loss, rolling_sums


def worst_losses(panel: Panel, weights: np.ndarray) -> tuple[tuple[int, float], ...]:
    """The losses of weights (tested time, asset) in the worst moments of all known ones, as positive log returns.

    Pairs of moments in a row, 1 first, and the loss: of the largest positions of each side, as they were held on average, the
    largest meets the lowest return of the moment and so on, the largest short the highest. At each moment some assets rise and
    others fall, so the median of these losses over all moments is subtracted: what remains is what the worst moment has beyond a
    usual one, such as a fall of all assets together, or a crash of what the strategy prefers. Lengths of which the
    tested part has fewer than five are left out, but 1; a stretch that is not rare (`stats.rare_losses.rare_loss`) counts as 0.
    """
    logs = np.nan_to_num(np.diff(np.log(carried(panel.closes)), axis=0))  # zero before and after the bars of an asset
    found = []
    for bars in (1, *STRETCHES):
        if bars > 1 and (len(weights) < MIN_STRETCHES * bars or len(logs) < bars):
            continue
        held = rolling_sums(weights, bars) / bars
        longs, shorts = _sizes(held), _sizes(-held)
        moves = np.sort(np.expm1(rolling_sums(logs, bars)), axis=1)  # (time, asset), the lowest first
        losses = moves[:, ::-1] @ shorts - moves @ longs
        loss = max(float(losses.max() - np.median(losses)), 0.0) if bars == 1 or rare_loss(losses) else 0.0
        found.append((bars, -math.log1p(-loss) if loss < 1.0 else math.inf))
    return tuple(found)


def _sizes(held: np.ndarray) -> np.ndarray:
    """The sizes of the long positions, the largest first, averaged over moments and scaled to a large sum: (asset,)."""
    sizes = -np.sort(-np.maximum(held, 0.0), axis=1)
    sums = sizes.sum(axis=1)
    if not sums.any():
        return np.zeros(held.shape[1])
    mean = sizes.mean(axis=0)
    return mean * float(np.quantile(sums[sums > 0], LARGE_EXPOSURE)) / mean.sum()
