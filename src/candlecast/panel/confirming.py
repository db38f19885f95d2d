"""A panel's orders at the prices of a second source of its assets; see `PanelResult.confirm`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from candlecast.backtesting import BacktestResult
from candlecast.backtesting.portfolio import account_of, prepare
from candlecast.candles import Candles
from candlecast.errors import NotEnoughDataError, listed
from candlecast.evaluation.confirmation import Confirmation, confirmation_of
from candlecast.evaluation.second_source import PairedBars, foreknown_moves, pair_bars
from candlecast.panel.account import break_even_of
from candlecast.panel.assets import as_panel_assets, spelt_as
from candlecast.signals import Positions
from candlecast.text.formatting import percent

if TYPE_CHECKING:
    from candlecast.panel.result import PanelResult

LEAST_HELD = 0.5  # of the weights of a run, that assets of both sources must have


def confirm_panel(result: PanelResult, assets: Any) -> Confirmation:
    """The portfolio at its own prices and at those of the same assets from another source.

    Assets of which both have too few bars in common are left out of both accounts.
    """
    traded, weights = result.traded, result.weights[result.model]
    symbols, decided = traded.panel.symbols, traded.positions(weights)
    others = {each.symbol: each for each in spelt_as(as_panel_assets(assets), symbols)}
    pairs: list[PairedBars] = []
    held: list[Positions] = []
    lacking: list[str] = []
    for place in traded.places():
        paired = _paired(traded.panel.assets[place], decided[place], others.get(symbols[place]))
        if paired is None:
            lacking.append(symbols[place])
            continue
        pairs.append(paired)
        held.append(paired.positions(decided[place]))
    _require_enough(weights, symbols, lacking)
    accounts = []
    for candles in ([each.own for each in pairs], [each.other for each in pairs]):
        prepared = prepare(candles, held, costs=traded.costs, cash=traded.cash)
        account = account_of(prepared, traded.costs, float(traded.cash))
        accounts.append((account, break_even_of(prepared, costs=traded.costs, cash=traded.cash)))
    return confirmation_of(
        pairs,
        accounts,
        _led(pairs, held, accounts[1][0]),
        model=result.model,
        symbol=traded.panel.name,
        verdict=result.verdict,
        assets=len(pairs),
        missing_assets=len(lacking),
        seed=result.seed,
    )


def _paired(own: Candles, decided: Positions, other: Candles | None) -> PairedBars | None:
    """The bars of an asset at both sources; None where too few are common."""
    if other is None:
        return None
    try:
        return pair_bars(own, other, since=decided.frame["time"][0])
    except NotEnoughDataError:
        return None


def _led(pairs: Sequence[PairedBars], held: Sequence[Positions], account: BacktestResult) -> np.ndarray:
    """The returns of the account that come from `foreknown_moves`, by the weights that were decided: (bars - 1,)."""
    times = account.equity["time"].dt.replace_time_zone(None).to_numpy()
    total = np.zeros(len(times))
    for paired, positions, moves in zip(pairs, held, foreknown_moves(pairs), strict=True):
        closes = paired.own.frame.select(time="close_time")
        decided = closes.join_asof(positions.frame, on="time")["position"].fill_null(0.0).to_numpy()
        rows = np.minimum(np.searchsorted(times, paired.own.close_time[1:]), len(times) - 1)
        total += np.bincount(rows, weights=decided[:-1] * moves, minlength=len(times))
    return total[1:]


def _require_enough(weights: np.ndarray, symbols: list[str], lacking: list[str]) -> None:
    sizes = np.nansum(np.abs(weights), axis=0)
    share = float(sizes[~np.isin(symbols, lacking)].sum() / max(sizes.sum(), 1e-12))
    if share < LEAST_HELD:
        raise NotEnoughDataError(
            f"the second source has assets with {percent(share)} of the weights of the run; it lacks {listed(lacking)}, or has "
            "too few of their bars",
            expected=f"{percent(LEAST_HELD, 0)} or more",
            remedy="Give the candles of more assets, by the symbols of the run: {symbol: candles}",
        )
