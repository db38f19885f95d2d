"""The verdict: can it be forecast, and does it pay after costs? Two questions, in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import polars as pl

from candlecast.backtesting import BacktestResult
from candlecast.evaluation.conditions import Conditions
from candlecast.evaluation.evidence import Evidence, gather
from candlecast.evaluation.objections import objections
from candlecast.evaluation.tally import Tally
from candlecast.targets import Target
from candlecast.text import count, number, p_value, percent, years

LEVEL = 0.05  # chance of a false alarm that is accepted in each question
FORECASTS = {  # one bar ahead, and several
    "return": ("next return", "return over the next {} bars"),
    "price": ("next price", "price {} bars ahead"),
    "direction": ("next direction", "direction over the next {} bars"),
    "volatility": ("next range", "range of the next {} bars"),
    "triple_barrier": ("first barrier touched", "first barrier touched within {} bars"),
    "scaled_return": ("next return in standard deviations", "return over the next {} bars in standard deviations"),
    "excess_return": ("next return beyond the benchmark's", "return beyond the benchmark's over the next {} bars"),
}
ABBREVIATIONS = ("ALSTM", "ARIMA", "ETS", "EWMA", "GARCH", "GRU", "HAR", "LSTM", "RNN", "TCN")
NAMES = (*ABBREVIATIONS, "DLinear", "LightGBM", "MinGRU", "MinLSTM", "NLinear", "PatchTST")
SPOKEN = {"encoderdecoder": "encoder-decoder"} | {name.lower(): name for name in NAMES}
WRAPPERS = ("conformal", "pooled")  # whose names stand before that of the model within


@dataclass(frozen=True)
class Verdict:
    """The answer to both questions, and what it rests on.

    is_forecastable: the forecast adds to naive, to drift and to the mean of the training part: all Clark-West tests below
        5 %, once the trials are paid for.
    pays: net of costs the account grows, by more than its mean position held throughout would have, and has a higher Sharpe
        ratio than buy-and-hold (all three bootstrap tests below 5 %, once the trials are paid for) and a higher one than the
        best of as many trials shows by luck (deflated Sharpe ratio above 95 %), and nothing forbids the claim: neither ruin,
        nor prices that nobody could have had, nor folds that train on the future of their test, nor a record too short to be
        trusted (`candlecast.evaluation.objections`).
    has_edge: both.
    headline: the answer in a sentence; `reasons`: what it rests on, one by one; `evidence`: the numbers.
    """

    is_forecastable: bool
    pays: bool
    headline: str
    reasons: tuple[str, ...]
    evidence: Evidence

    @property
    def notices(self) -> tuple[str, ...]:
        """What is odd about the candles, and stands above the answer wherever it is shown."""
        return self.evidence.conditions.notices

    @property
    def has_edge(self) -> bool:
        """Forecastable, and it pays."""
        return self.is_forecastable and self.pays

    @property
    def text(self) -> str:
        """Headline and reasons as one paragraph."""
        return " ".join([self.headline, *(f"{reason[0].upper()}{reason[1:]}." for reason in self.reasons)])

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON values; what is undefined or without end is None."""
        return {
            "is_forecastable": self.is_forecastable,
            "pays": self.pays,
            "has_edge": self.has_edge,
            "headline": self.headline,
            "text": self.text,
            "reasons": list(self.reasons),
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
    tally: Tally | None = None,
    conditions: Conditions | None = None,
    seed: int = 0,
) -> Verdict:
    """The verdict on one model of one asset, from its row of the accuracy table, its backtest and that one's summary.

    `trained` is the number of networks or fits behind the forecast, for the words; `tally` the trials among which this
    one may have been chosen, itself alone when not given; `conditions` what market and folds allow, nothing against it when
    not given.
    """
    row = accuracy.row(by_predicate=pl.col("model") == model, named=True)
    conditions = Conditions() if conditions is None else conditions
    evidence = gather(row, result, horizon=target.horizon, tally=tally or Tally(), conditions=conditions, seed=seed)
    is_known = evidence.forecast_p_adjusted < LEVEL
    has_paid = (
        evidence.return_p_adjusted < LEVEL
        and evidence.timing_p_adjusted < LEVEL
        and evidence.sharpe_p_adjusted < LEVEL
        and evidence.deflated_sharpe > 1 - LEVEL
    )
    against = objections(row, result, target, evidence, has_paid=has_paid)
    is_forecastable = is_known and not any(each.is_of_forecast for each in against)
    pays = has_paid and not against
    lines = {line["statistic"]: line for line in summary.iter_rows(named=True)}
    reasons = (
        *(each.reason for each in against),
        _skill_words(model, target, row, evidence),
        *_pay_words(result, lines, evidence),
        _trial_words(row["observations"], trained, evidence),
        *(f"the candles were changed before anything was computed: {change}" for change in conditions.changes),
        *_power_words(evidence, lines["Sharpe ratio"]["value"], has_edge=is_forecastable and pays),
    )
    headline = against[0].headline if against else _headline(is_forecastable, pays)
    return Verdict(is_forecastable, pays, headline, reasons, evidence)


def _skill_words(model: str, target: Target, row: dict[str, Any], evidence: Evidence) -> str:
    """What the accuracy row says about the first question."""
    one, many = FORECASTS.get(target.name, (target.name, target.name + " {} bars ahead"))
    forecast = f"the {_spoken(model)} forecast of the {one if target.horizon == 1 else many.format(target.horizon)}"
    if model == "naive":
        return f"{forecast} is what all others are measured against: it claims nothing"
    if model == "drift":
        return f"{forecast} is that the mean change goes on: holding the asset earns the same, so that it counts as no skill"
    p_words = f"p {_paid(evidence.forecast_p, evidence.forecast_p_adjusted)}"
    numbers = (
        f"Clark-West {p_words}; R2 out of sample {percent(row['r2'], 2)}, "
        f"95 % between {percent(row['r2_low'], 2)} and {percent(row['r2_high'], 2)}"
    )
    if not evidence.forecast_p_adjusted < LEVEL:
        return f"{forecast} is no better than naive, drift and the past mean ({numbers})"
    if row["r2"] is not None and row["r2"] > 0:
        return f"{forecast} is better than naive, drift and the past mean ({numbers})"
    return (
        f"{forecast} knows something that naive, drift and the past mean do not, but its noise outweighs it ({numbers})"
    )


def _pay_words(result: BacktestResult, lines: dict[str, dict[str, Any]], evidence: Evidence) -> tuple[str, ...]:
    """What the account says about the second question."""
    annual, sharpe, time = lines["annual return"], lines["Sharpe ratio"], _time_words(evidence)
    if not result.fills.height:
        return (f"it never traded; buy-and-hold earned {percent(annual['benchmark'])} {time}",)
    money = (
        f"after {result.costs.per_side_bps:g} bp of costs a side and "
        f"{count(result.fills.height, 'order')} the strategy earns {percent(annual['value'])} {time} (95 % between "
        f"{percent(annual['low'])} and {percent(annual['high'])}; p of no growth "
        f"{_paid(evidence.return_p, evidence.return_p_adjusted)}), buy-and-hold {percent(annual['benchmark'])}"
    )
    ratio = (
        f"its Sharpe ratio is {number(sharpe['value'])}, buy-and-hold's {number(sharpe['benchmark'])} "
        f"(difference {number(evidence.sharpe_lead)}, 95 % between {number(evidence.sharpe_lead_low)} and "
        f"{number(evidence.sharpe_lead_high)}; p of no lead {_paid(evidence.sharpe_p, evidence.sharpe_p_adjusted)})"
    )
    timing = (
        f"p of no gain over its mean position held throughout {_paid(evidence.timing_p, evidence.timing_p_adjusted)}"
    )
    return money, f"{ratio}; {timing}", _cost_words(evidence)


def _cost_words(evidence: Evidence) -> str:
    """What costs it bears, beside what the candles say that trading takes."""
    conditions = evidence.conditions
    cost = conditions.break_even_bps
    words = (
        "it would lose without any costs, too"
        if math.isnan(cost)
        else f"it breaks even at costs of {cost:.1f} bp a side"
    )
    if conditions.tradability and conditions.tradability.least_cost_bps > 0:
        parts = {
            "half the bid-ask spread": conditions.tradability.half_spread_bps,
            "a tick": conditions.tradability.tick_bps,
        }
        words += f"; by these candles {' and '.join(f'{name} is {bp:.1f} bp' for name, bp in parts.items() if bp > 0)}"
    if not math.isnan(conditions.delayed_return):
        words += f"; with every order filled one bar later it earns {percent(conditions.delayed_return)} {_time_words(evidence)}"
    return words


def _time_words(evidence: Evidence) -> str:
    """What returns are of: a year, or all of a shorter record, which is not annualised."""
    return "a year" if evidence.years >= 1.0 else f"in {count(max(round(evidence.years * 365.25), 1), 'day')}"


def _paid(p: float, adjusted: float) -> str:
    """A p-value, and what it is when the trials are paid for."""
    if math.isnan(p) or p_value(p) == p_value(adjusted):
        return p_value(p)
    return f"{p_value(p)}, adjusted for trials {p_value(adjusted).removeprefix('= ')}"


def _trial_words(observations: int, trained: int, evidence: Evidence) -> str:
    """How much was judged, and among how many."""
    tally = evidence.tally
    words = f"judged on {count(observations, 'bar')} that no training saw, by {count(trained, 'separate training')}; "
    words += f"{count(tally.trials, 'trial')} counted in this workspace"
    if tally.trials > 1:
        words += (
            f", {tally.family:,} of this market, interval and target, equal to {tally.forecasts:.1f} independent forecasts and "
            f"{tally.trades:.1f} independent strategies"
        )
    if not math.isnan(tally.overfitting):
        words += (
            "; of those on these candles, the one that was best so far falls below their median afterwards in "
            f"{percent(tally.overfitting, 0)} of cases"
        )
    return words


def _power_words(evidence: Evidence, sharpe: float | None, *, has_edge: bool) -> tuple[str, ...]:
    """What this much data could have shown, and how much more it would take."""
    words = []
    if not has_edge and not math.isnan(evidence.detectable_sharpe):
        words.append(
            f"so much data finds a Sharpe ratio of {evidence.detectable_sharpe:.2f} or an R2 of "
            f"{percent(evidence.detectable_r2, 2)} in 4 of 5 cases; a smaller edge may have been missed"
        )
    if not sharpe or math.isnan(evidence.years_needed):
        return tuple(words)
    luck = evidence.lucky_sharpe
    if math.isinf(evidence.years_needed):
        words.append(
            f"the best of so many trials shows a Sharpe ratio of {number(luck)} by luck, so that no length of such results "
            "would tell this one from luck"
        )
    else:
        from_what = (
            f"the {number(luck)} that the best of so many trials shows by luck" if sharpe > 0 and luck else "zero"
        )
        words.append(
            f"it takes {years(evidence.years_needed)} of such results to tell this Sharpe ratio from {from_what}; "
            f"here are {years(evidence.years).removeprefix('about ')}"
        )
    return tuple(words)


def _spoken(model: str) -> str:
    """A model's name as it is said.

    >>> _spoken("attention-lstm"), _spoken("conformal_patchtst"), _spoken("linear")
    ('attention-LSTM', 'conformal PatchTST', 'linear')
    """
    wrapper, _, within = model.partition("_")
    if within and wrapper in WRAPPERS:
        return f"{wrapper} {_spoken(within)}"
    return "-".join(SPOKEN.get(part, part) for part in model.split("-"))


def _headline(is_forecastable: bool, pays: bool) -> str:
    if is_forecastable and pays:
        return "An edge was found."
    if is_forecastable:
        return "No edge found: the forecast carries information, but trading it does not pay."
    if pays:
        return "No edge found: the strategy did well, but its forecast did not, so that was luck or the market."
    return "No edge found."
