"""The page of shortcuts: what each usual mistake would add to the Sharpe ratio of a study."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from candlecast.report import svg
from candlecast.report.document import document, heading_html
from candlecast.report.figures import Figure, figure_html
from candlecast.report.page_file import write_page
from candlecast.report.tables import table
from candlecast.text.cells import number, percent

if TYPE_CHECKING:
    from candlecast.audit.shortcuts import ShortcutReport

CAPTION = (
    "Each bar goes from the Sharpe ratio of the study (dotted) to that with one mistake: orange where the mistake adds to it, "
    "blue where it does not. Share: the part of a Sharpe ratio above zero that the mistake makes up."
)
ROW_PIXELS = 26
LABEL_PIXELS = 206
MARGIN = 0.32  # of the range on each side, for the numbers beside the bars


def shortcuts_figure(report: ShortcutReport) -> Figure:
    """A bar for each mistake, from the Sharpe ratio of the study to that with the mistake, with its number."""
    honest, frame = float(report.frame["sharpe"][0]), report.frame[1:]
    low, high = svg.span(frame["sharpe"].to_numpy(), [honest], margin=MARGIN)
    height = svg.TOP + svg.BOTTOM + ROW_PIXELS * frame.height
    axes = svg.Axes(x=(low, high), y=(float(frame.height), 0.0), height=height, left=LABEL_PIXELS)
    bottom, start = height - svg.BOTTOM, axes.across(honest)
    parts = [
        f'<path class="grid" d="M{axes.across(tick):.1f} {svg.TOP}V{bottom}"/>'
        f'<text x="{axes.across(tick):.1f}" y="{bottom + 16}" class="middle">{svg.plain(tick)}</text>'
        for tick in svg.ticks(low, high, 5)
    ]
    for row, (name, sharpe, added, why) in enumerate(frame.iter_rows()):
        y = axes.down(row + 0.15)
        parts.append(f'<text x="{LABEL_PIXELS - 6}" y="{y + 13:.0f}" class="end">{escape(name)}</text>')
        if sharpe is None or not np.isfinite(sharpe):
            continue
        end, kind = axes.across(sharpe), "orange" if added > 0 else "blue"
        words = f"{why} Sharpe ratio {sharpe:.2f}, {added:+.2f}"
        beside, anchor = (end + 5, "start") if end >= start else (end - 5, "end")
        parts.append(
            f'<g class="bars {kind}"><rect x="{min(start, end):.1f}" y="{y:.1f}" width="{max(abs(end - start), 1):.1f}" '
            f'height="{0.7 * ROW_PIXELS:.0f}"><title>{escape(words)}</title></rect></g>'
            f'<text x="{beside:.1f}" y="{y + 13:.0f}" class="{anchor} value">{number(sharpe)}</text>'
        )
    parts.append(svg.mark(axes, honest, "grey dotted"))
    middle = (LABEL_PIXELS + svg.WIDTH) / 2
    parts.append(f'<text x="{middle:.0f}" y="{height - 6}" class="middle">Sharpe ratio a year</text>')
    title = "Sharpe ratio with each mistake"
    legend = (("orange bar", "the mistake adds"), ("blue bar", "it does not"), ("dotted", f"study {number(honest)}"))
    return Figure(
        "shortcuts", title, CAPTION, svg.drawing(axes, title, *parts), legend=legend, data=report.frame.fill_nan(None)
    )


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
    title = "What shortcuts would have earned"
    values = {
        "summary": escape(summary),
        "figure": figure_html(shortcuts_figure(report)),
        "rows": table("The study and the same with one mistake at a time", heads, rows),
    }
    heading = heading_html(title, question=report.subject)
    return write_page(document("report", values, title=title, heading=heading, body="shortcuts"), path)


def _share(sharpe: float, added: float) -> str:
    """How much of a Sharpe ratio is a mistake; a dash where it is not above zero, or nothing was added.

    >>> _share(2.0, 0.76), _share(0.5, 0.9), _share(-0.4, 0.3)
    ('38 %', '100 %', '-')
    """
    if not (sharpe > 0 and added > 0):
        return number(None)
    return percent(min(added / sharpe, 1.0), 0)
