"""Checks of an audit that change no candles: labels, warm-up, streaming, tradable prices, and the list of assets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from candlecast.audit.findings import CLOCK, FAILED, NOT_RUN, PASSED, WARNING, Check
from candlecast.audit.walk import Walk, numbers_of
from candlecast.candles import Candles
from candlecast.causality import clock_features
from candlecast.causality.warmup import settles_after
from candlecast.errors import listed
from candlecast.evaluation.survivorship import survivorship
from candlecast.evaluation.tradability import tradability
from candlecast.targets import components
from candlecast.text.formatting import count

TRADABLE = "tradable prices"
STREAMED = 200  # newest bars of the last fold
TOLERANCE = 1e-4  # of the standard deviation of the forecasts: rounding of float32


def labels_known(walk: Walk) -> Check:
    """Every outcome that a fold trains on is known when its first tested bar closes."""
    name = "labels known before training"
    ordered = [job for job in walk.jobs if job.fold.is_in_time_order]
    if not ordered:
        return Check(name, NOT_RUN, "no fold is in the order of time")
    for job in ordered:
        latest = max(job.samples.known_at(target)[job.fit_rows].max() for target in components(walk.study.target))
        first = walk.candles.close_time[job.fold.test.first]
        if latest > first:
            late = (latest - first).astype("timedelta64[s]").item()
            return Check(
                name, FAILED, f"fold {job.fold.index} trains on outcomes known {late} after its first tested bar"
            )
    return Check(name, PASSED, count(len(ordered), "fold"))


def of_the_clock(walk: Walk) -> Check:
    """No feature of a user is a table of hours or dates, which can hold what happened at them."""
    found = clock_features(walk.samples.features, walk.candles)
    if found:
        return Check(CLOCK, WARNING, listed(found))
    return Check(CLOCK, PASSED, count(len(walk.samples.features.features), "feature"))


def warm_up(walk: Walk) -> Check:
    """Each feature gives the same values when the candles begin later, once its warm-up is over.

    A feature of all earlier bars, such as an expanding mean, never settles. The check names it and passes: it is no leak.
    """
    name, candles, features = "warm-up", walk.candles, walk.samples.features.features
    settled, unbounded = 0, []
    for feature in features:
        if len(candles) < 4 * feature.warmup + 40:
            continue
        needed = settles_after(feature, candles)
        if needed is None:
            unbounded.append(feature.name)
        elif needed > feature.warmup:
            return Check(name, FAILED, f"{feature.name} settles after {needed:,} bars and declares {feature.warmup:,}")
        settled += needed is not None
    detail = f"{settled} of {count(len(features), 'feature')}"
    if unbounded:
        detail += f"; {', '.join(unbounded)}: of all earlier bars"
    return Check(name, PASSED if settled or unbounded else NOT_RUN, detail)


def streaming(walk: Walk) -> Check:
    """A forecast from one bar at a time equals that of the batch."""
    name = "streaming"
    fitted: Any = walk.fitted[-1]
    if not (hasattr(fitted, "start") and hasattr(fitted, "step")):
        return Check(name, NOT_RUN, f"{walk.study.model.name} does not stream")
    samples, rows = walk.samples, walk.jobs[-1].test_rows
    segments = walk.candles.segments
    rows = rows[segments[rows] == segments[rows[-1]]][-STREAMED:]
    batch = numbers_of(fitted.forecast(samples, rows))[0]
    begin = max(int(np.searchsorted(segments, segments[rows[-1]])), int(rows[0]) - samples.window + 1)
    state, streamed = fitted.start(begin), np.full(len(samples), np.nan)
    for row in range(begin, int(rows[-1]) + 1):
        past = row - samples.horizon
        known = samples.y[past] if past >= 0 and samples.is_known[past] else None
        state, prediction = fitted.step(state, samples.inputs[row], known)
        streamed[row] = float(prediction.mean[0])
    gap = np.abs(batch - streamed[rows])
    limit = TOLERANCE * max(float(np.std(batch)), 1e-12)
    worst = float(np.nanmax(gap, initial=0.0))
    detail = f"{count(len(rows), 'bar')}, largest difference {worst:.1e}"
    return Check(name, PASSED if worst <= limit else FAILED, detail)


def tradable(walk: Walk) -> Check:
    """Orders could have been filled at the prices of the tested bars."""
    first = min(int(job.test_rows[0]) for job in walk.jobs)
    found = tradability(walk.candles, first=first)
    if found.is_tradable:
        return Check(TRADABLE, PASSED, f"least cost {found.least_cost_bps:.1f} bp a side")
    return Check(TRADABLE, FAILED, f"{', '.join(found.faults)}; see candles.check()")


def survivors(series: Sequence[Candles], *, as_of: datetime | None, tested_from: datetime) -> Check:
    """The list of assets was not chosen with later knowledge."""
    found = survivorship(series, as_of=as_of, tested_from=tested_from)
    status = FAILED if found.is_late else WARNING if found.is_suspicious else PASSED
    return Check("survivorship", status, found.warning or str(found))
