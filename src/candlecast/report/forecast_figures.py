"""Figures of the forecast's skill: mean outcomes of groups of forecasts, and the lag at which it resembles the price most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.evaluation.accuracy import Scored, scored
from candlecast.report import svg
from candlecast.report.figures import Figure
from candlecast.report.forecast_values import unit_of
from candlecast.text.cells import number, percent
from candlecast.text.formatting import count

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

GROUPS = 10
SMALLEST_GROUP = 5  # forecasts; a mean of fewer says nothing
NORMAL_95 = 1.96
LAGS = np.arange(-3, 7)
ALIKE = 0.1  # distances that differ by a smaller share are called equal


def forecast_in_groups(result: StudyResult) -> Figure:
    """Mean outcome of each tenth of the forecasts: where skill would be visible."""
    name, title = "groups", "Outcome by size of the forecast"
    score = scored(result.forecast, result.primary_target)
    is_probability = result.primary_target.kind == "probability"
    forecast, outcome = (score.mean, score.target) if is_probability else (score.forecast_change, score.outcome_change)
    groups = min(GROUPS, len(forecast) // SMALLEST_GROUP)
    if groups < 2:
        return Figure(name, title, f"{count(len(forecast), 'known outcome')}: too few to group.")
    if np.ptp(forecast) == 0:
        return Figure(name, title, f"All forecasts of {result.model} are equal, so they cannot be grouped.")
    unit = unit_of(result)
    x, y, margin = unit.change_scale * _group_means(forecast, outcome, groups, result.primary_target.horizon)
    naive = unit.change_scale * (float((score.target - score.outcome_change).mean()) if is_probability else 0.0)
    axes = svg.Axes(x=svg.span(x), y=svg.span(y - margin, y + margin, x, naive))
    ends = np.array([x.min(), x.max()])
    labels = [
        f"forecast {a:.3f}, outcome {b:.3f} (95 % CI {b - c:.3f} to {b + c:.3f})"
        for a, b, c in zip(x, y, margin, strict=True)
    ]
    drawing = svg.drawing(
        axes,
        title,
        svg.frame(axes, x_title=f"forecast {unit.change}", y_title=unit.outcome or f"actual {unit.change}"),
        svg.line(axes, ends, ends, "grey dashed"),
        svg.level(axes, naive, "orange dotted"),
        svg.whiskers(axes, x, y - margin, y + margin, "blue"),
        svg.dots(axes, x, y, "blue", labels),
    )
    legend = (("blue dot", "mean outcome, 95 % CI"), ("grey dashed", "perfect"), ("orange dotted", "no skill"))
    data = pl.DataFrame({"forecast": x, "outcome": y, "low": y - margin, "high": y + margin})
    return Figure(name, title, _group_words(result, score, groups), drawing, legend=legend, data=data)


def lag_figure(result: StudyResult, rows: pl.DataFrame) -> Figure:
    """Mean distance of the forecast from the outcome of other bars: a copy of the last price is nearest at the horizon.

    rows: as of `forecast_rows`.
    """
    name, title = "lag", "Which bar the forecast resembles"
    known = rows.drop_nulls("target")
    if result.primary_target.kind == "probability" or known.height < 10 * len(LAGS):
        return Figure(name, title, "Forecasts of a probability, or too few of them, are not compared with other bars.")
    unit, close = unit_of(result), known["close"].to_numpy()
    forecast, outcome = (unit.convert(known[column].to_numpy(), close) for column in ("mean", "target"))
    errors = lag_errors(forecast, outcome, LAGS)
    horizon = result.primary_target.horizon
    nearest = int(LAGS[np.argmin(errors)])
    y_title = ", ".join(filter(None, ("mean absolute distance", unit.distance)))
    edges = np.arange(LAGS[0] - 0.5, LAGS[-1] + 1.0)
    axes = svg.Axes(x=(edges[0], edges[-1]), y=(0.0, float(errors.max()) * 1.06))
    labels = [f"lag {lag}: {unit.words(float(error))}" for lag, error in zip(LAGS, errors, strict=True)]
    drawing = svg.drawing(
        axes,
        title,
        svg.frame(
            axes,
            x_title="lag of the outcome, bars",
            y_title=y_title,
        ),
        svg.bars(axes, edges, errors, "grey", labels),
        svg.bars(axes, np.array([-0.5, 0.5]), errors[LAGS == 0], "blue", ["what it forecasts"]),
        svg.bars(
            axes, np.array([horizon - 0.5, horizon + 0.5]), errors[horizon == LAGS], "orange", ["last value known"]
        ),
    )
    if errors.min() > (1 - ALIKE) * errors.max():
        words = f"All distances are within {percent(ALIKE, 0)} of each other: it resembles none of these values most."
    elif nearest == horizon:
        row = result.accuracy.row(by_predicate=pl.col("model") == result.model, named=True)
        words = (
            "It is nearest to the last value known when it was made: the curve mostly repeats the past. What it adds to that "
            f"is the R2 against naive, {percent(row['r2'], 2)}."
        )
    elif nearest == 0:
        words = "It is nearest to the value that it forecasts."
    else:
        words = f"It is nearest to the value at lag {nearest}."
    caption = (
        f"Mean absolute distance of the forecast from the outcome 0, 1, 2 ... bars before the one that it is for. {words} A copy "
        "of the last value looks right in a plot over time, and shows here."
    )
    legend = (
        ("blue bar", "lag 0: what it forecasts"),
        ("orange bar", f"lag {horizon}: last value known"),
        ("grey bar", "others"),
    )
    return Figure(
        name, title, caption, drawing, legend=legend, data=pl.DataFrame({"lag": LAGS, "mean_absolute_distance": errors})
    )


def lag_errors(forecast: np.ndarray, outcome: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Mean |forecast_t - outcome_(t - lag)| over the rows that have all lags. Shape (lags,).

    >>> lag_errors(np.array([9.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 1])).tolist()
    [1.0, 0.0]
    """
    first, last = max(int(lags.max()), 0), len(outcome) + min(int(lags.min()), 0)
    rows = np.arange(first, last)
    return np.array([np.abs(forecast[rows] - outcome[rows - lag]).mean() for lag in lags])


def _group_means(forecast: np.ndarray, outcome: np.ndarray, groups: int, horizon: int) -> np.ndarray:
    """Mean forecast, mean outcome and half its 95 % interval in groups of rising forecasts, (3, groups).

    Outcomes over a horizon overlap, which leaves about 1 / horizon of them independent.
    """
    parts = np.array_split(np.argsort(forecast, kind="stable"), groups)
    rows = [
        (
            forecast[part].mean(),
            outcome[part].mean(),
            NORMAL_95 * outcome[part].std(ddof=1) * np.sqrt(horizon / len(part)),
        )
        for part in parts
    ]
    return np.array(rows).T


def _group_words(result: StudyResult, score: Scored, groups: int) -> str:
    row = result.accuracy.row(by_predicate=pl.col("model") == result.model, named=True)
    size = len(score.mean) // groups
    return (
        f"Forecasts in {groups} groups by size; each dot is the mean forecast and the mean outcome of about {size:,} of them. "
        "A perfect forecast is on the dashed line, one without skill on the dotted line. Information coefficient (IC) "
        f"{number(row['ic'], 3)}; out-of-sample R2 {percent(row['r2'], 2)}, "
        f"95 % CI {percent(row['r2_low'], 2)} to {percent(row['r2_high'], 2)}."
    )
