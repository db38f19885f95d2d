"""`compare_sources`: how the candles of two sources compare, and what the orders of a run earn at the prices of both."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from candlecast.backtesting import BacktestResult
from candlecast.confirmation.confirmation import Account, Confirmation, Found
from candlecast.confirmation.second_source import MOVED, SAME, PairedBars, names_of, source_words
from candlecast.text.formatting import count, percent

UNIVERSE = "the universe, with the dates of its members, is that of the run: a second source does not confirm it"
MOSTLY = 0.5  # share of equal opens, from which on both may have one feed in common


def compare_sources(
    pairs: Sequence[PairedBars],
    accounts: Sequence[BacktestResult],
    own: Found,
    *,
    symbol: str,
    model: str,
    seed: int,
    assets: int = 0,
    missing_assets: int = 0,
    has_universe: bool = False,
) -> Confirmation:
    """How the candles of two sources compare, before the study is repeated on the second ones.

    `pairs` are the bars of both sources: of one asset, or of each of the `assets` of a panel; `missing_assets` is the number of
    those that the second source lacks. `accounts` of the orders of the run in these bars, at its own prices and at those of the
    second source; `seed` of their bootstrap. `own`: what the study found. `has_universe`: members of the panel have dates.
    """
    cost_bps = accounts[0].costs.per_side_bps
    kept, crossed = (Account.of(each, seed=seed) for each in accounts)
    equal = float(np.concatenate([each.is_repeated for each in pairs]).mean())
    tested, bars = sum(each.tested for each in pairs), sum(len(each.own) for each in pairs)
    frames = [each.own.frame["close_time"] for each in pairs]
    own_source, other_source = names_of(pairs[0]) if not assets else ("the run", "the second source")
    return Confirmation(
        symbol=symbol,
        interval=str(pairs[0].own.interval),
        model=model,
        own_source=own_source,
        other_source=other_source,
        first=min(times[0] for times in frames),
        last=max(times[-1] for times in frames),
        bars=bars,
        bars_per_year=accounts[0].bars_per_year,
        missing_share=1.0 - bars / tested,
        assets=assets,
        missing_assets=missing_assets,
        correlation=float(np.median([each.correlation for each in pairs])),
        opens_apart_share=_apart_share(pairs, 0, cost_bps),
        closes_apart_share=_apart_share(pairs, 1, cost_bps),
        cost_bps=cost_bps,
        equal_share=equal,
        own=own,
        kept=kept,
        crossed=crossed,
        notes=(*_notes(pairs, equal, missing_assets), *([UNIVERSE] if has_universe else [])),
    )


def _apart_share(pairs: Sequence[PairedBars], place: int, cost_bps: float) -> float:
    """Share of the bars whose opens (place 0) or closes (1) differ by more than the costs of a side."""
    return float(np.mean(np.concatenate([each.apart[place] for each in pairs]) > cost_bps / 1e4))


def _notes(pairs: Sequence[PairedBars], equal: float, missing_assets: int) -> list[str]:
    notes = []
    if MOSTLY <= equal < SAME:
        notes.append(
            f"opens are equal to the last digit in {percent(equal)} of the bars: both sources may have one feed in common, which "
            "then confirms nothing there"
        )
    scaled = [each for each in pairs if abs(math.log(each.scale)) > MOVED]
    if scaled:
        notes.append(
            f"prices of {source_words(scaled[0].given)} are at another level (those of the run are {scaled[0].scale:.6g} times "
            "as high): only returns are compared"
        )
    moved = max(pairs, key=lambda each: each.level_move)
    if moved.level_move > MOVED:
        notes.append(
            f"the ratio of the prices of {source_words(moved.given)} to the others moves by "
            f"{percent(math.expm1(moved.level_move))} over the record, as adjustments for dividends make it: each account has "
            "the returns of its prices as they are"
        )
    if missing_assets:
        are = "is" if missing_assets == 1 else "are"
        notes.append(
            f"{count(missing_assets, 'asset')} of the run that the second source lacks {are} left out when the study is repeated"
        )
    for each in pairs if len(pairs) == 1 else ():
        notes += [f"{source_words(each.given)}: {notice.rstrip('.')}" for notice in each.given.check().notices]
    return notes
