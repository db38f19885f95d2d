"""The verdict on a panel: do the scores rank the returns, and does the portfolio pay? By the tests and words of every study."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from candlecast.backtesting import BacktestResult
from candlecast.errors import listed
from candlecast.evaluation.answers import FORECAST, NO, NOT_ENOUGH, YES, Answer, pay_answer
from candlecast.evaluation.conditions import Conditions
from candlecast.evaluation.evidence import LEVEL, Evidence, gather
from candlecast.evaluation.measures import Measure, measures
from candlecast.evaluation.objection import Objection
from candlecast.evaluation.objections import CENTRED, MIN_GROWTH, cautions, objections
from candlecast.evaluation.trial_count import TrialCount
from candlecast.evaluation.verdict import Verdict, decide, pay_words, premise_words, trial_words, written
from candlecast.stats import annual_return
from candlecast.targets import AcrossTarget
from candlecast.targets.words import described
from candlecast.text.cells import number as cell_number
from candlecast.text.formatting import count, number, p_value, percent

HELD = "holding the universe"
HIGHEST_IC = 0.5  # mean rank IC out of sample; that of published signals is 0.01 to 0.1
PLAUSIBLE_IC = 0.03  # the largest that is plausible in a liquid market: a record that would miss it cannot answer "no"
SHOWN = 5  # assets that an objection names
POWER = 1.6449 + 0.8416  # standard errors detected by a one-sided test of 5 % with a power of 80 %


def judge_panel(
    row: dict[str, Any],
    result: BacktestResult,
    summary: pl.DataFrame,
    target: AcrossTarget,
    *,
    model: str,
    trained: int,
    trial_count: TrialCount,
    conditions: Conditions,
    seed: int = 0,
) -> Verdict:
    """The verdict on a portfolio, from its row of the ranking table and its backtest against holding the universe.

    `is_forecastable`: the mean rank IC is above zero, its p-value adjusted for all trials. `pays`: as for one asset
    (`candlecast.evaluation.Verdict`), with holding the universe in place of buy-and-hold.
    """
    as_forecast = {"p_naive": row["p_rank_ic"], "p_drift": row["p_rank_ic"], "observations": row["observations"]}
    evidence = gather(
        {name: math.nan if value is None else value for name, value in as_forecast.items()},
        result,
        horizon=target.horizon,
        trial_count=trial_count,
        conditions=conditions,
        seed=seed,
    )
    is_known, is_significant = evidence.is_known, evidence.is_significant
    unknown = {"r2": None, "hit_rate": None}
    found = objections(unknown, result, target, evidence, is_known=is_known, is_significant=is_significant)
    against = (*_implausible(row), *_of_assets(result, evidence), *found, *_of_choice(evidence))
    is_forecastable, pays, headline, first = decide(evidence, against)
    lines = {line["statistic"]: line for line in summary.iter_rows(named=True)}
    has_edge = is_forecastable and pays
    reasons = (
        *(each.reason for each in first),
        *premise_words(evidence, has_edge=has_edge),
        _rank_words(model, target, row, evidence),
        *pay_words(result, lines, evidence, held=HELD),
        *(each.reason for each in against if each not in first),
        *(cautions(evidence, sharpe=lines["Sharpe ratio"]["value"]) if is_significant and not against else ()),
        trial_words(row["observations"], trained, evidence),
        conditions.audit,
        *_power_words(row, evidence, has_edge=has_edge),
    )
    answers = (
        _forecast_answer(row, evidence, against, is_forecastable=is_forecastable),
        pay_answer(
            lines,
            evidence,
            against,
            orders=result.fills.height,
            is_significant=is_significant,
            pays=pays,
            held=HELD,
        ),
    )
    return Verdict(is_forecastable, pays, headline, reasons, evidence, answers, _measures(row, lines, evidence))


def detectable_ic(row: dict[str, Any]) -> float:
    """The mean rank IC that a record of this length detects with a power of 80 %, in a test of one side at 5 %."""
    low, high = row["rank_ic_low"], row["rank_ic_high"]
    return math.nan if low is None or high is None else POWER * (high - low) / (2 * 1.96)


def _rank_words(model: str, target: AcrossTarget, row: dict[str, Any], evidence: Evidence) -> str:
    numbers = (
        f"mean rank IC {number(row['rank_ic'], 4)}, 95 % CI {number(row['rank_ic_low'], 4)} to "
        f"{number(row['rank_ic_high'], 4)}, ICIR {number(row['icir'], 3)}; p-value {p_value(evidence.forecast_p)}, adjusted for "
        f"multiple testing {p_value(evidence.forecast_p_adjusted)}; highest less lowest group {percent(row['spread'], 3)} in "
        f"{count(target.horizon, 'bar')} before costs"
    )
    subject = f"the {written(model)} forecast of the {described(target)}"
    if evidence.forecast_p_adjusted < LEVEL:
        return f"{subject} ranks the returns of the assets better than chance ({numbers})"
    return f"{subject} ranks the returns of the assets no better than chance ({numbers})"


def _power_words(row: dict[str, Any], evidence: Evidence, *, has_edge: bool) -> tuple[str, ...]:
    if has_edge or math.isnan(evidence.detectable_sharpe):
        return ()
    words = (
        f"this much data detects a Sharpe ratio of {evidence.detectable_sharpe:.2f} or a mean rank IC of "
        f"{number(detectable_ic(row), 4)} with a power of 80 %; a smaller edge may have been missed"
    )
    return (words,)


def _forecast_answer(
    row: dict[str, Any], evidence: Evidence, against: tuple[Objection, ...], *, is_forecastable: bool
) -> Answer:
    of_forecast = [each for each in against if each.is_of_forecast]
    detectable, high = detectable_ic(row), row["rank_ic_high"]
    answer = NO
    if is_forecastable:
        answer, sentence = YES, "The scores rank the returns of the assets better than chance."
    elif of_forecast:
        words = of_forecast[0].headline.partition(": ")[2] or of_forecast[0].headline
        sentence = words[0].upper() + words[1:]
    elif math.isnan(evidence.forecast_p):
        answer, sentence = NOT_ENOUGH, "Too few moments have an outcome for a test."
    elif not detectable <= PLAUSIBLE_IC and not (high is not None and high < 0):
        answer = NOT_ENOUGH
        sentence = (
            f"This record detects a mean rank IC of {number(detectable, 3)} or more (power 80 %); "
            f"more than {number(PLAUSIBLE_IC)} is not plausible."
        )
    else:
        sentence = (
            "The scores rank the returns of the assets no better than chance "
            f"(p {p_value(evidence.forecast_p_adjusted)}, adjusted for all trials)."
        )
    return Answer(FORECAST, answer, "rank IC", row["rank_ic"], row["rank_ic_low"], high, sentence)


def _measures(row: dict[str, Any], lines: dict[str, dict[str, Any]], evidence: Evidence) -> tuple[Measure, ...]:
    """The lines of the table of evidence: those of every account, after those of the ranking."""
    names = ("r2", "r2_low", "r2_high", "hit_rate", "hit_rate_low", "hit_rate_high")
    undefined: dict[str, Any] = dict.fromkeys(names)
    of_account = [
        each for each in measures(undefined, lines, evidence) if each.name not in ("R2 against naive", "Hit rate")
    ]
    return (
        Measure(
            "Rank IC",
            cell_number(row["rank_ic"], 4),
            f"{cell_number(row['rank_ic_low'], 4)} to {cell_number(row['rank_ic_high'], 4)}",
            p=p_value(evidence.forecast_p),
            p_adjusted=p_value(evidence.forecast_p_adjusted),
        ),
        Measure("ICIR (a moment)", cell_number(row["icir"], 3)),
        Measure("Groups rise", "-", p=p_value(row["p_rising"])),
        *of_account,
    )


def _implausible(row: dict[str, Any]) -> tuple[Objection, ...]:
    """A ranking better than any market gives points to leakage."""
    if row["rank_ic"] is None or row["rank_ic"] <= HIGHEST_IC:
        return ()
    return (
        Objection(
            "No verdict: the result is better than any market gives. Does a feature, the target or the model see the future?",
            f"a mean rank IC of {number(row['rank_ic'])} out of sample is a sign of leakage until it is explained",
            is_of_forecast=True,
        ),
    )


def _of_choice(evidence: Evidence) -> tuple[Objection, ...]:
    """Assets that were chosen among those of earlier trials, and prices in several currencies."""
    against, trials = [], evidence.trial_count
    if trials.is_selection:
        against.append(
            Objection(
                "No edge found: its assets may have been chosen by the results of earlier trials.",
                f"{count(trials.tried, 'asset')} were studied in this workspace on these bars before, and {trials.left_out:,} of "
                "them are left out here, which no correction for the number of trials accounts for; choose members by what was "
                "known at each date, with a universe over all of them, or study later bars",
                is_of_forecast=True,
            )
        )
    if evidence.conditions.currencies:
        against.append(
            Objection(
                "No edge found: the prices are in several currencies.",
                f"by their symbols, prices are in {evidence.conditions.currencies}, and the account adds them up as one; a price "
                "in a currency that inflates rises with it; convert all candles into one currency at the rates of their own "
                "closes, or study each currency by itself",
                is_of_gains=True,
            )
        )
    return tuple(against)


def _some(symbols: tuple[str, ...]) -> str:
    return f"{listed(symbols[:SHOWN])}{' and others' if len(symbols) > SHOWN else ''}"


def _of_assets(result: BacktestResult, evidence: Evidence) -> tuple[Objection, ...]:
    """Prices of the assets at which no order could have been filled, and volumes that are early."""
    found = evidence.conditions.assets
    if found is None:
        return ()
    against = []
    if found.has_early_volume:
        names = _some(found.early)
        against.append(
            Objection(
                "No verdict: the volume of many assets may be of a later bar. Are columns shifted?",
                f"volume or another column of activity of {names} agrees with the next bar better than with its own, or nearly "
                f"as well; {CENTRED}",
                is_of_forecast=True,
            )
        )
    if found.ahead and found.behind:
        against.append(
            Objection(
                "No verdict: assets are dated moments apart. Are some stamped early, or do markets close at other hours?",
                f"returns of {_some(found.ahead)} agree with those of {_some(found.behind)} a moment or more later and hardly at "
                "the same one, so what the ones show was not known when the others could be traded; give each bar the time of "
                "its own close, and keep markets with other hours in panels of their own",
                is_of_forecast=True,
            )
        )
    if found.return_to_levels:
        against.append(
            Objection(
                "No edge found: the prices of the assets return to their levels, as those of ratios and detrended series do.",
                f"the mean statistic of a unit root in their closes is {number(found.level_statistic, 1)} (Dickey-Fuller; "
                "prices of assets have -1.4 on average), so they seem to be computed from prices, with means or other assets, "
                "and nobody can hold them; study what was traded",
                is_of_gains=True,
            )
        )
    own = annual_return(result.returns_until_ruin, bars_per_year=result.bars_per_year)
    is_lost = not found.rest_p < LEVEL or math.log1p(found.rest_return) < MIN_GROWTH * math.log1p(own)
    if found.faults and is_lost:
        names = f"{'; '.join(found.faults[:SHOWN])}{' and others' if len(found.faults) > SHOWN else ''}"
        against.append(
            Objection(
                "No edge found: the gain needs assets whose volume may be of a later bar."
                if found.is_only_early
                else "No edge found: orders were filled at prices that nobody could have traded at.",
                f"{count(len(found.faults), 'asset')} with {percent(found.traded_share, 0)} of the value traded "
                f"{'is' if len(found.faults) == 1 else 'are'} faulty ({names}); without "
                f"{'it' if len(found.faults) == 1 else 'them'} the portfolio returns {percent(found.rest_return)} a year, "
                f"p-value {p_value(found.rest_p)}, instead of {percent(own)}",
                is_of_gains=True,
            )
        )
    return tuple(against)
