"""`AssetPrices`: whether a portfolio could have been filled at the prices of its assets, and the least cost of a trade."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from candlecast.candles import Candles
from candlecast.evaluation.growth import Growth
from candlecast.evaluation.tradability import Tradability, tradability

MANY = 5  # assets that have a mean Dickey-Fuller statistic
OF_ALL = -3.0  # such a mean at most; that of random walks is -1.4, with a deviation of 0.8 at most
EARLY = "volume or another column of a later bar"
FEW = 0.1  # share of the assets, above which their volume is early together; a few are by chance


@dataclass(frozen=True)
class AssetPrices:
    """What `Tradability` says of each asset, put together. The defaults mean that nothing is known.

    faults: assets at whose prices orders could not be filled, which nobody can hold, or whose activity is early, each with what
        is wrong, such as ("A001: stale opens",).
    traded_share: their share of the value traded. rest_return: annual return of the portfolio without them, NaN where
        there are none; rest_p: p-value of no growth then.
    early: assets whose volume, or another column of activity, seems to be that of a later bar.
    early_share: their share of all assets.
    ahead: assets whose returns agree with those of others one moment later and not with those of the same moment; behind:
        these others (`panel.dating.misdated`).
    level_statistic: mean over the assets of the statistic of a unit root in their closes (`evaluation.price_level`); NaN for
        fewer than `MANY`.
    least_cost_bps: the least cost of a side, in basis points: mean over the value traded of the larger of half the spread
        and a tick of each asset.
    """

    faults: tuple[str, ...] = ()
    traded_share: float = 0.0
    rest_return: float = math.nan
    rest_p: float = 0.0
    early: tuple[str, ...] = ()
    early_share: float = 0.0
    level_statistic: float = math.nan
    least_cost_bps: float = 0.0
    ahead: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()

    @property
    def has_early_volume(self) -> bool:
        """More assets than chance gives have volume that seems to be that of a later bar."""
        return len(self.early) > 1 and self.early_share > FEW

    @property
    def is_only_early(self) -> bool:
        """Nothing is wrong with the prices of the assets, only with their activity."""
        return all(each.endswith(f": {EARLY}") for each in self.faults)

    @property
    def return_to_levels(self) -> bool:
        """The prices return to their levels, which each alone may not show."""
        return self.level_statistic <= OF_ALL


def prices_of(assets: Sequence[Candles], first_rows: Sequence[int]) -> list[Tradability]:
    """The tradability of each asset from its first tested bar on."""
    return [tradability(each, first=first) for each, first in zip(assets, first_rows, strict=True)]


def is_early(found: Tradability) -> bool:
    """Whether volume or another column of activity of an asset seems to be that of a later bar."""
    return bool(found.has_early_volume or found.early_activity)


def faults_of(found: Tradability) -> tuple[str, ...]:
    """What is wrong with an asset, so that the gain has to stay without it: its prices, or activity of a later bar."""
    return (*found.doubts, *((EARLY,) if is_early(found) else ()))


def asset_prices(found: Mapping[str, Tradability], traded: Mapping[str, float], rest: Growth | None) -> AssetPrices:
    """Together what was found of each asset by symbol.

    Args:
        found: of the assets that were traded.
        traded: the value traded of each.
        rest: growth of the portfolio without those with faults; None where there are none.
    """
    value = sum(traded.values())
    early = tuple(symbol for symbol, each in found.items() if is_early(each))
    faulty = {symbol: words for symbol, each in found.items() if (words := faults_of(each))}
    levels = [each.level_statistic for each in found.values() if math.isfinite(each.level_statistic)]
    cost = sum(traded[symbol] * each.least_cost_bps for symbol, each in found.items())
    return AssetPrices(
        faults=tuple(f"{symbol}: {' and '.join(words)}" for symbol, words in faulty.items()),
        traded_share=sum(traded[symbol] for symbol in faulty) / value if value > 0 else 0.0,
        rest_return=math.nan if rest is None else rest.annual,
        rest_p=0.0 if rest is None else rest.p_value,
        early=early,
        early_share=len(early) / len(found) if found else 0.0,
        level_statistic=float(np.mean(levels)) if len(levels) >= MANY else math.nan,
        least_cost_bps=cost / value if value > 0 else 0.0,
    )
