"""The page of shortcuts: what each usual mistake would add to the Sharpe ratio of a study."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from candlecast.report import svg
from candlecast.report.figures import Figure, figure_html
from candlecast.report.page_file import write_page

if TYPE_CHECKING:
    from candlecast.audit.shortcuts import ShortcutReport

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style></head><body>
<main><h1>{title}</h1><p>{summary}</p>{figure}</main>
</body></html>
"""
ROW_PIXELS = 24
LABEL_PIXELS = 190


def shortcuts_figure(report: ShortcutReport) -> Figure:
    """Bars of the Sharpe ratio of the study (blue) and with each mistake (orange where it adds)."""
    frame = report.frame
    values = frame["sharpe"].cast(float).to_numpy()
    low, high = svg.span(np.nan_to_num(values), [0.0])
    axes = svg.Axes(
        x=(low, high),
        y=(float(frame.height), 0.0),
        height=svg.TOP + svg.BOTTOM + ROW_PIXELS * frame.height,
        left=LABEL_PIXELS,
    )
    bottom, zero = axes.height - svg.BOTTOM, axes.across(0.0)
    parts = [
        f'<path class="grid" d="M{axes.across(tick):.1f} {svg.TOP}V{bottom}"/>'
        f'<text x="{axes.across(tick):.1f}" y="{bottom + 16}" class="middle">{svg.plain(tick)}</text>'
        for tick in svg.ticks(low, high, 5)
    ]
    for row, line in enumerate(frame.iter_rows(named=True)):
        y = axes.down(row + 0.15)
        parts.append(f'<text x="{LABEL_PIXELS - 6}" y="{y + 13:.0f}" class="end">{escape(line["shortcut"])}</text>')
        if line["sharpe"] is None or not np.isfinite(line["sharpe"]):
            continue
        end, kind = axes.across(line["sharpe"]), "orange" if (line["added"] or 0) > 0 else "blue"
        words = f"Sharpe ratio {line['sharpe']:.2f}. {line['why']}"
        parts.append(
            f'<g class="bars {kind}"><rect x="{min(zero, end):.1f}" y="{y:.1f}" width="{max(abs(end - zero), 1):.1f}" '
            f'height="{0.7 * ROW_PIXELS:.0f}"><title>{escape(words)}</title></rect></g>'
        )
    parts.append(svg.mark(axes, float(values[0]), "blue dotted"))
    parts.append(
        f'<text x="{(LABEL_PIXELS + svg.WIDTH) / 2:.0f}" y="{axes.height - 6}" class="middle">Sharpe ratio a year</text>'
    )
    title = "Sharpe ratio with each mistake"
    caption = "The dotted line is the study itself. What a mistake adds could not have been earned."
    return Figure("shortcuts", title, caption, svg.drawing(axes, title, *parts), data=frame)


def write_shortcuts(report: ShortcutReport, path: str | Path) -> Path:
    """Write the page, which loads nothing, and give its path. Raises RunError when the path cannot be written."""
    largest = report.frame.sort("added", descending=True, nulls_last=True).row(0, named=True)
    summary = (
        f"The study itself has a Sharpe ratio of {report.frame['sharpe'][0]:.2f} a year. The largest gain by a mistake: "
        f"{largest['shortcut']}, {largest['added']:+.2f}. None of the other bars could have been earned."
    )
    style = (files("candlecast.report") / "page.css").read_text("utf-8")
    figure = figure_html(shortcuts_figure(report))
    page = PAGE.format(title="What shortcuts would have earned", summary=escape(summary), figure=figure, style=style)
    return write_page(page, path)
