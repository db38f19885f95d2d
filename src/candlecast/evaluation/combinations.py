"""Forecasts that are made of those of earlier trials: what such a combination knows was partly read off the tested bars.

Who adds up many signals, each with the sign that did better on the tested bars, has a forecast that passes every correction for
the number of trials: the best sum of K signals without skill has a t-statistic of about 0.8 sqrt(K). It is tested as one of all
combinations of them: its square is compared with chi-square of K degrees of freedom (Scheffe 1953).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from candlecast.ledger.profile import ROUNDING, Profile, groups, side_by_side

MOST = 128  # earlier trials that are looked at: those most like it
MADE = 0.5  # share of a trial's variance that the others explain, above which it is made of them
SPREAD = 2.07  # of K directions that are all alike, the entropy of squares by chance says K / 2.07


def directions_of(profile: Profile, earlier: Sequence[Profile]) -> float:
    """How many directions of the forecasts of earlier trials a trial's forecast is made of.

    1.0 for one that is no combination of them, or like one of them. Between forecasts that are nearly alike there is hardly
    more than one direction; a sum of K unrelated ones has K.

    Args:
        profile: of the trial.
        earlier: of the trials before it.
    """
    places = next((group for group in groups([profile, *earlier]) if 0 in group), [0])
    members = [profile, *(earlier[place - 1] for place in places if place)]
    if len(members) < 3:
        return 1.0
    (_, _, skills), covered = side_by_side(members)
    rows = covered[:, 0]
    own, others = skills[rows, 0], skills[rows, 1:]
    sizes = np.sqrt((others**2).sum(axis=0))
    others, size = others[:, sizes > 0] / sizes[sizes > 0], float(np.sqrt(own @ own))
    if others.shape[1] < 2 or not size > 0:
        return 1.0
    own = own / size
    chosen = np.argsort(-np.abs(others.T @ own), kind="stable")[:MOST]
    left, scales, right = np.linalg.svd(others[:, chosen], full_matrices=False)
    is_there = scales > ROUNDING * scales[0]
    left, scales, right = left[:, is_there], scales[is_there], right[is_there]
    parts = left.T @ own
    explained, free = float(parts @ parts), len(own) - len(parts)
    if free < 1 or not 1 - (1 - explained) * len(own) / free > MADE:
        return 1.0
    weights = np.abs(right.T @ (parts / scales))
    shares = np.maximum(parts**2 / explained, 1e-300)
    across = 1 + SPREAD * (math.exp(-float(shares @ np.log(shares))) - 1)
    return float(min(weights.sum() ** 2 / (weights @ weights), across))
