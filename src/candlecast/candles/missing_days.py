"""Days without a bar in a market that trades on such days: too many to be holidays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from candlecast.interval import SECONDS

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

USUAL = 0.3  # of its weeks, at least: a weekday with so many days is one of the market
LONGEST = 10  # days in a row that may be left out one by one; longer holes are outages
MOST = 0.09  # of the days; holidays of the markets that have most are 8 %
FEW = 10  # days that say nothing


def missing_days(candles: Candles) -> float:
    """The share of days without a bar, of those between the first and the last that fall on weekdays of the market.

    Days are those of UTC. Holes of more than `LONGEST` days do not count. 0.0 for bars longer than a day. Retrospective: it
    describes the table as a whole.

    >>> from candlecast.sources import sample
    >>> 0.02 < missing_days(sample("sp500")) < 0.05
    True
    """
    if candles.interval.seconds > SECONDS["d"] or len(candles) < 2:
        return 0.0
    days = np.unique(candles.open_time.astype("datetime64[D]").astype(np.int64))
    every = np.arange(days[0], days[-1] + 1)
    is_there = np.isin(every, days)
    weeks = max(len(every) / 7, 1.0)
    counts = np.bincount(days % 7, minlength=7)
    expected = np.isin(every % 7, np.flatnonzero(counts >= USUAL * weeks)) | is_there
    is_missing = ~is_there[expected]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_missing, [False]]).astype(np.int8)))
    holes = edges[1::2] - edges[::2]
    return float(holes[holes <= LONGEST].sum() / max(len(is_missing), 1))


def are_chosen(candles: Candles, share: float) -> bool:
    """Whether so many days are missing that those which are there may have been chosen by what happened in them."""
    return share > MOST and share * len(np.unique(candles.open_time.astype("datetime64[D]"))) >= FEW
