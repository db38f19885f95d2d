"""Figure of the annual return at other costs: where the strategy breaks even."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.backtesting import account_returns
from candlecast.report import svg
from candlecast.report.figures import Figure
from candlecast.stats import annual_return
from candlecast.text.cells import number, percent

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

POINTS = 11
LEAST_BPS = 20.0  # a side, at the right end of the figure


def returns_at_costs(result: StudyResult, costs_bps: np.ndarray) -> np.ndarray:
    """Annual return, a fraction, with all of these costs a side (basis points) as the fee, other terms as they are. (costs,)"""
    traded = result.backtest
    positions = result.positions[result.model]
    free = traded.costs.of_holding()
    return np.array(
        [
            annual_return(
                account_returns(result.candles, positions, costs=replace(free, fee_bps=float(cost)), cash=result.cash),
                bars_per_year=traded.bars_per_year,
            )
            for cost in costs_bps
        ]
    )


def cost_figure(result: StudyResult) -> Figure:
    """Annual return against the costs of a side."""
    title = "Return at other costs"
    if result.backtest.fills.is_empty():
        return Figure("costs", title, "The rule never traded, so its return does not depend on costs.")
    paid = result.backtest.costs.per_side_bps
    break_even = result.verdict.evidence.break_even_bps
    shown = break_even if np.isfinite(break_even) else 0.0
    costs = np.linspace(0.0, max(LEAST_BPS, 2.0 * paid, min(1.3 * shown, 10 * LEAST_BPS)), POINTS)
    gained = 100 * returns_at_costs(result, costs)
    held = result.summary().row(by_predicate=pl.col("statistic") == "annual return", named=True)["benchmark"]
    held = 100 * held if held is not None else np.nan
    axes = svg.Axes(x=(0.0, float(costs[-1])), y=svg.span(gained, [0.0, held]))
    labels = [f"{cost:.1f} bp: {value:.1f} % a year" for cost, value in zip(costs, gained, strict=True)]
    drawing = svg.drawing(
        axes,
        title,
        svg.frame(axes, x_title="costs a side, bp", y_title="return a year, %"),
        svg.level(axes, 0.0, "grey"),
        svg.level(axes, held, "orange dashed") if np.isfinite(held) else "",
        svg.mark(axes, min(paid, float(costs[-1])), "grey dashed"),
        svg.line(axes, costs, gained, "blue"),
        svg.dots(axes, costs, gained, "blue", labels, radius=3),
    )
    words = f"At the costs of the study, {paid:g} bp a side, it returns {percent(_at(costs, gained, paid))} a year. "
    if np.isfinite(break_even):
        words += f"It breaks even at {number(break_even, 1)} bp a side."
    elif np.isnan(break_even):
        words += "It loses even without costs."
    legend = (("blue", result.model), ("orange dashed", "buy-and-hold"), ("grey dashed", "costs of the study"))
    data = pl.DataFrame({"costs_bps_a_side": costs, "annual_return_percent": gained})
    return Figure("costs", title, words, drawing, legend=legend, data=data)


def _at(costs: np.ndarray, gained: np.ndarray, paid: float) -> float:
    return float(np.interp(paid, costs, gained)) / 100
