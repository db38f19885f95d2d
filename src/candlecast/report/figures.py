"""`Figure`, what every figure of the report is, and how it stands on the page: legend, drawing, caption and data as CSV."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

import polars as pl

MOST_DATA_ROWS = 5_000  # of a figure whose data stands in its link


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure and the sentence that says what to see in it.

    drawing: SVG; empty when there is nothing to draw, or when `chart` is drawn by the page's script.
    chart: what `page/charts.js` draws: panes of series, each the name of a column.
    legend: class of the style sheet and words of each kind of mark.
    data: what is drawn, as it can be downloaded.
    """

    name: str
    title: str
    caption: str
    drawing: str = ""
    chart: dict[str, Any] | None = None
    legend: tuple[tuple[str, str], ...] = ()
    data: pl.DataFrame | None = None

    @property
    def is_drawn(self) -> bool:
        """Whether there is anything to see."""
        return bool(self.drawing) or self.chart is not None


def figure_html(figure: Figure) -> str:
    """The figure on the page; a sentence where there is nothing to draw."""
    title, caption = escape(figure.title), escape(figure.caption)
    if not figure.is_drawn:
        return f'<div class="absent" id="{figure.name}"><h3>{title}</h3><p>{caption}</p></div>'
    keys = "".join(f'<li><i class="key {kind}"></i>{escape(words)}</li>' for kind, words in figure.legend)
    legend = f'<ul class="legend">{keys}</ul>' if keys else ""
    body = figure.drawing or _chart_html(figure)
    return (
        f'<figure id="{figure.name}"><div class="head"><h3>{title}</h3>{_download(figure)}</div>{legend}{body}'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def table_with_data(name: str, title: str, table: str, data: pl.DataFrame) -> str:
    """A table on the page under a title, with its data behind a link."""
    return (
        f'<div id="{name}"><div class="head"><h3>{escape(title)}</h3>{_csv_link(name, title, data)}</div>{table}</div>'
    )


def _chart_html(figure: Figure) -> str:
    label = escape(f"{figure.title}. Keys: arrows move, plus and minus zoom, 0 shows all.")
    return (
        f'<div class="chart" tabindex="0" role="application" aria-label="{label}" style="height:{figure.chart["height"]}px" '  # type: ignore[index]
        f'data-chart="{escape(json.dumps(figure.chart))}"></div>'
    )


def _download(figure: Figure) -> str:
    """A link with the data of a small figure in it; a button for a chart, whose data the script has."""
    if figure.chart is not None:
        label = escape(_download_words(figure.title))
        return f'<button type="button" class="csv" data-csv="{figure.name}" aria-label="{label}">CSV</button>'
    return "" if figure.data is None else _csv_link(figure.name, figure.title, figure.data)


def _csv_link(name: str, title: str, data: pl.DataFrame) -> str:
    content = quote(data.head(MOST_DATA_ROWS).write_csv(), safe=",:.-+/()")
    address = f"data:text/csv;charset=utf-8,{content}"
    label = escape(_download_words(title))
    return f'<a class="csv" download="{name}.csv" href="{address}" aria-label="{label}">CSV</a>'


def _download_words(title: str) -> str:
    return f"Download the data of {title} as CSV"
