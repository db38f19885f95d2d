"""A panel's study repeated on the candles of a second source of its assets; see `confirm`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from candlecast.candles import Candles
from candlecast.confirmation.confirmation import Confirmation, Found, compare_sources
from candlecast.confirmation.second_source import PairedBars, pair_bars, within
from candlecast.errors import NotEnoughDataError, listed
from candlecast.events import Listener, ignore
from candlecast.ledger import as_ledger
from candlecast.panel import PanelResult, PanelStudy
from candlecast.panel.assets import as_panel_assets, spelt_as
from candlecast.panel.restoring import study_parts
from candlecast.signals import Positions
from candlecast.study.fitted import require_same_parts
from candlecast.text.formatting import percent

LEAST_HELD = 0.5  # of the weights of a run, that assets of both sources must have


def confirm_panel(
    result: PanelResult, assets: Any, *, study: PanelStudy | None = None, progress: Listener = ignore
) -> Confirmation:
    """How the candles compare, and what the study finds in those of the second source.

    Assets of which both have too few bars in common are left out.
    """
    traded, weights = result.traded, result.weights[result.model]
    symbols, decided = traded.panel.symbols, traded.positions(weights)
    others = {each.symbol: each for each in spelt_as(as_panel_assets(assets), symbols)}
    pairs: list[PairedBars] = []
    lacking: list[str] = []
    for place in traded.places():
        paired = _paired(traded.panel.assets[place], decided[place], others.get(symbols[place]))
        if paired is None:
            lacking.append(symbols[place])
        else:
            pairs.append(paired)
    _require_enough(weights, symbols, lacking)
    compared = compare_sources(
        pairs,
        result.backtest,
        Found.of(result.verdict, result.summary()),
        symbol=traded.panel.name,
        model=result.model,
        assets=len(pairs),
        missing_assets=len(lacking),
    )
    if not compared.own.has_edge or compared.has_same_prices:
        return compared
    given = [
        within(others[each.symbol], each)
        for each in result.panel.assets
        if each.symbol in others and each.symbol not in lacking
    ]
    repeated = _repeated(result, given, study, progress)
    return replace(compared, other=Found.of(repeated.verdict, repeated.summary()))


def _repeated(result: PanelResult, assets: list[Candles], study: PanelStudy | None, progress: Listener) -> PanelResult:
    """The result of the same study on the candles of the second source: a trial of the same ledger."""
    if study is None:
        parts = study_parts(result.recipe, remedy="Give it: confirm(study=...)")
        study = PanelStudy(**parts, universe=result.panel.universe)
    require_same_parts(study.recipe(result.panel, seed=result.seed), result.recipe)
    again = replace(study, baselines=())
    return again.run(assets, seed=result.seed, ledger=as_ledger(result.ledger), progress=progress)


def _paired(own: Candles, decided: Positions, other: Candles | None) -> PairedBars | None:
    """The bars of an asset at both sources; None where too few are common."""
    if other is None:
        return None
    try:
        return pair_bars(own, other, since=decided.frame["time"][0])
    except NotEnoughDataError:
        return None


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
