"""The page of shortcuts: what each usual mistake would add to the Sharpe ratio of a study."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from candlecast.report.figures import BLUE, ORANGE, styled
from candlecast.report.page_file import write_page

if TYPE_CHECKING:
    from candlecast.audit.shortcuts import ShortcutReport

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>:root {{ color-scheme: light dark }} body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
padding: 0 1rem }}</style></head><body>
<h1>{title}</h1><p>{summary}</p><div id="shortcuts"></div>
<script>{plotly}</script>
<script>
const plot = {plot};
Plotly.newPlot("shortcuts", plot.data, plot.layout, {{responsive: true, displayModeBar: false}});
</script>
</body></html>
"""


def shortcuts_figure(report: ShortcutReport) -> go.Figure:
    """Bars of the Sharpe ratio of the study (blue) and with each mistake (orange where it adds)."""
    frame = report.frame.reverse()
    honest = float(report.frame["sharpe"][0])
    colours = [BLUE if added <= 0 else ORANGE for added in frame["added"]]
    plot = go.Figure(
        go.Bar(
            x=frame["sharpe"],
            y=frame["shortcut"],
            orientation="h",
            marker_color=colours,
            customdata=frame["why"],
            hovertemplate="%{customdata}<br>Sharpe %{x:.2f}<extra></extra>",
        )
    )
    plot.add_vline(x=honest, line_dash="dot", line_color=BLUE)
    plot.update_xaxes(title="Sharpe ratio a year")
    return styled(plot, height=420)


def write_shortcuts(report: ShortcutReport, path: str | Path) -> Path:
    """Write the page, which loads nothing, and give its path. Raises RunError when the path cannot be written."""
    largest = report.frame.sort("added", descending=True, nulls_last=True).row(0, named=True)
    summary = (
        f"The study itself has a Sharpe ratio of {report.frame['sharpe'][0]:.2f} a year. The largest gain by a mistake: "
        f"{largest['shortcut']}, {largest['added']:+.2f}. None of the other bars could have been earned."
    )
    plot = str(shortcuts_figure(report).to_json()).replace("<", "\\u003c")
    page = PAGE.format(
        title="What shortcuts would have earned", summary=escape(summary), plotly=get_plotlyjs(), plot=plot
    )
    return write_page(page, path)
