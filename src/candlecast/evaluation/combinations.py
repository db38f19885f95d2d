"""Trials that are made of earlier ones: what such a combination earns was partly read off the tested bars.

Who adds up many signals, each with the sign that did better on the tested bars, has a trial that passes every correction for
the number of trials: the best sum of K signals without skill has a t-statistic of about 0.8 sqrt(K). So has who takes the
differences of trials that share one large signal, and are nearly one trial in the effective number, and who changes a trial a
little, keeps what is better, and goes on from there. The skills of a sum of forecasts are the sum of their skills, and the alphas
of a sum of positions nearly the sum of their alphas. So a trial's series is a sum of three:

    near    the nearest weighted sum of leaders, with absolute weights that add up to 1 or less. A leader is an earlier trial
            that brought something new, unlike the leaders before it, or the mean of the trials that are like one. Its t-statistic
            is no larger than the best of theirs, which the effective number of trials corrects
    made    what other combinations of earlier trials explain of the rest
    new     what no combination explains

The t-statistic of `made` is tested as the best of all combinations in its directions: its square is compared with chi-square of
as many degrees of freedom (Scheffe 1953). What that leaves of the trial's t-statistic is its own. Directions are those that the
earlier trials opened, one after the other: a sum of many small steps has as many as steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from candlecast.evaluation.redating import redated
from candlecast.ledger.profile import KINDS, Profile, groups, side_by_side
from candlecast.stats.combined import combined_score

MOST = 320  # earlier trials that are looked at: those most like the trial, with and without what they have in common
BY_CHANCE = 4.0  # times the variance of noise in a direction: less is no part of a trial
FREE_SCORE = 1.0  # t-statistic up to which nothing is corrected
SPREAD = 2.07  # of K directions that are all alike, the entropy of squares by chance says K / 2.07
SMALL = 1e-3  # of the largest direction: below it, directions are looked for again
PRECISION = 1e-11  # of the length of a series: what is new in it below that is rounding
SAME = 0.5  # correlation of an account with the skill of a forecast that it may follow
STEPS = 60  # of the search for the nearest sum
ALIKE = 0.8  # correlation with a leader from which on a trial follows it
UNLIKE = 0.2  # correlation with the trial up to which an earlier one leads without being asked what it brought
MOSTLY = 0.5  # of what a trial adds to the leaders before it, explained by combinations: it brought nothing new


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
    earlier = redated(profile, earlier)
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
    may_lead = (np.flatnonzero(is_there) % 2 == 0) | (np.abs(own @ others) > SAME)
    nearest = _nearest(own, others)
    span = _span(others[:, nearest])
    chosen, directions = _chosen(own, span, _leaders(span.directions.T @ own, span, may_lead[nearest]))
    if not chosen > 0:
        return Made()
    return Made(round(min(max(1.0 - chosen / score, 0.0), 1.0), 4), round(directions, 2))


class _Span(NamedTuple):
    """The directions that series opened, one after the other, and what these are in them.

    directions: (time, directions), orthonormal; parts: (directions, series), of series of length 1; before: int64 (series,),
    number of directions that were open before each series.
    """

    directions: np.ndarray
    parts: np.ndarray
    before: np.ndarray


def _span(columns: np.ndarray) -> _Span:
    """The span of columns of length 1, in their order, also of directions in which they hardly differ."""
    directions, before = np.empty(columns.shape, order="F"), np.zeros(columns.shape[1], np.int64)
    opened = 0
    for place, column in enumerate(columns.T):
        before[place] = opened
        rest = column
        for _ in range(2):  # twice, since a small rest has lost digits
            rest = rest - directions[:, :opened] @ (directions[:, :opened].T @ rest)
        size = math.sqrt(float(rest @ rest))
        if size > PRECISION and opened < len(columns):
            rest = rest / size
            rest = rest - directions[:, :opened] @ (directions[:, :opened].T @ rest)
            directions[:, opened] = rest / math.sqrt(float(rest @ rest))
            opened += 1
    directions = directions[:, :opened]
    return _Span(directions, directions.T @ columns, before)


def _leaders(own: np.ndarray, span: _Span, may_lead: np.ndarray) -> np.ndarray:
    """What a trial may be near to, in the directions of the span, (directions, leaders); `own` is the trial in them.

    Of series that are hardly like it, no sum with such weights is, so these may all lead.
    """
    likeness = own @ span.parts
    turned = span.parts * np.where(likeness < 0, -1.0, 1.0)
    is_like = np.abs(likeness) > UNLIKE
    leaders = np.empty((len(own), 0))
    followers: list[list[int]] = []
    for place in np.flatnonzero(may_lead & is_like):
        series = turned[:, place]
        led = np.flatnonzero(series @ leaders > ALIKE)
        if len(led):
            followers[led[0]].append(int(place))
        elif not _is_made(series, leaders, int(span.before[place]), len(span.directions)):
            leaders = np.column_stack([leaders, series])
            followers.append([int(place)])
    means = [turned[:, places].sum(axis=1) for places in followers if len(places) > 1]
    means = [mean / math.sqrt(float(mean @ mean)) for mean in means]
    return np.column_stack([leaders, *means, turned[:, may_lead & ~is_like]])


def _is_made(series: np.ndarray, leaders: np.ndarray, before: int, moments: int) -> bool:
    """Whether most of what a series adds to the leaders before it lies in the directions that were open before it."""
    if before < 2 or before >= moments:
        return False
    rest, squares = _rest(series[:before], leaders[:before], moments)
    new = max(1.0 - float(series[:before] @ series[:before]), 0.0)
    return float(squares.sum()) > MOSTLY * (float(rest @ rest) + new)


def _rest(parts: np.ndarray, leaders: np.ndarray, moments: int) -> tuple[np.ndarray, np.ndarray]:
    """What the nearest sum of leaders leaves of a series of length 1 in some directions, and its squares beyond noise.

    `moments`: the length of the series, of which noise has an equal part in each direction.
    """
    noise = max(1.0 - float(parts @ parts), 0.0) / (moments - len(parts))
    rest = parts - _near(parts, leaders)
    return rest, np.maximum(rest**2 - BY_CHANCE * noise, 0.0)


def _chosen(own: np.ndarray, span: _Span, leaders: np.ndarray) -> tuple[float, float]:
    """The part of a trial's t-statistic that the choice of a combination explains, and in how many directions.

    `own`: the trial, (time,), of length 1; `leaders`: in the directions of the span. Noise is told in principal directions, in
    which what the likest of many trials have by chance is spread evenly.
    """
    moments, opened = span.directions.shape
    if opened < 2 or opened >= moments:
        return 0.0, 1.0
    principal = _all_principal(span.parts)
    rest, squares = _rest(principal.T @ (span.directions.T @ own), principal.T @ leaders, moments)
    if not squares.any():
        return 0.0, 1.0
    made = principal @ np.where(squares > 0, rest, 0.0)
    size = math.sqrt(float(made @ made))
    score = float(made @ span.directions.sum(axis=0)) / size
    directions = max(_spread(made**2), 1 + SPREAD * (_spread(squares) - 1))
    if not score > FREE_SCORE:
        return 0.0, directions
    return size * (score - max(combined_score(score, directions), FREE_SCORE)), directions


def _spread(squares: np.ndarray) -> float:
    """Over how many parts a sum of squares is spread: the exponential of its entropy."""
    shares = squares[squares > 0] / squares.sum()
    return math.exp(-float(shares @ np.log(shares)))


def _all_principal(parts: np.ndarray) -> np.ndarray:
    """Principal directions of series of length 1, also those in which they hardly differ: orthonormal, (directions, directions).

    Those of what the large directions leave of each series, at length 1 again, are looked for apart from these: differences of
    1e-9 have as many as differences of 1.
    """
    large = _principal(parts)
    rest = parts - large @ (large.T @ parts)
    sizes = np.sqrt((rest**2).sum(axis=0))
    is_there = sizes > PRECISION
    if large.shape[1] >= min(parts.shape) or not is_there.any():
        return large
    small = rest[:, is_there] / sizes[is_there]
    return np.hstack([large, _principal(small - large @ (large.T @ small))])


def _principal(columns: np.ndarray) -> np.ndarray:
    """The principal directions of columns, above a share `SMALL` of the size of the largest one; largest first."""
    vectors, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return vectors[:, sizes > SMALL * sizes[0]]


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
