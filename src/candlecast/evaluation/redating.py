"""Earlier trials on candles that are dated otherwise: a wrong zone, bars by their opens, an epoch of spreadsheets.

The same results then stand some bars apart, and a trial that is made of them shares no date with what it is made of. At the true
lag the squared correlations with all of them add up to much more than at any other, however little each is like the trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from candlecast.ledger.profile import KINDS, Profile

COMPARED = [KINDS.index(kind) for kind in ("alphas", "skills")]
CLEAR = 3.0  # times the likeness at any other lag
NEAR = 2  # buckets about a lag that are the same lag
SAME = 0.3  # sum of squared correlations, from which on two trials are of the same market
FEWEST = 64  # buckets of a trial that is compared


def redated(profile: Profile, earlier: Sequence[Profile]) -> list[Profile]:
    """The earlier profiles, with those moved that are the trial's own record at other dates.

    Profiles over the same buckets are moved together; those with buckets of another width stay.
    """
    shapes: dict[tuple[int, int], list[int]] = {}
    for place, each in enumerate(earlier):
        if each.width == profile.width:
            shapes.setdefault((each.first, each.values.shape[1]), []).append(place)
    found = list(earlier)
    for places in shapes.values():
        first, _ = _agreeing(profile, [earlier[place] for place in places])
        for place in places:
            found[place] = replace(earlier[place], first=first)
    return found


def is_redated(profile: Profile, other: Profile) -> bool:
    """Whether one other profile agrees with the trial at other dates alone, as that of the same market does."""
    if other.width != profile.width:
        return False
    first, likeness = _agreeing(profile, [other])
    return first != other.first and likeness >= SAME


def _agreeing(profile: Profile, others: Sequence[Profile]) -> tuple[int, float]:
    """Where profiles over the same buckets begin, once they are moved to agree with the trial, and the likeness there.

    As before, and 0, without a clear lag. The likeness is a sum of squared correlations, of accounts and forecasts.
    """
    first, buckets = others[0].first, others[0].values.shape[1]
    own = profile.values[COMPARED]
    if min(own.shape[1], buckets) < FEWEST:
        return first, 0.0
    size = 1 << (own.shape[1] + buckets - 1).bit_length()
    likeness = np.zeros(size)
    for kind, series in zip(COMPARED, own, strict=True):
        theirs = np.stack([each.values[kind] for each in others])
        scale = np.sqrt((theirs**2).sum(axis=1) * float(series @ series))
        if scale.any():
            scaled = theirs[scale > 0] / scale[scale > 0, None]
            products = np.fft.rfft(series, size).conj() * np.fft.rfft(scaled, size)
            likeness += (np.fft.irfft(products, size) ** 2).sum(axis=0)
    lag = int(np.argmax(likeness))
    elsewhere = np.delete(likeness, np.arange(lag - NEAR, lag + NEAR + 1) % size)
    if not likeness[lag] > CLEAR * float(elsewhere.max()):
        return first, 0.0
    return profile.first - (lag if lag < buckets else lag - size), float(likeness[lag])
