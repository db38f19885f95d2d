"""The largest assets at each time: a universe decided by what was traded before, and never by what came later.

At each midnight (UTC), assets are ranked by the value traded (close x volume, or the quote volume where it is known) in the bars
that closed in the span before; an asset belongs to the universe of that day if fewer than N others of the same interval had
more. A bar counts from its close on, so the rank of a day depends on earlier bars alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.membership import WhileMember
from candlecast.events import Listener, Progress
from candlecast.interval import Interval
from candlecast.scan.assets import Asset, open_assets
from candlecast.scan.plan import Plan

DAY = np.timedelta64(1, "D")


def members_of(plan: Plan, *, progress: Listener) -> Callable[[Candles], Plan | None]:
    """The plan of each asset: its folds are those whose test part begins while it is among the largest; None for no such day.

    Reads the candles of all assets once.
    """
    span = np.timedelta64(Interval.parse(plan.volume_span).seconds, "s")
    traded: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for place, found in enumerate(open_assets(plan)):
        progress(Progress("rank", place, place + 1, found.symbol))
        if isinstance(found, Asset):
            traded.setdefault(str(found.candles.interval), {})[found.symbol] = values_by_day(found.candles, span)
    spans = {
        (symbol, interval): held
        for interval, values in traded.items()
        for symbol, held in membership(values, plan.largest or 1).items()
    }

    def own(candles: Candles) -> Plan | None:
        held = spans.get((candles.symbol, str(candles.interval)), ())
        return (
            replace(plan, assets=(), folds=WhileMember(plan.folds, held, plan.largest), largest=None) if held else None
        )

    return own


def values_by_day(candles: Candles, span: np.timedelta64) -> tuple[np.ndarray, np.ndarray]:
    """Midnights, datetime64[D] (days,), from the first after a bar to the first after the last, and what was traded in the span
    before each, (days,).
    """
    frame, close = candles.frame, candles.close_time
    value = candles.close * candles.volume
    if "quote_volume" in frame.columns:
        quoted = frame["quote_volume"].to_numpy()
        value = np.where(np.isfinite(quoted), quoted, value)
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(value))])
    first, last = (close[place].astype("datetime64[D]") + DAY for place in (0, -1))
    days = np.arange(first, last + DAY)
    upto = np.searchsorted(close, days.astype(close.dtype), side="right")
    before = np.searchsorted(close, (days - span).astype(close.dtype), side="right")
    return days, total[upto] - total[before]


def membership(
    traded: dict[str, tuple[np.ndarray, np.ndarray]], largest: int
) -> dict[str, tuple[tuple[str, str], ...]]:
    """Spans of days in which each symbol is among the largest, by its days and values; nothing traded is never large.

    >>> days = np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-01-04"))
    >>> membership({"A": (days, np.array([1.0, 5.0, 5.0])), "B": (days, np.array([2.0, 2.0, 9.0]))}, 1)
    {'A': (('2024-01-02', '2024-01-03'),), 'B': (('2024-01-01', '2024-01-02'), ('2024-01-03', '2024-01-04'))}
    """
    if not traded:
        return {}
    first, last = min(days[0] for days, _ in traded.values()), max(days[-1] for days, _ in traded.values())
    every = np.arange(first, last + DAY)
    values = np.zeros((len(traded), len(every)))
    for row, (days, value) in zip(values, traded.values(), strict=True):
        place = int((days[0] - first) / DAY)
        row[place : place + len(days)] = value
    rank = min(largest, len(traded))
    least = -np.partition(-values, rank - 1, axis=0)[rank - 1]  # of the members, at each day
    found = {}
    for symbol, row in zip(traded, values, strict=True):
        is_member = (row > 0) & (row >= least)
        turns = np.flatnonzero(np.diff(np.concatenate([[False], is_member, [False]])))
        found[symbol] = tuple((str(every[a]), str(every[b - 1] + DAY)) for a, b in turns.reshape(-1, 2))
    return found
