"""What came from a feed: new bars in order, and what happened to others: revised, late, missing, back in time, impossible."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from candlecast.candles import Candles
from candlecast.sources.feed import Batch, Notice, Seen

Values = tuple[float, float, float, float, float]


@dataclass(frozen=True)
class Classified:
    """New bars, each later than the one before, and notices."""

    bars: list[Seen]
    notices: list[Notice]


def classified(
    batch: Batch, last_open: datetime, like: Candles, *, known: Callable[[datetime], Values | None]
) -> Classified:
    """Divide a batch that came after the bar that opened at `last_open`. Nothing is repaired: what cannot be used is reported.

    `known` gives the values that a bar was traded with, by its opening time; None for one that was not seen, or long ago.
    """
    bars: list[Seen] = []
    notices = [each for each in batch if isinstance(each, Notice)]
    newest = last_open
    for each in batch:
        if isinstance(each, Notice):
            continue
        at = f"{each.open_time:%Y-%m-%d %H:%M}"
        if each.open_time <= newest:
            here = next((bar.values for bar in bars if bar.open_time == each.open_time), None)
            notices += _again(each, here or known(each.open_time), at)
            continue
        if wrong := impossible(each):
            words = f"the bar of {at} UTC is not possible ({wrong}) and is left out"
            notices.append(Notice("refused", each.received_at, words, each))
            continue
        missing = _missing(newest, each.open_time, like)
        if missing:
            words = f"{missing:,} {'bar is' if missing == 1 else 'bars are'} missing before {at} UTC"
            notices.append(Notice("missing", each.received_at, words, each, missing))
        bars.append(each)
        newest = each.open_time
    return Classified(bars, notices)


def _again(bar: Seen, before: Values | None, at: str) -> list[Notice]:
    """Notices of a bar that is not newer than the newest one: none when its values are the same."""
    if before is None:
        words = f"the bar of {at} UTC came after later ones, or the feed went back in time; it is not traded"
        return [Notice("back in time", bar.received_at, words, bar)]
    if all(
        one == other or (math.isnan(one) and math.isnan(other)) for one, other in zip(before, bar.values, strict=True)
    ):
        return []
    words = f"the bar of {at} UTC was revised after it was traded: close {before[3]:.8g}, now {bar.close:.8g}"
    return [Notice("revised", bar.received_at, words, bar)]


def _missing(before: datetime, opened: datetime, like: Candles) -> int:
    """Bars between two that follow each other, of a market that never closes."""
    if like.has_sessions or like.interval.months:
        return 0
    return round((opened - before).total_seconds() / like.interval.seconds) - 1


def impossible(bar: Seen) -> str:
    """Why no market can have traded a bar; empty for one that it can."""
    prices: Sequence[float] = bar.values[:4]
    if not all(math.isfinite(price) and price > 0 for price in prices):
        return "a price is not above 0"
    if not bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
        return "open or close lie outside of low and high"
    return "the volume is below 0" if bar.volume < 0 else ""
