"""Trials that are made of earlier ones: what such a combination earns was partly read off the tested bars.

Who adds up many signals, each with the sign that did better on the tested bars, has a trial that passes every correction for
the number of trials: the best sum of K signals without skill has a t-statistic of about 0.8 sqrt(K). So has who takes the
differences of trials that share one large signal, and are nearly one trial in the effective number. The skills of a sum of
forecasts are the sum of their skills, and the alphas of a sum of positions nearly the sum of their alphas. So a trial's series
is a sum of three:

    near    the nearest weighted sum of earlier trials, with absolute weights that add up to 1 or less: variants and means of
            trials. Its t-statistic is no larger than the best of theirs, which the effective number of trials corrects
    made    what other combinations of earlier trials explain of the rest
    new     what no combination explains

The t-statistic of `made` is tested as the best of all combinations in its directions: its square is compared with chi-square of
as many degrees of freedom (Scheffe 1953). What that leaves of the trial's t-statistic is its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from candlecast.ledger.profile import KINDS, Profile, groups, side_by_side
from candlecast.stats.combined import combined_score

MOST = 320  # earlier trials that are looked at: those most like the trial, with and without what they have in common
SPREAD = 2.07  # of K directions that are all alike, the entropy of squares by chance says K / 2.07
BY_CHANCE = 4.0  # times the variance of noise in a direction: less is no part of a trial
FREE_SCORE = 1.0  # t-statistic up to which nothing is corrected
SMALL = 1e-3  # of the largest direction: below it, directions are looked for again
PRECISION = 1e-11  # of the largest direction: what is below is rounding
SAME = 0.5  # correlation of an account with the skill of a forecast that it may follow
STEPS = 60  # of the search for the nearest sum
NOTABLE = 2.5  # t-statistic from which on an earlier trial may itself be a combination
ALIKE = 0.8  # correlation from which on two earlier trials are nearly one
MOST_CHECKED = 8  # earlier trials that are asked whether they are combinations


class Made(NamedTuple):
    """What of a trial is made of earlier ones.

    own: the share of its t-statistic that is its own, in [0, 1]; directions: of earlier trials, among which the rest was chosen.
    """

    own: float = 1.0
    directions: float = 1.0


def made_of(profile: Profile, earlier: Sequence[Profile]) -> dict[str, Made]:
    """What of a trial is made of those before it, in their order: by "skills", of its forecast, and by "alphas", of its account.

    All is its own in a trial that is unlike them, like one of them, or a mean of some that are alike.
    """
    made = {"alphas": Made(), "skills": Made()}
    kinds = [kind for kind in made if _score(profile.values[KINDS.index(kind)]) > FREE_SCORE]
    places = next((group for group in groups([profile, *earlier]) if 0 in group), [0])
    if not kinds or len(places) < 3:
        return made
    series, covered = side_by_side([profile, *(earlier[place - 1] for place in places if place)])
    rows = covered[:, 0]
    others = {kind: series[KINDS.index(kind)][rows, 1:] for kind in made}
    for kind in kinds:
        of_kind = sorted(others, key=lambda each: each != kind)  # the trial's own kind first
        columns = np.stack([others[each] for each in of_kind], axis=2).reshape(len(others[kind]), -1)  # trial by trial
        made[kind] = _made(series[KINDS.index(kind)][rows, 0], columns)
    return made


def _score(series: np.ndarray) -> float:
    """The t-statistic of the mean of a series, whose mean is 0 by hypothesis; 0 where all of it is 0."""
    size = math.sqrt(float(series @ series))
    return float(series.sum()) / size if size > 0 else 0.0


def _made(own: np.ndarray, others: np.ndarray) -> Made:
    """Of one series of a trial, (time,), among two of each trial before it, (time, 2 trials): first that of the same kind.

    A trial may be near to one of the other kind only if it is like it: forecasts of volatility have large t-statistics.
    """
    score = _score(own)
    sizes = np.sqrt((others**2).sum(axis=0))
    is_there = sizes > 0
    if not score > FREE_SCORE or is_there.sum() < 2:
        return Made()
    own, others = own / math.sqrt(float(own @ own)), others[:, is_there] / sizes[is_there]
    may_be_near = (np.flatnonzero(is_there) % 2 == 0) | (np.abs(own @ others) > SAME)
    is_made = _combinations(own, others, may_be_near)
    chosen, directions = _chosen(own, others[:, ~is_made], may_be_near[~is_made])
    if not chosen > 0:
        return Made()
    return Made(round(min(max(1.0 - chosen / score, 0.0), 1.0), 4), round(directions, 2))


def _combinations(own: np.ndarray, others: np.ndarray, may_be_near: np.ndarray) -> np.ndarray:
    """Which of the earlier series, bool (series,), are combinations of those before them: a trial may not be near to these.

    Those like the trial, with a notable t-statistic, are looked at: one that is nearly a trial looked at before, and no
    better, is what that one is.
    """
    is_made, kept = np.zeros(others.shape[1], dtype=bool), []
    likeness = own @ others
    turned = others * np.where(likeness < 0, -1.0, 1.0)
    scores = turned.sum(axis=0)
    looked_at = 0
    for place in np.flatnonzero(may_be_near & (scores > NOTABLE) & (np.abs(likeness) > 1 - ALIKE)):
        column = turned[:, place]
        if any(column @ turned[:, each] > ALIKE and scores[place] < scores[each] + FREE_SCORE for each in kept):
            continue
        looked_at += 1
        before = np.flatnonzero(~is_made[:place])
        chosen = _chosen(column, others[:, before], may_be_near[before])[0] if looked_at <= MOST_CHECKED else math.inf
        is_made[place] = chosen > FREE_SCORE
        if not is_made[place]:
            kept.append(place)
    return is_made


def _chosen(own: np.ndarray, others: np.ndarray, may_be_near: np.ndarray) -> tuple[float, float]:
    """The part of a trial's t-statistic that the choice of a combination explains, and in how many directions.

    Of columns of length 1: the trial's (time,) and those of trials before it (time, series).
    """
    if others.shape[1] < 2:
        return 0.0, 1.0
    nearest = _nearest(own, others)
    others, may_be_near = others[:, nearest], may_be_near[nearest]
    basis = _basis(others)
    parts, free = basis.T @ own, basis.shape[0] - basis.shape[1]
    if free < 1:
        return 0.0, 1.0
    noise = max(1.0 - float(parts @ parts), 0.0) / free
    rest = parts - _near(parts, basis.T @ others[:, may_be_near])
    squares = np.maximum(rest**2 - BY_CHANCE * noise, 0.0)
    if not squares.any():
        return 0.0, 1.0
    rest = np.where(squares > 0, rest, 0.0)
    size = math.sqrt(float(rest @ rest))
    score = float(rest @ basis.sum(axis=0)) / size
    shares = squares[squares > 0] / squares.sum()
    directions = 1 + SPREAD * (math.exp(-float(shares @ np.log(shares))) - 1)
    if not score > FREE_SCORE:
        return 0.0, directions
    return size * (score - max(combined_score(score, directions), FREE_SCORE)), directions


def _basis(columns: np.ndarray) -> np.ndarray:
    """Orthonormal directions of columns of length 1, (time, directions), also those in which they hardly differ.

    Those of what the large directions leave of each column, at length 1 again, are looked for apart from these: differences of
    1e-9 have as many as differences of 1.
    """
    large = _principal(columns, SMALL)
    rest = columns - large @ (large.T @ columns)
    sizes = np.sqrt((rest**2).sum(axis=0))
    is_there = sizes > PRECISION
    if large.shape[1] >= min(columns.shape) or not is_there.any():
        return large
    small = rest[:, is_there] / sizes[is_there]
    small = _principal(small - large @ (large.T @ small), SMALL)
    return np.hstack([large, small])


def _principal(columns: np.ndarray, smallest: float) -> np.ndarray:
    """The principal directions of columns, (time, directions), above a share of the size of the largest one; largest first."""
    squares, vectors = np.linalg.eigh(columns.T @ columns)
    is_there = squares > smallest**2 * squares[-1]
    return (columns @ (vectors[:, is_there] / np.sqrt(squares[is_there])))[:, ::-1]


def _nearest(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The places of the trials that are most like the trial, half of them once the mean of all is taken out of them.

    At most `MOST`, and at most half as many as there are moments, since more would explain any series.
    """
    likeness, most = others.T @ own, min(MOST, len(own) // 2)
    if len(likeness) <= most:
        return np.arange(len(likeness))
    mean = others @ np.where(likeness < 0, -1.0, 1.0)
    mean /= max(math.sqrt(float(mean @ mean)), 1e-300)
    common = others.T @ mean
    apart = np.abs(likeness - common * float(mean @ own)) / np.sqrt(np.maximum(1 - common**2, PRECISION))
    first = np.argsort(-np.abs(likeness), kind="stable")[: most // 2]
    apart[first] = -1.0
    return np.sort(np.concatenate([first, np.argsort(-apart, kind="stable")[: most - len(first)]]))


def _near(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The nearest sum of columns with absolute weights that add up to 1 or less; by accelerated projected gradients.

    Beck and Teboulle (2009), from the nearest single column, which stays where no sum is nearer.
    """
    if not others.shape[1]:
        return np.zeros_like(own)
    likeness = others.T @ own
    best = int(np.argmax(np.abs(likeness)))
    single = np.zeros(len(likeness))
    single[best] = float(np.clip(likeness[best], -1.0, 1.0))
    weights = moved = single
    largest, pace = float(np.linalg.norm(others, 2)) ** 2, 1.0
    for _ in range(STEPS):
        step = _within_budget(moved - others.T @ (others @ moved - own) / largest)
        next_pace = (1 + math.sqrt(1 + 4 * pace * pace)) / 2
        moved, weights, pace = step + (pace - 1) / next_pace * (step - weights), step, next_pace
    sums = [others @ weights, others @ single]
    return min(sums, key=lambda each: float(((own - each) ** 2).sum()))


def _within_budget(weights: np.ndarray) -> np.ndarray:
    """The nearest weights whose absolute values add up to 1 or less (Duchi et al. 2008)."""
    sizes = np.abs(weights)
    if sizes.sum() <= 1.0:
        return weights
    ordered = np.sort(sizes)[::-1]
    excess = (np.cumsum(ordered) - 1.0) / np.arange(1, len(ordered) + 1)
    return np.sign(weights) * np.maximum(sizes - excess[ordered > excess][-1], 0.0)
