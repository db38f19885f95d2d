"""The verdict: can it be forecast, and does it pay after costs? Two questions, in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import polars as pl

from candlecast.backtesting import BacktestResult
from candlecast.evidence import Evidence, gather
from candlecast.tally import Tally
from candlecast.targets import Target

LEVEL = 0.05  # chance of a false alarm that is accepted in each question
FORECASTS = {
    "return": "next return",
    "price": "next price",
    "direction": "next direction",
    "volatility": "next range",
    "triple_barrier": "first barrier touched",
    "scaled_return": "next return in standard deviations",
    "excess_return": "next return beyond the benchmark's",
}


@dataclass(frozen=True)
class Verdict:
    """The answer to both questions, and what it rests on.

    is_forecastable: the forecast adds to naive, to drift and to the mean of the training part (all Clark-West tests below
        5 %, once the trials that were made are paid for).
    pays: net of costs the strategy earns more than nothing, has a higher Sharpe ratio than buy-and-hold (both bootstrap
        tests below 5 %), and a higher one than the best of as many trials shows by luck (deflated Sharpe ratio above 95 %).
    has_edge: both.
    headline: the answer in a sentence; `reasons`: what it rests on, one by one; `evidence`: the numbers.
    """

    is_forecastable: bool
    pays: bool
    headline: str
    reasons: tuple[str, ...]
    evidence: Evidence

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
    seed: int = 0,
) -> Verdict:
    """The verdict on one model of one asset, from its row of the accuracy table, its backtest and that one's summary.

    `trained` is the number of networks or fits behind the forecast, for the words; `tally` the trials among which this
    one may have been chosen, itself alone when not given.
    """
    row = accuracy.row(by_predicate=pl.col("model") == model, named=True)
    evidence = gather(row, result, horizon=target.horizon, tally=tally or Tally(), seed=seed)
    is_forecastable = evidence.forecast_p_adjusted < LEVEL
    pays = evidence.return_p < LEVEL and evidence.sharpe_p < LEVEL and evidence.deflated_sharpe > 1 - LEVEL
    lines = {line["statistic"]: line for line in summary.iter_rows(named=True)}
    reasons = (
        _skill_words(model, target, row, evidence),
        *_pay_words(result, lines, evidence),
        _trial_words(row["observations"], trained, evidence),
        *_power_words(evidence, lines["Sharpe ratio"]["value"], has_edge=is_forecastable and pays),
    )
    return Verdict(is_forecastable, pays, _headline(is_forecastable, pays), reasons, evidence)


def _skill_words(model: str, target: Target, row: dict[str, Any], evidence: Evidence) -> str:
    """What the accuracy row says about the first question."""
    forecast = f"{model}'s forecast of the {FORECASTS.get(target.name, target.name)}"
    if model == "naive":
        return f"{forecast} is the naive one itself, against which all others are measured: it claims nothing"
    if model == "drift":
        return f"{forecast} is that the mean change goes on: holding the asset earns the same, so that it counts as no skill"
    p_words = f"p {_p_value(evidence.forecast_p)}"
    if evidence.tally.effective > 1 and _p_value(evidence.forecast_p) != _p_value(evidence.forecast_p_adjusted):
        p_words += f", p {_p_value(evidence.forecast_p_adjusted)} with all trials counted"
    numbers = (
        f"Clark-West {p_words}; R2 out of sample {_percent(row['r2'], 2)}, "
        f"95 % between {_percent(row['r2_low'], 2)} and {_percent(row['r2_high'], 2)}"
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
    annual, sharpe = lines["annual return"], lines["Sharpe ratio"]
    if not result.fills.height:
        return (f"it never traded; buy-and-hold earned {_percent(annual['benchmark'])} a year",)
    money = (
        f"after {result.costs.per_side_bps:g} bp of costs a side and "
        f"{_count(result.fills.height, 'order')} the strategy earns {_percent(annual['value'])} a year (95 % between "
        f"{_percent(annual['low'])} and {_percent(annual['high'])}), buy-and-hold {_percent(annual['benchmark'])}"
    )
    ratio = (
        f"its Sharpe ratio is {_number(sharpe['value'])}, buy-and-hold's {_number(sharpe['benchmark'])} "
        f"(p {_p_value(evidence.sharpe_p)} that a lead is luck)"
    )
    cost = evidence.break_even_bps
    if cost <= 0:
        return money, ratio, "it would lose without any costs, too"
    return money, ratio, f"it breaks even at costs of {cost:.1f} bp a side"


def _trial_words(observations: int, trained: int, evidence: Evidence) -> str:
    """How much was judged, and among how many."""
    tally = evidence.tally
    words = f"judged on {_count(observations, 'bar')} that no training saw, by {_count(trained, 'separate training')}; "
    words += f"{_count(tally.trials, 'trial')} counted in this workspace"
    if tally.trials > 1:
        words += f", worth {tally.effective:.1f} independent ones"
    if not math.isnan(tally.overfitting):
        words += f"; the best of those on these candles falls below their median in {_percent(tally.overfitting, 0)} of histories"
    return words


def _power_words(evidence: Evidence, sharpe: float | None, *, has_edge: bool) -> tuple[str, ...]:
    """What this much data could have shown, and how much more it would take."""
    words = []
    if not has_edge and not math.isnan(evidence.detectable_sharpe):
        words.append(
            f"so much data finds a Sharpe ratio of {evidence.detectable_sharpe:.2f} or an R2 of "
            f"{_percent(evidence.detectable_r2, 2)} in 4 of 5 cases; a smaller edge may have been missed"
        )
    years = evidence.years_needed
    if sharpe and math.isfinite(years):
        words.append(f"it takes {_years(years)} of such results to tell this Sharpe ratio from luck")
    return tuple(words)


def _headline(is_forecastable: bool, pays: bool) -> str:
    if is_forecastable and pays:
        return "An edge was found."
    if is_forecastable:
        return "No edge found: the forecast carries information, but trading it does not pay."
    if pays:
        return "No edge found: the strategy did well, but its forecast did not, so that was luck or the market."
    return "No edge found."


def _percent(value: float | None, digits: int = 1) -> str:
    return "undefined" if value is None or math.isnan(value) else f"{100 * value:.{digits}f} %"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _p_value(value: float) -> str:
    if math.isnan(value):
        return "undefined"
    return "< 0.001" if value < 0.001 else f"= {value:.3f}" if value < 0.1 else f"= {value:.2f}"


def _number(value: float | None) -> str:
    return "undefined" if value is None or math.isnan(value) else f"{value:.2f}"


def _years(value: float) -> str:
    if value > 1_000:
        return "more than 1,000 years"
    return f"about {value:.1f} years" if value < 9.95 else f"about {value:,.0f} years"
