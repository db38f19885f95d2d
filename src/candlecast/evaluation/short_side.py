"""How much of a gain is made by short positions, which presuppose that the asset could be sold short."""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

from candlecast.backtesting import BacktestResult
from candlecast.text.formatting import percent

MOST = 0.5  # of the gain made short, from which on it is worth a word


@dataclass(frozen=True)
class Shorts:
    """The part of short positions in the gain of an account, and what the costs charge them.

    share: profits of the short trades over those of all trades, after costs of trading; above 1 where the long trades lose, NaN
        where all together gain nothing, or not known. borrow_percent, funding_bps: of the costs.
    """

    share: float = math.nan
    borrow_percent: float = 0.0
    funding_bps: float = 0.0

    @property
    def words(self) -> str:
        """That half of the gain or more is made short, as a clause; empty where it is less.

        >>> Shorts(0.62).words
        'short positions make 62 % of the gain'
        """
        if not self.share >= MOST:
            return ""
        return f"short positions make {'all' if self.share >= 1.0 else percent(self.share, 0)} of the gain"

    def premise(self, assets: str) -> str:
        """What such a gain presupposes of `assets`, such as "the asset", as a clause; empty where `words` is."""
        if not self.words:
            return ""
        charged = [
            *((f"{self.borrow_percent:g} % a year for borrowing",) if self.borrow_percent else ()),
            *((f"{self.funding_bps:g} bp of funding in 8 hours",) if self.funding_bps else ()),
        ]
        at_cost = f"at the cost given ({' and '.join(charged)})" if charged else "at no cost, as given"
        return (
            f"if {assets} could be borrowed or sold short then, {at_cost}: {self.words}, and a spot market allows no short "
            "position (a perpetual or a future does)"
        )


def shorts_of(result: BacktestResult) -> Shorts:
    """The part of the short trades of an account in its gain."""
    trades, costs = result.trades, result.costs
    total = float(trades["pnl"].sum()) if trades.height else 0.0
    short = float(trades.filter(pl.col("side") == "short")["pnl"].sum()) if total > 0 else math.nan
    return Shorts(short / total if total > 0 else math.nan, costs.borrow_percent, costs.funding_bps)
