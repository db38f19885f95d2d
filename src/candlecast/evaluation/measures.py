"""`Measure`: a line of the table of evidence, as it stands under the two answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from candlecast.evaluation.evidence import Evidence
from candlecast.text.cells import number, p_value, percent
from candlecast.text.formatting import CELL

HEADINGS = ("Measure", "Value", "95 % CI", "Buy-and-hold", "p", "p adj.")


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
