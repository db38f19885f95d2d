"""The verdict: can it be forecast, and does it pay after costs? Two questions, in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from candlecast.backtesting import BacktestResult
from candlecast.errors import listed
from candlecast.evaluation.answers import Answer, forecast_answer, pay_answer
from candlecast.evaluation.conditions import Conditions
from candlecast.evaluation.evidence import LEVEL, Evidence, gather
from candlecast.evaluation.measures import HEADINGS, Measure, measures
from candlecast.evaluation.objection import Objection
from candlecast.evaluation.objections import cautions, objections
from candlecast.evaluation.trial_count import TrialCount, unfinished_words
from candlecast.targets import Target
from candlecast.targets.words import described
from candlecast.text.formatting import count, number, p_value, percent, years
from candlecast.text.notebook import notebook_paragraph, notebook_table

ABBREVIATIONS = ("ALSTM", "ARIMA", "ETS", "EWMA", "GARCH", "GRU", "HAR", "LSTM", "RNN", "TCN")
NAMES = (*ABBREVIATIONS, "DLinear", "LightGBM", "MinGRU", "MinLSTM", "NLinear", "PatchTST")
WRITTEN = {"encoderdecoder": "encoder-decoder"} | {name.lower(): name for name in NAMES}
WRAPPERS = ("conformal", "pooled")  # whose names stand before that of the model within
PREMISE = (
    "it was found in the candles of one source, and a second one can confirm it (candlecast confirm RUN FILE, or "
    "cc.confirm(result, other)); it holds if these were prices at which one could have traded at these times: not smoothed, "
    "not computed from other prices, not adjusted with hindsight, no bar left out for what happened in it, and no column that "
    "knows later bars"
)
PANEL_PREMISE = "if all prices are in one currency"
CODE_PREMISE = "if no number in {code}, code of yours, was chosen by how these bars went"
CARRY_PREMISE = "if holding costs no more than the costs charge"
CHOSEN = 0.05  # share of a t-statistic: less is not named


@dataclass(frozen=True)
class Verdict:
    """The answer to both questions, and what it rests on.

    is_forecastable: the forecast adds to naive, to drift and to the mean of the training part: all Clark-West p-values,
        adjusted for multiple testing, are below 5 %.
    pays: the account passes three bootstrap tests, net of costs: it grows; it earns more than its mean position would have
        earned, or, where volatility is forecast, more than holding at equal risk (timing); its Sharpe ratio is above that of
        buy-and-hold. All p-values, adjusted for multiple testing, are below 5 %, the deflated Sharpe ratio is above 95 %, and
        there is no objection (`candlecast.evaluation.objections`), such as ruin, prices that could not be traded at, folds that
        train on bars after their test, or too short a record.
    has_edge: both.
    headline: the answer in a sentence; `reasons`: what it rests on, one by one; `evidence`: the numbers.
    answers: to both questions, each yes, no or not enough data, with one number and its interval; `measures`: the evidence as
        the lines of a small table.
    """

    is_forecastable: bool
    pays: bool
    headline: str
    reasons: tuple[str, ...]
    evidence: Evidence
    answers: tuple[Answer, ...] = ()
    measures: tuple[Measure, ...] = ()

    def __repr__(self) -> str:
        return f"Verdict({self.headline})"

    @property
    def notices(self) -> tuple[str, ...]:
        """What is odd about the candles: shown next to the answers."""
        return self.evidence.conditions.notices

    @property
    def changes(self) -> tuple[str, ...]:
        """How the candles were changed before anything was computed."""
        return self.evidence.conditions.changes

    @property
    def has_edge(self) -> bool:
        """Forecastable, and it pays."""
        return self.is_forecastable and self.pays

    @property
    def premise(self) -> str:
        """What an edge presupposes of prices and costs, which candles cannot prove: a clause of `reasons`; empty without one."""
        return "".join(premise_words(self.evidence, has_edge=self.has_edge))

    @property
    def text(self) -> str:
        """Headline and reasons as one paragraph."""
        return " ".join([self.headline, *(f"{reason[0].upper()}{reason[1:]}." for reason in self.reasons)])

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        """Answers and evidence, for notebooks."""
        parts = [
            notebook_paragraph(f"{answer.question} {answer.answer.capitalize()}.", is_bold=True)
            + notebook_paragraph(f"{answer.figure[0].upper()}{answer.figure[1:]}. {answer.sentence}")
            for answer in self.answers
        ]
        evidence = notebook_table("Evidence", HEADINGS, (measure.cells for measure in self.measures))
        return "".join([*parts, evidence, notebook_paragraph(self.text)])

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON values; what is undefined or without end is None."""
        return {
            "is_forecastable": self.is_forecastable,
            "pays": self.pays,
            "has_edge": self.has_edge,
            "headline": self.headline,
            "text": self.text,
            "premise": self.premise,
            "reasons": list(self.reasons),
            "answers": [answer.to_dict() for answer in self.answers],
            **self.evidence.to_dict(),
        }


def judge(
    accuracy: pl.DataFrame,
    result: BacktestResult,
    summary: pl.DataFrame,
    target: Target,
    *,
    model: str,
    trained: int,
    trial_count: TrialCount | None = None,
    conditions: Conditions | None = None,
    seed: int = 0,
) -> Verdict:
    """The verdict on one model of one asset, from its row of the accuracy table, its backtest and that one's summary.

    `trained` is the number of networks or fits behind the forecast, for the words; `trial_count` the trials among which this
    one may have been chosen, itself alone when not given; `conditions` what market and folds allow, nothing against it when
    not given.
    """
    row = accuracy.row(by_predicate=pl.col("model") == model, named=True)
    conditions = Conditions() if conditions is None else conditions
    counted = trial_count or TrialCount()
    evidence = gather(row, result, horizon=target.horizon, trial_count=counted, conditions=conditions, seed=seed)
    is_known, is_significant = evidence.is_known, evidence.is_significant
    against = objections(row, result, target, evidence, is_known=is_known, is_significant=is_significant)
    decision = decide(evidence, against)
    is_forecastable, pays, first = decision.is_forecastable, decision.pays, decision.first
    lines = {line["statistic"]: line for line in summary.iter_rows(named=True)}
    has_edge = is_forecastable and pays
    reasons = (
        *(each.reason for each in first),
        *premise_words(evidence, has_edge=has_edge),
        _skill_words(model, target, row, evidence),
        *pay_words(result, lines, evidence),
        *(each.reason for each in against if each not in first),
        *(cautions(evidence, sharpe=lines["Sharpe ratio"]["value"]) if is_significant and not against else ()),
        trial_words(row["observations"], trained, evidence),
        conditions.audit,
        *(f"the candles were changed before anything was computed: {change}" for change in conditions.changes),
        *_power_words(evidence, lines["Sharpe ratio"]["value"], has_edge=has_edge),
    )
    answers = (
        forecast_answer(row, evidence, against, model=model, is_forecastable=is_forecastable),
        pay_answer(lines, evidence, against, orders=result.fills.height, is_significant=is_significant, pays=pays),
    )
    return Verdict(is_forecastable, pays, decision.headline, reasons, evidence, answers, measures(row, lines, evidence))


class Decision(NamedTuple):
    """What evidence and objections amount to; `first` are the objections that come before the tests."""

    is_forecastable: bool
    pays: bool
    headline: str
    first: tuple[Objection, ...]


def decide(evidence: Evidence, against: Sequence[Objection]) -> Decision:
    """Both answers and the headline, from tests that are adjusted for all trials and from the objections to a result.

    `against`: what `objections` gives for the same evidence.
    """
    is_forecastable = evidence.is_known and not any(each.is_of_forecast for each in against)
    pays = evidence.is_significant and not against
    first = tuple(each for each in against if evidence.is_significant or not each.is_of_gains)
    headline = first[0].headline if first else headline_of(is_forecastable, pays)
    return Decision(is_forecastable, pays, headline, first)


def premise_words(evidence: Evidence, *, has_edge: bool) -> tuple[str, ...]:
    """What a claim of an edge presupposes of prices and costs, and how to test it, as one clause; nothing without a claim."""
    if not has_edge:
        return ()
    cost = evidence.conditions.break_even_bps
    of_trades = (f"if trading costs less than {cost:.1f} bp a side",) if math.isfinite(cost) else ()
    of_prices = (PANEL_PREMISE,) if evidence.conditions.assets else ()
    conditions = evidence.conditions
    short = conditions.shorts.premise("the assets" if conditions.assets else "the asset")
    of_shorts = (short,) if short else ()
    of_code = (
        (CODE_PREMISE.format(code=listed(name.rpartition(".")[2] for name in conditions.code)),)
        if conditions.code
        else ()
    )
    return ("; ".join((PREMISE, *of_prices, *of_code, *of_shorts, *of_trades, f"and {CARRY_PREMISE}")),)


def _skill_words(model: str, target: Target, row: dict[str, Any], evidence: Evidence) -> str:
    """What the accuracy row says about the first question."""
    forecast = f"the {written(model)} forecast of the {described(target)}"
    if model == "naive":
        return f"{forecast} is the reference of all others: it makes no claim"
    if model == "drift":
        return f"{forecast} is the mean change so far: holding the asset earns the same, so it counts as no skill"
    numbers = (
        f"Clark-West p-value {p_value(evidence.forecast_p)}, adjusted for multiple testing "
        f"{p_value(evidence.forecast_p_adjusted)}; R2 out of sample {percent(row['r2'], 2)}, "
        f"95 % CI {percent(row['r2_low'], 2)} to {percent(row['r2_high'], 2)}"
    )
    if not evidence.forecast_p_adjusted < LEVEL:
        return f"{forecast} is no better than naive, drift and the past mean ({numbers})"
    if row["r2"] is not None and row["r2"] > 0:
        return f"{forecast} is better than naive, drift and the past mean ({numbers})"
    return f"{forecast} carries information that naive, drift and the past mean lack, but its noise outweighs it ({numbers})"


def pay_words(
    result: BacktestResult, lines: dict[str, dict[str, Any]], evidence: Evidence, *, held: str = "buy-and-hold"
) -> tuple[str, ...]:
    """What the account says about the second question; `held` names its benchmark."""
    annual, sharpe, time = lines["annual return"], lines["Sharpe ratio"], _time_words(evidence)
    if not result.fills.height:
        return (f"the strategy never traded; {held} returned {percent(annual['benchmark'])} {time}",)
    money = (
        f"after {result.costs.per_side_bps:g} bp of costs a side and {count(result.fills.height, 'fill')} "
        f"the strategy returns {percent(annual['value'])} {time} (95 % CI {percent(annual['low'])} to "
        f"{percent(annual['high'])}), {held} {percent(annual['benchmark'])}"
    )
    ratio = (
        f"Sharpe ratio {number(sharpe['value'])} against {number(sharpe['benchmark'])} for {held} "
        f"(difference {number(evidence.sharpe_difference)}, 95 % CI {number(evidence.sharpe_difference_low)} to "
        f"{number(evidence.sharpe_difference_high)})"
    )
    tests = {
        "no growth": (evidence.return_p, evidence.return_p_adjusted),
        f"return no higher than {_static_words(evidence)}": (evidence.timing_p, evidence.timing_p_adjusted),
        f"Sharpe ratio no higher than that of {held}": (evidence.sharpe_p, evidence.sharpe_p_adjusted),
    }
    words = "; ".join(f"{p_value(p)} / {p_value(adjusted)} (H0: {null})" for null, (p, adjusted) in tests.items())
    return money, ratio, f"p-values, raw / adjusted for multiple testing: {words}", _cost_words(evidence)


def _static_words(evidence: Evidence) -> str:
    """What the static account of the timing test holds, whose return is compared."""
    if evidence.conditions.assets:
        return "that of the mean positions, and of these with its beta to the universe"
    return "that of holding at equal risk" if evidence.conditions.is_at_equal_risk else "the mean position's"


def _cost_words(evidence: Evidence) -> str:
    """The break-even cost, beside the estimated spread and the tick, the return with later and worse fills, and of shorts."""
    conditions = evidence.conditions
    cost = conditions.break_even_bps
    words = (
        "the strategy loses even without costs"
        if math.isnan(cost)
        else "the strategy earns at any cost"
        if math.isinf(cost)
        else f"the strategy breaks even at costs of {cost:.1f} bp a side"
    )
    if conditions.tradability and conditions.tradability.least_cost_bps > 0:
        parts = {
            "half the bid-ask spread": conditions.tradability.half_spread_bps,
            "a tick": conditions.tradability.tick_bps,
        }
        words += f"; by these candles, {' and '.join(f'{name} is {bp:.1f} bp' for name, bp in parts.items() if bp > 0)}"
    if not math.isnan(conditions.delayed_return):
        words += f"; with fills one bar later it returns {percent(conditions.delayed_return)} {_time_words(evidence)}"
    if not math.isnan(conditions.worse_return):
        words += (
            "; with fills at the worse of open and close of their bar it returns "
            f"{percent(conditions.worse_return)} {_time_words(evidence)}"
        )
    if conditions.shorts.words:
        words += f"; {conditions.shorts.words}"
    return words


def _time_words(evidence: Evidence) -> str:
    """The time that a return is of: a year, or all of a shorter record, which is not annualised."""
    return "a year" if evidence.years >= 1.0 else f"in {count(max(round(evidence.years * 365.25), 1), 'day')}"


def trial_words(observations: int, trained: int, evidence: Evidence) -> str:
    """How many bars were tested, by how many fits, and among how many trials."""
    trial_count = evidence.trial_count
    words = f"tested on {count(observations, 'bar')} out of sample, with {count(trained, 'separate fit')}; "
    words += f"{count(trial_count.trials, 'trial')} counted in this workspace{unfinished_words(trial_count.unfinished)}"
    if trial_count.trials > 1:
        words += (
            f", {trial_count.family:,} of this market, interval and target; effective number of trials: "
            f"{trial_count.forecasts:.1f} as forecasts, {trial_count.trades:.1f} as strategies"
        )
    if trial_count.panel_others:
        words += f"; it is one of {trial_count.panel_others + 1:,} assets of an earlier panel, each of which counts"
    for name, own, directions in (
        ("forecast", trial_count.forecast_own, trial_count.forecast_directions),
        ("account", trial_count.trade_own, trial_count.trade_directions),
    ):
        if own < 1.0 - CHOSEN:
            words += (
                f"; its {name} is a combination of those of earlier trials, in {count(round(directions), 'direction')}: "
                f"tested as the best of all such combinations, {percent(own, 0)} of its t-statistic counts"
            )
    if trial_count.overfitting_words:
        words += f"; {trial_count.overfitting_words}"
    return words


def _power_words(evidence: Evidence, sharpe: float | None, *, has_edge: bool) -> tuple[str, ...]:
    """The edge that this much data detects, and the length of record that this Sharpe ratio needs."""
    words = []
    if not has_edge and not math.isnan(evidence.detectable_sharpe):
        words.append(
            f"this much data detects a Sharpe ratio of {evidence.detectable_sharpe:.2f} or an R2 of "
            f"{percent(evidence.detectable_r2, 2)} with a power of 80 %; a smaller edge may have been missed"
        )
    if not sharpe or math.isnan(evidence.years_needed):
        return tuple(words)
    luck = evidence.lucky_sharpe
    if math.isinf(evidence.years_needed):
        words.append(
            f"the best of this many trials has a Sharpe ratio of {number(luck)} by luck, so no record of such results, "
            "however long, would distinguish this one from luck"
        )
    else:
        from_what = (
            f"the {number(luck)} that the best of this many trials has by luck" if sharpe > 0 and luck else "zero"
        )
        words.append(
            f"to distinguish this Sharpe ratio from {from_what} takes {years(evidence.years_needed)} of such results; "
            f"the record has {years(evidence.years).removeprefix('about ')}"
        )
    return tuple(words)


def written(model: str) -> str:
    """A model's name as it is written in a sentence.

    >>> written("attention-lstm"), written("conformal_patchtst"), written("linear")
    ('attention-LSTM', 'conformal PatchTST', 'linear')
    """
    wrapper, _, within = model.partition("_")
    if within and wrapper in WRAPPERS:
        return f"{wrapper} {written(within)}"
    return "-".join(WRITTEN.get(part, part) for part in model.split("-"))


def headline_of(is_forecastable: bool, pays: bool) -> str:
    """The answers to both questions in one sentence, where there is no objection."""
    if is_forecastable and pays:
        return "An edge was found, in the candles of one source."
    if is_forecastable:
        return "No edge found: the forecast carries information, but trading it does not pay."
    if pays:
        return "No edge found: the strategy did well, but its forecast did not, so this was luck or the market."
    return "No edge found."
