"""Figure of calibration: shares of outcomes in parts of the forecast distributions, and the shares forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import polars as pl

from candlecast.evaluation.accuracy import scored
from candlecast.report.figures import BLUE, GREY, Figure, styled
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
    bins, shares = score.calibration
    found = np.bincount(bins, minlength=len(shares)) / len(bins)
    margin = NORMAL_95 * np.sqrt(shares * (1 - shares) * result.primary_target.horizon / len(bins)) / shares
    edges = np.concatenate([[0.0], np.cumsum(shares)])
    plot = go.Figure()
    plot.add_bar(
        x=100 * (edges[:-1] + edges[1:]) / 2,
        y=found / shares,
        width=96 * shares,
        name="actual",
        marker_color=BLUE,
        customdata=100 * np.column_stack([edges[:-1], edges[1:], found, shares]),
        hovertemplate="%{customdata[0]:.3g} to %{customdata[1]:.3g} % of the distribution<br>%{customdata[2]:.1f} % of the "
        "outcomes<br>%{customdata[3]:.3g} % if calibrated<extra></extra>",
    )
    plot.add_scatter(
        x=100 * (edges[:-1] + edges[1:]) / 2,
        y=np.ones(len(shares)),
        name="calibrated, 95 % range",
        mode="markers",
        marker={"color": GREY, "size": 1},
        error_y={"array": margin, "color": GREY, "thickness": 2, "width": 8},
        hoverinfo="skip",
    )
    plot.add_hline(y=1.0, line={"color": GREY, "dash": "dash", "width": 1.4})
    styled(plot, height=340)
    plot.update_xaxes(
        title="part of the forecast distribution, from its lowest outcomes to its highest, %", range=[0, 100]
    )
    plot.update_yaxes(title="share of outcomes / forecast share", rangemode="tozero")
    row = result.accuracy.row(by_predicate=pl.col("model") == result.model, named=True)
    words = (
        f"Calibration of {count(len(bins), 'forecast')}: 1 is calibrated. High bars at both ends mean that the forecast "
        "distribution is too narrow, low bars that it is too wide. The forecast interval of "
        f"{percent(row['interval'], 0)} contains {percent(row['coverage'])} of the outcomes (95 % CI "
        f"{percent(row['coverage_low'])} to {percent(row['coverage_high'])}). Test of calibration: p-value "
        f"{p_value(row['p_calibration'])} (H0: calibrated)."
    )
    return (Figure("calibration", words, plot),)
