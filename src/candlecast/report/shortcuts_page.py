"""The page of shortcuts: what each usual mistake would add to the Sharpe ratio of a study."""

from __future__ import annotations

import math
from html import escape
from importlib.resources import files
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from candlecast.report.figures import BLUE, GREY, ORANGE, styled
from candlecast.report.page_file import write_page
from candlecast.report.tables import table
from candlecast.text.cells import number, percent

if TYPE_CHECKING:
    from candlecast.audit.shortcuts import ShortcutReport

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline';
style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>{style}</style></head><body><main>
<h1>{title}</h1>
<section><p>{summary}</p>
<figure><div id="shortcuts"></div><figcaption>{caption}</figcaption></figure>
<div class="shortcuts">{rows}</div></section></main>
<script>{plotly}</script>
<script>
const plot = {plot};
Plotly.newPlot("shortcuts", plot.data, plot.layout, {{responsive: true, displayModeBar: false}});
</script>
</body></html>
"""
CAPTION = (
    "Each bar goes from the Sharpe ratio of the study (dotted) to that with one mistake: orange where the mistake adds to it, "
    "blue where it does not. Share: how much of a Sharpe ratio above zero the mistake is."
)
WIDTH = 18  # characters of a label in a line


def shortcuts_figure(report: ShortcutReport) -> go.Figure:
    """A bar for each mistake, from the Sharpe ratio of the study to that with the mistake, with both numbers."""
    honest, frame = float(report.frame["sharpe"][0]), report.frame[1:].reverse()
    added = [0.0 if math.isnan(each) else each for each in frame["added"]]
    plot = go.Figure(
        go.Bar(
            base=honest,
            x=added,
            y=["<br>".join(wrap(name, WIDTH)) for name in frame["shortcut"]],
            orientation="h",
            marker_color=[ORANGE if each > 0 else BLUE for each in added],
            text=[number(sharpe) for sharpe in frame["sharpe"]],
            textposition="outside",
            cliponaxis=False,
            customdata=frame.select("why", "sharpe", "added").rows(),
            hovertemplate="%{customdata[0]}<br>Sharpe ratio %{customdata[1]:.2f}, %{customdata[2]:+.2f}<extra></extra>",
        )
    )
    plot.add_vline(
        x=honest, line_dash="dot", line_color=GREY, annotation_text=f"study {number(honest)}", annotation_position="top"
    )
    low, high = min([honest, *(honest + each for each in added)]), max([honest, *(honest + each for each in added)])
    margin = 0.25 * max(high - low, 0.1)  # for the numbers beside the bars
    plot.update_xaxes(title="Sharpe ratio a year", range=[low - margin, high + margin], nticks=6)
    return styled(plot, height=420)


def write_shortcuts(report: ShortcutReport, path: str | Path) -> Path:
    """Write the page, which loads nothing, and give its path. Raises RunError when the path cannot be written."""
    largest = report.frame[1:].fill_nan(None).sort("added", descending=True, nulls_last=True).row(0, named=True)
    gain = (
        f"The mistake that adds most is: {largest['shortcut']}, {largest['added']:+.2f}."
        if (largest["added"] or 0.0) > 0
        else "None of the mistakes adds to it."
    )
    summary = (
        f"The study itself has a Sharpe ratio of {number(report.frame['sharpe'][0])} a year. {gain} No result with a mistake "
        "could have been earned."
    )
    rows = [
        (name, number(sharpe), number(added), _share(sharpe, added), why)
        for name, sharpe, added, why in report.frame.iter_rows()
    ]
    heads = ("Shortcut", "Sharpe", "Added", "Share", "What it does")
    page = PAGE.format(
        title="What shortcuts would have earned",
        style=(files("candlecast.report") / "page.css").read_text("utf-8"),
        summary=escape(summary),
        caption=escape(CAPTION),
        rows=table("The study and the same with one mistake at a time", heads, rows),
        plotly=get_plotlyjs(),
        plot=str(shortcuts_figure(report).to_json()).replace("<", "\\u003c"),
    )
    return write_page(page, path)


def _share(sharpe: float, added: float) -> str:
    """How much of a Sharpe ratio is a mistake; a dash where it is not above zero, or nothing was added.

    >>> _share(2.0, 0.76), _share(0.5, 0.9), _share(-0.4, 0.3)
    ('38 %', '100 %', '-')
    """
    if not (sharpe > 0 and added > 0):
        return number(None)
    return percent(min(added / sharpe, 1.0), 0)
