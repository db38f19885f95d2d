"""Two runs side by side: their figures, equity, and what differs in data, code, settings and results."""

from __future__ import annotations

import re

import numpy as np

from candlecast.errors import CandlecastError
from candlecast.panel.result import PanelResult
from candlecast.replay.difference import diff
from candlecast.report import svg
from candlecast.report.date_axis import date_ticks, decimal_years
from candlecast.report.figures import Figure, figure_html
from candlecast.serving import Reply
from candlecast.study.result import StudyResult
from candlecast.text.formatting import CELL, count
from candlecast.ui.layout import bullets, error, link, page, refusal
from candlecast.ui.listing import LONGEST_FILTER, Query, safe
from candlecast.ui.measures import lines_of
from candlecast.ui.workspace import Run, Workspace

MOST_POINTS = 600  # of a line
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def differences_page(workspace: Workspace, query: Query) -> Reply:
    """Two runs, those of the fields `run`. Raises RunError."""
    names = [name[:LONGEST_FILTER] for name in query.get("run", [])]
    if len(names) != 2:
        return refusal(
            f"{count(len(names), 'run')} chosen; expected two. Go back and choose two of the list.", status=400
        )
    runs = [workspace.run(name) for name in names]
    for run in runs:
        if run.manifest is None:
            return refusal(run.error)
    found = diff(runs[0].path, runs[1].path)
    parts = {"Data": found.data, "Code": found.code, "Settings": found.settings, "Results": found.results}
    words = "".join(
        f"<h3>{name}</h3>{bullets(sentences) if sentences else '<p class=note>Equal.</p>'}"
        for name, sentences in parts.items()
    )
    content = (
        f"<section>{_side_by_side(runs)}</section>"
        f'<section class="pair"><div>{_equity(workspace, runs)}</div><div><h2>What differs</h2>{words}</div></section>'
    )
    return page("Two runs side by side", content, of="")


def _side_by_side(runs: list[Run]) -> str:
    one, two = (lines_of(run) for run in runs)
    heads = "".join(
        f'<th scope="col">{letter}: {link(run.name, "run", name=run.name)}</th>'
        for letter, run in zip("AB", runs, strict=True)
    )
    lines = {name: (one.get(name, CELL), two.get(name, CELL)) for name in dict.fromkeys([*one, *two])}
    rows = "".join(
        f'<tr{" class=chosen" if before != after else ""}><th scope="row">{safe(name)}</th>'
        f"<td>{_dated(before)}</td><td>{_dated(after)}</td></tr>"
        for name, (before, after) in lines.items()
    )
    reports = "".join(f"<td>{link('open', 'report', run=run.name)}</td>" for run in runs)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Figures of both runs"><table class="differences">'
        "<caption>Figures of both runs; in brackets: 95 % CI. Rows that differ are shaded.</caption>"
        f'<thead><tr><th scope="col">Figure</th>{heads}</tr></thead><tbody>{rows}'
        f'<tr><th scope="row">Report</th>{reports}</tr></tbody></table></div>'
    )


def _dated(text: str) -> str:
    """Text as HTML whose dates do not break."""
    return DATE.sub(r'<span class="day">\g<0></span>', safe(text))


def _equity(workspace: Workspace, runs: list[Run]) -> str:
    """Both accounts after costs, each relative to where it began; why not, where a run cannot be loaded."""
    try:
        results = [workspace.result(run.name) for run in runs]
    except CandlecastError as found:
        return error(str(found))
    lines = [_line(result) for result in results]
    axes = svg.Axes(
        x=svg.span(*(x for x, _ in lines), margin=0.01), y=svg.span(*(y for _, y in lines), [1.0]), height=svg.HEIGHT
    )
    kinds = ("blue", "orange dashed")
    drawing = svg.drawing(
        axes,
        "Equity of both runs after costs",
        svg.frame(axes, x_title="date", y_title="equity, start = 1", x_ticks=date_ticks(*axes.x)),
        svg.level(axes, 1.0, "grey"),
        *(svg.line(axes, x, y, kind) for (x, y), kind in zip(lines, kinds, strict=True)),
    )
    legend = tuple((kind, f"{letter}: {run.name}") for kind, letter, run in zip(kinds, "AB", runs, strict=True))
    caption = "Out of sample, after costs; each account relative to its initial cash."
    return figure_html(Figure("equity", "Equity after costs", caption, drawing, legend=legend))


def _line(result: StudyResult | PanelResult) -> tuple[np.ndarray, np.ndarray]:
    """Years and relative equity, (points,)."""
    equity = result.backtest.equity
    rows = np.unique(np.linspace(0, equity.height - 1, min(MOST_POINTS, equity.height)).round().astype(int))
    years = decimal_years(equity["time"].dt.replace_time_zone(None).to_numpy()[rows])
    level = equity["equity"].to_numpy()[rows]
    return years, level / level[0]
