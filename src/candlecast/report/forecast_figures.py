"""Figures of the forecast: with the outcome over time, and with the mean outcome of groups of forecasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import polars as pl

from candlecast.evaluation.accuracy import Scored, scored
from candlecast.report.figures import (
    BLUE,
    DETAIL_BARS,
    GREY,
    ORANGE,
    PALE_BLUE,
    PALE_GREY,
    Figure,
    milliseconds,
    recent_views,
    show,
    styled,
)
from candlecast.targets.sides import sides_of
from candlecast.text.cells import number, percent, significant
from candlecast.text.formatting import count, moment

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

GROUPS = 10
SMALLEST_GROUP = 5  # forecasts; a mean of fewer says nothing
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Unit:
    """How values of a target are shown: `convert` takes them and the closes at which they were forecast."""

    label: str
    convert: Callable[[np.ndarray, np.ndarray], np.ndarray]
    words: Callable[[float], str]
    change: str  # the axis of changes against naive
    change_scale: float


def _points(value: float) -> str:
    return f"{number(value, 2)} %"


UNITS = {
    "return": Unit(
        "closing price", lambda values, close: close * np.exp(values), significant, "change of price, %", 100
    ),
    "triple_barrier": Unit("expected label, -1 to 1", lambda values, _: values, significant, "expected label", 1),
    "scaled_return": Unit(
        "return, standard deviations", lambda values, _: values, significant, "return, standard deviations", 1
    ),
    "excess_return": Unit(
        "return beyond the benchmark, %", lambda values, _: 100 * values, _points, "return beyond the benchmark, %", 100
    ),
    "price": Unit("closing price", lambda values, _: values, significant, "change of price, %", 100),
    "volatility": Unit(
        "high to low, % of price",
        lambda values, _: 100 * np.expm1(np.exp(values)),
        _points,
        "change of the range, log points",
        100,
    ),
}
PROBABILITY = Unit("probability of a rise, %", lambda values, _: 100 * values, _points, "probability of a rise, %", 100)


def forecast_over_time(result: StudyResult) -> Figure:
    """Forecast, naive forecast and actual value at the time that they are forecast for."""
    rows = _rows(result)
    known = rows.drop_nulls("target")
    if known.is_empty():
        return Figure("forecast", "No outcome is known yet, so there is nothing to compare the forecast with.")
    unit = _unit(result)
    drawn = known.tail(DETAIL_BARS)
    close = drawn["close"].to_numpy()
    real, forecast, low, high, naive = (
        unit.convert(drawn[name].to_numpy(), close) for name in ("target", "mean", "low", "high", "naive")
    )
    times = milliseconds(drawn["known_at"])
    is_probability = result.primary_target.kind == "probability"
    if is_probability:
        real = unit.convert(_happened(drawn), close)
    plot = go.Figure()
    hidden = {"mode": "lines", "line_width": 0, "hoverinfo": "skip"}
    if len(result.forecast.seeds) > 1:
        plot.add_scatter(x=times, y=low, showlegend=False, **hidden)
        plot.add_scatter(x=times, y=high, fill="tonexty", fillcolor=PALE_BLUE, name="range over seeds", **hidden)
    bounds = _bounds(result, drawn)
    if bounds is not None:
        edges, share = bounds
        edges = [unit.convert(edge, close) for edge in edges]
        low, high = np.minimum(low, edges[0]), np.maximum(high, edges[1])
        plot.add_scatter(x=times, y=edges[0], showlegend=False, **hidden)
        plot.add_scatter(
            x=times,
            y=edges[1],
            fill="tonexty",
            fillcolor=PALE_GREY,
            name=f"{percent(share, 0)} forecast interval",
            **hidden,
        )
    mode = {"mode": "markers", "marker": {"color": GREY, "size": 4}} if is_probability else {"mode": "lines"}
    plot.add_scatter(x=times, y=real, name="actual", line={"color": GREY, "width": 2.5}, **mode)
    plot.add_scatter(
        x=times,
        y=forecast,
        name=escape(result.model),
        mode="lines",
        line={"color": BLUE, "width": 1.8},
    )
    plot.add_scatter(x=times, y=naive, name="naive", mode="lines", line={"color": ORANGE, "width": 1.6, "dash": "dot"})
    styled(plot, height=400).update_layout(hovermode="x unified")
    plot.update_xaxes(type="date").update_yaxes(title=unit.label)
    views = recent_views(times, np.minimum.reduce([real, low, naive]), np.maximum.reduce([real, high, naive]))
    show(plot, views)
    caption = [_probability_words(known) if is_probability else _distance_words(result, unit, known)]
    if drawn.height < known.height:
        caption.append(f"The figure shows the last {drawn.height:,} of {known.height:,} forecasts.")
    newest = rows.row(-1, named=True)
    if newest["target"] is None:
        value = unit.convert(np.array(newest["mean"]), np.array(newest["close"]))
        caption.append(
            f"The latest forecast, made {moment(newest['time'])} at a close of {significant(newest['close'])}, "
            f"is {unit.words(float(value))}; its outcome is not known yet."
        )
    return Figure("forecast", " ".join(caption), plot, views)


def forecast_in_groups(result: StudyResult) -> Figure:
    """Mean outcome of each tenth of the forecasts: where skill would be visible."""
    name = "groups"
    score = scored(result.forecast, result.primary_target)
    is_probability = result.primary_target.kind == "probability"
    forecast, outcome = (score.mean, score.target) if is_probability else (score.forecast_change, score.outcome_change)
    groups = min(GROUPS, len(forecast) // SMALLEST_GROUP)
    if groups < 2:
        return Figure(name, f"{count(len(forecast), 'known outcome')}: too few to group.")
    if np.ptp(forecast) == 0:
        return Figure(name, f"All forecasts of {result.model} are equal, so they cannot be grouped.")
    unit = _unit(result)
    x, y, margin = unit.change_scale * _group_means(forecast, outcome, groups, result.primary_target.horizon)
    naive = unit.change_scale * (float((score.target - score.outcome_change).mean()) if is_probability else 0.0)
    ends = np.array([x.min(), x.max()])
    plot = go.Figure()
    plot.add_scatter(x=ends, y=ends, name="perfect", mode="lines", line={"color": GREY, "dash": "dash", "width": 1.4})
    plot.add_scatter(
        x=ends, y=[naive, naive], name="no skill", mode="lines", line={"color": ORANGE, "dash": "dot", "width": 1.6}
    )
    plot.add_scatter(
        x=x,
        y=y,
        name="mean, 95 % CI",
        mode="markers",
        marker={"color": BLUE, "size": 9},
        error_y={"array": margin, "color": BLUE, "thickness": 1.4, "width": 4},
        hovertemplate="forecast %{x:.3f}<br>outcome %{y:.3f}<extra></extra>",
    )
    styled(plot, height=400)
    plot.update_xaxes(title=f"forecast {unit.change}").update_yaxes(title=f"actual {unit.change}")
    return Figure(name, _group_words(result, score, groups), plot)


def _unit(result: StudyResult) -> Unit:
    if result.primary_target.kind == "probability":
        return PROBABILITY
    raw = Unit(
        result.primary_target.name, lambda values, _: values, significant, f"change of {result.primary_target.name}", 1
    )
    return UNITS.get(result.primary_target.name, raw)


def _rows(result: StudyResult) -> pl.DataFrame:
    """One row per forecast bar: mean, lowest and highest over the seeds, and the close of the bar it was made on."""
    values = [
        pl.col("known_at", "naive", "target").first(),
        pl.col("mean").mean(),
        pl.col("mean").min().alias("low"),
        pl.col("mean").max().alias("high"),
    ]
    closes = result.candles.frame.select(time="close_time", close="close")
    return result.forecast.frame.group_by("time").agg(values).sort("time").join(closes, on="time", how="left")


def _bounds(result: StudyResult, drawn: pl.DataFrame) -> tuple[list[np.ndarray], float] | None:
    """Low and high end of the forecast interval at the drawn rows, and the share of outcomes that it should hold."""
    score = scored(result.forecast, result.primary_target)
    if score.bounds is None:
        return None
    *edges, share = score.bounds
    place = np.searchsorted(score.time, drawn["time"].to_numpy())
    return [edge[place] for edge in edges], share


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


def _distance_words(result: StudyResult, unit: Unit, known: pl.DataFrame) -> str:
    """Mean distance of forecast and outcome from naive, and the mean errors."""
    close = known["close"].to_numpy()
    real, forecast, naive = (unit.convert(known[name].to_numpy(), close) for name in ("target", "mean", "naive"))
    errors = [unit.words(float(np.abs(real - values).mean())) for values in (forecast, naive)]
    accuracy = f"Mean absolute error {errors[0]}, naive forecast {errors[1]}."
    if result.primary_target.name not in ("return", "price"):
        return accuracy
    away, moved = (float(np.abs(values / naive - 1).mean()) for values in (forecast, real))
    copy = "The forecast is close to a copy of the last known price, which is the only reason why the two curves look alike."
    own = "The forecast is not a copy of the last known price."
    return (
        f"On average, the forecast differs from the last known price by {percent(away, 2)}, and the actual price by "
        f"{percent(moved, 2)}. {copy if away < moved / 2 else own} {accuracy}"
    )


def _probability_words(known: pl.DataFrame) -> str:
    low, high = (percent(known["mean"].quantile(share)) for share in (0.05, 0.95))
    happened = _happened(known)
    unchanged = float((happened == 0.5).mean())
    still = f", stayed the same in {percent(unchanged)} (dots at 50 %)" if unchanged else ""
    return (
        f"90 % of the forecast probabilities of a rise lie between {low} and {high}. The price rose in "
        f"{percent(float((happened == 1.0).mean()))} of cases (dots at 100 %){still}, and fell in the rest (dots at 0 %)."
    )


def _happened(rows: pl.DataFrame) -> np.ndarray:
    """1.0 for a rise, 0.0 for none, 0.5 where the price stayed, float64 (rows,)."""
    sides = sides_of(rows["target"].to_numpy(), rows["naive"].to_numpy())
    happened = np.full(rows.height, 0.5)
    happened[sides.teaches] = sides.classes
    return happened


def _group_words(result: StudyResult, score: Scored, groups: int) -> str:
    row = result.accuracy.row(by_predicate=pl.col("model") == result.model, named=True)
    size = len(score.mean) // groups
    return (
        f"Forecasts in {groups} groups by size; each dot is the mean forecast and the mean outcome of about {size:,} of them. "
        "A perfect forecast is on the dashed line, one without skill on the dotted line. Information coefficient (IC) "
        f"{number(row['ic'], 3)}; out-of-sample R2 {percent(row['r2'], 2)}, "
        f"95 % CI {percent(row['r2_low'], 2)} to {percent(row['r2_high'], 2)}."
    )
