"""Whether a list of assets was chosen with later knowledge: survivorship bias."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from candlecast.candles import Candles
from candlecast.text.formatting import count
from candlecast.text.notebook import notebook_paragraph

RATE = 0.04  # share of the assets of a market that end in a year, cautiously: listed shares end more often
UNLIKELY = 0.05  # chance that none has ended, below which a list without an end is suspicious
LATE = np.timedelta64(30, "D")  # before the newest bar of all: a series that stops there has ended
YEAR = np.timedelta64(31_557_600, "s")


@dataclass(frozen=True)
class Survivorship:
    """How many series of a list end before the others, and when the list was chosen.

    assets: symbols of the list. asset_years: sum of their lengths. ended: symbols whose series end. as_of: when the list was
    chosen, UTC; None where that is not known. tested_from: the first tested bar.

    >>> Survivorship(30, 300.0, (), None, None).chance < 1e-5
    True
    """

    assets: int
    asset_years: float
    ended: tuple[str, ...]
    as_of: datetime | None
    tested_from: datetime | None

    @property
    def chance(self) -> float:
        """The chance that no series would have ended by now: exp(-RATE x asset_years)."""
        return math.exp(-RATE * self.asset_years)

    @property
    def is_late(self) -> bool:
        """Whether the list was chosen after the first tested bar: it knows what came later."""
        return self.as_of is not None and self.tested_from is not None and self.as_of > self.tested_from

    @property
    def is_suspicious(self) -> bool:
        """Whether the list looks like one of survivors: no series ends, several should have, and nothing is declared."""
        return self.as_of is None and self.assets > 1 and not self.ended and self.chance < UNLIKELY

    @property
    def warning(self) -> str:
        """What is wrong with the list, in a sentence; empty where nothing is."""
        if self.is_late:
            chosen, tested = (f"{each:%Y-%m-%d}" for each in (self.as_of, self.tested_from) if each)
            return (
                f"the assets were chosen on {chosen}, after the first tested bar ({tested}): those that failed before are "
                "missing, so all results are too good; test from that day on"
            )
        if self.is_suspicious:
            return (
                f"all {count(self.assets, 'asset')} trade to the last bar, over {self.asset_years:,.0f} asset-years: a list of "
                "survivors makes all results too good (survivorship bias); add the assets that were delisted, or declare the day "
                "on which the list was chosen (as_of)"
            )
        return ""

    def __str__(self) -> str:
        if self.as_of is not None:
            return f"{count(self.assets, 'asset')}, chosen on {self.as_of:%Y-%m-%d}"
        return f"{count(self.assets, 'asset')}, of which {len(self.ended):,} ended"

    def _repr_html_(self) -> str:
        """The assets and the warning, for notebooks."""
        return notebook_paragraph(str(self), is_bold=True) + notebook_paragraph(self.warning or "No warning.")


def survivorship(
    series: Sequence[Candles], *, as_of: datetime | None = None, tested_from: datetime | None = None
) -> Survivorship:
    """Whether these series of candles look like a list of survivors.

    Args:
        series: of one asset or several; several intervals of a symbol are one asset.
        as_of: when the list was chosen, UTC.
        tested_from: the first bar on which the results are judged.

    A series ends where its source says so (`Origin.ended`), or where it has no bar in the last 30 days of all.
    """
    lengths = Lengths()
    for each in series:
        lengths.add(each)
    return lengths.survivorship(as_of, tested_from)


class Lengths:
    """First and last moment of each symbol, taken from series of candles one by one."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[np.datetime64, np.datetime64, bool]] = {}

    def add(self, candles: Candles) -> None:
        """Count the candles of a symbol, unless longer ones of it are counted."""
        if not len(candles):
            return
        first, last = candles.open_time[0], candles.close_time[-1]
        known = self._known.get(candles.symbol)
        if known is None or last - first > known[1] - known[0]:
            has_ended = candles.origin is not None and candles.origin.ended is not None
            self._known[candles.symbol] = first, last, has_ended

    def survivorship(self, as_of: datetime | None = None, tested_from: datetime | None = None) -> Survivorship:
        """Whether what was added looks like a list of survivors; as `survivorship`."""
        latest = max([last for _, last, _ in self._known.values()], default=np.datetime64("NaT", "us"))
        ended = (symbol for symbol, (_, last, is_over) in self._known.items() if last < latest - LATE or is_over)
        years = sum(float((last - first) / YEAR) for first, last, _ in self._known.values())
        return Survivorship(len(self._known), years, tuple(ended), _in_utc(as_of), _in_utc(tested_from))


def _in_utc(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time
