"""A panel's study repeated on the candles of a second source of its assets; see `confirm`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from candlecast.backtesting.portfolio import account_of, prepare
from candlecast.candles import Candles
from candlecast.confirmation.comparing import compare_sources
from candlecast.confirmation.confirmation import Confirmation, Found
from candlecast.confirmation.counting import judged_as_repetition
from candlecast.confirmation.second_source import PairedBars, pair_bars, within
from candlecast.errors import NotEnoughDataError, listed
from candlecast.evaluation.trial_count import FEW_LEFT_OUT, SHARE_LEFT_OUT
from candlecast.events import Listener, ignore
from candlecast.ledger import as_ledger
from candlecast.panel import PanelResult, PanelStudy
from candlecast.panel.assets import as_panel_assets, spelt_as
from candlecast.panel.restoring import study_parts
from candlecast.signals import Positions
from candlecast.study.fitted import require_same_parts
from candlecast.text.formatting import percent


def confirm_panel(
    result: PanelResult, assets: Any, *, study: PanelStudy | None = None, progress: Listener = ignore
) -> Confirmation:
    """How the candles compare, what the orders earn at the other prices, and what the study finds in the other candles.

    Assets of which both have too few bars in common are left out.
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
        else:
            pairs.append(paired)
            held.append(paired.positions(decided[place]))
    _require_enough(len(pairs), lacking)
    accounts = []
    for candles in ([each.own for each in pairs], [each.other for each in pairs]):
        prepared = prepare(candles, held, costs=traded.costs, cash=traded.cash)
        accounts.append(account_of(prepared, traded.costs, float(traded.cash)))
    compared = compare_sources(
        pairs,
        accounts,
        Found.of(result.verdict, result.summary()),
        symbol=traded.panel.name,
        model=result.model,
        seed=result.seed,
        assets=len(pairs),
        missing_assets=len(lacking),
        has_universe=result.panel.universe is not None,
    )
    if not compared.is_worth_repeating:
        return compared
    first = min(each.open_time[0] for each in result.panel.assets)
    last = max(each.open_time[-1] for each in result.panel.assets)
    given = [within(others[symbol], first, last) for symbol in symbols if symbol in others and symbol not in lacking]
    repeated = _repeated(result, given, study, progress)
    judged = judged_as_repetition(repeated, result)
    return replace(compared, other=Found.of(judged.verdict, judged.summary()))


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


def _require_enough(assets: int, lacking: list[str]) -> None:
    """Raise NotEnoughDataError where the choice of the assets that the second source has may be one by their results."""
    if len(lacking) >= FEW_LEFT_OUT and len(lacking) > SHARE_LEFT_OUT * (assets + len(lacking)):
        raise NotEnoughDataError(
            f"the second source lacks {len(lacking)} of the {assets + len(lacking)} assets of the run, or too many of their "
            f"bars: {listed(lacking)}",
            expected=f"fewer than {FEW_LEFT_OUT}, or at most {percent(SHARE_LEFT_OUT, 0)} of them: which are left out may be "
            "chosen by what they earned",
            remedy="Give the candles of more assets, by the symbols of the run: {symbol: candles}",
        )
