"""Spells of the assets of a panel: bars without a long gap between them, after which another asset may have the symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from candlecast.candles import Candles
from candlecast.candles.fills import is_repeat
from candlecast.evaluation.survivorship import LATE
from candlecast.panel.assets import ENDED, ended

if TYPE_CHECKING:
    from candlecast.panel.panel import Panel

SHORTEST = np.timedelta64(1, "D")  # gaps shorter than this do not end a spell, however many bars are missing


@dataclass(frozen=True, eq=False)
class Spells:
    """The spells of one asset by its own bars, int64 (spell,).

    `starts`: the first bar of each. `ends`: one past the last bar that was traded, which is the next start unless bars that
    repeat the last close without a trade fill the gap.
    """

    starts: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def parts(self, bars: int) -> list[slice]:
        """All bars, spell by spell."""
        return [slice(first, stop) for first, stop in pairwise([*self.starts.tolist(), bars])]


def spells_of(candles: Candles, times: np.ndarray) -> Spells:
    """The spells of an asset in a panel with these moments, datetime64 (time,).

    A spell ends where the asset is not traded at more than `ENDED` moments in a row, or for 30 days where these are fewer
    moments, but for a day at least. Bars that repeat the close before without volume are no trades. Causal: a bar's spell
    depends on no later bar.
    """
    is_traded = ~(is_repeat(candles) & ~(candles.volume > 0))
    is_traded[:1] = True
    rows = np.flatnonzero(is_traded)
    closes = candles.close_time[rows]
    missing = np.searchsorted(times, closes[1:], side="left") - np.searchsorted(times, closes[:-1], side="right")
    step = np.timedelta64(candles.interval.microseconds, "us")
    most = max(min(ENDED, int(LATE / step)), 1)
    is_long = (missing > most) & (np.diff(closes) > SHORTEST + step)
    later = np.flatnonzero(is_long)
    starts = np.append(0, rows[later + 1]).astype(np.int64)
    return Spells(starts, np.append(rows[later] + 1, len(candles)).astype(np.int64))


def split_at_gaps(panel: Panel, weights: np.ndarray) -> tuple[Panel, np.ndarray, tuple[str, ...]]:
    """The panel and its weights (time, asset) with each spell as an asset of its own, which ends with the spell.

    The symbols of spells that end before a gap come last.
    """
    assets: list[Candles] = []
    columns: list[np.ndarray] = []
    chosen: list[np.ndarray] = []
    before_gaps: list[str] = []
    for place, (candles, spells) in enumerate(zip(panel.assets, panel.spells, strict=True)):
        for number, (first, stop) in enumerate(zip(spells.starts.tolist(), spells.ends.tolist(), strict=True)):
            symbol = candles.symbol if number == 0 else f"{candles.symbol} ({number + 1})"
            part = replace(candles[first:stop], symbol=symbol)
            if number + 1 < len(spells):
                before_gaps.append(symbol)
                part = ended(part)
            bars = panel.bars[:, place]
            is_inside = (bars >= first) & (bars < stop)
            assets.append(part)
            columns.append(np.where(is_inside, bars - first, -1))
            chosen.append(np.where(is_inside, weights[:, place], 0.0))
    split = type(panel)(tuple(assets), None, panel.times, np.stack(columns, axis=1))
    return split, np.stack(chosen, axis=1), tuple(before_gaps)


def numbers(spells: Sequence[Spells], lengths: Sequence[int]) -> list[np.ndarray]:
    """The number of the spell of each bar of each asset, float64 (bars,)."""
    return [
        np.searchsorted(each.starts, np.arange(length), side="right").astype(np.float64)
        for each, length in zip(spells, lengths, strict=True)
    ]
