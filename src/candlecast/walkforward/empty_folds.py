"""Folds that hold nothing to learn or to forecast: found before anything is trained, and what their bars lack."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from candlecast.dataset.jobs import Job
from candlecast.dataset.rows import Rows
from candlecast.errors import NotEnoughDataError

MAX_LISTED = 5  # columns that a message lists
MINIMUM = 10  # bars of a part that can be said to stand still


def require_rows(jobs: Iterable[Job]) -> None:
    """Raise NotEnoughDataError for the first fold without a row to learn from or to forecast, and say what its bars lack.

    A price that stands still in the whole of a part counts as none: there is nothing to learn there, and nothing to earn.
    The validation part may be empty.
    """
    for job in jobs:
        fold = job.fold
        for name, part in (("train on", fold.fit), ("train on", fold.train), ("test on", fold.test)):
            rows = part.array
            is_usable = job.samples.is_complete[rows]
            if name == "train on" or rows[0] < len(job.samples) - job.samples.horizon:  # some outcome is due
                is_usable &= job.samples.is_known[rows]
            if not is_usable.any() or (part is not fold.train and _stands_still(job, part)):
                raise _empty(job, name, part)


def _stands_still(job: Job, part: Rows) -> bool:
    candles, rows = job.samples.candles, part.array
    return len(rows) >= MINIMUM and bool(candles.high[rows].max() == candles.low[rows].min())


def _empty(job: Job, name: str, part: Rows) -> NotEnoughDataError:
    times = job.samples.candles.close_time
    first, last = (str(times[row])[:16].replace("T", " ") for row in (part.first, part.last))
    return NotEnoughDataError(
        f"fold {job.fold.index} of {job.symbol} has nothing to {name} from {first} to {last} ({len(part):,} bars): "
        f"{_reason(job, part, name)}",
        expected="in each part of each fold bars with a whole window, a known outcome to learn from, and a price that moves",
        remedy=_remedy(job, part),
    )


def _reason(job: Job, part: Rows, name: str) -> str:
    """What its bars lack, the most telling first."""
    samples, rows = job.samples, part.array
    candles, bars = samples.candles, len(rows)
    found = []
    if _stands_still(job, part):
        traded = " and nothing is traded" if not candles.volume[rows].any() else ""
        found.append(f"the price stands still at {candles.close[rows[0]]:g}{traded}")
    else:
        flat = int((candles.high[rows] == candles.low[rows]).sum())
        if 2 * flat > bars:
            found.append(f"high equals low in {flat:,} bars")
    undefined = np.isnan(samples.inputs[rows]).sum(axis=0)
    columns = sorted(zip(-undefined, samples.features.columns, strict=True))
    named = [f"{column} in {-count:,}" for count, column in columns if count]
    if named:
        more = f" and {len(named) - MAX_LISTED} more" if len(named) > MAX_LISTED else ""
        found.append(f"undefined features are {', '.join(named[:MAX_LISTED])}{more} of {bars:,} bars")
    without = int((~np.isfinite(samples.naive[rows])).sum())
    if without:
        found.append(f"the naive forecast of {samples.target.name} is undefined in {without:,} of {bars:,} bars")
    absent = int((~samples.is_known[rows]).sum())
    if absent and (name == "train on" or absent == bars):
        found.append(f"the outcome of {samples.target.name} is not known or undefined in {absent:,} of {bars:,} bars")
    if len(np.unique(candles.segments[max(rows[0] - samples.window + 1, 0) : rows[-1] + 1])) > 1:
        found.append(f"gaps in the candles cut its windows of {samples.window} bars")
    return "; ".join(found) or f"none of its windows of {samples.window} bars is whole"


def _remedy(job: Job, part: Rows) -> str:
    if _stands_still(job, part):
        return "Give candles of the time in which the asset was traded, such as candles[:n], or leave it out"
    return "Leave these features out, use a shorter window or fewer folds, or give candles without that stretch"
