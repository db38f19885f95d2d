"""Figure of calibration: shares of outcomes in parts of the forecast distributions, and the shares forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.evaluation.accuracy import scored
from candlecast.report import svg
from candlecast.report.figures import Figure
from candlecast.text.cells import p_value, percent
from candlecast.text.formatting import count

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

NORMAL_95 = 1.96


def calibration(result: StudyResult) -> tuple[Figure, ...]:
    """Share of outcomes in each part of the forecast distribution / the share forecast; nothing for a model that
    forecasts no distribution.
    """
    score = scored(result.forecast, result.primary_target)
    if score.calibration is None or score.bounds is None:
        return ()
    title = "Calibration"
    bins, shares = score.calibration
    found = np.bincount(bins, minlength=len(shares)) / len(bins)
    margin = NORMAL_95 * np.sqrt(shares * (1 - shares) * result.primary_target.horizon / len(bins)) / shares
    edges = 100 * np.concatenate([[0.0], np.cumsum(shares)])
    ratio, middle = found / shares, (edges[:-1] + edges[1:]) / 2
    axes = svg.Axes(x=(0.0, 100.0), y=(0.0, 1.05 * max(float(ratio.max()), 1 + float(margin.max()))))
    labels = [
        f"{left:.3g} to {right:.3g} % of the distribution: {100 * part:.1f} % of the outcomes, {100 * share:.3g} % if calibrated"
        for left, right, part, share in zip(edges[:-1], edges[1:], found, shares, strict=True)
    ]
    drawing = svg.drawing(
        axes,
        title,
        svg.frame(axes, x_title="part of the forecast distribution, %", y_title="outcomes / forecast"),
        svg.bars(axes, edges, ratio, "blue", labels),
        svg.level(axes, 1.0, "grey dashed"),
        svg.whiskers(axes, middle, 1 - margin, 1 + margin, "orange"),
    )
    row = result.accuracy.row(by_predicate=pl.col("model") == result.model, named=True)
    words = (
        f"Calibration of {count(len(bins), 'forecast')}: 1 is calibrated. High bars at both ends mean that the forecast "
        "distribution is too narrow, low bars that it is too wide. The forecast interval of "
        f"{percent(row['interval'], 0)} contains {percent(row['coverage'])} of the outcomes (95 % CI "
        f"{percent(row['coverage_low'])} to {percent(row['coverage_high'])}). Test of calibration: p-value "
        f"{p_value(row['p_calibration'])} (H0: calibrated)."
    )
    legend = (("blue bar", "outcomes"), ("grey dashed", "calibrated"), ("orange", "95 % range if calibrated"))
    data = pl.DataFrame({"from_percent": edges[:-1], "to_percent": edges[1:], "outcomes": found, "forecast": shares})
    return (Figure("calibration", title, words, drawing, legend=legend, data=data),)
