"""Assets of a panel that are dated one moment early: their returns agree with the next ones of the others."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

MINIMUM = 100  # moments at which both assets have a return
PART, MOST_HALVINGS = 300, 5  # moments of the smallest part, and the most often that the record is halved
CHANCE = 1e-3  # of a pair by chance, over all pairs and parts
LEAST = 0.1  # correlation at lag 1 above that at lag 0, at least
MOST = 0.5  # correlation at lag 0 as a share of that at lag 1; assets of one market that trade rarely have more than 1
SMALLEST = 2  # assets of a group
FARTHEST = 14  # moments by which two assets are dated apart at most, as hours of two zones
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
    smaller parts: clocks that keep daylight saving time and others that do not agree for half of the year. Longer lags, up to
    FARTHEST, are tested on the whole record: times of several zones, or rows that were lost. Where no two assets agree so, the
    means of two groups are tested: what hardly shows in single assets does in many. Retrospective: it describes the panel as a
    whole.

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
    lags = range(2, min(FARTHEST, moments - MINIMUM) + 1)
    for lag in lags if not leads.any() else ():
        leads = leads + _leads(returns, CHANCE / tests / len(lags), lag=lag)
    if not leads.any():
        leads = np.sum([_groups(part, CHANCE / sum(counts) / 2) for part in parts], axis=0)
    ahead, behind = leads.sum(axis=1), leads.sum(axis=0)
    return Misdated(tuple(np.flatnonzero(ahead > behind).tolist()), tuple(np.flatnonzero(behind > ahead).tolist()))


def _leads(returns: np.ndarray, chance: float, *, lag: int = 1) -> np.ndarray:
    """Which assets agree with the return of which others `lag` moments later and not with the same one, int (ahead, behind)."""
    is_known = np.isfinite(returns)
    scaled = _scaled(np.where(is_known, returns, 0.0), is_known)
    same = _correlations(scaled, is_known, scaled, is_known)
    later = _correlations(scaled[:-lag], is_known[:-lag], scaled[lag:], is_known[lag:])
    pairs = np.maximum(is_known[:-lag].astype(float).T @ is_known[lag:].astype(float), 1.0)
    bound = np.maximum(LEAST, -NormalDist().inv_cdf(chance) * np.sqrt(2 / pairs))
    leads = (pairs >= MINIMUM) & (later - same > bound) & (same < MOST * later)
    np.fill_diagonal(leads, False)
    return leads.astype(np.int64)


def _groups(returns: np.ndarray, chance: float) -> np.ndarray:
    """The same as `_leads` of two groups of assets, whose means agree where no two assets visibly do.

    The groups are chosen in one half of the moments and tested in the other.
    """
    moments, assets = returns.shape
    leads = np.zeros((assets, assets), dtype=np.int64)
    if assets < 2 * SMALLEST:
        return leads
    halves = returns[: moments // 2], returns[moments // 2 :]
    for chosen, tested in (halves, halves[::-1]):
        ahead, behind = _divided(chosen)
        if _agree_later(tested[:, ahead], tested[:, behind], chance):
            leads[np.ix_(ahead, behind)] = 1
            break
    return leads


def _divided(returns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places of the assets in two groups, of which the first leads the second as much as any does."""
    is_known = np.isfinite(returns)
    scaled = _scaled(np.where(is_known, returns, 0.0), is_known)
    later = _correlations(scaled[:-1], is_known[:-1], scaled[1:], is_known[1:])
    lead = later - later.T
    order = np.argsort(-lead.sum(axis=1), kind="stable")
    sums = np.cumsum(lead[np.ix_(order, order)].sum(axis=1))  # of the first k rows: within them, leads cancel out
    sizes = np.arange(1, len(order) + 1)
    between = sums / np.sqrt(np.maximum(sizes * (len(order) - sizes), 1))
    first = SMALLEST + int(np.argmax(between[SMALLEST - 1 : len(order) - SMALLEST]))
    return order[:first], order[first:]


def _agree_later(ahead: np.ndarray, behind: np.ndarray, chance: float) -> bool:
    """Whether the means of two groups agree with a lag and not without it, and the assets of each as much among themselves.

    Assets that follow others without moving together, or that lead without doing so, are dated alike.
    """
    groups, within = [], []
    for own in (ahead, behind):
        is_known = np.isfinite(own)
        scaled = _scaled(np.where(is_known, own, 0.0), is_known)
        among = _correlations(scaled, is_known, scaled, is_known)
        within.append(float((among.sum() - np.trace(among)) / (among.size - len(among))))
        groups.append((scaled, is_known))
    (one, has_one), (two, has_two) = groups
    across = float(_correlations(one[:-1], has_one[:-1], two[1:], has_two[1:]).mean())
    means = np.stack([each.sum(axis=1) / np.maximum(known.sum(axis=1), 1) for each, known in groups])
    if len(means[0]) < MINIMUM + 1 or not (means.std(axis=1) > 0).all():
        return False
    same, later = float(np.corrcoef(means)[0, 1]), float(np.corrcoef(means[0, :-1], means[1, 1:])[0, 1])
    bound = max(LEAST, -NormalDist().inv_cdf(chance) * math.sqrt(2 / len(means[0])))
    return later - same > bound and same < MOST * later and min(within) > MOST * across


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
