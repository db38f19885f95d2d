"""`Standing`: what a session knows after the last entry of its journal beside its account, and from where it goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from candlecast.backtesting.limits import Limits, LimitState
from candlecast.live.journal import Entry


@dataclass(frozen=True)
class Standing:
    """What a session knows after an entry.

    state: of the limits.
    is_stale: no bar has come for too long since the last one, and that has been written down.
    target: that limits gave after the last bar, in place of the one decided at its close; NaN for none.
    was_late: whether the last bar was seen too late for the next open.
    half_spread: seen last, a fraction of the price; NaN for none.
    trained_at: close of the last bar that the newest models may know; of the first bar before the first training; None
        before any bar.
    """

    state: LimitState
    is_stale: bool
    target: float
    was_late: bool
    half_spread: float
    trained_at: datetime | None


def standing_after(entries: Sequence[Entry], limits: Limits, *, cash: float, close: float) -> Standing:
    """The standing after the last of the entries of a journal; `close` is that of the last bar."""
    bars = [entry.content for entry in entries if entry.kind == "bar"]
    last = bars[-1] if bars else {}
    state, is_stale, target = _limit_state(bars, limits, cash), False, math.nan
    for entry in reversed(entries):
        if entry.kind == "bar":
            break
        if entry.kind == "limit" and "target" in entry.content:  # given between two bars, not at the close of one
            said, is_stale = entry.content, True
            state = LimitState(said["state"], said["reason"], state.peak, close)
            target = _number(said["target"])
            break
    refits = [entry.content["trained_at"] for entry in entries if entry.kind == "refit"]
    trained_at = refits[-1] if refits else bars[0]["close_time"] if bars else None
    return Standing(
        state,
        is_stale,
        target,
        bool(last.get("late")),
        _number(last.get("half_spread")),
        None if trained_at is None else datetime.fromisoformat(trained_at),
    )


def _limit_state(bars: Sequence[dict], limits: Limits, cash: float) -> LimitState:
    traded = next((bar for bar in reversed(bars) if not bar["warm"]), None)
    if traded is None:
        return limits.init(cash)
    state, why, peak = traded["limits"]
    return LimitState(state, why, peak, float(traded["bar"][3]))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
