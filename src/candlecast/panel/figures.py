"""Figures of the report on a panel, as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast import stats
from candlecast.report import svg
from candlecast.report.date_axis import date_ticks, decimal_years
from candlecast.report.figures import Figure
from candlecast.report.training_figures import loss_band
from candlecast.text.cells import number, p_value, percent
from candlecast.text.formatting import count

if TYPE_CHECKING:
    from candlecast.panel.result import PanelResult

MOST_POINTS = 600  # of a line, which more cannot show
LOGARITHMIC_LEFT = 76  # pixels for the labels of small numbers


def account_figure(result: PanelResult) -> Figure:
    """Growth of the portfolio after and before costs, and of holding the universe, on a logarithmic scale."""
    net, held = result.backtest.equity, result.backtest.benchmark
    years = decimal_years(net["time"].dt.replace_time_zone(None).to_numpy())
    gross = result.gross_equity
    lines = {
        "net": net["equity"].to_numpy() / result.cash,
        "gross": gross / result.cash,
        "universe": held["equity"].to_numpy() / result.cash,
    }
    logs = {name: np.log10(np.maximum(values, 1e-6)) for name, values in lines.items()}
    rows = _thinned(len(years))
    axes = svg.Axes(x=svg.span(years, margin=0.0), y=svg.span(*logs.values()), left=LOGARITHMIC_LEFT)
    drawing = svg.drawing(
        axes,
        "Account",
        svg.frame(
            axes,
            x_title="date",
            y_title="growth of 1",
            x_ticks=date_ticks(*axes.x),
            y_words=lambda v: f"{10.0**v:.3g}",
            y_ticks=svg.logarithmic_ticks(*axes.y),
        ),
        svg.line(axes, years[rows], logs["universe"][rows], "grey"),
        svg.line(axes, years[rows], logs["gross"][rows], "orange dashed"),
        svg.line(axes, years[rows], logs["net"][rows], "blue"),
    )
    words = (
        f"One unit of cash became {number(lines['net'][-1])} after costs of {result.costs.per_side_bps:g} bp a side, "
        f"{number(lines['gross'][-1])} without costs of trading, and {number(lines['universe'][-1])} by holding the universe in "
        "equal parts."
    )
    legend = (
        ("blue", "portfolio after costs"),
        ("orange dashed", "without costs of trading"),
        ("grey", "universe held"),
    )
    data = pl.DataFrame({"time": net["time"], **lines})
    return Figure("account-figure", "Portfolio and universe", words, drawing, legend=legend, data=data)


def coefficient_figure(result: PanelResult) -> Figure:
    """Sum of the rank ICs over time: a straight rise where the scores rank at all times."""
    known = np.flatnonzero(np.isfinite(result.coefficients))
    title = "Rank IC over time"
    if len(known) < 2:
        return Figure("coefficients", title, "Too few moments have a rank IC.")
    values = result.coefficients[known]
    total = np.cumsum(values)
    years = decimal_years(result.panel.times[known])
    rows = _thinned(len(years))
    axes = svg.Axes(x=svg.span(years, margin=0.0), y=svg.span(total, 0.0))
    drawing = svg.drawing(
        axes,
        title,
        svg.frame(axes, x_title="date", y_title="sum of rank ICs", x_ticks=date_ticks(*axes.x)),
        svg.level(axes, 0.0, "grey dotted"),
        svg.line(axes, years[rows], total[rows], "blue"),
    )
    row = result.own_ranking
    words = (
        f"Mean rank IC {number(row['rank_ic'], 4)} (95 % CI {number(row['rank_ic_low'], 4)} to "
        f"{number(row['rank_ic_high'], 4)}), positive at {percent(row['positive'])} of {count(len(known), 'moment')}. A line "
        "that flattens is a signal that fades."
    )
    data = pl.DataFrame({"time": result.panel.times[known], "rank_ic": values, "sum": total})
    return Figure("coefficients", title, words, drawing, legend=(("blue", result.model),), data=data)


def group_figure(result: PanelResult) -> Figure:
    """Mean return of the groups of assets by score, with intervals."""
    table, title = result.groups, "Return by group of score"
    if table["mean"].null_count() or table["low"].null_count():
        return Figure("groups", title, "Too few moments have enough assets to group.")
    x = table["group"].to_numpy().astype(float)
    mean, low, high = (10_000 * table[name].to_numpy() for name in ("mean", "low", "high"))
    axes = svg.Axes(x=(0.5, len(x) + 0.5), y=svg.span(low, high, 0.0))
    labels = [
        f"group {g:.0f}: {m:.2f} bp (95 % CI {a:.2f} to {b:.2f})" for g, m, a, b in zip(x, mean, low, high, strict=True)
    ]
    edges = np.arange(len(x) + 1) + 0.5
    drawing = svg.drawing(
        axes,
        title,
        svg.frame(
            axes,
            x_title="group by score, the lowest first",
            y_title="return relative to all assets, bp",
            x_words=svg.whole,
        ),
        svg.bars(axes, edges, mean, "blue", labels),
        svg.whiskers(axes, x, low, high, "ink"),
    )
    row = result.own_ranking
    words = (
        f"Mean return over {count(result.target.horizon, 'bar')} before costs, less that of all assets. Highest less lowest: "
        f"{number(10_000 * (row['spread'] or 0.0))} bp; p-value that returns do not rise from group to group "
        f"{p_value(row['p_rising'])} (Patton and Timmermann)."
    )
    return Figure("groups", title, words, drawing, legend=(("blue bar", "mean"), ("ink", "95 % CI")), data=table)


def decay_figure(result: PanelResult) -> Figure:
    """Rank IC of the return over a horizon, and of its last moment alone."""
    table, title = result.decay, "Decay of the forecast"
    if table.height < 2 or table["rank_ic"].null_count():
        return Figure("decay", title, "Too few moments to measure a decay.")
    x = table["horizon"].to_numpy().astype(float)
    columns = {name: table[name].to_numpy() for name in table.columns}
    axes = svg.Axes(x=svg.span(x), y=svg.span(*(columns[name] for name in columns if name != "horizon"), 0.0))
    drawing = svg.drawing(
        axes,
        title,
        svg.frame(axes, x_title="moments ahead", y_title="rank IC"),
        svg.level(axes, 0.0, "grey dotted"),
        svg.band(axes, x, columns["low"], columns["high"], "blue"),
        svg.line(axes, x, columns["rank_ic"], "blue"),
        svg.line(axes, x, columns["marginal"], "orange dashed"),
    )
    words = "Rank IC of the return over so many moments, with its 95 % CI, and of the last of these moments alone."
    legend = (("blue", "over the horizon"), ("orange dashed", "in its last moment"))
    return Figure("decay", title, words, drawing, legend=legend, data=table)


def breadth_figure(result: PanelResult) -> Figure:
    """How many assets are members, have a score, and are held at each moment."""
    rows = np.flatnonzero(result.tested)
    years = decimal_years(result.panel.times[rows])
    member = result.panel.is_member[rows].sum(axis=1).astype(float)
    scored = np.isfinite(result.scores[result.model])[rows].sum(axis=1).astype(float)
    held = (result.weights[result.model][rows] != 0.0).sum(axis=1).astype(float)
    thin, title = _thinned(len(years)), "Assets"
    axes = svg.Axes(x=svg.span(years, margin=0.0), y=svg.span(member, 0.0))
    drawing = svg.drawing(
        axes,
        title,
        svg.frame(axes, x_title="date", y_title="assets", x_ticks=date_ticks(*axes.x), y_words=svg.whole),
        *(
            svg.line(axes, years[thin], values[thin], kind)
            for values, kind in ((member, "grey under"), (scored, "blue"), (held, "orange"))
        ),
    )
    legend = (("grey under", "members"), ("blue", "with a score"), ("orange", "held"))
    words = f"{number(member.mean(), 0)} members on average, {number(held.mean(), 0)} of them held."
    data = pl.DataFrame({"time": result.panel.times[rows], "members": member, "scored": scored, "held": held})
    return Figure("breadth", title, words, drawing, legend=legend, data=data)


def loss_figure(result: PanelResult) -> Figure:
    """Training and validation loss by epoch, relative to the first."""
    table, title = result.losses, "Loss curves"
    if table.is_empty():
        return Figure("losses", title, f"{result.model} is not trained in epochs, so it has no loss curves.")
    names = ("train", "valid") if table["valid"].is_not_nan().any() else ("train",)
    bands = {name: loss_band(table, name) for name in names}
    epochs = bands["train"]["epoch"].to_numpy().astype(float)
    inner = [bands[name][edge].to_numpy() for name in names for edge in ("low", "high")]
    axes = svg.Axes(x=svg.span(epochs, margin=0.0), y=svg.span(*inner))
    parts = []
    for name, kind in zip(names, ("grey", "blue"), strict=False):
        low, median, high = (bands[name][edge].to_numpy() for edge in ("low", "median", "high"))
        parts += [svg.band(axes, epochs, low, high, kind), svg.line(axes, epochs, median, kind)]
    drawing = svg.drawing(
        axes, title, svg.frame(axes, x_title="epoch", y_title="loss, first epoch = 1", x_words=svg.whole), *parts
    )
    words = f"{count(table.select('fold', 'seed').n_unique(), 'training')}: the line is the median, the band holds 90 % of them."
    legend = (("grey", "training loss"), ("blue", "validation loss"))[: len(names)]
    return Figure("losses", title, words, drawing, legend=legend, data=table)


def turnover_words(result: PanelResult) -> str:
    """How much is traded, in a sentence."""
    turnover = stats.turnover_of(result.weights[result.model])[result.tested]
    return (
        f"Each moment, {percent(float(turnover.mean()))} of equity is traded on average, which costs "
        f"{number(float(turnover.mean()) * result.costs.per_side_bps)} bp."
    )


def _thinned(size: int) -> np.ndarray:
    """Row numbers of a line, at most `MOST_POINTS`, first and last among them."""
    return np.unique(np.linspace(0, size - 1, min(size, MOST_POINTS)).astype(int))
