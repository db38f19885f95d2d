"""`Measure`: a line of the table of evidence, as it stands under the two answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from candlecast.evaluation.evidence import Evidence
from candlecast.text.cells import number, p_value, percent
from candlecast.text.formatting import CELL

HEADINGS = ("Measure", "Value", "95 % CI", "Buy-and-hold", "p", "p adj.")
MEANINGS = {
    "R2 against naive": "out of sample: 1 - sum of squared errors / that of the naive forecast. p: Clark-West test; H0: the "
    "model adds no information to naive, drift or the past mean. The test allows for the noise of an estimated model, so it can "
    "be significant where the interval of R2 contains zero.",
    "Hit rate": "share of forecasts with the right sign of the change.",
    "Annual return": "after costs. p: H0: the account does not grow.",
    "Total return": "after costs, of a record shorter than a year. p: H0: the account does not grow.",
    "Timing test": "p: H0: the account earns no more than its mean position, held all the time, would have earned "
    "(where volatility is forecast: than a constant position of the same risk).",
    "Sharpe ratio": "mean return / standard deviation of the returns, annualised.",
    "Sharpe difference": "Sharpe ratio less that of the benchmark. p: H0: it is not above that one.",
    "Deflated Sharpe": "probability that the Sharpe ratio is above that of the best of as many trials without skill.",
    "Maximum drawdown": "largest fall of the account from a peak.",
    "Break-even, bp": "costs a side, in basis points, at which nothing is earned.",
    "p adj.": "p-value adjusted for all trials of the workspace; the verdict uses it, at 5 %.",
}  # of a line, or of a heading


@dataclass(frozen=True)
class Measure:
    """A line of evidence in words: a value, its 95 % confidence interval, the same of buy-and-hold, and its p-values.

    `p_adjusted` is adjusted for all trials (`candlecast.stats.adjusted_p_value`). A dash stands for what there is not.
    """

    name: str
    value: str
    interval: str = CELL
    benchmark: str = CELL
    p: str = CELL
    p_adjusted: str = CELL

    @property
    def cells(self) -> tuple[str, ...]:
        """The line under `HEADINGS`."""
        return self.name, self.value, self.interval, self.benchmark, self.p, self.p_adjusted


def measures(row: dict[str, Any], lines: dict[str, dict[str, Any]], evidence: Evidence) -> tuple[Measure, ...]:
    """The evidence of both questions, from the row of the accuracy table and the lines of the summary of a backtest."""
    annual, sharpe, fall = lines["annual return"], lines["Sharpe ratio"], lines["maximum drawdown"]
    counted = evidence.trial_count
    return (
        Measure(
            "R2 against naive",
            percent(row["r2"], 2),
            _range(percent(row["r2_low"], 2), percent(row["r2_high"], 2)),
            p=p_value(evidence.forecast_p),
            p_adjusted=p_value(evidence.forecast_p_adjusted),
        ),
        Measure(
            "Hit rate", percent(row["hit_rate"]), _range(percent(row["hit_rate_low"]), percent(row["hit_rate_high"]))
        ),
        Measure(
            "Annual return" if evidence.years >= 1.0 else "Total return",
            percent(annual["value"]),
            _range(percent(annual["low"]), percent(annual["high"])),
            percent(annual["benchmark"]),
            p_value(evidence.return_p),
            p_value(evidence.return_p_adjusted),
        ),
        Measure("Timing test", CELL, p=p_value(evidence.timing_p), p_adjusted=p_value(evidence.timing_p_adjusted)),
        Measure(
            "Sharpe ratio",
            number(sharpe["value"]),
            _range(number(sharpe["low"]), number(sharpe["high"])),
            number(sharpe["benchmark"]),
        ),
        Measure(
            "Sharpe difference",
            number(evidence.sharpe_difference),
            _range(number(evidence.sharpe_difference_low), number(evidence.sharpe_difference_high)),
            p=p_value(evidence.sharpe_p),
            p_adjusted=p_value(evidence.sharpe_p_adjusted),
        ),
        Measure("Deflated Sharpe", percent(evidence.deflated_sharpe)),
        Measure(
            "Maximum drawdown",
            percent(fall["value"]),
            _range(percent(fall["low"]), percent(fall["high"])),
            percent(fall["benchmark"]),
        ),
        Measure("Break-even, bp", _cost(evidence.break_even_bps)),
        Measure("Trials counted", f"{counted.trials:,}"),
        Measure("Record, years", number(evidence.years, 1)),
    )


def _cost(break_even: float) -> str:
    """The break-even cost in basis points a side; a strategy that loses without costs has none."""
    return "any" if math.isinf(break_even) else number(break_even, 1)


def _range(low: str, high: str) -> str:
    """Two bounds; the unit stands once.

    >>> _range("-1.0 %", "2.0 %"), _range("-", "-")
    ('-1.0 to 2.0 %', '-')
    """
    return CELL if CELL in (low, high) else f"{low.removesuffix(' %')} to {high}"
