"""The page of trials: how many were made over time, what that makes of the thresholds, and each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from candlecast.evaluation.evidence import LEVEL
from candlecast.evaluation.trial_count import Counted, unfinished_words
from candlecast.report import svg
from candlecast.report.figures import Figure, figure_html
from candlecast.serving import Reply
from candlecast.stats import expected_maximum_sharpe, level_of_next
from candlecast.targets.words import label_words
from candlecast.text.cells import annual_return, number, percent
from candlecast.text.formatting import CELL, count, small
from candlecast.ui.layout import page
from candlecast.ui.listing import Column, Listing, Query, address, safe
from candlecast.ui.workspace import Judged, Workspace

LEFT = 70  # pixels for the labels of small p-values
UNITS = (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0), ("seconds", 1.0))


def trials_page(workspace: Workspace, query: Query) -> Reply:
    """The ledger of the workspace. Raises RunError for a damaged one."""
    trials = workspace.trials()
    if not trials:
        words = f"No trials in {workspace.runs}: the ledger begins with the first run."
        return page("Trials", f'<p class="absent">{safe(words)}</p>', of="trials")
    counts = workspace.counts()
    years = float(np.median([len(each.trial.returns) / each.trial.bars_per_year for each in trials]))
    figures = "".join(
        f"<div>{figure_html(each)}</div>" for each in (number_figure(counts), threshold_figure(counts, years))
    )
    last = counts[-1]
    words = (
        f"{count(last.trials, 'trial')}{unfinished_words(last.unfinished)}; effective number: "
        f"{last.forecasts:,.1f} as forecasts, {last.trades:,.1f} as strategies. "
        f"The next trial is significant at 5 % with a p-value below {small(level_of_next(last.forecasts))} for its forecast and "
        f"below {small(level_of_next(last.trades))} for its account. By luck alone, the best of these strategies has a Sharpe "
        f"ratio of {number(lucky_sharpe(last.trades, years))} a year in {number(years, 1)} years, the median record."
    )
    listing = Listing("trials", "Trials", COLUMNS, trials[::-1], query)
    content = (
        f'<section><p class="note">{safe(words)}</p><div class="pair">{figures}</div></section>'
        f"<section><h2>All trials</h2>{listing.form()}{listing.table()}</section>"
    )
    return page("Trials", content, of="trials", lead=str(workspace.ledger.path))


def lucky_sharpe(effective: float, years: float) -> float:
    """The expected Sharpe ratio a year of the best of so many independent strategies without skill, in records of `years`.

    >>> round(lucky_sharpe(20.0, 5.0), 2)
    0.85
    """
    return expected_maximum_sharpe(max(effective, 1.0), variance=1.0) / math.sqrt(max(years, 1e-9))


def number_figure(counts: Sequence[Counted]) -> Figure:
    """Trials and effective numbers over time."""
    title = "Number of trials over time"
    if len(counts) < 2:
        return Figure("number", title, "One batch of trials: there is no course to draw.")
    x, words = elapsed([each.recorded_at for each in counts])
    lines = {
        "grey": [float(each.trials) for each in counts],
        "blue": [each.forecasts for each in counts],
        "orange dashed": [each.trades for each in counts],
    }
    axes = svg.Axes(x=svg.span(x, margin=0.03), y=svg.span(*lines.values(), [0.0]))
    drawing = svg.drawing(
        axes,
        title,
        svg.frame(axes, x_title=words, y_title="trials", y_words=svg.whole),
        *(_steps(axes, x, y, kind) for kind, y in lines.items()),
    )
    legend = (("grey", "trials"), ("blue", "effective, as forecasts"), ("orange dashed", "effective, as strategies"))
    caption = "Copies of one idea count once in the effective number, unrelated trials in full."
    return Figure("number", title, caption, drawing, legend=legend, data=_data(counts))


def threshold_figure(counts: Sequence[Counted], years: float) -> Figure:
    """The p-value that the next trial needs, after each batch; on a logarithmic axis."""
    title = "Threshold of an edge"
    if len(counts) < 2:
        return Figure("threshold", title, "One batch of trials: there is no course to draw.")
    x, words = elapsed([each.recorded_at for each in counts])
    lines = {
        "blue": np.log10([level_of_next(each.forecasts) for each in counts]),
        "orange dashed": np.log10([level_of_next(each.trades) for each in counts]),
    }
    axes = svg.Axes(x=svg.span(x, margin=0.03), y=svg.span(*lines.values(), [math.log10(LEVEL)]), left=LEFT)
    drawing = svg.drawing(
        axes,
        title,
        svg.frame(axes, x_title=words, y_title="p-value needed", y_words=lambda value: small(10**value)),
        svg.level(axes, math.log10(LEVEL), "grey dotted"),
        *(_steps(axes, x, y, kind) for kind, y in lines.items()),
    )
    legend = (("blue", "forecast"), ("orange dashed", "account"), ("grey dotted", "5 %, of a single test"))
    first, last = (lucky_sharpe(each.trades, years) for each in (counts[0], counts[-1]))
    caption = (
        "The p-value below which the next trial is significant, adjusted for all before it. The Sharpe ratio of the best by luck "
        f"rose from {number(first)} to {number(last)} a year."
    )
    return Figure("threshold", title, caption, drawing, legend=legend, data=_data(counts, years))


def elapsed(times: Sequence[str]) -> tuple[np.ndarray, str]:
    """Time since the first of these moments (ISO text), in a unit that suits, and the title of the axis.

    >>> elapsed(["2026-01-01T00:00:00+00:00", "2026-01-01T06:00:00+00:00"])
    (array([0., 6.]), 'hours since 2026-01-01 00:00 UTC')
    """
    moments = [moment_of(time) for time in times]
    first = next((each for each in moments if each is not None), None)
    seconds = np.array([0.0 if each is None or first is None else (each - first).total_seconds() for each in moments])
    name, unit = next((each for each in UNITS if seconds.max() >= 2 * each[1]), UNITS[-1])
    since = f"{first:%Y-%m-%d %H:%M} UTC" if first else "the first"
    return seconds / unit, f"{name} since {since}"


def moment_of(text: str) -> datetime | None:
    """A time that the ledger holds; None for what is none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _steps(axes: svg.Axes, x: np.ndarray, y: Sequence[float] | np.ndarray, kind: str) -> str:
    """A line that stays until the next batch, and to the end of the figure."""
    ends = np.append(x[1:], axes.x[1])
    return svg.line(axes, np.column_stack([x, ends]).ravel(), np.repeat(np.asarray(y, dtype=float), 2), kind)


def _data(counts: Sequence[Counted], years: float | None = None) -> pl.DataFrame:
    frame = pl.DataFrame(counts, schema=Counted._fields, orient="row")
    if years is None:
        return frame
    return frame.select(
        "recorded_at",
        p_forecast=pl.Series([level_of_next(each.forecasts) for each in counts]),
        p_account=pl.Series([level_of_next(each.trades) for each in counts]),
        lucky_sharpe=pl.Series([lucky_sharpe(each.trades, years) for each in counts]),
    )


def recorded(row: Judged) -> str:
    """When a trial was recorded, in words."""
    held = moment_of(row.entry.recorded_at)
    return f"{held:%Y-%m-%d %H:%M}" if held else CELL


def record_of(row: Judged) -> str:
    """The days of its returns."""
    times = row.trial.times
    return " to ".join(str(time.astype("datetime64[D]")) for time in times[[0, -1]]) if len(times) else CELL


def target_of(row: Judged) -> str:
    """What was forecast; empty where the trial does not say."""
    return label_words(row.trial.target)


COLUMNS: tuple[Column[Judged], ...] = (
    Column("trial", "Trial", lambda row: float(row.entry.number), lambda row: f"{row.entry.number:,}"),
    Column("recorded", "Recorded, UTC", lambda row: row.entry.recorded_at, recorded),
    Column(
        "batch",
        "Comparison",
        lambda row: float(row.entry.batch),
        lambda row: f"{row.entry.batch:,}",
        lambda row: address("comparison", number=str(row.entry.batch)),
    ),
    Column("market", "Market", lambda row: row.trial.symbol, lambda row: row.trial.symbol, is_choice=True),
    Column("interval", "Interval", lambda row: row.trial.interval, lambda row: row.trial.interval, is_choice=True),
    Column("model", "Model", lambda row: row.trial.model, lambda row: row.trial.model, is_choice=True),
    Column("target", "Target", target_of, lambda row: target_of(row) or CELL, is_choice=True),
    Column("record", "Record", record_of, record_of),
    Column(
        "return",
        "Annual return",
        lambda row: row.annual_return,
        lambda row: annual_return(row.annual_return, is_annual=row.is_annual),
    ),
    Column("sharpe", "Sharpe", lambda row: row.sharpe, lambda row: number(row.sharpe)),
    Column("drawdown", "Max drawdown", lambda row: row.drawdown, lambda row: percent(row.drawdown)),
)
