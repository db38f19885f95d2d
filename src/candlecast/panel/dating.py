"""Assets of a panel that are dated one moment early: their returns agree with the next ones of the others."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

MINIMUM = 100  # moments at which both assets have a return
PART, MOST_HALVINGS = 300, 5  # moments of the smallest part, and the most often that the record is halved
CHANCE = 1e-3  # of a pair by chance, over all pairs and parts
LEAST = 0.1  # correlation at lag 1 above that at lag 0, at least
MOST = 0.5  # correlation at lag 0 as a share of that at lag 1; assets of one market that trade rarely have more than 1
CUT = 4.0  # standard deviations at which returns are cut


class Misdated(NamedTuple):
    """Places of assets whose returns are ahead of others', and of these others; empty where all are dated alike."""

    ahead: tuple[int, ...]
    behind: tuple[int, ...]


def misdated(returns: np.ndarray) -> Misdated:
    """Groups of assets that move together only when one of them is shifted by a moment.

    What moves all assets of a market moves them at the same time. Shares that trade rarely follow the others in part, and still
    agree more with the same moment (Lo and MacKinlay 1990). Where two assets agree with a lag of one moment and not without
    it, the one is dated early, or its market closes at another hour. The whole record is tested, and its halves, quarters and
    smaller parts: clocks that keep daylight saving time and others that do not agree for half of the year. Retrospective: it
    describes the panel as a whole.

    Args:
        returns: log returns (moments, assets), NaN where an asset has none.

    >>> shocks = np.random.default_rng(0).standard_normal((501, 5))
    >>> common = shocks[:, :1]
    >>> misdated(np.column_stack([shocks[1:, 1:] + common[1:]]))
    Misdated(ahead=(), behind=())
    >>> misdated(np.column_stack([shocks[1:, 1:3] + common[1:], shocks[1:, 3:] + common[:-1]]))
    Misdated(ahead=(0, 1), behind=(2, 3))
    """
    moments, assets = returns.shape
    if moments < MINIMUM + 1 or assets < 2:
        return Misdated((), ())
    counts = [2**halvings for halvings in range(MOST_HALVINGS + 1) if halvings == 0 or moments >= 2**halvings * PART]
    tests = assets * (assets - 1) * sum(counts)
    parts = [part for count in counts for part in np.array_split(returns, count)]
    leads = np.sum([_leads(part, CHANCE / tests) for part in parts], axis=0)
    ahead, behind = leads.sum(axis=1), leads.sum(axis=0)
    return Misdated(tuple(np.flatnonzero(ahead > behind).tolist()), tuple(np.flatnonzero(behind > ahead).tolist()))


def _leads(returns: np.ndarray, chance: float) -> np.ndarray:
    """Which assets agree with the next return of which others and not with the same one, int (ahead, behind)."""
    is_known = np.isfinite(returns)
    scaled = _scaled(np.where(is_known, returns, 0.0), is_known)
    same = _correlations(scaled, is_known, scaled, is_known)
    later = _correlations(scaled[:-1], is_known[:-1], scaled[1:], is_known[1:])
    pairs = np.maximum(is_known[:-1].astype(float).T @ is_known[1:].astype(float), 1.0)
    bound = np.maximum(LEAST, -NormalDist().inv_cdf(chance) * np.sqrt(2 / pairs))
    leads = (pairs >= MINIMUM) & (later - same > bound) & (same < MOST * later)
    np.fill_diagonal(leads, False)
    return leads.astype(np.int64)


def _scaled(returns: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Returns less their mean, over their standard deviation, each asset's own; large ones are cut, absent ones are 0."""
    count = np.maximum(is_known.sum(axis=0), 1)
    scale = CUT * np.sqrt((returns**2).sum(axis=0) / count)
    cut = np.clip(returns, -scale, scale)
    centred = np.where(is_known, cut - cut.sum(axis=0) / count, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=0) / count)
    return centred / np.where(deviation > 0, deviation, 1.0)


def _correlations(one: np.ndarray, has_one: np.ndarray, two: np.ndarray, has_two: np.ndarray) -> np.ndarray:
    """Correlations over the moments at which both are known, (asset, asset)."""
    has_one, has_two = has_one.astype(float), has_two.astype(float)
    squares = (one**2).T @ has_two, has_one.T @ (two**2)
    scale = np.sqrt(squares[0] * squares[1])
    return (one.T @ two) / np.where(scale > 0, scale, 1.0)
