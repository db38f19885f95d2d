"""A study repeated on the candles of a second source of its asset; see `confirm`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from candlecast.backtesting import backtest
from candlecast.candles import Candles
from candlecast.confirmation.comparing import compare_sources
from candlecast.confirmation.confirmation import Confirmation, Found
from candlecast.confirmation.counting import judged_as_repetition
from candlecast.confirmation.second_source import pair_bars, within
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.events import Listener, ignore
from candlecast.ledger import as_ledger
from candlecast.models import Pooled
from candlecast.study import Study, StudyResult
from candlecast.study.fitted import parts_of


def confirm_study(
    result: StudyResult, other: Candles, *, study: Study | None = None, progress: Listener = ignore
) -> Confirmation:
    """How the candles compare, what the orders earn at the other prices, and what the study finds in the other candles."""
    decided, candles = result.positions[result.model], result.candles
    paired = pair_bars(candles, other, since=decided.frame["time"][0])
    held = paired.positions(decided)
    compared = compare_sources(
        [paired],
        [backtest(each, held, costs=result.costs, cash=result.cash) for each in (paired.own, paired.other)],
        Found.of(result.verdict, result.summary()),
        symbol=candles.symbol,
        model=result.model,
        seed=result.seed,
    )
    if not compared.is_worth_repeating:
        return compared
    repeated = _repeated(result, within(other, candles.open_time[0], candles.open_time[-1]), study, progress)
    judged = judged_as_repetition(repeated, result)
    return replace(compared, other=Found.of(judged.verdict, judged.summary()))


def _repeated(result: StudyResult, candles: Candles, study: Study | None, progress: Listener) -> StudyResult:
    """The result of the same study, and the same view of it, on other candles: a trial of the same ledger."""
    parts, recipe = parts_of(result, study, how="confirm(study=...)"), result.recipe
    if isinstance(parts.model, Pooled):
        raise ConfigError(
            "the model was trained on several assets, of which this result has one",
            expected="the result of a model of one asset, or of a panel",
            remedy="Repeat the whole comparison on candles of the second source",
        )
    again = Study(
        model=parts.model,
        features=parts.features,
        target=result.target,
        folds=parts.folds,
        rule=parts.rule,
        costs=result.costs,
        cash=result.cash,
        baselines=(),
        seeds=_number_of(recipe["seeds"]),
    )
    try:
        found = again.run(candles, seed=result.seed, ledger=as_ledger(result.ledger), progress=progress)
    except (ConfigError, NotEnoughDataError) as error:
        raise type(error)(
            f"the study cannot be repeated on the second source: {error.wrong}",
            expected=error.expected,
            remedy="Give a second source that has what the study needs; without one the edge stays unconfirmed",
        ) from error
    return found.between(recipe.get("since"), recipe.get("until"))


def _number_of(seeds: Any) -> int:
    return len(seeds) if isinstance(seeds, list) else int(seeds)
